"""Queries over all turns: listings, one turn by its id, search, and what was spent."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.decoder import DAMAGE, decode
from deepreasoning_cli.history.journal_format import TurnOutcome, Warn
from deepreasoning_cli.history.mapping import LARGEST, read_usage, timestamp
from deepreasoning_cli.pipeline.events import CUT_SHORT, REPLAY, SETTLED
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.sanitize import repair_surrogates

T = TypeVar("T")
PAGE: Final = 200
LISTING_COLUMNS: Final = "seq, id, session, started, status, ending, prompt, model, cost"
NUMBER: Final = "(SELECT count(*) FROM turns AS newer WHERE newer.seq >= turns.seq{}) AS number"
"""Its place among all turns, the newest of which is number 1."""
PLACE: Final = re.compile(r"[-@]?([1-9]\d{0,4})")
"""How a turn is named by its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSummary:
    """One turn of a listing: `started` is aware (UTC), `cost` USD, None where unknown.

    `number` is its place among all turns, 1 for the newest; 0 where nobody has counted.
    """

    id: str
    session: str | None
    started: datetime
    status: str
    outcome: TurnOutcome
    prompt: str
    model: str | None
    cost: Decimal | None
    number: int = 0


def fetch(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
    """All rows of the query."""
    return connection.execute(query, values).fetchall()


def readable(
    rows: Iterable[sqlite3.Row], read: Callable[[sqlite3.Row], T], warn: Warn
) -> Iterator[T]:
    """What `read` makes of each row; one with a damaged value is left out, and said."""
    for row in rows:
        try:
            yield read(row)
        except DAMAGE:
            name = next((row[key] for key in ("id", "turn", "name") if key in row.keys()), "")  # noqa: SIM118
            warn(f"{name} is damaged in the history, and left out")


def list_turns(
    read: Callable[..., list[sqlite3.Row]],
    terms: Mapping[str, str | None],
    limit: int | None,
    warn: Warn,
) -> Iterator[TurnSummary]:
    """The turns that fit all SQL `terms` with a value, the newest first.

    They come a page at a time by `read`: nothing stays locked while they are used.
    """
    filters = {term: repair_surrogates(value) for term, value in terms.items() if value is not None}
    where = " AND ".join(["seq < ?", *filters])
    number = NUMBER.format(" AND newer.seq < ?")
    query = (
        f"SELECT {LISTING_COLUMNS}, {number} FROM turns WHERE {where}"  # noqa: S608 - our own terms
        " ORDER BY seq DESC LIMIT ?"
    )
    below, above, left = LARGEST, 0, LARGEST if limit is None else limit
    while left > 0:
        size = min(PAGE, left)
        page = read(fetch, query, [below, below, *filters.values(), size])
        before = above

        def summary(row: sqlite3.Row, before: int = before) -> TurnSummary:
            return replace(as_summary(row), number=before + row["number"])

        yield from readable(page, summary, warn)
        if len(page) < size:
            return
        above += page[-1]["number"]
        below, left = page[-1]["seq"], left - size


def as_summary(row: sqlite3.Row) -> TurnSummary:
    """The row of `turns` as listings show it."""
    return decode(TurnSummary, dict(row), outcome=TurnOutcome(row["ending"]))


LAST_CHARACTER: Final = "\U0010ffff"
MOST_IDS: Final = 3


def find_turn(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    """The whole row of the turn: by its id, the beginning of it, `last`, or its place (3, @3, -3).

    Raises UsageError where there is none, or more than one.
    """
    prefix = repair_surrogates(name)
    if found := fetch(connection, "SELECT * FROM turns WHERE id = ?", [prefix]):
        return found[0]
    if place := PLACE.fullmatch("1" if prefix == "last" else prefix):
        return _at_place(connection, prefix, int(place[1]))
    query = "SELECT id FROM turns WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (prefix, prefix + LAST_CHARACTER, MOST_IDS + 1)).fetchall()
    ids = [row["id"] for row in rows]
    if not ids or not prefix:
        raise _unknown_turn(connection, prefix)
    if len(ids) > 1:
        raise UsageError(
            f"{prefix} begins the ids of several turns: {', '.join(ids[:MOST_IDS])}"
            + (", …" if len(ids) > MOST_IDS else ""),
            kind="ambiguous_turn",
            hint="give more of the id",
        )
    (row,) = fetch(connection, "SELECT * FROM turns WHERE id = ?", ids)
    return row


def _at_place(connection: sqlite3.Connection, name: str, place: int) -> sqlite3.Row:
    query = "SELECT * FROM turns ORDER BY seq DESC LIMIT 1 OFFSET ?"
    row: sqlite3.Row | None = connection.execute(query, (place - 1,)).fetchone()
    if row is None:
        (count,) = connection.execute("SELECT count(*) FROM turns").fetchone()
        turns = f"{count} turn{'' if count == 1 else 's'}"
        hint = f"the history has {turns}" if count else "the history is empty"
        what = "no last turn" if name == "last" else f"no turn {name}"
        raise UsageError(f"there is {what}", kind="unknown_turn", hint=hint)
    return row


def _unknown_turn(connection: sqlite3.Connection, prefix: str) -> UsageError:
    has_turns = connection.execute("SELECT 1 FROM turns LIMIT 1").fetchone()
    return UsageError(
        f"there is no turn {prefix!r}",
        kind="unknown_turn",
        hint="`deepreasoning history` lists the turns" if has_turns else "the history is empty",
    )


SNIPPET_WORDS: Final = 16
SNIPPET_CHARACTERS: Final = 40
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Scripts without spaces between words (Thai, kana, Han …): to the index a sentence is one word."""
BY_INDEX: Final = (
    f"SELECT turns.*, {NUMBER.format('')}, snippet(words, -1, '', '', '…', ?) AS snippet"  # noqa: S608 - our own
    " FROM words JOIN turns ON turns.seq = words.rowid WHERE words MATCH ?"
)
BY_SUBSTRING: Final = f"SELECT *, {NUMBER.format('')}, NULL AS snippet FROM turns WHERE TRUE"  # noqa: S608 - our own
CONTAINS: Final = (
    " AND (instr(turns.prompt, ?) OR instr(turns.reasoning, ?) OR instr(turns.answer, ?))"
)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A turn that holds the words, and the passage around the best of them."""

    row: TurnSummary
    snippet: str


def search_turns(
    connection: sqlite3.Connection, words: Sequence[str], limit: int, warn: Warn
) -> list[SearchHit]:
    """The turns that hold all `words` or words that begin with them, the best first.

    Raises UsageError where there is no word among them.
    """
    terms = [repair_surrogates(word).replace("\0", " ") for text in words for word in text.split()]
    terms = [term for term in terms if any(map(str.isalnum, term))]
    if not terms:
        hint = "give at least one word with a letter or a digit"
        raise UsageError("no word to search for", kind="empty_search", hint=hint)
    unspaced = [term for term in terms if UNSPACED.search(term)]
    spaced = [term for term in terms if term not in unspaced]
    contains = CONTAINS * len(unspaced)
    values = [*(term for term in unspaced for _ in range(3)), limit]
    if spaced:
        query = f"{BY_INDEX}{contains} ORDER BY words.rank, turns.seq DESC LIMIT ?"
        values = [SNIPPET_WORDS, _phrases(spaced), *values]
    else:
        query = f"{BY_SUBSTRING}{contains} ORDER BY seq DESC LIMIT ?"

    def hit(row: sqlite3.Row) -> SearchHit:
        return SearchHit(as_summary(row), row["snippet"] or _passage(row, unspaced[0]))

    return list(readable(connection.execute(query, values), hit, warn))


def _phrases(words: Sequence[str]) -> str:
    """The words in quotation marks, within which FTS5 knows no syntax of its own."""
    return " ".join('"' + word.replace('"', '""') + '"*' for word in words)


def _passage(row: sqlite3.Row, word: str) -> str:
    """The text around the word, in the first of the texts that holds it."""
    text: str = next(row[name] for name in ("answer", "reasoning", "prompt") if word in row[name])
    at = text.index(word)
    start, end = max(0, at - SNIPPET_CHARACTERS), at + len(word) + SNIPPET_CHARACTERS
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


FREE: Final = ("demo", REPLAY)
"""The backends that call no model: their turns are no spending."""
SPENDING: Final = (
    "SELECT turns.id AS turn, turns.session, turns.started, turns.status = 'complete' AS complete,"
    " stages.stage, stages.model, stages.stop_reason, stages.cost,"
    " input_tokens, output_tokens, reasoning_tokens, cached_tokens, cache_write_tokens, estimated"
    " FROM turns JOIN stages ON stages.turn = turns.seq"
    " WHERE turns.backend NOT IN (?, ?) AND turns.started >= ?"
    " AND (stages.cost NOTNULL OR stages.input_tokens NOTNULL) ORDER BY turns.seq"
)


@dataclass(frozen=True, slots=True, kw_only=True)
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
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSum:
    """Several stages in one: `cost` is that of those whose cost is known, None if none is.

    `unknown` counts the stages whose cost is not, `estimated` tells whether any is an estimate.
    """

    turns: int = 0
    stages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    """Those of the output that answerers thought for, as far as they were counted."""
    cost: Decimal | None = Decimal(0)
    unknown: int = 0
    estimated: bool = False


def stage_costs(
    connection: sqlite3.Connection, since: datetime | None, warn: Warn
) -> list[StageCost]:
    """What was paid for since then (aware; None: ever), in the order of the turns."""
    rows = connection.execute(SPENDING, (*FREE, timestamp(since) if since else ""))

    def stage(row: sqlite3.Row) -> StageCost:
        return decode(StageCost, dict(row), usage=read_usage(dict(row)))

    return list(readable(rows, stage, warn))


def sum_costs(rows: Iterable[StageCost]) -> CostSum:
    """All of them in one."""
    stages = list(rows)
    costs = [stage.cost for stage in stages if stage.cost is not None]
    usages = [stage.usage for stage in stages if stage.usage]
    return CostSum(
        turns=len({stage.turn for stage in stages}),
        stages=len(stages),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        thinking_tokens=sum(
            stage.usage.reasoning_tokens or 0
            for stage in stages
            if stage.usage and stage.stage == "answer"
        ),
        cost=sum(costs, Decimal(0)) if costs or not stages else None,
        unknown=len(stages) - len(costs),
        estimated=any(usage.estimated for usage in usages),
    )


def group_costs(rows: Iterable[StageCost], key: Callable[[StageCost], str]) -> dict[str, CostSum]:
    """The sum of each group, in the order in which the groups came up."""
    groups: dict[str, list[StageCost]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: sum_costs(group) for name, group in groups.items()}


GROUPINGS: Final[Mapping[str, Callable[[StageCost], str]]] = {
    "day": lambda row: row.started.astimezone().date().isoformat(),  # of this computer's clock
    "model": lambda row: row.model,
    "stage": lambda row: row.stage,
    "session": lambda row: row.session or "(none)",
}
"""How spending can be grouped."""


FEWEST: Final = 5  # turns; from fewer a percentile says nothing
NEWEST: Final = 1_000  # turns that count: older ones were answered by other models
ASSUMED: Final[Mapping[str, tuple[int, int, int]]] = {
    "reason": (500, 2_000, 8_000),
    "answer": (150, 600, 2_500),
}
"""Output tokens of a short, a usual and a hard question, for a user without a history."""
STOPPED: Final = CUT_SHORT | {SETTLED}


def thought_lengths(rows: Iterable[StageCost], model: str) -> Sequence[int]:
    """How many tokens each chain of thought of that reasoner had that came to its end.

    Where there are too few, those of an assumption: as many between any two of them.
    """
    lengths = [
        row.usage.output_tokens
        for row in rows
        if row.complete and row.stage == "reason" and row.model == model and row.usage
        if row.stop_reason not in STOPPED
    ][-NEWEST:]
    if len(lengths) >= FEWEST:
        return lengths
    low, typical, high = ASSUMED["reason"]
    halves = ((low, typical), (typical, high))
    steps = [round(a * (b / a) ** (step / 4)) for a, b in halves for step in range(4)]
    return [*steps, high]


def output_lengths(rows: Iterable[StageCost], stage: str) -> Sequence[int]:
    """How many tokens `stage` wrote in each finished turn, the shortest first.

    What an answerer has thought is no part of its answer.
    """
    return sorted(
        row.usage.output_tokens - (_own_thinking(row) or 0)
        for row in rows
        if row.complete and row.stage == stage and row.usage
    )


def thinking_lengths(rows: Iterable[StageCost]) -> dict[str, Sequence[int]]:
    """How many tokens each answerer has thought for in finished turns, the shortest first."""
    lengths: dict[str, list[int]] = {}
    for row in rows:
        if row.complete and (thought := _own_thinking(row)) is not None:
            lengths.setdefault(row.model, []).append(thought)
    return {model: sorted(counts) for model, counts in lengths.items()}


def _own_thinking(row: StageCost) -> int | None:
    """The tokens that an answerer has thought for, where its vendor has counted them."""
    return row.usage.reasoning_tokens if row.stage == "answer" and row.usage else None
