"""Models and reasoners for people: the tables of `models`, the facts of `models show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from deepreasoning_cli.catalog.models import ClaudeModel, Lifecycle, Reasoner, Samplers
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.pipeline.money import WEEKDAYS, Hours, RateCard, Rates, decimal_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.table import Column, table

UNKNOWN = "unknown"
SAMPLERS = {
    Samplers.BOTH: "temperature and top_p",
    Samplers.ONE: "temperature or top_p, one of the two",
    Samplers.NONE: "none is taken",
    Samplers.IGNORED: "taken and ignored",
}

MARK = "*"
MODELS = (
    Column(""),
    Column("name", drop_order=3),
    Column("id"),
    Column("status"),
    Column("context", right=True, drop_order=5),
    Column("output", right=True, drop_order=4),
    Column("samplers", drop_order=6),
    Column("$ in", right=True, drop_order=1),
    Column("$ out", right=True, drop_order=2),
)
REASONERS = (
    Column(""),
    Column("name"),
    Column("host", drop_order=4),
    Column("model", drop_order=3, min_width=20),
    Column("key"),
    Column("$ in", right=True, drop_order=1),
    Column("$ out", right=True, drop_order=2),
)
RATES = (
    Column("USD per million tokens"),
    Column("input", right=True),
    Column("output", right=True),
    Column("cache read", right=True),
    Column("cache write", right=True),
)
Fact = tuple[str, str]


def status(model: ClaudeModel, today: date) -> str:
    """`active`, `legacy`, `deprecated until 2026-11-30`, `retired since 2026-08-05`, `unknown`."""
    lifecycle = model.lifecycle(today)
    match lifecycle:
        case Lifecycle.DEPRECATED if model.ends:
            return f"deprecated until {model.ends}"
        case Lifecycle.RETIRED if model.ends:
            return f"retired since {model.ends}"
        case _:
            return lifecycle.value


def short(tokens: int | None) -> str:
    """A limit in few characters: `1M`, `200k`, `8,192`."""
    if tokens is None:
        return UNKNOWN
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= unit and tokens % unit == 0:
            return f"{tokens // unit}{sign}"
    return f"{tokens:,}"


def price(amount: Decimal | None) -> str:
    """USD with two decimals or as many as it takes: `2.00`, `0.125`; None is unknown."""
    text = decimal_usd(amount)
    if text is None:
        return UNKNOWN
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def price_range(card: RateCard | None) -> tuple[str, str]:
    """Input and output, from the lowest to the highest that can be asked."""
    if card is None:
        return UNKNOWN, UNKNOWN
    cases = [card.base, *(rates for _, rates in card.bands), *([card.peak] if card.peak else [])]
    return _span([rates.input for rates in cases]), _span([rates.output for rates in cases])


def cells(rates: Rates) -> list[str]:
    """Input, output, cache read and cache write; a cache rate that is missing is the input's."""
    cached = (rates.cache_read, rates.cache_write)
    return [
        price(rates.input),
        price(rates.output),
        *("as input" if rate is None else price(rate) for rate in cached),
    ]


def origin(as_of: str, source: str) -> str:
    """`2026-11-01: https://…`: the day on which figures were true, and where they are from."""
    return f"{as_of or 'an unknown day'}: {source}"


def peak_hours(when: Hours, now: datetime) -> str:
    """The line that says when the peak rates hold, and whether they do at `now` (aware)."""
    return f"Peak hours ({'now' if when.hold(now) else 'not now'}): {_hours(when)}."


def _hours(when: Hours) -> str:
    """`Monday, Tuesday 01:00-04:00, 06:00-10:00 UTC, but not on 2026-10-01`."""
    days = ", ".join(WEEKDAYS[day] for day in sorted(when.weekdays))
    spans = ", ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in when.spans)
    free = ", ".join(day.isoformat() for day in sorted(when.holidays))
    return f"{days} {spans} UTC{f', but not on {free}' if free else ''}"


def _span(amounts: list[Decimal]) -> str:
    low, high = min(amounts), max(amounts)
    return price(low) if low == high else f"{price(low)}-{price(high)}"


def list_table(view: ModelView, width: int | None, *, retired: bool) -> str:
    """Both tables with what is to know about their figures, in at most `width` cells a line."""
    models, reasoners = view.models(retired=retired), view.reasoners()
    left_out: list[str] = []
    lines = [f"Claude models, {view.backend} backend, USD per million tokens", ""]
    lines += _fitted(MODELS, [_model_cells(view, row) for row in models], width, left_out)
    if reasoners:
        lines += ["", "Reasoners", ""]
        lines += _fitted(
            REASONERS, [_reasoner_cells(view, row) for row in reasoners], width, left_out
        )
    cards = [*(row.rates.get(view.backend) for row in models), *(row.rates for row in reasoners)]
    lines += ["", *_list_notes(view, models, [card for card in cards if card], left_out, retired)]
    return "\n".join(lines)


