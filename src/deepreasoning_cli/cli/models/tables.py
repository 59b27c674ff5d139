"""Models and reasoners for people: the tables of `models`, the facts of `models show`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
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
from deepreasoning_cli.cli.models.peak_hours import holidays, peak_hours
from deepreasoning_cli.pipeline.money import RateCard, Rates, decimal_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.table import Column, table

UNKNOWN = "unknown"
SAMPLERS = {
    Samplers.BOTH: "temperature and top_p",
    Samplers.ONE: "temperature or top_p, not both",
    Samplers.NONE: "not accepted",
    Samplers.IGNORED: "accepted but ignored",
}

THINKS = {
    Thinking.UNASKED: "by itself",
    Thinking.ASKED: "where --effort asks it to",
    Thinking.NEVER: "",
}

MARK = "*"
MODELS = (
    Column(" "),
    Column("name"),
    Column("id", drop_order=3),
    Column("status"),
    Column("context", right=True, drop_order=4),
    Column("output", right=True, drop_order=5),
    Column("samplers", drop_order=6),
    Column("$ in", right=True, drop_order=1),
    Column("$ out", right=True, drop_order=2),
)
HOSTS = (
    Column(" "),
    Column("name"),
    Column("model", drop_order=3, min_width=20),
    Column("key"),
    Column("context", right=True, drop_order=5),
    Column("$ in", right=True, drop_order=1),
    Column("$ out", right=True, drop_order=2),
    Column("host", drop_order=4),
)
RATES = (
    Column("USD per million tokens"),
    Column("input", right=True),
    Column("output", right=True),
    Column("cache read", right=True),
    Column("cache write", right=True),
)


def status(model: ClaudeModel, today: date) -> str:
    """`active`, `deprecated, ends 2026-11-30`, `retired since 2026-08-05`, `unknown`."""
    lifecycle = model.lifecycle(today)
    word = {Lifecycle.DEPRECATED: ", ends", Lifecycle.RETIRED: " since"}.get(lifecycle)
    return f"{lifecycle.value}{word} {model.ends}" if word and model.ends else lifecycle.value


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
    """The sign of a default, else a blank, so that all tables stand below each other."""
    return MARK if view.is_default(row) else " "


def sources(figures: Iterable[RateCard | SearchPrices | None]) -> list[str]:
    """`2026-11-01: https://…`, once each: when figures were true, and where they are from."""
    days = [
        (each.as_of or "an unknown day", each.source) for each in figures if each and each.source
    ]
    return [single_line(f"{day}: {source}", 1000) for day, source in dict.fromkeys(days)]


def row_style(view: ModelView, row: ClaudeModel | Reasoner | Answerer) -> str:
    """How a row looks: the default bold, what is old, doubtful or without a key dim."""
    if row in (view.default, view.default_reasoner, view.default_answerer):
        return terminal.BOLD
    if isinstance(row, ClaudeModel):
        return "" if row.lifecycle(view.today) is Lifecycle.ACTIVE else terminal.DIM
    return "" if view.can_be_asked(row) else terminal.DIM


@dataclass(frozen=True, slots=True)
class ModelTables:
    """What `models` prints: the newest of each family and the hosts that can be asked, or `all`."""

    view: ModelView
    all: bool = False

    def lines(self, width: int | None, *, color: bool) -> Iterator[str]:
        """The tables with notes on their figures, in at most `width` cells a line."""
        view = self.view
        where = view.place if view.place not in ("direct", "gateway") else f"{view.backend} backend"
        yield from wrapped(f"Claude models, {where}, USD per million tokens", width)
        models = view.models(retired=True) if self.all else view.newest_models()
        styles = [row_style(view, row) for row in models] if color else None
        yield from table(MODELS, list(map(self._model_cells, models)), width, styles).lines
        for title, hosts in (("reasoner", view.reasoners()), ("answerer", view.answerers())):
            if hosts:
                yield from self._host_lines(title, hosts, width, color=color)
        yield ""
        for note in self._notes():
            yield from wrapped(note, width)

    def _host_lines(
        self, title: str, hosts: Sequence[Reasoner | Answerer], width: int | None, *, color: bool
    ) -> Iterator[str]:
        shown = [host for host in hosts if self.all or self.view.can_be_asked(host)]
        styles = [row_style(self.view, host) for host in shown] if color else None
        columns = [replace(each, title=title) if each.title == "name" else each for each in HOSTS]
        yield ""
        yield from table(columns, list(map(self._host_cells, shown)), width, styles).lines
        keyless = [each.name for each in hosts if each not in shown and not _is_doubtful(each)]
        if keyless:
            yield from wrapped(f"no key: {', '.join(keyless)}", width, indent=" " * 3)

    def _model_cells(self, model: ClaudeModel) -> list[str]:
        view, is_old = self.view, model.lifecycle(self.view.today) is not Lifecycle.ACTIVE
        output = samplers = ""
        if self.all:
            output = format_limit(model.max_output)
            samplers = model.samplers.value if model.status is not Lifecycle.UNKNOWN else UNKNOWN
        return [
            mark(view, model),
            view.short_name(model),
            model.id,
            _short_status(model, view.today) if self.all or is_old else "",
            format_limit(model.context),
            output,
            samplers,
            *rate_ranges(view.card(model)),
        ]

    def _host_cells(self, host: Reasoner | Answerer) -> list[str]:
        view = self.view
        key = _key_state(view, host.key) if self.all else ""
        if isinstance(host, Reasoner):
            sign, card, context = mark(view, host), view.card(host), format_limit(host.context)
        else:
            sign, card, context = (MARK if host == view.default_answerer else " "), host.rates, ""
        figures = rate_ranges(card) if host.model else ["as above"] * 2
        return [sign, host.name, host.model or "Claude", key, context, *figures, host.label]

    def _notes(self) -> Iterator[str]:
        view = self.view
        cards = [view.card(row) for row in view.rows(retired=self.all)]
        has_ranges = any(card and (card.bands or card.peak) for card in cards)
        ranges = " A range: long prompts or peak hours cost more." if has_ranges else ""
        yield f"{MARK} is the default.{ranges}"
        if self.all:
            yield f"Limits and dates as of {view.catalog.as_of}; `models NAME` shows one."
        else:
            yield "`models NAME` shows one, `models --all` older ones and keyless hosts."
        if view.live_date:
            yield f"Includes the vendors' lists of {view.live_date} (`models --live`)."
        doubtful = [row.name for row in view.catalog.reasoners if row.doubt]
        if self.all and doubtful:
            names = ", ".join(doubtful)
            yield f"Possibly no longer served: {names}; `models NAME` says why."


def _is_doubtful(host: Reasoner | Answerer) -> bool:
    return isinstance(host, Reasoner) and host.doubt is not None


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """The text on lines of at most `width` cells; on one in a pipe."""
    if width is None:
        return [f"{indent}{text}"]
    lines = textwrap.wrap(text, max(width - len(indent), 1), break_on_hyphens=False)
    return [f"{indent}{line}" for line in lines]


def differences(lines: Sequence[str]) -> str:
    """The answers of the vendors that differ from the catalog."""
    if not lines:
        return "\nThe vendors' lists match the catalog."
    return "\n".join(
        [
            "",
            "The vendors' lists differ from the catalog:",
            *(single_line(each, 1000) for each in lines),
        ]
    )


def _short_status(model: ClaudeModel, today: date) -> str:
    """As `status`, in a word: of a deprecated model `ends 2026-11-30`."""
    lifecycle = model.lifecycle(today)
    if lifecycle is Lifecycle.DEPRECATED and model.ends:
        return f"ends {model.ends}"
    return lifecycle.value


def _key_state(view: ModelView, key: str | None) -> str:
    if not key:
        return "not needed"
    return "set" if view.loaded.has_key(key) else "not set"


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
        "images": "seen" if reasoner.images else "",
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
            yield peak_hours(card.peak_hours, view.now)
            yield from filter(None, [holidays(card.peak_hours, view.now)])
        for source in sources([card]):
            yield f"Rates ({backend}) as of {source}"
    yield f"The rest as of {view.catalog.as_of}."
