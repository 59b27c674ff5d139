"""Journals of dead processes go into the store at the next start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.history.journal_format import (
    FOLDER,
    JournalLine,
    NewerJournalError,
    TurnClosed,
    TurnOutcome,
    Warn,
    orphaned_journals,
    outcome_of,
    read_line,
)
from deepreasoning_cli.history.locks import close_and_remove, try_lock_path
from deepreasoning_cli.pipeline.events import ProbeStarted, Stage, StageStarted, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost
    from deepreasoning_cli.history.store import Store


@dataclass(slots=True, kw_only=True)
class Replay:
    """A turn as its journal tells it: the closed record and what belongs beside it.

    `damaged` counts the lines that could not be read; a torn last line is not counted.
    """

    began: datetime
    record: TurnRecord
    outcome: TurnOutcome = TurnOutcome.CUT_SHORT
    starts: list[StageStarted] = field(default_factory=list)
    damaged: int = 0


def replay(lines: Iterable[bytes]) -> Replay:
    """The turn in `lines`. Raises ValueError where they do not begin with a turn's first line."""
    rest = iter(lines)
    first = read_line(next(rest, b""))
    if not isinstance(first.event, TurnStarted) or first.began is None:
        raise ValueError("not the first line of a journal")
    now = first.seconds
    turn = Replay(began=first.began, record=TurnRecord(clock=lambda: now))
    turn.record.apply(first.event)
    closed: TurnClosed | None = None
    for each in _readable(rest, turn):
        now = each.seconds
        if isinstance(each.event, TurnClosed):
            closed = each.event
            continue
        if isinstance(each.event, StageStarted):
            turn.starts.append(each.event)
        elif isinstance(each.event, ProbeStarted):
            turn.starts.append(each.event.start)
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
        record.close(complete=_is_whole(record))
        turn.outcome = outcome_of(record)
        return
    record.close(complete=closed.complete)
    turn.outcome = closed.ending
    record.first_reasoning = closed.first_reasoning
    record.first_answer = closed.first_answer
    record.total = closed.total


def _is_whole(record: TurnRecord) -> bool:
    """Whether the last stage of the turn is complete, with what it was to bring."""
    if answered := record.stages.get(Stage.ANSWER):
        return answered.complete and record.answers
    if record.start.answerer or record.running:
        return False
    reasoned = record.stages.get(Stage.REASON)  # it was only to reason
    return bool(reasoned and reasoned.complete and not record.thoughts.is_blank)


UNREADABLE: Final = ".unreadable"
STALE_SECONDS: Final = 3600.0


def recover(folder: Path, store: Store, warn: Warn) -> list[TurnRecord]:
    """Save the turn of every journal whose process is dead; return the turns.

    A running process keeps its own. What cannot be read stays on the disk, and `warn` names it.
    """
    recovered: list[TurnRecord] = []
    for path in orphaned_journals(folder):
        try:
            recovered += filter(None, [_recover(path, store, warn)])
        except NewerJournalError as exc:
            warn(f"{path} is kept: it was {exc}")
        except OSError as exc:
            warn(f"{path} is kept: {exc.strerror or exc}")
        except DeepReasoningError as exc:
            warn(f"{exc.message}; unfinished turns stay in {folder / FOLDER}")
            break
    return recovered


def _recover(path: Path, store: Store, warn: Warn) -> TurnRecord | None:
    descriptor = _lock(path)
    if descriptor is None:
        return None
    try:
        turn = _read(descriptor)
        if turn:
            store.save(turn.record, began=turn.began, outcome=turn.outcome, starts=turn.starts)
    except BaseException:
        os.close(descriptor)
        raise
    if turn and not turn.damaged:
        close_and_remove(descriptor, path)
        return turn.record
    os.close(descriptor)
    aside = path.with_name(path.name + UNREADABLE)
    path.rename(aside)
    what = f"{turn.damaged} of the journal's lines" if turn else "the journal"
    warn(f"could not read {what}, which is kept as {aside}")
    return turn.record if turn else None


def _lock(path: Path) -> int | None:
    """The journal, opened and locked; None where it is someone else's, or gone, or empty."""
    try:
        if path.stat().st_size:
            return try_lock_path(path, create=False)
        _remove_if_stale(path)  # its process locks it before it writes the first line
    except FileNotFoundError:  # another process was faster
        pass
    return None


def _remove_if_stale(path: Path) -> None:
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

    `report` gets `warning` and what was repaired or cannot be read, `note` and how many
    unfinished turns were recovered.
    """

    def __init__(self, folder: Path, report: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._report = report
        self._recovered = False

    @property
    def exists(self) -> bool:
        """Whether there is a history; the question makes no file."""
        from deepreasoning_cli.history.database import NAME

        try:
            return (self._folder / NAME).exists() or bool(orphaned_journals(self._folder))
        except OSError:  # whoever opens it is told why it cannot be read
            return True

    @contextmanager
    def open(self, *, recover_orphaned: bool = True) -> Iterator[Store]:
        """The store; orphaned journals are recovered once in a process. Raises as Store does."""
        from deepreasoning_cli.history.store import Store

        with Store.open(self._folder, self._warn) as store:
            if recover_orphaned and not self._recovered:
                self._recovered = True
                turns_saved = recover(self._folder, store, self._warn)
                if count := sum(not record.complete for record in turns_saved):
                    turns = f"{count} unfinished turn{'' if count == 1 else 's'}"
                    self._report("note", f"recovered {turns}: `deepreasoning history list`")
            yield store

    def spending(
        self, since: datetime | None = None, *, recover_orphaned: bool
    ) -> list[StageCost] | None:
        """What was paid for since then (aware; None: ever); None where there is no history."""
        if not self.exists:
            return None
        with self.open(recover_orphaned=recover_orphaned) as store:
            return store.spending(since)

    def recover_orphans(self) -> None:
        """Recover what dead processes left behind, if anything; never a reason to fail."""
        if orphaned_journals(self._folder):
            try:
                with self.open():
                    pass
            except DeepReasoningError as error:
                self._warn(error.message)

    def _warn(self, text: str) -> None:
        self._report("warning", text)
