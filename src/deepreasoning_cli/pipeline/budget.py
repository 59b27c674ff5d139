"""Caps: what a turn may still cost, and where a stage has to stop for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError, RefusedError
from deepreasoning_cli.pipeline.events import Chunk, StageFinished, StageStarted, Text, Thought
from deepreasoning_cli.pipeline.money import (
    BYTES_PER_TOKEN,
    MILLION,
    Rates,
    Usage,
    decimal_usd,
    format_usd,
)

COST_CAP: Final = "cost_cap"
"""The kind of the errors, and the stop reason of a stage that a cap ended."""
SHORTEST_ANSWER: Final = 1_000  # tokens that Claude is left to write where it is to answer


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit in USD by the name of its setting, and what counts towards it already."""

    name: str
    amount: Decimal
    spent: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        """USD that may still be spent."""
        return max(self.amount - self.spent, Decimal(0))

    @property
    def words(self) -> str:
        """`daily_cost is $5, of which $4.20 are spent`, `max_cost is $0.01`."""
        spent = f", of which ${decimal_usd(self.spent)} are spent" if self.spent else ""
        return f"{self.name} is ${decimal_usd(self.amount)}{spent}"

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.name == "max_cost":
            return "--max-cost allows more"
        return f"`deepreasoning config set {self.name} USD` allows more"


@dataclass(frozen=True, slots=True)
class Caps:
    """All caps of a turn. `answers`: the reasoner is stopped early rather than Claude left out."""

    caps: tuple[Cap, ...] = ()
    answers: bool = False

    @property
    def tightest(self) -> Cap | None:
        """The one that leaves least."""
        return min(self.caps, key=lambda cap: cap.left, default=None)


NO_CAPS: Final = Caps()


class BudgetMeter:
    """The running cost of one turn against the cap that leaves least.

    What runs is priced by an estimate, four bytes a token, what has ended by its account. A stage
    whose rates are unknown is not stopped: nobody knows what it costs.
    """

    def __init__(self, caps: Caps) -> None:
        self._cap = caps.tightest
        self._answers = caps.answers
        self._spent = Decimal(0)
        self.is_full = False

    def demand_room(self, starts: Iterable[StageStarted]) -> None:
        """Raise RefusedError where the input of these stages alone would pass the cap."""
        refused = self._refusal(list(starts))
        if refused:
            raise refused

    def demand_more(self, start: StageStarted) -> None:
        """The same for the next stage of a turn that has cost something: IncompleteError."""
        refused = self._refusal([start])
        if refused:
            raise _incomplete(refused)

    def watched(
        self, started: StageStarted, chunks: Iterator[Chunk], then: StageStarted | None = None
    ) -> Iterator[Chunk]:
        """The chunks up to the one that reaches the cap; `is_full` tells whether one did.

        With `then`, the stage that comes after it, enough is left for that one to read the text
        and answer, if caps are set to let Claude answer.
        """
        self.is_full = False
        most = self._bytes_allowed(started, then if self._answers else None)
        return chunks if most is None else self._counted(chunks, most)

    def settle(self, finished: StageFinished) -> StageFinished:
        """Count a stage that has ended; return it."""
        self._spent += finished.cost or 0
        return finished

    def stopped(self, stage: str) -> IncompleteError:
        """The error that the stage was ended by the cap."""
        cap = self._demand_cap()
        running = format_usd(self._spent, estimated=True)
        return IncompleteError(
            f"stopped at {running}: {cap.words}", hint=cap.hint, kind=COST_CAP, stage=stage
        )

    @property
    def notice(self) -> str:
        """What to say where the reasoner was stopped so that Claude can answer."""
        running = format_usd(self._spent, estimated=True)
        return f"the reasoner was stopped at {running}, the rest is Claude's:" + (
            f" {self._demand_cap().words}"
        )

    def _counted(self, chunks: Iterator[Chunk], most: int) -> Iterator[Chunk]:
        """Each chunk costs one subtraction, whatever came before it."""
        for chunk in chunks:
            yield chunk
            if isinstance(chunk, Thought | Text):
                most -= len(chunk.text.encode("utf-8", "replace"))
                if most <= 0:
                    self.is_full = True
                    return

    def _bytes_allowed(self, started: StageStarted, then: StageStarted | None) -> int | None:
        """How much text the stage may write; None where it has no limit."""
        rates = _rates(started)
        if self._cap is None or rates is None:
            return None
        room = self._left - _input_cost(started)
        per_token = rates.output
        if then and (next_rates := _rates(then)):
            room -= _input_cost(then)
            room -= min(next_rates.output * SHORTEST_ANSWER / MILLION, room / 2)
            per_token += next_rates.input  # it reads what this stage writes
        if not per_token:
            return None
        return int(max(room, Decimal(0)) * MILLION / per_token) * BYTES_PER_TOKEN

    @property
    def _left(self) -> Decimal:
        return self._demand_cap().left - self._spent

    def _refusal(self, starts: list[StageStarted]) -> RefusedError | None:
        if self._cap is None:
            return None
        costs = [_input_cost(start) for start in starts]
        cost = sum(costs, Decimal(0))
        if cost <= self._left:
            return None
        so_far = f" after {format_usd(self._spent, estimated=True)}" if self._spent else ""
        return RefusedError(
            f"the input alone costs {format_usd(cost, estimated=True)}{so_far}: {self._cap.words}",
            hint=self._cap.hint,
            kind=COST_CAP,
            stage=starts[0].stage,
        )

    def _demand_cap(self) -> Cap:
        if self._cap is None:
            raise AssertionError("no cap is set")
        return self._cap


def _rates(started: StageStarted) -> Rates | None:
    return started.rates.at(started.at, started.input_tokens) if started.rates else None


def _input_cost(started: StageStarted) -> Decimal:
    """USD to have the input read; nothing where the rate is unknown."""
    rates = _rates(started)
    written = started.cache_write_tokens
    usage = Usage(started.input_tokens, 0, cache_write_tokens=written)
    return rates.cost(usage) if rates else Decimal(0)


def _incomplete(error: DeepReasoningError) -> IncompleteError:
    return IncompleteError(error.message, hint=error.hint, kind=error.kind, stage=error.stage)
