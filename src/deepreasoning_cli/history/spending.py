"""What was paid for: one row for each stage that cost something, and exact sums over them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from deepreasoning_cli.history.rows import amount, moment, stamp
from deepreasoning_cli.money import Usage

DEMO: Final = "demo"
"""The backend that calls no model: its turns are no spending."""
SPENDING_COLUMNS: Final = (
    "turns.id, turns.session, turns.started, turns.status, stages.stage, stages.model,"
    " input_tokens, output_tokens, reasoning_tokens, cached_tokens, cache_write_tokens,"
    " estimated, stages.cost"
)


@dataclass(frozen=True, slots=True)
class Spending:
    """One stage: `started` (aware) is when its turn began, `cost` USD at the rates of that day.

    A cost of None is not known; it is never 0.
    """

    turn: str
    session: str | None
    started: datetime
    complete: bool
    stage: str
    model: str
    usage: Usage | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Sum:
    """Several stages in one: `cost` is that of those whose cost is known, None if none is.

    `unknown` counts the stages whose cost is not, `estimated` tells whether any is an estimate.
    """

    turns: int = 0
    stages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = Decimal(0)
    unknown: int = 0
    estimated: bool = False


def spending(connection: sqlite3.Connection, since: datetime | None) -> list[Spending]:
    """What was paid for since then (aware; None: ever), in the order in which turns were kept."""
    rows = connection.execute(
        f"SELECT {SPENDING_COLUMNS} FROM turns JOIN stages ON stages.turn = turns.seq"  # noqa: S608 - our own names
        " WHERE turns.backend <> ? AND turns.started >= ?"
        " AND (stages.cost NOTNULL OR stages.input_tokens NOTNULL) ORDER BY turns.seq",
        (DEMO, stamp(since) if since else ""),
    )
    return [_spending(row) for row in rows]


def summed(rows: Iterable[Spending]) -> Sum:
    """All of them in one."""
    found = list(rows)
    known = [row.cost for row in found if row.cost is not None]
    usages = [row.usage for row in found if row.usage]
    return Sum(
        len({row.turn for row in found}),
        len(found),
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(known, Decimal(0)) if known or not found else None,
        len(found) - len(known),
        any(usage.estimated for usage in usages),
    )


def grouped(rows: Iterable[Spending], key: Callable[[Spending], str]) -> dict[str, Sum]:
    """The sum of each group, in the order in which the groups came up."""
    groups: dict[str, list[Spending]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: summed(group) for name, group in groups.items()}


def day_of(row: Spending) -> str:
    """The day on which its turn began, where this computer stands."""
    return row.started.astimezone().date().isoformat()


GROUPINGS: Final[Mapping[str, Callable[[Spending], str]]] = {
    "day": day_of,
    "model": lambda row: row.model,
    "stage": lambda row: row.stage,
    "session": lambda row: row.session or "(none)",
}
"""How spending can be grouped."""


def lengths(rows: Iterable[Spending], stage: str) -> Sequence[int]:
    """How many tokens `stage` wrote in each finished turn, the shortest first."""
    return sorted(
        row.usage.output_tokens for row in rows if row.complete and row.stage == stage and row.usage
    )


def _spending(row: sqlite3.Row) -> Spending:
    usage = None
    if row["input_tokens"] is not None:
        usage = Usage(
            row["input_tokens"],
            row["output_tokens"],
            row["reasoning_tokens"],
            row["cached_tokens"],
            row["cache_write_tokens"],
            bool(row["estimated"]),
        )
    return Spending(
        row["id"],
        row["session"],
        moment(row["started"]),
        row["status"] == "complete",
        row["stage"],
        row["model"],
        usage,
        amount(row["cost"]),
    )
