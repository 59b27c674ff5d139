"""Turns without their long texts, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.history.ending import TurnOutcome
from deepreasoning_cli.history.rows import amount, moment, stamp
from deepreasoning_cli.text import well_formed

PAGE: Final = 200
LISTING_COLUMNS: Final = "seq, id, session, started, status, ending, prompt, model, cost"
Read = Callable[[Callable[[sqlite3.Connection], list[sqlite3.Row]]], list[sqlite3.Row]]


@dataclass(frozen=True, slots=True)
class Row:
    """One turn of a listing: `started` is aware (UTC), `cost` USD, None where unknown."""

    id: str
    session: str | None
    started: datetime
    status: str
    outcome: TurnOutcome
    prompt: str
    model: str | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which turns are wanted.

    `model` is part of the name of a model that was asked, `status` is complete, incomplete or
    the word for an ending, `since` is aware.
    """

    session: str | None = None
    model: str | None = None
    status: str | None = None
    since: datetime | None = None

    def terms(self) -> tuple[str, list[Any]]:
        """The filter in SQL, and its values."""
        asked = (
            ("session = ?", self.session),
            (
                "EXISTS (SELECT 1 FROM stages WHERE turn = seq AND instr(stages.model, ?))",
                self.model,
            ),
            ("? IN (status, ending)", self.status),
            ("started >= ?", stamp(self.since) if self.since else None),
        )
        given = [(term, well_formed(value)) for term, value in asked if value is not None]
        return " AND ".join(["TRUE", *(term for term, _ in given)]), [value for _, value in given]


def listing(read: Read, wanted: Filter, limit: int | None) -> Iterator[Row]:
    """The turns, newest first, a page at a time: nothing stays locked while they are read."""
    terms, values = wanted.terms()
    query = (
        f"SELECT {LISTING_COLUMNS} FROM turns WHERE seq < ? AND {terms}"  # noqa: S608 - our own terms
        " ORDER BY seq DESC LIMIT ?"
    )
    below = 2**63 - 1
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        parameters = [below, *values, size]
        page = read(lambda connection: connection.execute(query, parameters).fetchall())  # noqa: B023 - called at once
        yield from map(as_row, page)
        if len(page) < size:
            return
        below = page[-1]["seq"]
        left = None if left is None else left - size


def as_row(row: sqlite3.Row) -> Row:
    """The row of `turns` as listings show it."""
    return Row(
        row["id"],
        row["session"],
        moment(row["started"]),
        row["status"],
        TurnOutcome(row["ending"]),
        row["prompt"],
        row["model"],
        amount(row["cost"]),
    )
