"""What a question costs, item by item, from the tokens that go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.money import MILLION, RateCard, Rates


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one question: its text, the chain of thought, Claude's answer."""

    input: int
    reasoning: int
    output: int


@dataclass(frozen=True, slots=True)
class Item:
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


@dataclass(frozen=True, slots=True)
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

    def items(self, tokens: Tokens) -> Iterator[Item]:
        """The lines of the bill, in the order in which the stages run.

        Direct: the reasoner reads the question and writes the chain of thought, Claude reads both
        and writes the answer. The gateway publishes no rule for the chain of thought: it counts
        as output here, so that the sum errs upwards.
        """
        if self.search is not None:
            yield Item("search", "linkup", "search", 1, self.search, 1)
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

    def _item(self, stage: str, model: str, what: str, count: int, rates: Rates | None) -> Item:
        if rates is None:
            return Item(stage, model, what, count, None)
        return Item(stage, model, what, count, rates.input if what == "input" else rates.output)


def total(items: Iterable[Item]) -> Decimal | None:
    """USD of all items; None as soon as one is unknown."""
    costs = [item.cost for item in items]
    return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))
