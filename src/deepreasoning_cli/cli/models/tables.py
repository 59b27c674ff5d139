"""The tables of `deepreasoning models`: one of Claude models, one of reasoners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from deepreasoning_cli.catalog import ClaudeModel, Lifecycle, Reasoner
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.cli.models.words import origin, price_range, short, status
from deepreasoning_cli.money import RateCard
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.table import Column, table

MARK = "*"
MODELS = (
    Column(""),
    Column("name", leaves=3),
    Column("id"),
    Column("status"),
    Column("context", right=True, leaves=5),
    Column("output", right=True, leaves=4),
    Column("samplers", leaves=6),
    Column("$ in", right=True, leaves=1),
    Column("$ out", right=True, leaves=2),
)
REASONERS = (
    Column(""),
    Column("name"),
    Column("host", leaves=4),
    Column("model", leaves=3, least=20),
    Column("key"),
    Column("$ in", right=True, leaves=1),
    Column("$ out", right=True, leaves=2),
)


def listing(known: ModelView, width: int | None, *, retired: bool) -> str:
    """Both tables with what is to know about their figures, in at most `width` cells a line."""
    models, reasoners = known.models(retired=retired), known.reasoners()
    left_out: list[str] = []
    lines = [f"Claude models, {known.backend} backend, USD per million tokens", ""]
    lines += _fitted(MODELS, [_model(known, row) for row in models], width, left_out)
    if reasoners:
        lines += ["", "Reasoners", ""]
        lines += _fitted(REASONERS, [_reasoner(known, row) for row in reasoners], width, left_out)
    cards = [*(row.rates.get(known.backend) for row in models), *(row.rates for row in reasoners)]
    lines += ["", *_notes(known, models, [card for card in cards if card], left_out, retired)]
    return "\n".join(lines)


def differences(found: Sequence[str]) -> str:
    """What the vendors say otherwise than the catalog."""
    if not found:
        return "\nThe vendors that answered say nothing else than the catalog."
    return "\n".join(["", "The vendors say otherwise:", *(one_line(each, 1000) for each in found)])


def _fitted(
    columns: Sequence[Column], rows: list[list[str]], width: int | None, left_out: list[str]
) -> tuple[str, ...]:
    fitted = table(columns, rows, width)
    left_out += [title for title in fitted.left_out if title not in left_out]
    return fitted.lines


def _model(known: ModelView, model: ClaudeModel) -> list[str]:
    return [
        MARK if model == known.default else "",
        next(iter(known.names(model)), ""),
        model.id,
        status(model, known.today),
        short(model.context),
        short(model.max_output),
        model.samplers.value if model.status is not Lifecycle.UNKNOWN else "unknown",
        *price_range(model.rates.get(known.backend)),
    ]


def _reasoner(known: ModelView, reasoner: Reasoner) -> list[str]:
    key = "not needed"
    if reasoner.key:
        key = "set" if known.loaded.has_key(reasoner.key) else "not set"
    return [
        MARK if reasoner == known.default_reasoner else "",
        reasoner.name,
        reasoner.label,
        reasoner.model,
        key,
        *price_range(reasoner.rates),
    ]


def _notes(
    known: ModelView,
    models: Iterable[ClaudeModel],
    cards: Sequence[RateCard],
    left_out: list[str],
    retired: bool,
) -> Iterator[str]:
    yield f"{MARK} is the default. Limits and dates as of {known.catalog.as_of}."
    if any(card.bands or card.peak for card in cards):
        yield "A range: long prompts or peak hours cost more; `models show NAME` says when."
    if known.asked:
        yield f"With what the vendors said on {known.asked} (`models --live`)."
    hidden = sum(map(known.is_retired, known.catalog.offered(known.backend)))
    if hidden and not retired:
        yield f"{hidden} retired: --all lists them."
    if left_out:
        yield f"No room for: {', '.join(left_out)}. A wider terminal, a pipe and --json have them."
    for source in dict.fromkeys(origin(card.as_of, card.source) for card in cards if card.source):
        yield one_line(f"Prices as of {source}", 1000)
