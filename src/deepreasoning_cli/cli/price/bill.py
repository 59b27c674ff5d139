"""What a question costs, item by item; `price --input N --output N` prints the bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from deepreasoning_cli.catalog.models import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.tables import UNKNOWN, format_rate
from deepreasoning_cli.cli.price.rate_card import PriceContext
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import MILLION, RateCard, Rates, decimal_usd
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.views.terminal import BOLD

BILL = (
    Column("stage"),
    Column("model", min_width=16),
    Column(""),
    Column("count", right=True),
    Column("rate", right=True),
    Column("USD", right=True),
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one question: its text, the chain of thought, Claude's answer."""

    input: int
    reasoning: int
    output: int


@dataclass(frozen=True, slots=True)
class BillItem:
    """One line of a bill: `count` of `what` at `rate` USD per `per`; None is an unknown rate."""

    stage: str
    model: str
    what: str
    count: int
    rate: Decimal | None
    per: int = MILLION

    @property
    def cost(self) -> Decimal | None:
        """USD; nothing of what costs something unknown costs nothing."""
        if self.count == 0:
            return Decimal(0)
        return None if self.rate is None else self.rate * self.count / self.per

    def cells(self) -> list[str]:
        """The line of a table."""
        unit = "/1M" if self.per == MILLION else " each"
        rate = UNKNOWN if self.rate is None else f"{format_rate(self.rate)}{unit}"
        cost = format_rate(self.cost)
        return [self.stage, self.model, self.what, f"{self.count:,}", rate, cost]


@dataclass(frozen=True, slots=True)
class Pair:
    """Who is paid for a question: Claude's `model`, and whoever else the context names."""

    context: PriceContext
    model: ClaudeModel

    def check(self, tokens: Tokens) -> None:
        """Raise UsageError where a model cannot read or write so many tokens."""
        for name, row, read, written in self._limits(tokens):
            for verb, count, most in (
                ("reads", read, row.context),
                ("writes", written, row.max_output),
            ):
                if most is not None and count > most:
                    raise UsageError(
                        f"{name} {verb} at most {most:,} tokens, not {count:,}",
                        hint="`deepreasoning models` lists the limits",
                        kind="too_long",
                    )

    def _limits(self, tokens: Tokens) -> Iterator[tuple[str, ClaudeModel | Reasoner, int, int]]:
        reasoner = self.context.reasoner()
        handed_over = tokens.reasoning if reasoner else 0
        yield self.model.id, self.model, tokens.input + handed_over, tokens.output
        if reasoner:
            yield reasoner.model, reasoner, tokens.input, tokens.reasoning

    def bill(self, tokens: Tokens) -> Bill:
        """The bill for so many tokens, in the order in which the stages run."""
        return Bill(self.context.view.backend, list(self._items(tokens)))

    def _items(self, tokens: Tokens) -> Iterator[BillItem]:
        """Direct: the reasoner reads the question and writes the chain of thought, Claude reads
        both and writes the answer. The gateway publishes no rule for the chain of thought: it
        counts as output here, so that the sum errs upwards.
        """
        context, claude, read = self.context, self.model.id, tokens.input
        card = context.view.card(self.model)
        if context.web:
            yield BillItem("search", "linkup", "search", 1, context.search(), per=1)
        if context.on_gateway:
            rates = self._rates(card, read)
            yield from _stage("reason+answer", claude, rates, input=read)
            yield from _stage("reason", claude, rates, output=tokens.reasoning)
            yield from _stage("answer", claude, rates, output=tokens.output)
            return
        if reasoner := context.reasoner():
            rates, written = self._rates(reasoner.rates, read), tokens.reasoning
            yield from _stage("reason", reasoner.model, rates, input=read, output=written)
            read += written
        rates = self._rates(card, read)
        yield from _stage("answer", claude, rates, input=read, output=tokens.output)

    def _rates(self, card: RateCard | None, read: int) -> Rates | None:
        return card.at(self.context.view.now, read) if card else None


def _stage(stage: str, model: str, rates: Rates | None, **counts: int) -> Iterator[BillItem]:
    """An item for each of the `counts`, which bear the names of rates: input, output."""
    for what, count in counts.items():
        yield BillItem(stage, model, what, count, getattr(rates, what) if rates else None)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one question costs on `backend`."""

    backend: str
    items: Sequence[BillItem]

    @property
    def total(self) -> Decimal | None:
        """USD of all items; None as soon as one is unknown."""
        costs = [item.cost for item in self.items]
        return None if None in costs else sum(filter(None, costs), Decimal(0))

    def as_text(self, width: int | None, *, color: bool) -> str:
        """The bill as a table, the sum at its end."""
        rows = [item.cells() for item in self.items]
        rows.append(["", "", "total", "", "", format_rate(self.total)])
        styles = [*[""] * len(self.items), BOLD] if color else None
        lines = [*table(BILL, rows, width, styles).lines]
        if self.total is None:
            lines += ["", "A rate is not published, so the sum is not known."]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The bill as one object, money as decimal strings; None where a rate is unknown."""
        rows = [
            {
                "stage": item.stage,
                "model": item.model,
                "what": item.what,
                "count": item.count,
                "rate_usd": decimal_usd(item.rate),
                "per": item.per,
                "cost_usd": decimal_usd(item.cost),
            }
            for item in self.items
        ]
        return {"backend": self.backend, "items": rows, "cost_usd": decimal_usd(self.total)}
