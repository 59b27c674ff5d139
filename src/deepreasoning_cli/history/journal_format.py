"""Where journals are, and event ↔ line: JSON in ASCII, so that a torn line harms no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.errors import IncompleteError, Interrupted
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Stage,
    StageStarted,
    Text,
    Thought,
    ToolArguments,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.pipeline.record import TurnRecord

FOLDER: Final = "journal"
SUFFIX: Final = ".jsonl"
Warn = Callable[[str], None]


def orphaned_journals(folder: Path) -> list[Path]:
    """The journals in the data folder, of dead and of living processes, oldest first."""
    try:
        return sorted((folder / FOLDER).glob(f"*{SUFFIX}"))
    except OSError:
        return []


class TurnOutcome(StrEnum):
    """Finer than complete or incomplete.

    `stopped` by the user or by whoever read the output, `cut` off in mid-text, `length` and
    `refused` by the model's own stop reason, `error` for all else that came in place of text.
    """

    COMPLETE = "complete"
    STOPPED = "stopped"
    CUT_SHORT = "cut"
    LENGTH = "length"
    REFUSED = "refused"
    ERROR = "error"


STOPS = (KeyboardInterrupt, Interrupted, BrokenPipeError, GeneratorExit)


def outcome_of(record: TurnRecord, failure: BaseException | None = None) -> TurnOutcome:
    """The word for a closed `record`; `failure` is what ended it early, where that is known."""
    from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

    last = record.stages.get(Stage.ANSWER) or record.stages.get(Stage.REASON)
    if record.complete:
        return TurnOutcome.COMPLETE
    if isinstance(failure, STOPS):
        return TurnOutcome.STOPPED
    ending = ending_of(last.stop_reason) if last else None
    if ending is Ending.TRUNCATED:
        return TurnOutcome.LENGTH
    if ending is Ending.REFUSED:
        return TurnOutcome.REFUSED
    if failure is None or (
        isinstance(failure, IncompleteError) and _has_partial_text(record, last)
    ):
        return TurnOutcome.CUT_SHORT
    return TurnOutcome.ERROR


def _has_partial_text(record: TurnRecord, last: events.StageFinished | None) -> bool:
    """Whether the stage that broke off had brought some text."""
    if last is None or last.complete:
        return False
    return bool((record.texts or record.calls) if last.stage is Stage.ANSWER else record.thoughts)


VERSION: Final = 1
"""Stands in the first line; a journal of a higher version is left to the program it is from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnClosed:
    """The last line: the turn is over, and this is what its record had measured (seconds)."""

    ending: TurnOutcome
    complete: bool
    first_reasoning: float | None
    first_answer: float | None
    total: float


KINDS: Final[dict[str, type[Any]]] = {
    "opened": events.TurnStarted,
    "reused": events.Reused,
    "continued": events.Continued,
    "started": StageStarted,
    "sources": events.Sources,
    "thought": Thought,
    "draft": Draft,
    "text": Text,
    "call": events.ToolCallStarted,
    "arguments": ToolArguments,
    "finished": events.StageFinished,
    "probe": events.ProbeStarted,
    "probed": events.ProbeFinished,
    "fell_back": events.Fallback,
    "warned": events.TurnWarning,
    "closed": TurnClosed,
}
"""The events by their names in the file, which all versions share."""
NAMES: Final = {kind: name for name, kind in KINDS.items()}
DELTAS: Final = (Thought, Draft, Text, ToolArguments)


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line: what happened, and when, in seconds since the turn began.

    `began` (aware) is in the first line only.
    """

    event: Event | TurnClosed
    seconds: float
    began: datetime | None = None


class NewerJournalError(ValueError):
    """The journal was written by a newer version."""


def delta_line(event: Thought | Draft | Text | ToolArguments, seconds: float) -> bytes:
    """The line of a delta: the one that has to be cheap."""
    kind = NAMES[type(event)]
    return f'{{"event":"{kind}","t":{seconds:.4f},"text":{quoted(event.text)}}}\n'.encode("ascii")


def event_line(event: Event | TurnClosed, seconds: float, began: datetime | None = None) -> bytes:
    """The line of any event; `began` goes with the first one."""
    if isinstance(event, DELTAS):
        return delta_line(event, seconds)
    fields: dict[str, Any] = {"event": NAMES[type(event)], "t": seconds}
    if began:
        fields |= {"version": VERSION, "began": began.isoformat()}
    match event:
        case StageStarted():
            fields |= _stage_started(event)
        case events.ProbeStarted(start, expected):
            fields |= {**_stage_started(start), "expected": expected}
        case events.ProbeFinished(finished):
            fields |= asdict(finished)
        case _:
            fields |= asdict(event)
    for source in fields.get("sources", ()):
        if not source["text"]:
            del source["text"]
    return (json.dumps(fields, default=str) + "\n").encode("ascii")  # an amount is its digits


def _stage_started(event: StageStarted) -> dict[str, Any]:
    """Of a rate card only the rates of this very request: they price a stage that breaks off."""
    rates = None
    if card := event.rates:
        rates = asdict(card.at(event.at, event.input_tokens))
        rates |= {"as_of": card.as_of, "source": card.source}
    return {
        "stage": event.stage,
        "model": event.model,
        "input_tokens": event.input_tokens,
        "cache_write_tokens": event.cache_write_tokens,
        "at": event.at.isoformat(),
        "rates": rates,
        "host": event.host,
    }


def read_line(data: bytes) -> JournalLine:
    """The line's content. Raises ValueError where it is torn, foreign or damaged."""
    from deepreasoning_cli.history.decoder import decode  # only a leftover journal is read

    try:
        fields = json.loads(data)
        if fields.get("version", VERSION) > VERSION:
            raise NewerJournalError("written by a newer version")
        decoded = {}
        if rates := fields.get("rates"):
            decoded["rates"] = decode(RateCard, rates, base=decode(Rates, rates))
        match kind := KINDS[fields["event"]]:
            case events.ProbeStarted:
                event = kind(decode(StageStarted, fields, **decoded), fields["expected"])
            case events.ProbeFinished:
                event = kind(decode(events.StageFinished, fields))
            case _:
                event = decode(kind, fields, **decoded)
        return decode(JournalLine, fields | {"seconds": fields["t"]}, event=event)
    except (KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise ValueError("not a line of a journal") from exc
