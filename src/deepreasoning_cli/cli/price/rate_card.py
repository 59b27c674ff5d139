"""What prices depend on, and `price` alone: the rate card of one backend, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from deepreasoning_cli.catalog.models import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.cli.models.tables import MARK, UNKNOWN, cells, origin, peak_hours, price
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import RateCard, Rates, decimal_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views.table import Column, table

if TYPE_CHECKING:
    from deepreasoning_cli.cli.price.bill import Pair

FALLBACK = "deepseek"
"""The reasoner that is priced where no reasoner's key is set."""
UNPUBLISHED = "not published"
PAIRINGS = (
    Column(""),
    Column("R1-0528 with", drop_order=1),
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
    Column("cache read", right=True, drop_order=1),
    Column("cache write", right=True, drop_order=2),
)


@dataclass(frozen=True, slots=True)
class PriceContext:
    """Models and rates as they stand `now` (aware) for one backend."""

    view: ModelView
    now: datetime
    web: bool = False

    @classmethod
    def of(cls, loaded: LoadedSettings, backend: str | None, *, web: bool) -> PriceContext:
        """The context of these settings; raises ConfigError if the catalog cannot be read."""
        web = web or loaded.settings.web_search_linkup
        return cls(ModelView.of(loaded, backend), datetime.now(UTC), web)

    @property
    def on_gateway(self) -> bool:
        """Whether the hosted model does all stages."""
        return self.view.backend == PricedBackend.GATEWAY

    @property
    def names_a_model(self) -> bool:
        """Whether this call asks for one Claude model."""
        return self.view.loaded.is_typed("model")

    @property
    def names_a_reasoner(self) -> bool:
        """Whether this call asks for one reasoner."""
        return self.view.loaded.is_typed("reasoner")

    def model(self) -> ClaudeModel:
        """The Claude model that would answer.

        Raises UsageError for a name that the catalog lacks, RefusedError for a model that is
        retired or not offered.
        """
        view = self.view
        name = view.loaded.settings.model
        if name is None or not self.names_a_model:
            fallback = view.catalog.gateway_default if self.on_gateway else "sonnet"
            return view.catalog.claude(name or fallback, view.backend, view.today).model
        if isinstance(view.find(name), Reasoner):
            raise UsageError(
                f"{name} is a reasoner", hint=f"--reasoner {name}", kind="model_unknown"
            )
        return view.catalog.claude(name, view.backend, view.today).model

    def models(self) -> list[ClaudeModel]:
        """The one that is asked for, else every one that can be asked; the gateway has them all."""
        if self.names_a_model:
            return [self.model()]
        return self.view.models(retired=self.on_gateway)

    def reasoner(self) -> Reasoner | None:
        """Who would think; None on the gateway and where Claude is asked alone."""
        settings = self.view.loaded.settings
        if self.on_gateway or settings.handoff == "none":
            return None
        if settings.reasoner:
            return self.view.catalog.reasoner(settings.reasoner)
        return self.view.default_reasoner or self.view.catalog.reasoner(FALLBACK)

    def reasoners(self) -> list[Reasoner]:
        """The one that is asked for, else all that can be named."""
        one = self.reasoner() if self.names_a_reasoner else None
        return [one] if one else list(self.view.reasoners())

    def search(self) -> Decimal:
        """USD for one search of the web."""
        prices = self.view.catalog.search
        return prices.gateway if self.on_gateway else prices.standard

    def pair(self, model: ClaudeModel) -> Pair:
        """Who is paid for a question that `model` answers."""
        from deepreasoning_cli.cli.price.bill import Pair

        search = self.search() if self.web else None
        return Pair(
            backend=self.view.backend,
            model=model,
            reasoner=self.reasoner(),
            search=search,
            when=self.now,
        )

    def card(self, model: ClaudeModel) -> RateCard | None:
        """What the model costs here."""
        return model.rates.get(self.view.backend)


