"""What prices depend on, and the rate card of one backend, which `price` alone prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from deepreasoning_cli.catalog.models import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models import FREE, PricedBackend, tables
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.cli.models.peak_hours import peak_hours
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import RateCard, Rates, decimal_usd
from deepreasoning_cli.views.table import Column, table

PAIRINGS = (
    Column(" "),
    Column("R1-0528 with"),
    Column("id", drop_order=1),
    Column("$ in /1K", right=True),
    Column("$ out /1K", right=True),
    Column("$ in /1M", right=True),
    Column("$ out /1M", right=True),
)
STAGE = (
    Column(" "),
    Column("name"),
    Column("model", drop_order=3),
    Column("when"),
    Column("$ in", right=True),
    Column("$ out", right=True),
    Column("cache read", right=True, drop_order=1),
    Column("cache write", right=True, drop_order=2),
)


@dataclass(frozen=True, slots=True)
class PriceContext:
    """Models and rates for one backend, and whether a search of the web is priced too.

    `newest` leaves out older models and the hosts that have no key.
    """

    view: ModelView
    web: bool = False
    newest: bool = False

    @property
    def on_gateway(self) -> bool:
        """Whether the hosted model does all stages."""
        return self.view.backend == PricedBackend.GATEWAY

    @property
    def thinks(self) -> bool:
        """Whether anything reasons before Claude."""
        return self.on_gateway or self.reasoner() is not None

    def model(self) -> ClaudeModel:
        """The Claude model that would answer.

        Raises UsageError for a name that the catalog lacks, RefusedError for a model that is
        retired or not offered.
        """
        view, name = self.view, self.view.loaded.settings.model
        if view.loaded.is_typed("model") and isinstance(view.find(name or ""), Reasoner):
            raise UsageError(
                f"{name} is a reasoner", hint=f"--reasoner {name}", kind="model_unknown"
            )
        return view.model_in_use()

    def models(self) -> list[ClaudeModel]:
        """The model that a flag names, else those on offer; on the gateway retired ones too."""
        if self.view.loaded.is_typed("model"):
            return [self.model()]
        if self.newest:
            return self.view.newest_models()
        return self.view.models(retired=self.on_gateway)

    def reasoner(self) -> Reasoner | None:
        """The reasoner that would be called; DeepSeek's where no reasoner has a key.

        None on the gateway, and where Claude is called alone.
        """
        if self.on_gateway or self.view.loaded.settings.handoff == "none":
            return None
        return self.view.reasoner_in_use() or self.view.catalog.reasoner("deepseek")

    def reasoners(self) -> list[Reasoner]:
        """The reasoner that a flag names, else all of them, the one in use among them."""
        one, every = self.reasoner(), self.view.reasoners()
        if one and self.view.loaded.is_typed("reasoner"):
            return [one]
        if self.newest:
            return [each for each in every if each == one or self.view.can_be_asked(each)]
        return list(every)

    def search(self) -> Decimal:
        """USD for one search of the web."""
        prices = self.view.catalog.search
        return prices.gateway if self.on_gateway else prices.standard


@dataclass(frozen=True, slots=True)
class RateReport:
    """The rate card; rates are USD per million tokens."""

    context: PriceContext

    def as_text(self, width: int | None, *, color: bool) -> str:
        """The card in at most `width` cells a line, with notes under it."""
        context = self.context
        body = _gateway_table if context.on_gateway else _stage_tables
        notes = [line for note in _notes(context) for line in tables.wrapped(note, width)]
        return "\n".join([*body(context, width, color=color), "", *notes])

    def as_json(self) -> dict[str, object]:
        """The same as one object, money as decimal strings."""
        context, search = self.context, self.context.view.catalog.search
        return {
            "backend": context.view.backend,
            "reasoners": [_reasoner_object(context, each) for each in context.reasoners()],
            "models": [_model_object(context, model) for model in context.models()],
            "search": {
                "usd_per_call": decimal_usd(context.search()),
                "as_of": search.as_of or None,
                "source": search.source or None,
            },
        }


@dataclass(frozen=True, slots=True)
class FreeReport:
    """What the demo costs."""

    def as_text(self, width: int | None, *, color: bool) -> str:
        """A sentence."""
        return FREE

    def as_json(self) -> dict[str, object]:
        """As of another backend, with nothing in it."""
        return {"backend": "demo", "reasoners": [], "models": [], "search": None, "cost_usd": "0"}


def _gateway_table(context: PriceContext, width: int | None, *, color: bool) -> Iterator[str]:
    yield from tables.wrapped("EmpirioLabs gateway, USD; the reasoning is in the price", width)
    yield ""
    rows = context.models()
    styles = [tables.row_style(context.view, row) for row in rows] if color else None
    yield from table(PAIRINGS, [_pairing(context, each) for each in rows], width, styles).lines


def _pairing(context: PriceContext, model: ClaudeModel) -> list[str]:
    figures = ["not published"] * 4
    if card := context.view.card(model):
        thousand = [decimal_usd(rate) or "" for rate in card.base.per_thousand]
        figures = [*thousand, *tables.rate_cells(card.base)[:2]]
    name = context.view.short_name(model)
    return [tables.mark(context.view, model), name, model.id, *figures]


def _stage_tables(context: PriceContext, width: int | None, *, color: bool) -> Iterator[str]:
    title = "Direct, USD per million tokens; a question pays for both stages"
    yield from tables.wrapped(title, width)
    for title, rows in (
        ("1. The reasoner reads the question and writes the chain of thought", context.reasoners()),
        (
            "2. Claude reads the question and the chain of thought, and writes the answer",
            context.models(),
        ),
    ):
        yield from ("", *tables.wrapped(title, width))
        cases = [(row, line) for row in rows for line in _cases(context.view, row)]
        styles = [tables.row_style(context.view, row) for row, _ in cases] if color else None
        yield from table(STAGE, [line for _, line in cases], width, styles).lines


def _cases(view: ModelView, row: ClaudeModel | Reasoner) -> Iterator[list[str]]:
    """A line for each case of a model's card; the first has its name."""
    if isinstance(row, ClaudeModel):
        heads = [tables.mark(view, row), view.short_name(row), row.id]
    else:
        heads = [tables.mark(view, row), row.name, row.model]
    for when, rates in _rates(view.card(row), view.now):
        yield [*heads, when, *tables.rate_cells(rates)]
        heads = [""] * len(heads)


