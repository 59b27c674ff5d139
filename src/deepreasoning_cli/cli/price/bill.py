"""What a question costs, item by item; `price --input N --output N` prints the bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deepreasoning_cli.catalog.models import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.cli.models.tables import UNKNOWN, price
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import MILLION, RateCard, Rates, decimal_usd
from deepreasoning_cli.views.table import Column, table

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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Who is paid for a question that is asked at `when` (aware).

    `reasoner` is None where Claude is asked alone, and on the gateway, which brings its own.
    `search` is USD for the search of the web, None where there is none.
    """

    backend: str
    model: ClaudeModel
    reasoner: Reasoner | None
    search: Decimal | None
    when: datetime

    def items(self, tokens: Tokens) -> Iterator[BillItem]:
        """The lines of the bill, in the order in which the stages run.

        Direct: the reasoner reads the question and writes the chain of thought, Claude reads both
        and writes the answer. The gateway publishes no rule for the chain of thought: it counts
        as output here, so that the sum errs upwards.
        """
        if self.search is not None:
            yield BillItem(
                stage="search", model="linkup", what="search", count=1, rate=self.search, per=1
            )
        if self.backend == PricedBackend.GATEWAY:
            rates = self._rates(self.model.rates.get(self.backend), tokens.input)
            yield self._item("reason+answer", self.model.id, "input", tokens.input, rates)
            yield self._item("reason", self.model.id, "output", tokens.reasoning, rates)
            yield self._item("answer", self.model.id, "output", tokens.output, rates)
            return
        handed_over = 0
        if self.reasoner:
            handed_over = tokens.reasoning
            rates = self._rates(self.reasoner.rates, tokens.input)
            yield self._item("reason", self.reasoner.model, "input", tokens.input, rates)
            yield self._item("reason", self.reasoner.model, "output", tokens.reasoning, rates)
        read = tokens.input + handed_over
        rates = self._rates(self.model.rates.get(self.backend), read)
        yield self._item("answer", self.model.id, "input", read, rates)
        yield self._item("answer", self.model.id, "output", tokens.output, rates)

    def cost(self, tokens: Tokens) -> Decimal | None:
        """USD of the whole question; None as soon as one rate is unknown."""
        return total(self.items(tokens))

    def _rates(self, card: RateCard | None, read: int) -> Rates | None:
        return card.at(self.when, read) if card else None

    def _item(self, stage: str, model: str, what: str, count: int, rates: Rates | None) -> BillItem:
        rate = None
        if rates is not None:
            rate = rates.input if what == "input" else rates.output
        return BillItem(stage=stage, model=model, what=what, count=count, rate=rate)


def total(items: Iterable[BillItem]) -> Decimal | None:
    """USD of all items; None as soon as one is unknown."""
    costs = [item.cost for item in items]
    return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))


def require_possible(pair: Pair, tokens: Tokens) -> None:
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


def _row(item: BillItem) -> list[str]:
    unit = "/1M" if item.per == MILLION else " each"
    rate = UNKNOWN if item.rate is None else f"{price(item.rate)}{unit}"
    return [item.stage, item.model, item.what, f"{item.count:,}", rate, price(item.cost)]


def _notes(items: Sequence[BillItem]) -> Iterator[str]:
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
            "rate_usd": decimal_usd(item.rate),
            "per": item.per,
            "cost_usd": decimal_usd(item.cost),
        }
        for item in items
    ]
    return {"backend": pair.backend, "items": rows, "cost_usd": decimal_usd(total(items))}
