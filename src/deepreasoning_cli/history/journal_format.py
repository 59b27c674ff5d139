"""Event ↔ JSON line of a journal. ASCII, so that a line cut anywhere harms no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quoted
from math import isfinite
from typing import Any, Final

from deepreasoning_cli.errors import IncompleteError, Interrupted
from deepreasoning_cli.pipeline.events import (
    REFUSED,
    TRUNCATED,
    Draft,
    Event,
    Handoff,
    Reused,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.pipeline.record import TurnRecord


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


def outcome_of(record: TurnRecord, failure: BaseException | None = None) -> TurnOutcome:
    """The word for a closed `record`; `failure` is what ended it early, where that is known."""
    last = _last_stage(record)
    if record.complete:
        return TurnOutcome.COMPLETE
    if isinstance(failure, STOPS):
        return TurnOutcome.STOPPED
    if last and last.stop_reason in TRUNCATED:
        return TurnOutcome.LENGTH
    if last and last.stop_reason in REFUSED:
        return TurnOutcome.REFUSED
    if failure is None or (isinstance(failure, IncompleteError) and _was_under_way(record, last)):
        return TurnOutcome.CUT
    return TurnOutcome.ERROR


def _last_stage(record: TurnRecord) -> StageFinished | None:
    return record.stages.get(Stage.ANSWER) or record.stages.get(Stage.REASON)


def _was_under_way(record: TurnRecord, last: StageFinished | None) -> bool:
    """Whether the stage that broke off had brought some text."""
    if last is None or last.complete:
        return False
    return bool(record.texts if last.stage is Stage.ANSWER else record.thoughts)


VERSION: Final = 1
"""Stands in the first line; a journal of a higher version is left to the program it is from."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TurnClosed:
    """The last line: the turn is over, and this is what its record had measured (seconds)."""

    complete: bool
    outcome: TurnOutcome
    first_reasoning: float | None
    first_answer: float | None
    total: float


NAMES: Final = {
    TurnStarted: "opened",
    Reused: "reused",
    StageStarted: "started",
    Sources: "sources",
    Thought: "thought",
    Draft: "draft",
    Text: "text",
    StageFinished: "finished",
    TurnWarning: "warned",
    TurnClosed: "closed",
}
"""The events in the file: journals of earlier versions have these names."""


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


def delta_line(event: Thought | Draft | Text, seconds: float) -> bytes:
    """The line of a delta: the one that has to be cheap."""
    kind = NAMES[type(event)]
    return f'{{"event":"{kind}","t":{seconds:.4f},"text":{quoted(event.text)}}}\n'.encode("ascii")


def event_line(event: Event | TurnClosed, seconds: float, began: datetime | None = None) -> bytes:
    """The line of any event; `began` goes with the first one.

    Of a rate card only the rates that hold for this very request are kept: they are all it takes
    to price a stage that breaks off.
    """
    if isinstance(event, Thought | Draft | Text):
        return delta_line(event, seconds)
    fields: dict[str, Any] = {"event": NAMES[type(event)], "t": seconds}
    if began:
        fields |= {"version": VERSION, "began": began.isoformat()}
    return (json.dumps(fields | _fields(event)) + "\n").encode("ascii")


def read_line(data: bytes) -> JournalLine:
    """The line's content. Raises ValueError where it is torn, foreign or damaged."""
    try:
        fields = json.loads(data)
        if fields.get("version", VERSION) > VERSION:
            raise NewerJournalError("written by a newer version")
        began = _moment(fields["began"]) if "began" in fields else None
        return JournalLine(READERS[fields["event"]](fields), _number(fields["t"]), began)
    except (KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise ValueError("not a line of a journal") from exc


def _fields(event: Event | TurnClosed) -> dict[str, Any]:
    match event:
        case StageStarted():
            card = event.rates
            return {
                "stage": event.stage,
                "model": event.model,
                "input_tokens": event.input_tokens,
                "cache_write_tokens": event.cache_write_tokens,
                "at": event.at.isoformat(),
                "rates": card and _rates_fields(card, card.at(event.at, event.input_tokens)),
            }
        case StageFinished():
            return asdict(event) | {"cost": _figure(event.cost)}
        case TurnClosed():
            fields = asdict(event)
            return {"ending": fields.pop("outcome"), **fields}
        case _:
            return asdict(event)


def _rates_fields(card: RateCard, rates: Rates) -> dict[str, Any]:
    figures = {name: _figure(figure) for name, figure in asdict(rates).items()}
    return figures | {"as_of": card.as_of, "source": card.source}


def _figure(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else _rate(text)


def _rate(text: str) -> Decimal:
    """USD; an infinite one would make every sum it is in useless."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("not a number")
    return number


def _moment(text: Any) -> datetime:
    """A time in UTC: one that has none there is damage."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _usage(fields: Fields) -> Usage:
    if not all(isinstance(value, int | None) for value in fields.values()):
        raise TypeError("not a number of tokens")
    return Usage(**fields)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _string(value)


def _opened(fields: Fields) -> TurnStarted:
    return TurnStarted(
        _string(fields["id"]),
        _string(fields["backend"]),
        _string(fields["prompt"]),
        Handoff(fields["handoff"]),
        _optional(fields["session"]),
        _optional(fields["system"]),
        _optional(fields["reasoning_from"]),
        _optional(fields["reasoner"]),
        _optional(fields["answerer"]),
    )


def _started(fields: Fields) -> StageStarted:
    return StageStarted(
        Stage(fields["stage"]),
        _string(fields["model"]),
        int(fields["input_tokens"]),
        _card(fields["rates"]) if fields["rates"] else None,
        _moment(fields["at"]),
        int(fields.get("cache_write_tokens", 0)),  # a journal of an older program has none
    )


def _card(fields: Fields) -> RateCard:
    rates = Rates(
        _rate(fields["input"]),
        _rate(fields["output"]),
        _amount(fields["cache_read"]),
        _amount(fields["cache_write"]),
    )
    return RateCard(rates, as_of=_string(fields["as_of"]), source=_string(fields["source"]))


def _finished(fields: Fields) -> StageFinished:
    return StageFinished(
        Stage(fields["stage"]),
        _string(fields["model"]),
        _optional(fields["served_model"]),
        _usage(fields["usage"]) if fields["usage"] else None,
        _amount(fields["cost"]),
        _number(fields["seconds"]),
        _optional(fields["stop_reason"]),
        bool(fields["complete"]),
    )


def _closed(fields: Fields) -> TurnClosed:
    return TurnClosed(
        bool(fields["complete"]),
        TurnOutcome(fields["ending"]),
        _seconds(fields["first_reasoning"]),
        _seconds(fields["first_answer"]),
        _number(fields["total"]),
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else _number(value)


def _sources(fields: Fields) -> Sources:
    found = fields["sources"]
    return Sources(tuple(Source(_string(each["title"]), _string(each["url"])) for each in found))


READERS: Final[Mapping[str, Callable[[Fields], Event | TurnClosed]]] = {
    "opened": _opened,
    "started": _started,
    "sources": _sources,
    "reused": lambda fields: Reused(
        _string(fields["reasoning"]), _string(fields["draft"]), _string(fields["model"])
    ),
    "thought": lambda fields: Thought(_string(fields["text"])),
    "draft": lambda fields: Draft(_string(fields["text"])),
    "text": lambda fields: Text(_string(fields["text"])),
    "finished": _finished,
    "warned": lambda fields: TurnWarning(_string(fields["message"])),
    "closed": _closed,
}
