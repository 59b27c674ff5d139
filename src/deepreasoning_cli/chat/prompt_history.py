"""What was typed, kept across runs: only the user can read it, and losing it harms nothing."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.files import PRIVATE, make_private_folder, tighten, write_atomically
from deepreasoning_cli.text import well_formed

MOST = 5000  # entries
SLACK = 1000  # entries beyond them before the file is cut
LONGEST = 100_000  # characters of an entry; a longer one was a paste, and is not kept


class PromptHistory(History):
    """A file of mode 0600, one JSON string a line, the newest last."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """The entries, newest first; none where the file cannot be read."""
        try:
            tighten(self._path)
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []
        kept = deque(filter(None, map(_entry, lines)), MOST)
        if len(lines) > MOST + SLACK:
            self._cut(kept)
        return reversed(kept)

    def store_string(self, string: str) -> None:
        """Keep an entry, if the disk takes it."""
        if len(string) > LONGEST:
            return
        line = json.dumps(well_formed(string), ensure_ascii=False) + "\n"
        try:
            make_private_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
            try:
                if os.name == "posix":
                    os.fchmod(descriptor, PRIVATE)  # whatever the umask
                os.write(descriptor, line.encode())  # at once: another chat may write too
            finally:
                os.close(descriptor)
        except OSError:
            return  # full or read-only: the chat goes on, and this run remembers it

    def _cut(self, kept: Iterable[str]) -> None:
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept)
        try:
            write_atomically(self._path, text)
        except DeepReasoningError:
            return  # it stays long


def _entry(line: str) -> str:
    """The entry of a line; "" for one that is torn."""
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    return entry if isinstance(entry, str) else ""
