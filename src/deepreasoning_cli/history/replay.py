"""The lines of a journal → the record of its turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from deepreasoning_cli.events import Opened, Stage, Started
from deepreasoning_cli.history.ending import TurnOutcome, outcome_of
from deepreasoning_cli.history.lines import Closed, JournalLine, read_line
from deepreasoning_cli.record import Record


@dataclass(slots=True)
class Replay:
    """A turn as its journal tells it: the closed record and what belongs beside it.

    `damaged` counts the lines that could not be read; a torn last line is not counted.
    """

    began: datetime
    record: Record
    outcome: TurnOutcome = TurnOutcome.CUT
    starts: list[Started] = field(default_factory=list)
    damaged: int = 0


def replay(lines: Iterable[bytes]) -> Replay:
    """The turn in `lines`. Raises ValueError where they do not begin with a turn's first line."""
    rest = iter(lines)
    first = read_line(next(rest, b""))
    if not isinstance(first.event, Opened) or first.began is None:
        raise ValueError("not the first line of a journal")
    now = first.seconds
    turn = Replay(first.began, Record(clock=lambda: now))
    turn.record.apply(first.event)
    closed: Closed | None = None
    for each in _readable(rest, turn):
        now = each.seconds
        if isinstance(each.event, Closed):
            closed = each.event
            continue
        if isinstance(each.event, Started):
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


def _close(turn: Replay, closed: Closed | None) -> None:
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
