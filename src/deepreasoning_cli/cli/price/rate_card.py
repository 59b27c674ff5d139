"""`price` alone: the rate card of one backend, as text or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.tables import MARK
from deepreasoning_cli.cli.models.words import UNKNOWN, cells, origin, peak_hours, price
from deepreasoning_cli.cli.price.scope import PriceContext
from deepreasoning_cli.money import RateCard, Rates, usd
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.table import Column, table

UNPUBLISHED = "not published"
PAIRINGS = (
    Column(""),
    Column("R1-0528 with", leaves=1),
    Column("id"),
    Column("$ in /1K", right=True),
    Column("$ out /1K", right=True),
    Column("$ in /1M", right=True),
    Column("$ out /1M", right=True),
)
STAGE = (
    Column(""),
    Column("model"),
    Column("when"),
    Column("$ in", right=True),
    Column("$ out", right=True),
    Column("cache read", right=True, leaves=1),
    Column("cache write", right=True, leaves=2),
)


def text(scope: PriceContext, width: int | None) -> str:
    """The card in at most `width` cells a line, with its dates and sources under it."""
    return "\n".join(_gateway(scope, width) if scope.on_gateway else _direct(scope, width))


def _gateway(scope: PriceContext, width: int | None) -> Iterator[str]:
    yield "EmpirioLabs gateway, USD; the reasoning is in the price"
    yield ""
    rows = [_pairing(scope, model) for model in scope.models()]
    yield from table(PAIRINGS, rows, width).lines
    yield ""
    yield f"Web search (Linkup): ${usd(scope.search())} per call, when one is made"
    yield "Published per 1K tokens; per 1M is a thousand times that."
    yield "Whether the chain of thought counts as output is not published; estimates count it."
    yield from _sources(scope, [])


def _pairing(scope: PriceContext, model: ClaudeModel) -> list[str]:
    card = scope.card(model)
    figures = [UNPUBLISHED] * 4
    if card:
        base = card.base
        thousand = [usd(rate) or "" for rate in base.per_thousand]
        figures = [*thousand, price(base.input), price(base.output)]
    return [MARK if model == scope.known.default else "", model.name, model.id, *figures]


def _direct(scope: PriceContext, width: int | None) -> Iterator[str]:
    reasoners = scope.reasoners()
    yield "Direct, USD per million tokens; a question pays for both stages"
    yield ""
    yield "1. The reasoner reads the question and writes the chain of thought"
    yield ""
    rows = [row for each in reasoners for row in _reasoner(scope, each)]
    yield from table(STAGE, rows, width).lines
    yield ""
    yield "2. Claude reads the question and the chain of thought, and writes the answer"
    yield ""
    rows = [row for model in scope.models() for row in _claude(scope, model)]
    yield from table(STAGE, rows, width).lines
    yield ""
    yield f"Web search (Linkup): ${usd(scope.search())} per call, when one is made"
    yield from _peaks(scope, reasoners)
    yield from _sources(scope, reasoners)


def _reasoner(scope: PriceContext, row: Reasoner) -> Iterator[list[str]]:
    default = row == scope.known.default_reasoner
    return _lines(f"{row.name}: {row.model}", row.rates, scope.now, default=default)


def _claude(scope: PriceContext, row: ClaudeModel) -> Iterator[list[str]]:
    return _lines(row.id, scope.card(row), scope.now, default=row == scope.known.default)


def _lines(
    name: str, card: RateCard | None, now: datetime, *, default: bool
) -> Iterator[list[str]]:
    """A line for each case of a model's card; the first has its name."""
    heads = [MARK if default else "", name]
    for when, rates in _cases(card, now):
        yield [*heads, when, *(cells(rates) if rates else [UNKNOWN] * 4)]
        heads = ["", ""]


def _cases(card: RateCard | None, now: datetime) -> Iterator[tuple[str, Rates | None]]:
    """Which rates hold when; those of the hour that it is now are marked."""
    if card is None:
        yield "", None
        return
    if card.peak and card.peak_hours:
        peak = card.peak_hours.hold(now)
        yield f"off-peak{'' if peak else ', now'}", card.base
        yield f"peak{', now' if peak else ''}", card.peak
    elif card.bands:
        yield f"prompt up to {card.bands[0][0]:,}", card.base
    else:
        yield "", card.base
    for above, rates in card.bands:
        yield f"prompt above {above:,}", rates


def _peaks(scope: PriceContext, reasoners: Iterable[Reasoner]) -> Iterator[str]:
    cards = [each.rates for each in reasoners if each.rates and each.rates.peak_hours]
    for when in dict.fromkeys(card.peak_hours for card in cards if card.peak_hours):
        yield peak_hours(when, scope.now)


def _sources(scope: PriceContext, reasoners: Iterable[Reasoner]) -> Iterator[str]:
    search = scope.known.catalog.search
    cards = [*(scope.card(m) for m in scope.models()), *(each.rates for each in reasoners)]
    dated = [(card.as_of, card.source) for card in cards if card and card.source]
    for day, source in dict.fromkeys([*dated, (search.as_of, search.source)]):
        yield one_line(f"As of {origin(day, source)}", 1000)


def as_json(scope: PriceContext) -> dict[str, object]:
    """The same as one object; rates are USD per million tokens, as decimal strings."""
    search = scope.known.catalog.search
    return {
        "backend": scope.known.backend,
        "reasoners": [_reasoner_object(scope, each) for each in scope.reasoners()],
        "models": [_model_object(scope, model) for model in scope.models()],
        "search": {
            "usd_per_call": usd(scope.search()),
            "as_of": search.as_of or None,
            "source": search.source or None,
        },
    }


def _reasoner_object(scope: PriceContext, row: Reasoner) -> dict[str, Any]:
    peak = row.rates.peak_hours.hold(scope.now) if row.rates and row.rates.peak_hours else False
    return {
        "id": row.name,
        "model": row.model,
        "default": row == scope.known.default_reasoner,
        "peak_now": peak,
        "rates": row.rates.as_json() if row.rates else None,
    }


def _model_object(scope: PriceContext, row: ClaudeModel) -> dict[str, Any]:
    card = scope.card(row)
    thousand = card.base.per_thousand if card else (None, None)
    return {
        "id": row.id,
        "name": row.name,
        "default": row == scope.known.default,
        "per_thousand": {"input": usd(thousand[0]), "output": usd(thousand[1])},
        "rates": card.as_json() if card else None,
    }
