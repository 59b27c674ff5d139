"""`price --input N --output N`: the cost of given tokens, itemised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.words import UNKNOWN, price
from deepreasoning_cli.cli.price.bill import Item, Pair, Tokens, total
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.money import MILLION, usd
from deepreasoning_cli.views.table import Column, table

BILL = (
    Column("stage"),
    Column("model", least=16),
    Column(""),
    Column("count", right=True),
    Column("rate", right=True),
    Column("USD", right=True),
)


def demand_possible(pair: Pair, tokens: Tokens) -> None:
    """Raise UsageError where a model cannot read or write so many tokens."""
    handed_over = tokens.reasoning if pair.reasoner else 0
    checks: list[tuple[ClaudeModel | Reasoner, str, int, int | None]] = [
        (pair.model, "reads", tokens.input + handed_over, pair.model.context),
        (pair.model, "writes", tokens.output, pair.model.max_output),
    ]
    if pair.reasoner:
        thinker = pair.reasoner
        checks.append((thinker, "reads", tokens.input, thinker.context))
        checks.append((thinker, "writes", tokens.reasoning, thinker.max_output))
    for model, verb, wanted, most in checks:
        if most is not None and wanted > most:
            name = model.id if isinstance(model, ClaudeModel) else model.model
            raise UsageError(
                f"{name} {verb} at most {most:,} tokens, not {wanted:,}",
                hint="`deepreasoning models` lists the limits",
                kind="too_long",
            )


def text(pair: Pair, tokens: Tokens, width: int | None) -> str:
    """The bill as a table, the sum at its end."""
    items = list(pair.items(tokens))
    rows = [_row(item) for item in items]
    rows.append(["", "", "total", "", "", price(total(items))])
    return "\n".join([*table(BILL, rows, width).lines, *_notes(items)])


def _row(item: Item) -> list[str]:
    unit = "/1M" if item.per == MILLION else " each"
    rate = UNKNOWN if item.rate is None else f"{price(item.rate)}{unit}"
    return [item.stage, item.model, item.what, f"{item.count:,}", rate, price(item.cost)]


def _notes(items: Sequence[Item]) -> Iterator[str]:
    if any(item.cost is None for item in items):
        yield ""
        yield "A rate is not published, so the sum is not known."


def as_json(pair: Pair, tokens: Tokens) -> dict[str, object]:
    """The bill as one object, money as decimal strings; None where a rate is unknown."""
    items = list(pair.items(tokens))
    rows = [
        {
            "stage": item.stage,
            "model": item.model,
            "what": item.what,
            "count": item.count,
            "rate_usd": usd(item.rate),
            "per": item.per,
            "cost_usd": usd(item.cost),
        }
        for item in items
    ]
    return {"backend": pair.backend, "items": rows, "cost_usd": usd(total(items))}
