"""The file of answers of a run, and what is kept beside it until every row is answered.

OUT has a line of JSON for each row that is over. `OUT.state` names the turns that were begun for
each row, and the batches that were sent, so that a later run goes on from what is paid for; its
lock keeps a second run away.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self

from deepreasoning_cli.errors import UsageError, WriteError
from deepreasoning_cli.files import check_writable
from deepreasoning_cli.history.locks import close_and_remove, try_lock_path
from deepreasoning_cli.library.question_rows import prompt_digest
from deepreasoning_cli.sanitize import dump_json

SUFFIX: Final = ".state"
ASIDE: Final = ".tidied"
FIELDS: Final = frozenset({"id", "turn", "prompt", "error"})
"""What each line has, and no row of questions."""
BEGINS: Final = b'{"id": '
GOES_ON: Final = b'turn":'
"""How each line begins, and goes on behind the id: one that was cut is told from other text."""
SYNC_SECONDS: Final = 1.0


class UnclearBatch(NamedTuple):
    """A batch that was about to be sent when its run ended: its turns with their rows, and when."""

    rows: dict[str, str]
    at: datetime


class AnswersFile:
    """OUT, locked for this run; enter it with `with`. Any thread may call it.

    `batches` are those whose answers are still to be collected: by its id, the turns of each with
    the keys of their rows. `unclear` is one of which it is not known whether the vendor took it.

    `done` has the digest of the prompt of each row that is answered, by the row's key; `turns` the
    ids of the turns that were begun for the others. A line that was cut is taken out when it is
    entered, and so are rows that failed: they are asked again. With `writes` false all of it is
    only read. `rescue` is told each line with a text that was paid for, where neither the file nor
    the history has taken it.

    Raises UsageError where another run has it or it is somebody else's file, and WriteError.
    """

    def __init__(
        self, path: Path, *, writes: bool = True, rescue: Callable[[str], None] = lambda _: None
    ) -> None:
        self.path = path
        self._state_path = path.parent / f"{path.name}{SUFFIX}"
        self.done: dict[str, bytes] = {}
        self.turns: dict[str, list[str]] = defaultdict(list)
        self.batches: dict[str, dict[str, str]] = {}
        self.unclear: UnclearBatch | None = None
        self._lock = threading.Lock()
        self._synced_at = 0.0
        self._file: BinaryIO | None = None
        self._is_over = False
        self._writes = writes
        self._rescue = rescue
        self._failure: WriteError | None = None

    def __enter__(self) -> Self:
        try:
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is not a file", hint="name a file with -o")
            state = try_lock_path(self._state_path)
            if state is None:
                hint = "wait until it has ended, or name another file with -o"
                raise UsageError(
                    f"another run is writing {self.path}", kind="file_in_use", hint=hint
                )
            self._state = state
            try:
                if self._writes:  # before anything is paid for
                    check_writable(self.path)
                self._tidy()
                self._read_state()
            except BaseException:
                self._close_state()
                raise
        except OSError as exc:
            hint = "name a file with -o, in a folder that you may write to"
            raise self._write_error(exc, hint) from exc
        return self

    def __exit__(self, *failure: object) -> None:
        if self._file:
            with suppress(OSError):
                os.fsync(self._file.fileno())
            self._file.close()
        self._close_state()

    def _close_state(self) -> None:
        """Leave the file with what a later run goes on from; none where there is nothing."""
        if self._is_over or not os.fstat(self._state).st_size:
            close_and_remove(self._state, self._state_path)
        else:
            os.close(self._state)

    @property
    def waits(self) -> bool:
        """Whether there may be batches whose answers are still to be collected."""
        return bool(self.batches or self.unclear)

    def forget_turns(self) -> None:
        """Every row is answered: no later run goes on from a turn."""
        self._is_over = True

    def begin_turn(self, key: str, turn: str) -> None:
        """A turn is about to be run for the row."""
        self._note({"row": key, "turn": turn})

    def submit(self, rows: dict[str, str]) -> None:
        """A batch is about to be sent: its turns, each with the key of its row."""
        self.unclear = UnclearBatch(rows, datetime.now(UTC))
        self._note({"submits": rows, "at": self.unclear.at.isoformat()})

    def submitted(self, batch: str | None, rows: dict[str, str]) -> None:
        """It was taken, under this id; or refused, with None."""
        self._note({"batch": batch})
        if batch is not None:
            self.batches[batch] = rows
        self.unclear = None

    def collected(self, batch: str) -> None:
        """Every row of the batch is in the file."""
        self._note({"collected": batch})
        self.batches.pop(batch, None)

    def _note(self, entry: dict[str, Any]) -> None:
        with self._lock:
            self._write(self._state, f"{dump_json(entry)}\n".encode())

    def append(self, answer: dict[str, Any], *, is_kept: bool) -> None:
        """Add the line of a row that is over; `is_kept` tells whether the history has it.

        Raises WriteError, and from then on for each line: behind a part of one no other may stand.
        """
        line = dump_json(answer)
        with self._lock:
            try:
                if self._failure is None:
                    self._add(f"{line}\n".encode())
            except OSError as exc:
                self._failure = self._write_error(exc)
            if self._failure is None:
                return
            if not is_kept and (answer["answer"] or answer["reasoning"]):
                self._failure.hints = ("make room; what the file does not hold is printed here",)
                self._rescue(line)
            raise self._failure

    def _add(self, line: bytes) -> None:
        self._file = self._file or self.path.open("ab", buffering=0)
        while line:
            line = line[self._file.write(line) or 0 :]
        if time.monotonic() - self._synced_at > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced_at = time.monotonic()

    def _write(self, descriptor: int, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(descriptor, line) :]
        except OSError as exc:
            raise self._write_error(exc) from exc

    def _write_error(
        self, exc: OSError, hint: str = "run it again: what was paid for is in the history"
    ) -> WriteError:
        if exc.errno == errno.ENOSPC:
            hint = f"make room; {hint}"
        return WriteError(f"cannot write {self.path}: {exc.strerror or exc}", hint=hint)

    def _tidy(self) -> None:
        """Read the lines of earlier runs; leave only those of rows that are answered."""
        if not self.path.exists():
            return
        left_out = 0
        with self.path.open("rb") as file:
            for _, answer in self._lines(file):
                left_out += not self._is_answered(answer)
        if not (left_out and self._writes):
            return
        aside = self.path.with_name(self.path.name + ASIDE)
        self.done.clear()
        with self.path.open("rb") as file, aside.open("wb") as kept:
            if os.name == "posix":
                os.fchmod(kept.fileno(), self.path.stat().st_mode & 0o777)
            kept.writelines(line for line, answer in self._lines(file) if self._is_answered(answer))
            kept.flush()
            os.fsync(kept.fileno())
        aside.replace(self.path.resolve())

    def _lines(self, file: BinaryIO) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
        """The lines, and what each says: None for one that was cut.

        Raises UsageError for one that no run has written.
        """
        for number, line in enumerate(file, 1):
            answer = _read_answer(line)
            if answer is None and not _was_cut(line):
                raise UsageError(
                    f"{self.path} has other text in line {number}",
                    kind="file_not_ours",
                    hint="name another file with -o; this one is left as it is",
                )
            yield line, answer

    def _is_answered(self, answer: dict[str, Any] | None) -> bool:
        """Whether it is the first line of its row, and that has an answer."""
        if answer is None:
            return False
        key = str(answer["id"])
        if turn := answer["turn"]:
            self.turns[key].append(str(turn))
        if answer["error"] is not None or key in self.done:
            return False
        self.done[key] = prompt_digest(str(answer["prompt"]))
        return True

    def _read_state(self) -> None:
        """The turns of rows that are not answered; a line that was cut is taken out."""
        whole = 0
        with os.fdopen(os.dup(self._state), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    self._apply(json.loads(line))
        os.ftruncate(self._state, whole)
        os.lseek(self._state, 0, os.SEEK_END)
        self.turns = defaultdict(
            list, {key: ids for key, ids in self.turns.items() if key not in self.done}
        )

    def _apply(self, entry: dict[str, Any]) -> None:
        match entry:
            case {"row": key, "turn": turn}:
                self.turns[str(key)].append(str(turn))
            case {"submits": dict(rows), "at": str(at)}:
                when = datetime.fromisoformat(at)
                keys = {turn: str(key) for turn, key in rows.items()}
                self.unclear = UnclearBatch(keys, when if when.tzinfo else when.replace(tzinfo=UTC))
            case {"batch": batch}:
                if self.unclear and batch is not None:
                    self.batches[str(batch)] = self.unclear.rows
                self.unclear = None
            case {"collected": batch}:
                self.batches.pop(str(batch), None)


def _read_answer(line: bytes) -> dict[str, Any] | None:
    """The answer that a whole line has; None for anything else."""
    try:
        answer = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and answer.keys() >= FIELDS else None


def _was_cut(line: bytes) -> bool:
    """Whether a run had begun to write the line; no id has a comma and a quote behind it."""
    start, comma, rest = line.partition(b', "')
    if line.endswith(b"\n") or not comma:
        return (line.startswith(BEGINS) and not line.endswith(b"\n")) or BEGINS.startswith(line)
    return start.startswith(BEGINS) and (rest.startswith(GOES_ON) or GOES_ON.startswith(rest))