def text(context: PriceContext, width: int | None) -> str:
    """The card in at most `width` cells a line, with its dates and sources under it."""
    return "\n".join(_gateway(context, width) if context.on_gateway else _direct(context, width))


def _gateway(context: PriceContext, width: int | None) -> Iterator[str]:
    yield "EmpirioLabs gateway, USD; the reasoning is in the price"
    yield ""
    rows = [_pairing(context, model) for model in context.models()]
    yield from table(PAIRINGS, rows, width).lines
    yield ""
    yield f"Web search (Linkup): ${decimal_usd(context.search())} per call, when one is made"
    yield "Published per 1K tokens; per 1M is a thousand times that."
    yield "Whether the chain of thought counts as output is not published; estimates count it."
    yield from _sources(context, [])


def _pairing(context: PriceContext, model: ClaudeModel) -> list[str]:
    card = context.card(model)
    figures = [UNPUBLISHED] * 4
    if card:
        base = card.base
        thousand = [decimal_usd(rate) or "" for rate in base.per_thousand]
        figures = [*thousand, price(base.input), price(base.output)]
    return [MARK if model == context.view.default else "", model.name, model.id, *figures]


def _direct(context: PriceContext, width: int | None) -> Iterator[str]:
    reasoners = context.reasoners()
    yield "Direct, USD per million tokens; a question pays for both stages"
    yield ""
    yield "1. The reasoner reads the question and writes the chain of thought"
    yield ""
    rows = [row for each in reasoners for row in _reasoner(context, each)]
    yield from table(STAGE, rows, width).lines
    yield ""
    yield "2. Claude reads the question and the chain of thought, and writes the answer"
    yield ""
    rows = [row for model in context.models() for row in _claude(context, model)]
    yield from table(STAGE, rows, width).lines
    yield ""
    yield f"Web search (Linkup): ${decimal_usd(context.search())} per call, when one is made"
    yield from _peaks(context, reasoners)
    yield from _sources(context, reasoners)


def _reasoner(context: PriceContext, row: Reasoner) -> Iterator[list[str]]:
    default = row == context.view.default_reasoner
    return _lines(f"{row.name}: {row.model}", row.rates, context.now, default=default)


def _claude(context: PriceContext, row: ClaudeModel) -> Iterator[list[str]]:
    return _lines(row.id, context.card(row), context.now, default=row == context.view.default)


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


def _peaks(context: PriceContext, reasoners: Iterable[Reasoner]) -> Iterator[str]:
    cards = [each.rates for each in reasoners if each.rates and each.rates.peak_hours]
    for when in dict.fromkeys(card.peak_hours for card in cards if card.peak_hours):
        yield peak_hours(when, context.now)


def _sources(context: PriceContext, reasoners: Iterable[Reasoner]) -> Iterator[str]:
    search = context.view.catalog.search
    cards = [*(context.card(m) for m in context.models()), *(each.rates for each in reasoners)]
    dated = [(card.as_of, card.source) for card in cards if card and card.source]
    for day, source in dict.fromkeys([*dated, (search.as_of, search.source)]):
        yield single_line(f"As of {origin(day, source)}", 1000)


def as_json(context: PriceContext) -> dict[str, object]:
    """The same as one object; rates are USD per million tokens, as decimal strings."""
    search = context.view.catalog.search
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


def _reasoner_object(context: PriceContext, row: Reasoner) -> dict[str, Any]:
    return {
        "id": row.name,
        "model": row.model,
        "default": row == context.view.default_reasoner,
        "peak_now": bool(row.rates and row.rates.is_peak(context.now)),
        "rates": row.rates.as_json() if row.rates else None,
    }


def _model_object(context: PriceContext, row: ClaudeModel) -> dict[str, Any]:
    card = context.card(row)
    thousand = card.base.per_thousand if card else (None, None)
    return {
        "id": row.id,
        "name": row.name,
        "default": row == context.view.default,
        "per_thousand": {"input": decimal_usd(thousand[0]), "output": decimal_usd(thousand[1])},
        "rates": card.as_json() if card else None,
    }