def differences(found: Sequence[str]) -> str:
    """What the vendors say otherwise than the catalog."""
    if not found:
        return "\nThe vendors that answered say nothing else than the catalog."
    return "\n".join(
        ["", "The vendors say otherwise:", *(single_line(each, 1000) for each in found)]
    )


def _fitted(
    columns: Sequence[Column], rows: list[list[str]], width: int | None, left_out: list[str]
) -> tuple[str, ...]:
    fitted = table(columns, rows, width)
    left_out += [title for title in fitted.left_out if title not in left_out]
    return fitted.lines


def _model_cells(view: ModelView, model: ClaudeModel) -> list[str]:
    return [
        MARK if model == view.default else "",
        next(iter(view.names(model)), ""),
        model.id,
        status(model, view.today),
        short(model.context),
        short(model.max_output),
        model.samplers.value if model.status is not Lifecycle.UNKNOWN else "unknown",
        *price_range(model.rates.get(view.backend)),
    ]


def _reasoner_cells(view: ModelView, reasoner: Reasoner) -> list[str]:
    key = "not needed"
    if reasoner.key:
        key = "set" if view.loaded.has_key(reasoner.key) else "not set"
    return [
        MARK if reasoner == view.default_reasoner else "",
        reasoner.name,
        reasoner.label,
        reasoner.model,
        key,
        *price_range(reasoner.rates),
    ]


def _list_notes(
    view: ModelView,
    models: Iterable[ClaudeModel],
    cards: Sequence[RateCard],
    left_out: list[str],
    retired: bool,
) -> Iterator[str]:
    yield f"{MARK} is the default. Limits and dates as of {view.catalog.as_of}."
    if any(card.bands or card.peak for card in cards):
        yield "A range: long prompts or peak hours cost more; `models show NAME` says when."
    if view.asked:
        yield f"With what the vendors said on {view.asked} (`models --live`)."
    hidden = sum(map(view.is_retired, view.catalog.offered(view.backend)))
    if hidden and not retired:
        yield f"{hidden} retired: --all lists them."
    if left_out:
        yield f"No room for: {', '.join(left_out)}. A wider terminal, a pipe and --json have them."
    for source in dict.fromkeys(origin(card.as_of, card.source) for card in cards if card.source):
        yield single_line(f"Prices as of {source}", 1000)


def facts(view: ModelView, found: ClaudeModel | Reasoner, width: int | None) -> str:
    """Name and value a line, then the rates, the hours of the peak, and where it all comes from."""
    if isinstance(found, ClaudeModel):
        pairs, cards = list(_of_claude(view, found)), found.rates
    else:
        pairs, cards = list(_of_reasoner(view, found)), {"direct": found.rates}
    pairs = [pair for pair in pairs if pair[1]]
    size = max(len(name) for name, _ in pairs)
    lines = [f"{name:<{size}}  {single_line(value, 1000)}" for name, value in pairs]
    rows = list(_rows(cards))
    if rows:
        lines += ["", *table(RATES, rows, width).lines]
    lines += ["", *(single_line(line, 1000) for line in _fact_notes(view, cards))]
    return "\n".join(lines)


def _of_claude(view: ModelView, model: ClaudeModel) -> Iterator[Fact]:
    yield "id", model.id
    yield "name", model.name
    yield "also", ", ".join(view.names(model))
    yield "status", status(model, view.today)
    yield "released", str(model.released or UNKNOWN)
    yield "successor", model.successor or ""
    yield from _limits(model)
    yield "default", _yes(model == view.default, view)


def _of_reasoner(view: ModelView, reasoner: Reasoner) -> Iterator[Fact]:
    yield "name", reasoner.name
    yield "host", reasoner.label
    yield "model", reasoner.model
    yield "address", view.base_url(reasoner)
    yield "key", _key(view, reasoner)
    yield from _limits(reasoner)
    yield "default", _yes(reasoner == view.default_reasoner, view)


def _limits(row: ClaudeModel | Reasoner) -> Iterator[Fact]:
    yield "context", _tokens(row.context)
    yield "output", _tokens(row.max_output)
    yield "samplers", SAMPLERS[row.samplers]


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,} tokens"


def _yes(is_default: bool, view: ModelView) -> str:
    return f"on the {view.backend} backend" if is_default else ""


def _key(view: ModelView, reasoner: Reasoner) -> str:
    if not reasoner.key:
        return "not needed"
    return f"{reasoner.key}, {'set' if view.loaded.has_key(reasoner.key) else 'not set'}"


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


def _fact_notes(view: ModelView, cards: Mapping[str, RateCard | None]) -> Iterator[str]:
    for backend, card in cards.items():
        if card is None:
            continue
        if card.peak_hours:
            yield peak_hours(card.peak_hours, datetime.now(UTC))
        if card.source:
            yield f"Rates ({backend}) as of {origin(card.as_of, card.source)}"
    yield f"The rest as of {view.catalog.as_of}."