def _rates(card: RateCard | None, now: datetime) -> Iterator[tuple[str, Rates | None]]:
    """Which rates hold when, those of this hour `now`."""
    if card and card.peak and card.peak_hours:
        is_peak = card.peak_hours.hold(now)
        yield "off-peak" if is_peak else "now", card.base
        yield "now" if is_peak else "peak", card.peak
    elif card and card.bands:
        yield f"prompt to {tables.format_limit(card.bands[0][0])}", card.base
    else:
        yield "", card.base if card else None
    for above, rates in card.bands if card else ():
        yield f"prompt over {tables.format_limit(above)}", rates


def _notes(context: PriceContext) -> Iterator[str]:
    view = context.view
    yield f"Web search (Linkup): ${decimal_usd(context.search())} per call, when one is made"
    if context.on_gateway:
        yield "Published per 1K tokens; per 1M is a thousand times that."
        yield "Whether the chain of thought counts as output is not published; estimates count it."
    rates = [each.rates for each in context.reasoners()]
    for hours in dict.fromkeys(card.peak_hours for card in rates if card and card.peak_hours):
        yield peak_hours(hours, view.now)
    older = "`price --all` has older models and keyless hosts, " if context.newest else ""
    yield f"{older}`models NAME` the sources."


def _reasoner_object(context: PriceContext, row: Reasoner) -> dict[str, Any]:
    return {
        "id": row.name,
        "model": row.model,
        "default": context.view.is_default(row),
        "peak_now": bool(row.rates and row.rates.is_peak(context.view.now)),
        "rates": row.rates and row.rates.as_json(),
    }


def _model_object(context: PriceContext, row: ClaudeModel) -> dict[str, Any]:
    card = context.view.card(row)
    thousand = map(decimal_usd, card.base.per_thousand if card else (None, None))
    return {
        "id": row.id,
        "name": row.name,
        "default": context.view.is_default(row),
        "per_thousand": dict(zip(("input", "output"), thousand, strict=True)),
        "rates": card and card.as_json(),
    }
