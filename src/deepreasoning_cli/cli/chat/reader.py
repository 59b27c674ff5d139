"""Where entries come from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import BinaryIO, Protocol

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.prompt import LARGEST_INPUT

LINE_END = b"\r\n"


class Reader(Protocol):
    """Gives one entry after the other."""

    def read(self) -> str | None:
        """The next entry, None when there are no more. Raises UsageError for one too long."""


class LineReader:
    """One line, one entry: of a pipe, a file, or a terminal that cannot move its cursor.

    `prompt` is called before each line; bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, stream: BinaryIO | None, prompt: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._prompt = prompt
        self._encoding = "utf-8-sig"  # a byte order mark may begin it

    def read(self) -> str | None:
        """The next line without its end."""
        self._prompt()
        line = self._stream.readline(LARGEST_INPUT + 1) if self._stream else b""
        if not line:
            return None
        if len(line) > LARGEST_INPUT:
            self._skip_rest(line)
            limit = f"{LARGEST_INPUT // 1_000_000} MB"
            raise UsageError(f"a line is longer than {limit}", kind="too_long")
        encoding, self._encoding = self._encoding, "utf-8"
        return line.rstrip(LINE_END).decode(encoding, "replace")

    def _skip_rest(self, line: bytes) -> None:
        while self._stream and line and not line.endswith(b"\n"):
            line = self._stream.readline(LARGEST_INPUT)


def standard_input() -> BinaryIO | None:
    """The bytes of stdin; None where it is closed."""
    return sys.stdin.buffer if sys.stdin else None
