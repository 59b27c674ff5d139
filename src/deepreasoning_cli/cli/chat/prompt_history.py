"""The file of what was typed at the prompt: each entry with the turn that it led to.

A line is JSON, the newest last:

- `{"chat": ID, "at": TIME, "text": …}` is an entry, `ID` that of the run it was typed in;
- `{"chat": ID, "turn": TURN}` stands before a turn runs: the entries of that chat that no turn
  has yet belong to this one. Those after its last turn belong to that one too;
- a text alone is an entry of an older program, which is known by its text only.

Only the user can read the file, and losing it harms nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError, WriteError
from deepreasoning_cli.files import PRIVATE, make_private_folder, tighten, write_atomically
from deepreasoning_cli.sanitize import repair_surrogates

NAME: Final = "prompts"
"""The file in the data folder."""
MOST = 5000  # entries
SLACK = 1000  # lines beyond them before the file is cut
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
    """The file as one chat writes it; `forget` is for whoever deletes turns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chat = os.urandom(6).hex()
        self._has_entries = False

    def entries(self) -> Sequence[str]:
        """What was typed, newest first, without repetitions; empty for an unreadable file."""
        try:
            tighten(self._path)
            lines = _lines(self._path)
        except OSError:
            return []
        typed = [number for number, line in enumerate(lines) if line.text][-MOST:]
        if len(lines) > 2 * MOST + SLACK:  # a turn has a line too
            self._cut(lines[typed[0] :] if typed else [])
        found: list[str] = []
        for number in typed:
            if found[-1:] != [lines[number].text]:
                found.append(lines[number].text)
        return found[::-1]

    def add(self, text: str) -> None:
        """Keep an entry, if the disk takes it."""
        if text and len(text) <= LONGEST:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._has_entries = True
            self._append({"chat": self._chat, "at": at, "text": repair_surrogates(text)})

    def begin_turn(self, turn: str) -> None:
        """Say that what was typed leads to this turn, before it runs and the program can die."""
        if self._has_entries:
            self._has_entries = False
            self._append({"chat": self._chat, "turn": turn})

    def forget(self, prompts: Mapping[str, str], before: datetime | None = None) -> None:
        """Remove what was typed for these turns, given by id with what was sent.

        With `before` (aware), also what is older and led to no turn. Raises WriteError.
        """
        lines = self._readable()
        kept = [
            line.raw
            for line, turn in zip(lines, _turns(lines, prompts), strict=True)
            if turn not in prompts
            and not (turn is None and before and line.at and line.at < before)
        ]
        if len(kept) < len(lines):
            write_atomically(self._path, "".join(f"{raw}\n" for raw in kept))

    def forget_all(self) -> None:
        """Remove the file. Raises WriteError."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as exc:
            raise self._refused(exc) from exc

    def _readable(self) -> list[PromptLine]:
        try:
            return _lines(self._path)
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise self._refused(exc) from exc

    def _refused(self, fault: OSError) -> WriteError:
        return WriteError(f"{self._path} still holds what was typed: {fault.strerror}")

    def _append(self, fields: Mapping[str, str]) -> None:
        line = json.dumps(fields, ensure_ascii=False) + "\n"
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

    def _cut(self, lines: Sequence[PromptLine]) -> None:
        text = "".join(f"{line.raw}\n" for line in lines if line.text or line.turn)
        try:
            write_atomically(self._path, text)
        except DeepReasoningError:
            return  # it stays long


def _lines(path: Path) -> list[PromptLine]:
    """The lines of the file. Raises OSError."""
    text = path.read_bytes().decode("utf-8", "replace")
    return [_line(raw) for raw in text.removesuffix("\n").split("\n")] if text else []


def _line(raw: str) -> PromptLine:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return PromptLine(raw)
    match fields:
        case str(text):
            return PromptLine(raw, text)
        case {"chat": str(chat), "text": str(text)}:
            return PromptLine(raw, text, chat, at=_moment(fields.get("at")))
        case {"chat": str(chat), "turn": str(turn)}:
            return PromptLine(raw, chat=chat, turn=turn)
        case _:
            return PromptLine(raw)


def _moment(text: Any) -> datetime | None:
    """An aware time; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _turns(lines: Sequence[PromptLine], prompts: Mapping[str, str]) -> list[str | None]:
    """The turn of each line, None where it led to none.

    In a file of an older program a question stands for its turn, and takes in the commands
    before it.
    """
    turns: list[str | None] = [None] * len(lines)
    waiting: dict[str, list[int]] = {}
    last: dict[str, str] = {}
    for number, line in enumerate(lines):
        if not (line.text or line.turn):
            continue
        waiting.setdefault(line.chat, []).append(number)
        question = not line.chat and (line.text[:1] != "/" or line.text[:2] == "//")
        if line.turn or question:
            last[line.chat] = line.turn or _turn_of(line.text, prompts)
            for each in waiting.pop(line.chat):
                turns[each] = last[line.chat]
    for chat, numbers in waiting.items():
        for each in numbers:
            turns[each] = last.get(chat)
    return turns


def _turn_of(text: str, prompts: Mapping[str, str]) -> str:
    """The turn that was asked with this text, alone or below the files sent with it, or ""."""
    sent = repair_surrogates(text.removeprefix("/") if text.startswith("//") else text).strip()
    for turn, prompt in prompts.items():
        if prompt.strip() == sent or (
            prompt.startswith("<file") and prompt.rstrip().endswith(f">\n\n{sent}")
        ):
            return turn
    return ""
