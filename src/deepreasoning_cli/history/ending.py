"""How a turn ended, in one word."""

from __future__ import annotations

from enum import StrEnum

from deepreasoning_cli.errors import IncompleteError, Interrupted
from deepreasoning_cli.events import CUT, DECLINED, Finished, Stage
from deepreasoning_cli.record import Record


class TurnOutcome(StrEnum):
    """Finer than complete or incomplete.

    `stopped` by the user or by whoever read the output, `cut` off in mid-text, `length` and
    `refused` by the model's own stop reason, `error` for all else that came in place of text.
    """

    COMPLETE = "complete"
    STOPPED = "stopped"
    CUT = "cut"
    LENGTH = "length"
    REFUSED = "refused"
    ERROR = "error"


STOPS = (KeyboardInterrupt, Interrupted, BrokenPipeError, GeneratorExit)


def outcome_of(record: Record, failure: BaseException | None = None) -> TurnOutcome:
    """The word for a closed `record`; `failure` is what ended it early, where that is known."""
    last = _last_stage(record)
    if record.complete:
        return TurnOutcome.COMPLETE
    if isinstance(failure, STOPS):
        return TurnOutcome.STOPPED
    if last and last.stop_reason in CUT:
        return TurnOutcome.LENGTH
    if last and last.stop_reason in DECLINED:
        return TurnOutcome.REFUSED
    if failure is None or (isinstance(failure, IncompleteError) and _was_under_way(record, last)):
        return TurnOutcome.CUT
    return TurnOutcome.ERROR


def _last_stage(record: Record) -> Finished | None:
    return record.stages.get(Stage.ANSWER) or record.stages.get(Stage.REASON)


def _was_under_way(record: Record, last: Finished | None) -> bool:
    """Whether the stage that broke off had brought some text."""
    if last is None or last.complete:
        return False
    return bool(record.texts if last.stage is Stage.ANSWER else record.thoughts)
