"""A turn's record ↔ its rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.history.journal_format import TurnOutcome
from deepreasoning_cli.pipeline.events import (
    Handoff,
    Source,
    Stage,
    StageFinished,
    StageStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Rates, Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import repair_surrogates

LARGEST: Final = 2**63 - 1
"""The largest number that SQLite holds; a vendor's nonsense is bounded by it."""

CHANGES: Final = {
    "id": "id = id",
    "started": "started = started",
    "session": "session = coalesce(excluded.session, session)",
    "place": "place = coalesce(place, excluded.place)",
}
"""What a turn that is written again keeps: when it began, and where it stands."""


def write_turn(
    connection: sqlite3.Connection,
    record: TurnRecord,
    began: datetime,
    outcome: TurnOutcome,
    starts: Sequence[StageStarted],
) -> None:
    """Insert the turn, or put it in the place of the turn with its id."""
    row = _turn_row(record, began, outcome)
    if record.opened.session is not None:
        row["place"] = _next_position(connection, row["session"])
    changes = ", ".join(CHANGES.get(name, f"{name} = excluded.{name}") for name in row)
    connection.execute(
        f"INSERT INTO turns ({', '.join(row)}) VALUES ({_marks(row)})"  # noqa: S608 - our own names
        f" ON CONFLICT (id) DO UPDATE SET {changes}",
        row,
    )
    (seq,) = connection.execute("SELECT seq FROM turns WHERE id = :id", row).fetchone()
    connection.execute("DELETE FROM stages WHERE turn = ?", (seq,))
    by_stage = {start.stage: start for start in starts}
    for stage in record.stages.values():
        values = {"turn": seq} | _stage_row(stage) | _rates(by_stage.get(stage.stage))
        connection.execute(
            f"INSERT INTO stages ({', '.join(values)}) VALUES ({_marks(values)})",  # noqa: S608 - as above
            values,
        )


def read_turn(connection: sqlite3.Connection, row: sqlite3.Row) -> TurnRecord:
    """The record of a whole row of `turns`."""
    record = TurnRecord()
    record.opened = TurnStarted(
        row["id"],
        row["backend"],
        row["prompt"],
        Handoff(row["handoff"]),
        row["session"],
        row["system"],
        row["reasoning_from"],
        row["reasoner"],
        row["answerer"],
    )
    record.thoughts = [row["reasoning"]] if row["reasoning"] else []
    record.drafts = [row["draft"]] if row["draft"] else []
    record.reused_model = row["reused_model"]
    record.texts = [row["answer"]] if row["answer"] else []
    record.sources = tuple(Source(*pair) for pair in json.loads(row["sources"]))
    record.warnings = json.loads(row["warnings"])
    rows = connection.execute("SELECT * FROM stages WHERE turn = ?", (row["seq"],)).fetchall()
    found = {stage.stage: stage for stage in map(_stage, rows)}
    record.stages = {stage: found[stage] for stage in Stage if stage in found}
    record.saved = sum(map(_saved, rows), Decimal(0))
    record.complete = row["status"] == "complete"
    record.first_reasoning = row["first_reasoning"]
    record.first_answer = row["first_answer"]
    record.total = row["total"]
    return record


def moment(text: str) -> datetime:
    """A time as it is stored, aware."""
    return datetime.fromisoformat(text)


