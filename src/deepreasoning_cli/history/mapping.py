"""A turn's record ↔ its rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.history.decoder import decode, reader_of
from deepreasoning_cli.history.journal_format import TurnOutcome
from deepreasoning_cli.pipeline.events import (
    Fallback,
    Source,
    Stage,
    StageFinished,
    StageStarted,
    ToolArguments,
    ToolCallStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Rates, Usage
from deepreasoning_cli.pipeline.record import GrowingText, TurnRecord
from deepreasoning_cli.sanitize import repair_surrogates

LARGEST: Final = 2**63 - 1
"""The largest number that SQLite holds; a vendor's nonsense is bounded by it."""
MOST_IN_ROW: Final = 1_000_000
"""Bytes of a chain of thought that stand in its row, where a search finds them."""
_text = reader_of(str)
_optional_text = reader_of(str | None)
_seconds = reader_of(float | None)

ON_CONFLICT: Final = {
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
    reasoning, rest = record.thoughts.split(MOST_IN_ROW)
    row = {**_turn_row(record, began, outcome), "reasoning": reasoning, "reasoning_rest": None}
    if row["session"] is not None:
        query = "SELECT coalesce(max(place), 0) + 1 FROM turns WHERE session = :session"
        (row["place"],) = connection.execute(query, row).fetchone()
    changes = ", ".join(ON_CONFLICT.get(name, f"{name} = excluded.{name}") for name in row)
    insert(connection, "turns", row, f"ON CONFLICT (id) DO UPDATE SET {changes}")
    (seq,) = connection.execute("SELECT seq FROM turns WHERE id = :id", row).fetchone()
    if rest:
        _write_rest(connection, seq, rest)
    connection.execute("DELETE FROM stages WHERE turn = ?", (seq,))
    by_stage = {start.stage: start for start in starts}
    for stage in record.stages.values():
        insert(connection, "stages", {"turn": seq, **_stage_row(stage, by_stage.get(stage.stage))})


def _write_rest(connection: sqlite3.Connection, seq: int, blocks: Sequence[bytes]) -> None:
    """Write what a row has no room for: https://www.sqlite.org/c3ref/blob_open.html."""
    query = "UPDATE turns SET reasoning_rest = zeroblob(?) WHERE seq = ?"
    connection.execute(query, (sum(map(len, blocks)), seq))
    with connection.blobopen("turns", "reasoning_rest", seq) as blob:
        for block in blocks:
            blob.write(block)


def insert(
    connection: sqlite3.Connection, table: str, row: Mapping[str, Any], conflict: str = ""
) -> int | None:
    """Insert the row, whose names are columns of the table; return its number."""
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    query = f"INSERT INTO {table} ({columns}) VALUES ({values}) {conflict}"  # noqa: S608 - our own names
    return connection.execute(query, row).lastrowid


def read_turn(connection: sqlite3.Connection, row: sqlite3.Row) -> TurnRecord:
    """The record of a whole row of `turns`."""
    values = dict(row)  # a database that is only read may be older than a column
    record = TurnRecord()
    record.start = decode(TurnStarted, values)
    rest = values.get("reasoning_rest") or b""
    record.thoughts = GrowingText([_text(row["reasoning"]), rest.decode("utf-8", "replace")])
    record.drafts = GrowingText([_text(row["draft"])])
    if own := values.get("own_thinking"):
        record.own_thoughts = GrowingText([_text(own)])
    record.reused_model = _optional_text(row["reused_model"])
    record.texts = GrowingText([_text(row["answer"])])
    for call in json.loads(values.get("calls") or "[]"):
        record.calls.add(ToolCallStarted(_text(call["id"]), _text(call["name"])))
        record.calls.add(ToolArguments(_text(call["arguments"])))
    record.earlier_cost = reader_of(Decimal | None)(values.get("earlier_cost"))
    record.sources = tuple(Source(*map(_text, each)) for each in json.loads(row["sources"]))
    record.warnings = list(map(_text, json.loads(row["warnings"])))
    fallbacks = json.loads(values.get("fallbacks") or "[]")
    record.fallbacks = [decode(Fallback, fields) for fields in fallbacks]
    stages = connection.execute("SELECT * FROM stages WHERE turn = ?", (row["seq"],))
    by_name = {each["stage"]: each for each in map(dict, stages)}
    for each in (by_name[stage] for stage in Stage if stage in by_name):
        finished = decode(StageFinished, each, usage=read_usage(each))
        record.stages[finished.stage] = finished
        record.saved += _saved(finished, each)
    record.complete = row["status"] == "complete"
    record.first_reasoning = _seconds(row["first_reasoning"])
    record.first_answer = _seconds(row["first_answer"])
    record.total = reader_of(float)(row["total"])
    return record


def read_usage(row: Mapping[str, Any]) -> Usage | None:
    """The usage in a row of `stages`; None where the vendor told none and nothing was estimated."""
    return None if row["input_tokens"] is None else decode(Usage, row)


def timestamp(when: datetime) -> str:
    """An aware time as it is stored: UTC, of one length, so that texts compare as times do."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def _turn_row(record: TurnRecord, began: datetime, outcome: TurnOutcome) -> dict[str, Any]:
    thinker = record.stages.get(Stage.REASON)
    last = record.stages.get(Stage.ANSWER) or thinker
    return _storable(
        asdict(record.start)
        | {
            "started": timestamp(began),
            "status": "complete" if record.complete else "incomplete",
            "ending": outcome,
            "reasoning_complete": bool(thinker and thinker.complete),
            "stop_reason": last and last.stop_reason,
            "reused_model": record.reused_model,
            "model": last and last.model,
            "cost": record.cost,
            "earlier_cost": record.earlier_cost,
            "first_reasoning": record.first_reasoning,
            "first_answer": record.first_answer,
            "total": record.total,
            "sources": json.dumps(_source_rows(record), ensure_ascii=False),
            "warnings": json.dumps(record.warnings, ensure_ascii=False),
            "fallbacks": json.dumps(list(map(asdict, record.fallbacks)), ensure_ascii=False),
            "draft": record.draft,
            "own_thinking": record.own_thinking,
            "answer": record.answer,
            "calls": json.dumps(list(map(asdict, record.calls)), ensure_ascii=False),
        }
    )


def _source_rows(record: TurnRecord) -> list[list[str]]:
    """Titles and addresses; of a turn that may be finished later also the texts."""
    return [
        [each.title, each.url] + ([] if record.complete or not each.text else [each.text])
        for each in record.sources
    ]


def _stage_row(stage: StageFinished, start: StageStarted | None) -> dict[str, Any]:
    """The row, with the rates that held for the request, in USD per million tokens."""
    row = asdict(stage)
    row |= row.pop("usage") or {}
    if start and start.rates:
        rates = asdict(start.rates.at(start.at, start.input_tokens))
        row |= {f"rate_{name}": rate for name, rate in rates.items()}
        row["rates_as_of"] = start.rates.as_of
    return _storable(row)


def _saved(stage: StageFinished, row: Mapping[str, Any]) -> Decimal:
    """USD that caches spared the stage; 0 where its rates are not known."""
    if stage.usage is None or row["rate_input"] is None:
        return Decimal(0)
    rates = {name.removeprefix("rate_"): rate for name, rate in row.items()}
    return decode(Rates, rates).saved(stage.usage)


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """Values that SQLite takes: no half of a surrogate pair, no number beyond its own."""
    return {name: _storable_value(value) for name, value in row.items()}


def _storable_value(value: Any) -> Any:
    match value:
        case str():
            return repair_surrogates(value)
        case int():
            return max(-LARGEST, min(value, LARGEST))
        case Decimal():
            return str(value)
        case _:
            return value
