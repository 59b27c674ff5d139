"""Turns without their long texts, newest first."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.history.journal_format import TurnOutcome
from deepreasoning_cli.history.mapping import amount, moment, stamp
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.sanitize import repair_surrogates

PAGE: Final = 200
LISTING_COLUMNS: Final = "seq, id, session, started, status, ending, prompt, model, cost"
Read = Callable[[Callable[[sqlite3.Connection], list[sqlite3.Row]]], list[sqlite3.Row]]


@dataclass(frozen=True, slots=True)
class TurnSummary:
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
class TurnFilter:
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
        given = [(term, repair_surrogates(value)) for term, value in asked if value is not None]
        return " AND ".join(["TRUE", *(term for term, _ in given)]), [value for _, value in given]


def list_turns(read: Read, wanted: TurnFilter, limit: int | None) -> Iterator[TurnSummary]:
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


def as_row(row: sqlite3.Row) -> TurnSummary:
    """The row of `turns` as listings show it."""
    return TurnSummary(
        row["id"],
        row["session"],
        moment(row["started"]),
        row["status"],
        TurnOutcome(row["ending"]),
        row["prompt"],
        row["model"],
        amount(row["cost"]),
    )


NEAR: Final = 1000
LAST_CHARACTER: Final = "\U0010ffff"
IDS_SHOWN: Final = 3


def find_turn(connection: sqlite3.Connection, id_or_prefix: str) -> sqlite3.Row:
    """The whole row of the turn. Raises UsageError where there is none, or more than one."""
    wanted = repair_surrogates(id_or_prefix)
    rows = connection.execute(
        "SELECT id FROM turns WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
        (wanted, wanted + LAST_CHARACTER, IDS_SHOWN + 1),
    ).fetchall()
    ids = [row["id"] for row in rows]
    if wanted in ids:
        ids = [wanted]
    if not ids or not wanted:
        raise _unknown(connection, wanted)
    if len(ids) > 1:
        raise UsageError(
            f"{wanted} begins the ids of several turns: {', '.join(ids[:IDS_SHOWN])}"
            + (", …" if len(ids) > IDS_SHOWN else ""),
            kind="ambiguous_turn",
            hint="give more of the id",
        )
    row: sqlite3.Row = connection.execute("SELECT * FROM turns WHERE id = ?", ids).fetchone()
    return row


def _unknown(connection: sqlite3.Connection, wanted: str) -> UsageError:
    query = "SELECT id FROM turns ORDER BY seq DESC LIMIT ?"
    ids = [row["id"] for row in connection.execute(query, (NEAR,))]
    near = nearest(wanted, ids, likeness=0.0)
    return UsageError(
        f"no turn {wanted or 'without a name'} in the history",
        kind="unknown_turn",
        hint=f"the nearest is {near[0]}" if near else "the history is empty",
    )


SNIPPET_WORDS: Final = 16
SNIPPET_LETTERS: Final = 40
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Scripts without spaces between words (Thai, kana, Han …): to the index a sentence is one word."""
BY_INDEX: Final = (
    "SELECT turns.*, snippet(words, -1, '', '', '…', ?) AS snippet"
    " FROM words JOIN turns ON turns.seq = words.rowid WHERE words MATCH ?"
)
BY_LETTERS: Final = "SELECT *, NULL AS snippet FROM turns WHERE TRUE"
HOLDS: Final = (
    " AND (instr(turns.prompt, ?) OR instr(turns.reasoning, ?) OR instr(turns.answer, ?))"
)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A turn that holds the words, and the passage around the best of them."""

    row: TurnSummary
    snippet: str


def search_turns(
    connection: sqlite3.Connection, words: Sequence[str], limit: int
) -> list[SearchHit]:
    """The turns that hold all `words` or words that begin with them, the best first.

    Raises UsageError where there is no word among them.
    """
    plain = [repair_surrogates(word).replace("\0", " ") for text in words for word in text.split()]
    plain = [word for word in plain if any(map(str.isalnum, word))]
    if not plain:
        raise UsageError("no word to search for", kind="empty_search")
    unspaced = [word for word in plain if UNSPACED.search(word)]
    spaced = [word for word in plain if not UNSPACED.search(word)]
    query = (BY_INDEX if spaced else BY_LETTERS) + HOLDS * len(unspaced)
    order = (
        " ORDER BY words.rank, turns.seq DESC LIMIT ?" if spaced else " ORDER BY seq DESC LIMIT ?"
    )
    values = [*([SNIPPET_WORDS, _phrases(spaced)] if spaced else []), *_thrice(unspaced), limit]
    rows = connection.execute(query + order, values)
    return [SearchHit(as_row(row), row["snippet"] or _passage(row, unspaced[0])) for row in rows]


def _phrases(words: Sequence[str]) -> str:
    """The words in quotation marks, within which FTS5 knows no syntax of its own."""
    return " ".join('"' + word.replace('"', '""') + '"*' for word in words)


def _thrice(words: Sequence[str]) -> list[str]:
    return [word for word in words for _ in range(3)]


def _passage(row: sqlite3.Row, word: str) -> str:
    """The letters around the word, in the first of the texts that holds it."""
    text: str = next(row[name] for name in ("answer", "reasoning", "prompt") if word in row[name])
    at = text.index(word)
    start, end = max(0, at - SNIPPET_LETTERS), at + len(word) + SNIPPET_LETTERS
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


DEMO: Final = "demo"
"""The backend that calls no model: its turns are no spending."""
SPENDING_COLUMNS: Final = (
    "turns.id, turns.session, turns.started, turns.status, stages.stage, stages.model,"
    " input_tokens, output_tokens, reasoning_tokens, cached_tokens, cache_write_tokens,"
    " estimated, stages.cost"
)


@dataclass(frozen=True, slots=True)
class StageCost:
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
class CostSum:
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


def stage_costs(connection: sqlite3.Connection, since: datetime | None) -> list[StageCost]:
    """What was paid for since then (aware; None: ever), in the order in which turns were kept."""
    rows = connection.execute(
        f"SELECT {SPENDING_COLUMNS} FROM turns JOIN stages ON stages.turn = turns.seq"  # noqa: S608 - our own names
        " WHERE turns.backend <> ? AND turns.started >= ?"
        " AND (stages.cost NOTNULL OR stages.input_tokens NOTNULL) ORDER BY turns.seq",
        (DEMO, stamp(since) if since else ""),
    )
    return [_spending(row) for row in rows]


def sum_costs(rows: Iterable[StageCost]) -> CostSum:
    """All of them in one."""
    found = list(rows)
    known = [row.cost for row in found if row.cost is not None]
    usages = [row.usage for row in found if row.usage]
    return CostSum(
        len({row.turn for row in found}),
        len(found),
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(known, Decimal(0)) if known or not found else None,
        len(found) - len(known),
        any(usage.estimated for usage in usages),
    )


def group_costs(rows: Iterable[StageCost], key: Callable[[StageCost], str]) -> dict[str, CostSum]:
    """The sum of each group, in the order in which the groups came up."""
    groups: dict[str, list[StageCost]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: sum_costs(group) for name, group in groups.items()}


def day_of(row: StageCost) -> str:
    """The day on which its turn began, where this computer stands."""
    return row.started.astimezone().date().isoformat()


GROUPINGS: Final[Mapping[str, Callable[[StageCost], str]]] = {
    "day": day_of,
    "model": lambda row: row.model,
    "stage": lambda row: row.stage,
    "session": lambda row: row.session or "(none)",
}
"""How spending can be grouped."""


def lengths(rows: Iterable[StageCost], stage: str) -> Sequence[int]:
    """How many tokens `stage` wrote in each finished turn, the shortest first."""
    return sorted(
        row.usage.output_tokens for row in rows if row.complete and row.stage == stage and row.usage
    )


def _spending(row: sqlite3.Row) -> StageCost:
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
    return StageCost(
        row["id"],
        row["session"],
        moment(row["started"]),
        row["status"] == "complete",
        row["stage"],
        row["model"],
        usage,
        amount(row["cost"]),
    )
