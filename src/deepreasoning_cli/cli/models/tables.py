"""Models and reasoners for people: the tables of `models`, the facts of `models show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from deepreasoning_cli.catalog.models import (
    Answerer,
    ClaudeModel,
    Lifecycle,
    Reasoner,
    Samplers,
    SearchPrices,
    Thinking,
)
from deepreasoning_cli.cli.models.model_view import ModelView, rate_cards
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

THINKS = {
    Thinking.UNASKED: "by itself",
    Thinking.ASKED: "where --effort asks it to",
    Thinking.NEVER: "",
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


def status(model: ClaudeModel, today: date) -> str:
    """`active`, `legacy`, `deprecated until 2026-11-30`, `retired since 2026-08-05`, `unknown`."""
    lifecycle = model.lifecycle(today)
    word = {Lifecycle.DEPRECATED: "until", Lifecycle.RETIRED: "since"}.get(lifecycle)
    return f"{lifecycle.value} {word} {model.ends}" if word and model.ends else lifecycle.value


def format_limit(tokens: int | None) -> str:
    """A limit in few characters: `1M`, `200k`, `8,192`."""
    if tokens is None:
        return UNKNOWN
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= unit and tokens % unit == 0:
            return f"{tokens // unit}{sign}"
    return f"{tokens:,}"


def format_rate(amount: Decimal | None) -> str:
    """USD with two decimals or as many as it takes: `2.00`, `0.125`; None is unknown."""
    text = decimal_usd(amount)
    if text is None:
        return UNKNOWN
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def rate_ranges(card: RateCard | None) -> list[str]:
    """Input and output, from the lowest to the highest rate that is possible."""
    if card is None:
        return [UNKNOWN] * 2
    rates = [card.base, *(banded for _, banded in card.bands), *filter(None, [card.peak])]
    ends = [
        (min(amounts), max(amounts))
        for amounts in zip(*((r.input, r.output) for r in rates), strict=True)
    ]
    return [
        format_rate(low) if low == high else f"{format_rate(low)}-{format_rate(high)}"
        for low, high in ends
    ]


def rate_cells(rates: Rates | None) -> list[str]:
    """Input, output, cache read and cache write; a cache rate that is missing is the input's."""
    if rates is None:
        return [UNKNOWN] * 4
    cached = (rates.cache_read, rates.cache_write)
    return [
        format_rate(rates.input),
        format_rate(rates.output),
        *("as input" if rate is None else format_rate(rate) for rate in cached),
    ]


def mark(view: ModelView, row: ClaudeModel | Reasoner) -> str:
    """The sign of a default, else nothing."""
    return MARK if view.is_default(row) else ""


def sources(figures: Iterable[RateCard | SearchPrices | None]) -> list[str]:
    """`2026-11-01: https://…`, once each: when figures were true, and where they are from."""
    days = [
        (each.as_of or "an unknown day", each.source) for each in figures if each and each.source
    ]
    return [single_line(f"{day}: {source}", 1000) for day, source in dict.fromkeys(days)]


def peak_hours(hours: Hours, now: datetime) -> str:
    """When the peak rates hold, and whether they do at `now` (aware): `Peak hours (not now):
    Monday, Tuesday 01:00-04:00, 06:00-10:00 UTC, but not on 2026-10-01.`
    """
    days = ", ".join(WEEKDAYS[day] for day in sorted(hours.weekdays))
    spans = ", ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in hours.spans)
    holidays = ", ".join(day.isoformat() for day in sorted(hours.holidays))
    exception = f", but not on {holidays}" if holidays else ""
    now_or_not = "now" if hours.hold(now) else "not now"
    return f"Peak hours ({now_or_not}): {days} {spans} UTC{exception}."


def list_table(view: ModelView, width: int | None, *, retired: bool) -> str:
    """Both tables with notes on their figures, in at most `width` cells a line."""
    models, reasoners = view.models(retired=retired), view.reasoners()
    model_table = table(MODELS, [_model_cells(view, row) for row in models], width)
    reasoner_table = table(REASONERS, [_reasoner_cells(view, row) for row in reasoners], width)
    where = view.place if view.place not in ("direct", "gateway") else f"{view.backend} backend"
    lines = [f"Claude models, {where}, USD per million tokens", ""]
    lines += model_table.lines
    if reasoners:
        lines += ["", "Reasoners", "", *reasoner_table.lines]
    if answerers := view.answerers():
        cells = [_answerer_cells(view, row) for row in answerers]
        lines += ["", "Answerers", "", *table(REASONERS, cells, width).lines]
    cards = [card for row in view.rows(retired=retired) if (card := view.card(row))]
    left_out = list(dict.fromkeys(model_table.dropped_titles + reasoner_table.dropped_titles))
    return "\n".join([*lines, "", *_list_notes(view, cards, left_out, retired=retired)])


def differences(lines: Sequence[str]) -> str:
    """The answers of the vendors that differ from the catalog."""
    if not lines:
        return "\nThe vendors that answered say nothing else than the catalog."
    return "\n".join(
        ["", "The vendors say otherwise:", *(single_line(each, 1000) for each in lines)]
    )