def stamp(when: datetime) -> str:
    """An aware time as it is stored: UTC, of one length, so that texts compare as times do."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def amount(text: str | None) -> Decimal | None:
    """USD as it is stored."""
    return None if text is None else Decimal(text)


def _turn_row(record: TurnRecord, began: datetime, outcome: TurnOutcome) -> dict[str, Any]:
    opened = record.opened
    thinker = record.stages.get(Stage.REASON)
    last = record.stages.get(Stage.ANSWER) or thinker
    return _clean(
        {
            "id": opened.id,
            "session": opened.session,
            "started": stamp(began),
            "status": "complete" if record.complete else "incomplete",
            "ending": str(outcome),
            "reasoning_complete": bool(thinker and thinker.complete),
            "stop_reason": last.stop_reason if last else None,
            "reasoning_from": opened.reasoning_from,
            "reasoner": opened.reasoner,
            "answerer": opened.answerer,
            "reused_model": record.reused_model,
            "backend": opened.backend,
            "handoff": str(opened.handoff),
            "model": last.model if last else None,
            "cost": _figure(record.cost),
            "first_reasoning": record.first_reasoning,
            "first_answer": record.first_answer,
            "total": record.total,
            "sources": json.dumps(
                [
                    [repair_surrogates(each.title), repair_surrogates(each.url)]
                    for each in record.sources
                ]
            ),
            "warnings": json.dumps([repair_surrogates(each) for each in record.warnings]),
            "system": opened.system,
            "prompt": opened.prompt,
            "reasoning": record.reasoning,
            "draft": record.draft,
            "answer": record.answer,
        }
    )


def _stage_row(stage: StageFinished) -> dict[str, Any]:
    usage = stage.usage
    return _clean(
        {
            "stage": str(stage.stage),
            "model": stage.model,
            "served_model": stage.served_model,
            "input_tokens": usage and usage.input_tokens,
            "output_tokens": usage and usage.output_tokens,
            "reasoning_tokens": usage and usage.reasoning_tokens,
            "cached_tokens": usage and usage.cached_tokens,
            "cache_write_tokens": usage and usage.cache_write_tokens,
            "estimated": usage and usage.estimated,
            "cost": _figure(stage.cost),
            "seconds": stage.seconds,
            "stop_reason": stage.stop_reason,
            "complete": stage.complete,
        }
    )


def _rates(start: StageStarted | None) -> dict[str, Any]:
    """The rates that held for the request, in USD per million tokens."""
    if start is None or start.rates is None:
        return {}
    rates = start.rates.at(start.at, start.input_tokens)
    return {
        "rate_input": _figure(rates.input),
        "rate_output": _figure(rates.output),
        "rate_cache_read": _figure(rates.cache_read),
        "rate_cache_write": _figure(rates.cache_write),
        "rates_as_of": start.rates.as_of,
    }


def _stage(row: sqlite3.Row) -> StageFinished:
    return StageFinished(
        Stage(row["stage"]),
        row["model"],
        row["served_model"],
        _usage(row),
        amount(row["cost"]),
        row["seconds"],
        row["stop_reason"],
        bool(row["complete"]),
    )


def _saved(row: sqlite3.Row) -> Decimal:
    """USD that caches spared the stage; 0 where its rates are not known."""
    usage = _usage(row)
    if usage is None or row["rate_input"] is None:
        return Decimal(0)
    rates = Rates(
        Decimal(row["rate_input"]),
        Decimal(row["rate_output"]),
        amount(row["rate_cache_read"]),
        amount(row["rate_cache_write"]),
    )
    return rates.saved(usage)


def _usage(row: sqlite3.Row) -> Usage | None:
    if row["input_tokens"] is None:
        return None
    return Usage(
        row["input_tokens"],
        row["output_tokens"],
        row["reasoning_tokens"],
        row["cached_tokens"],
        row["cache_write_tokens"],
        bool(row["estimated"]),
    )


def _next_position(connection: sqlite3.Connection, session: str) -> int:
    query = "SELECT coalesce(max(place), 0) + 1 FROM turns WHERE session = ?"
    return int(connection.execute(query, (session,)).fetchone()[0])


def _marks(row: Mapping[str, Any]) -> str:
    return ", ".join(f":{name}" for name in row)


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    """Values that SQLite takes: no half of a surrogate pair, no number beyond its own."""
    return {name: _taken(value) for name, value in row.items()}


def _taken(value: Any) -> Any:
    match value:
        case str():
            return repair_surrogates(value)
        case int():
            return max(-LARGEST, min(value, LARGEST))
        case _:
            return value


def _figure(figure: Decimal | None) -> str | None:
    return None if figure is None else str(figure)
