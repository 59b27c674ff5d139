"""`models show`: every fact of one model or reasoner, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.cli.models.words import SAMPLERS, UNKNOWN, cells, origin, peak_hours, status
from deepreasoning_cli.money import RateCard
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.table import Column, table

RATES = (
    Column("USD per million tokens"),
    Column("input", right=True),
    Column("output", right=True),
    Column("cache read", right=True),
    Column("cache write", right=True),
)
Fact = tuple[str, str]


def facts(known: ModelView, found: ClaudeModel | Reasoner, width: int | None) -> str:
    """Name and value a line, then the rates, the hours of the peak, and where it all comes from."""
    if isinstance(found, ClaudeModel):
        pairs, cards = list(_of_claude(known, found)), found.rates
    else:
        pairs, cards = list(_of_reasoner(known, found)), {"direct": found.rates}
    pairs = [pair for pair in pairs if pair[1]]
    size = max(len(name) for name, _ in pairs)
    lines = [f"{name:<{size}}  {one_line(value, 1000)}" for name, value in pairs]
    rows = list(_rows(cards))
    if rows:
        lines += ["", *table(RATES, rows, width).lines]
    lines += ["", *(one_line(line, 1000) for line in _notes(known, cards))]
    return "\n".join(lines)


def _of_claude(known: ModelView, model: ClaudeModel) -> Iterator[Fact]:
    yield "id", model.id
    yield "name", model.name
    yield "also", ", ".join(known.names(model))
    yield "status", status(model, known.today)
    yield "released", str(model.released or UNKNOWN)
    yield "successor", model.successor or ""
    yield from _limits(model)
    yield "default", _yes(model == known.default, known)


def _of_reasoner(known: ModelView, reasoner: Reasoner) -> Iterator[Fact]:
    yield "name", reasoner.name
    yield "host", reasoner.label
    yield "model", reasoner.model
    yield "address", known.base_url(reasoner)
    yield "key", _key(known, reasoner)
    yield from _limits(reasoner)
    yield "default", _yes(reasoner == known.default_reasoner, known)


def _limits(row: ClaudeModel | Reasoner) -> Iterator[Fact]:
    yield "context", _tokens(row.context)
    yield "output", _tokens(row.max_output)
    yield "samplers", SAMPLERS[row.samplers]


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,} tokens"


def _yes(is_default: bool, known: ModelView) -> str:
    return f"on the {known.backend} backend" if is_default else ""


def _key(known: ModelView, reasoner: Reasoner) -> str:
    if not reasoner.key:
        return "not needed"
    return f"{reasoner.key}, {'set' if known.loaded.has_key(reasoner.key) else 'not set'}"


def _rows(cards: Mapping[str, RateCard | None]) -> Iterator[list[str]]:
    for backend, card in cards.items():
        if card is None:
            yield [backend, *[UNKNOWN] * 4]
            continue
        yield [backend, *cells(card.base)]
        for above, rates in card.bands:
            yield [f"{backend}, prompt above {above:,}", *cells(rates)]
        if card.peak:
            yield [f"{backend}, peak hours", *cells(card.peak)]


def _notes(known: ModelView, cards: Mapping[str, RateCard | None]) -> Iterator[str]:
    for backend, card in cards.items():
        if card is None:
            continue
        if card.peak_hours:
            yield peak_hours(card.peak_hours, datetime.now(UTC))
        if card.source:
            yield f"Rates ({backend}) as of {origin(card.as_of, card.source)}"
    yield f"The rest as of {known.catalog.as_of}."
