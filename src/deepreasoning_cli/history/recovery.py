"""Journals that a dead process left behind go into the store at the next start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.history.journal_file import FOLDER, Warn, orphaned_journals
from deepreasoning_cli.history.journal_format import (
    JournalLine,
    NewerJournalError,
    TurnClosed,
    TurnOutcome,
    outcome_of,
    read_line,
)
from deepreasoning_cli.history.locks import close_and_remove, is_gone, try_lock
from deepreasoning_cli.pipeline.events import Stage, StageStarted, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost
    from deepreasoning_cli.history.store import Store


@dataclass(slots=True)
class Replay:
    """A turn as its journal tells it: the closed record and what belongs beside it.

    `damaged` counts the lines that could not be read; a torn last line is not counted.
    """

    began: datetime
    record: TurnRecord
    outcome: TurnOutcome = TurnOutcome.CUT
    starts: list[StageStarted] = field(default_factory=list)
    damaged: int = 0


def replay(lines: Iterable[bytes]) -> Replay:
    """The turn in `lines`. Raises ValueError where they do not begin with a turn's first line."""
    rest = iter(lines)
    first = read_line(next(rest, b""))
    if not isinstance(first.event, TurnStarted) or first.began is None:
        raise ValueError("not the first line of a journal")
    now = first.seconds
    turn = Replay(first.began, TurnRecord(clock=lambda: now))
    turn.record.apply(first.event)
    closed: TurnClosed | None = None
    for each in _readable(rest, turn):
        now = each.seconds
        if isinstance(each.event, TurnClosed):
            closed = each.event
            continue
        if isinstance(each.event, StageStarted):
            turn.starts.append(each.event)
        turn.record.apply(each.event)
    _close(turn, closed)
    return turn


def _readable(lines: Iterable[bytes], turn: Replay) -> Iterable[JournalLine]:
    for data in lines:
        try:
            yield read_line(data)
        except ValueError:
            turn.damaged += data.endswith(b"\n")  # a line without its end is the torn last one


def _close(turn: Replay, closed: TurnClosed | None) -> None:
    record = turn.record
    if closed is None:  # the process died: whole is only what its last stage had finished
        last = record.stages.get(Stage.ANSWER)
        record.close(complete=bool(last and last.complete and record.answer.strip()))
        turn.outcome = outcome_of(record)
        return
    record.close(complete=closed.complete)
    turn.outcome = closed.outcome
    record.first_reasoning = closed.first_reasoning
    record.first_answer = closed.first_answer
    record.total = closed.total


UNREADABLE = ".unreadable"
STALE_SECONDS = 3600.0
OPEN_JOURNAL = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def recover(folder: Path, store: Store, warn: Warn) -> int:
    """Fold every journal whose process is dead into `store`; return how many turns that were.

    A running process keeps its own. What cannot be read stays on the disk, and `warn` names it.
    """
    recovered = 0
    for path in orphaned_journals(folder):
        try:
            recovered += _recover(path, store, warn)
        except NewerJournalError as exc:
            warn(f"{path} is kept: it was {exc}")
        except OSError as exc:
            warn(f"{path} is kept: {exc.strerror or exc}")
        except DeepReasoningError as exc:
            warn(f"{exc.message}; unfinished turns stay in {folder / FOLDER}")
            break
    return recovered


def _recover(path: Path, store: Store, warn: Warn) -> bool:
    descriptor = _locked(path)
    if descriptor is None:
        return False
    try:
        turn = _read(descriptor)
        if turn:
            store.save(turn.record, began=turn.began, outcome=turn.outcome, starts=turn.starts)
    except BaseException:
        os.close(descriptor)
        raise
    if turn and not turn.damaged:
        close_and_remove(descriptor, path)
        return True
    os.close(descriptor)
    aside = path.with_name(path.name + UNREADABLE)
    path.rename(aside)
    what = f"{turn.damaged} of the journal's lines" if turn else "the journal"
    warn(f"could not read {what}, which is kept as {aside}")
    return turn is not None


def _locked(path: Path) -> int | None:
    """The journal, opened and locked; None where it is someone else's, or gone, or empty."""
    try:
        if path.stat().st_size == 0:  # its process locks it before it writes the first line
            _sweep(path)
            return None
        descriptor = os.open(path, OPEN_JOURNAL)
    except FileNotFoundError:  # another process was faster
        return None
    try:
        if try_lock(descriptor) and not is_gone(descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _sweep(path: Path) -> None:
    if time.time() - path.stat().st_mtime > STALE_SECONDS:
        with suppress(OSError):
            path.unlink()


def _read(descriptor: int) -> Replay | None:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        try:
            return replay(file)
        except NewerJournalError:
            raise
        except ValueError:
            return None


class HistoryAccess:
    """The history in one data folder.

    `say` is told `warning` and what was repaired or cannot be read, `note` and how many
    unfinished turns were taken up.
    """

    def __init__(self, folder: Path, say: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._say = say
        self._recovered = False

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept; to ask makes no file."""
        from deepreasoning_cli.history.database import NAME

        try:
            return (self._folder / NAME).exists() or bool(orphaned_journals(self._folder))
        except OSError:  # whoever opens it is told why it cannot be read
            return True

    @contextmanager
    def opened(self, *, recovers: bool = True) -> Iterator[Store]:
        """The store; orphaned journals are taken up once in a process. Raises as Store does."""
        from deepreasoning_cli.history.store import Store

        with Store.open(self._folder, self._warn) as store:
            if recovers and not self._recovered:
                self._recovered = True
                self._tell(recover(self._folder, store, self._warn))
            yield store

    def spending(self, since: datetime | None = None, *, recovers: bool) -> list[StageCost] | None:
        """What was paid for since then (aware; None: ever).

        None where nothing was ever kept: to ask does not make a history.
        """
        if not self.exists:
            return None
        with self.opened(recovers=recovers) as store:
            return store.spending(since)

    def recover_orphans(self) -> None:
        """Take up what dead processes left behind, where there is any; never a reason to fail."""

        if orphaned_journals(self._folder):
            try:
                with self.opened():
                    pass
            except DeepReasoningError as error:
                self._warn(error.message)

    def _tell(self, recovered: int) -> None:
        if recovered:
            turns = "turn" if recovered == 1 else "turns"
            self._say(
                "note", f"recovered {recovered} unfinished {turns}: `deepreasoning history list`"
            )

    def _warn(self, text: str) -> None:
        self._say("warning", text)
