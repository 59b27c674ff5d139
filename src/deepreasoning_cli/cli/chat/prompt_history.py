"""The file of what was typed at the prompt: each entry with the turn that it led to.

A line is JSON, the newest last:

- `{"chat": ID, "at": TIME, "text": …}` is an entry, `ID` that of the run it was typed in;
- `{"chat": ID, "turn": TURN}` is written before a turn runs: the entries of that chat since its
  turn before belong to this one. Those after its last turn belong to that one too;
- a text alone is an entry of an older program, which did not write turns.

Only the user can read the file, and losing it harms nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError, WriteError
from deepreasoning_cli.files import PRIVATE, make_private_folder, tighten, write_atomically
from deepreasoning_cli.sanitize import repair_surrogates

FILE_NAME: Final = "prompts"
"""The file in the data folder."""
LONGEST = 100_000  # characters of an entry; a longer one was a paste, and is not kept


@dataclass(frozen=True, slots=True)
class PromptLine:
    """A line of the file: an entry has a `text`, the beginning of a turn its id.

    A line that cannot be read has neither. `at` (aware) is None in a line of an older program.
    """

    raw: str
    text: str = ""
    chat: str = ""
    turn: str = ""
    at: datetime | None = None


class PromptHistory:
    """The file as one chat writes it; `forget` is for commands that delete turns.

    It keeps the newest `most` entries, and is cut when it has `slack` lines too many.
    """

    def __init__(self, path: Path, *, most: int = 5000, slack: int = 1000) -> None:
        self._path = path
        self._most = most
        self._slack = slack
        self._chat = os.urandom(6).hex()
        self._has_entries = False

    def entries(self) -> Sequence[str]:
        """What was typed, newest first, without repetitions; empty for an unreadable file."""
        try:
            tighten(self._path)
            lines = _lines(self._path)
        except OSError:
            return []
        numbers = [number for number, line in enumerate(lines) if line.text][-self._most :]
        if len(lines) > 2 * self._most + self._slack:  # a turn has a line too
            newest = lines[numbers[0] :] if numbers else []
            with suppress(DeepReasoningError):  # it stays long
                self._write([line for line in newest if line.text or line.turn])
        return [text for text, _ in groupby(lines[number].text for number in reversed(numbers))]

    def add(self, text: str) -> None:
        """Keep an entry, if the disk takes it."""
        if text and len(text) <= LONGEST:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._has_entries = True
            self._append({"chat": self._chat, "at": at, "text": repair_surrogates(text)})

    def begin_turn(self, turn: str) -> None:
        """Note that the entries lead to this turn, before it runs and the program can die."""
        if self._has_entries:
            self._has_entries = False
            self._append({"chat": self._chat, "turn": turn})

    def forget(self, prompts: Mapping[str, str], before: datetime | None = None) -> None:
        """Remove what was typed for these turns, named by id with the prompt that was sent.

        With `before` (aware), also what is older and led to no turn. Raises WriteError.
        """
        with self._removing():
            lines = _lines(self._path) if self._path.exists() else []
        remaining = [
            line
            for line, turn in zip(lines, _turns(lines, prompts), strict=True)
            if turn not in prompts
            and not (turn is None and before and line.at and line.at < before)
        ]
        if len(remaining) < len(lines):
            self._write(remaining)

    def forget_all(self) -> None:
        """Remove the file. Raises WriteError."""
        with self._removing():
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _removing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            message = f"{self._path} still holds what was typed: {exc.strerror}"
            raise WriteError(message, hint="make it writable, then try again") from exc

    def _write(self, lines: Sequence[PromptLine]) -> None:
        write_atomically(self._path, "".join(f"{line.raw}\n" for line in lines))

    def _append(self, fields: Mapping[str, str]) -> None:
        line = json.dumps(fields, ensure_ascii=False) + "\n"
        with suppress(OSError):  # full or read-only: the chat goes on, and this run remembers it
            make_private_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
            with os.fdopen(descriptor, "ab", buffering=0) as file:
                if os.name == "posix":
                    os.fchmod(descriptor, PRIVATE)  # whatever the umask
                file.write(line.encode())  # at once: another chat may write too


def _lines(path: Path) -> list[PromptLine]:
    """The lines of the file. Raises OSError."""
    text = path.read_bytes().decode("utf-8", "replace")
    return [_line(raw) for raw in text.removesuffix("\n").split("\n")] if text else []


def _line(raw: str) -> PromptLine:
    fields: Any = None
    with suppress(ValueError, RecursionError):
        fields = json.loads(raw)
    match fields:
        case str(text):
            return PromptLine(raw, text)
        case {"chat": str(chat), "text": str(text)}:
            return PromptLine(raw, text, chat, at=_aware_time(fields.get("at")))
        case {"chat": str(chat), "turn": str(turn)}:
            return PromptLine(raw, chat=chat, turn=turn)
        case _:
            return PromptLine(raw)


def _aware_time(text: Any) -> datetime | None:
    """An aware time; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _turns(lines: Sequence[PromptLine], prompts: Mapping[str, str]) -> list[str | None]:
    """The turn that each line led to, the next one of its chat or else the last; None for none."""
    begun = [_begun_turn(line, prompts) for line in lines]
    following = {
        line.chat: turn for line, turn in zip(lines, begun, strict=True) if turn is not None
    }  # after the last turn of a chat, it is that one
    turns: list[str | None] = []
    for line, turn in zip(reversed(lines), reversed(begun), strict=True):
        if turn is not None:
            following[line.chat] = turn
        turns.append(following.get(line.chat) if line.text or line.turn else None)
    return turns[::-1]


def _begun_turn(line: PromptLine, prompts: Mapping[str, str]) -> str | None:
    """The turn that begins here; in a file of an older program a question stands for its turn.

    Such a question is found by what was sent: its text, alone or below the files sent with it. It
    is "" where no turn of `prompts` was asked with it.
    """
    if line.chat or not line.text:
        return line.turn or None
    if line.text.startswith("/") and not line.text.startswith("//"):
        return None
    question = repair_surrogates(line.text.removeprefix("/")).strip()
    for turn, prompt in prompts.items():
        below_files = prompt.startswith("<file") and prompt.rstrip().endswith(f">\n\n{question}")
        if below_files or prompt.strip() == question:
            return turn
    return ""