def _model_cells(view: ModelView, model: ClaudeModel) -> list[str]:
    return [
        mark(view, model),
        next(iter(view.names(model)), ""),
        model.id,
        status(model, view.today),
        format_limit(model.context),
        format_limit(model.max_output),
        model.samplers.value if model.status is not Lifecycle.UNKNOWN else UNKNOWN,
        *rate_ranges(view.card(model)),
    ]


def _reasoner_cells(view: ModelView, row: Reasoner) -> list[str]:
    figures = rate_ranges(view.card(row))
    return [mark(view, row), row.name, row.label, row.model, _key_state(view, row.key), *figures]


def _answerer_cells(view: ModelView, row: Answerer) -> list[str]:
    figures = rate_ranges(row.rates) if row.model else ["as above"] * 2
    sign = MARK if row == view.default_answerer else ""
    return [sign, row.name, row.label, row.model or "Claude", _key_state(view, row.key), *figures]


def _key_state(view: ModelView, key: str | None) -> str:
    if not key:
        return "not needed"
    return "set" if view.loaded.has_key(key) else "not set"


def _list_notes(
    view: ModelView, cards: Sequence[RateCard], left_out: Sequence[str], *, retired: bool
) -> Iterator[str]:
    yield f"{MARK} is the default. Limits and dates as of {view.catalog.as_of}."
    if any(card.bands or card.peak for card in cards):
        yield "A range: long prompts or peak hours cost more; `models show NAME` says when."
    if view.live_date:
        yield f"With what the vendors said on {view.live_date} (`models --live`)."
    hidden = sum(map(view.is_retired, view.catalog.offered(view.place)))
    if hidden and not retired:
        yield f"{hidden} retired: --all lists them."
    if doubtful := [row.name for row in view.catalog.reasoners if row.doubt]:
        yield f"Perhaps not served any more: {', '.join(doubtful)}; `models show NAME` says why."
    if left_out:
        yield f"No room for: {', '.join(left_out)}. A wider terminal, a pipe and --json have them."
    for source in sources(cards):
        yield f"Prices as of {source}"


def facts(view: ModelView, row: ClaudeModel | Reasoner, width: int | None) -> str:
    """A line for each property, then the rates, the peak hours and the sources."""
    own = _claude_facts(view, row) if isinstance(row, ClaudeModel) else _reasoner_facts(view, row)
    values = own | {
        "context": _tokens(row.context),
        "output": _tokens(row.max_output),
        "samplers": SAMPLERS[row.samplers],
        "thinks": _thinking(row) if isinstance(row, ClaudeModel) else "",
        "effort": _efforts(row),
        "default": f"on the {view.backend} backend" if view.is_default(row) else "",
    }
    size = max(len(name) for name, value in values.items() if value)
    lines = [
        f"{name:<{size}}  {single_line(value, 1000)}" for name, value in values.items() if value
    ]
    if rates := list(_rate_rows(row)):
        lines += ["", *table(RATES, rates, width).lines]
    return "\n".join([*lines, "", *_fact_notes(view, row)])


def _claude_facts(view: ModelView, model: ClaudeModel) -> dict[str, str]:
    return {
        "id": model.id,
        "name": model.name,
        "also": ", ".join(view.names(model)),
        "status": status(model, view.today),
        "released": str(model.released or UNKNOWN),
        "successor": model.successor or "",
    }


def _reasoner_facts(view: ModelView, reasoner: Reasoner) -> dict[str, str]:
    return {
        "name": reasoner.name,
        "host": reasoner.label,
        "model": reasoner.model,
        "address": view.base_url(reasoner),
        "key": ", ".join(filter(None, [reasoner.key, _key_state(view, reasoner.key)])),
        "doubtful": reasoner.doubt or "",
    }


def _thinking(model: ClaudeModel) -> str:
    off = "; --effort none keeps it from that" if model.thinking_off else ""
    return THINKS[model.thinking] + off


def _efforts(row: ClaudeModel | Reasoner) -> str:
    """`low, medium, high; high if none is sent`."""
    default = row.default_effort if isinstance(row, ClaudeModel) else None
    return ", ".join(row.efforts) + (f"; {default} if none is sent" if default else "")


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,} tokens"


def _rate_rows(row: ClaudeModel | Reasoner) -> Iterator[list[str]]:
    for backend, card in rate_cards(row).items():
        yield [backend, *rate_cells(card.base if card else None)]
        for above, rates in card.bands if card else ():
            yield [f"{backend}, prompt above {above:,}", *rate_cells(rates)]
        if card and card.peak:
            yield [f"{backend}, peak hours", *rate_cells(card.peak)]


def _fact_notes(view: ModelView, row: ClaudeModel | Reasoner) -> Iterator[str]:
    for backend, card in rate_cards(row).items():
        if card and card.peak_hours:
            yield single_line(peak_hours(card.peak_hours, view.now), 1000)
        for source in sources([card]):
            yield f"Rates ({backend}) as of {source}"
    yield f"The rest as of {view.catalog.as_of}."
