"""Caps: what a turn may still cost, and where a stage has to stop for it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from deepreasoning_cli.errors import IncompleteError, RefusedError
from deepreasoning_cli.pipeline.events import (
    COST_CAP,
    Chunk,
    StageFinished,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import (
    BYTES_PER_TOKEN,
    MILLION,
    Rates,
    decimal_usd,
    format_usd,
)

SHORTEST_ANSWER: Final = 1_000  # tokens that Claude is left to write where it is to answer


class Cap(NamedTuple):
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
        """How to raise it."""
        if self.name == "max_cost":
            return "--max-cost allows more"
        return f"`deepreasoning config set {self.name} USD` allows more"


class Caps(NamedTuple):
    """All caps of a turn. `answers`: the reasoner is stopped early rather than Claude left out."""

    caps: tuple[Cap, ...] = ()
    answers: bool = False


NO_CAPS: Final = Caps()
UNLIMITED: Final = Cap("no cap", Decimal("Infinity"))


class BudgetMeter:
    """The running cost of one turn against the cap that leaves least.

    A stage that runs is priced by an estimate, four bytes a token; a finished one by its usage. A
    stage whose rates are unknown is not stopped: nobody knows what it costs.
    """

    def __init__(self, caps: Caps) -> None:
        self._cap = min(caps.caps, key=lambda cap: cap.left, default=UNLIMITED)
        self._answers = caps.answers
        self._spent = Decimal(0)
        self.is_full = False

    def check_input(self, *starts: StageStarted) -> None:
        """Raise RefusedError where the input of these stages alone would pass the cap."""
        cost = sum(map(_input_cost, starts), Decimal(0))
        if cost > self._left:
            so_far = f" after {self._running}" if self._spent else ""
            estimate = format_usd(cost, estimated=True)
            raise RefusedError(
                f"the input alone costs {estimate}{so_far}: {self._cap.words}",
                hint=self._cap.hint,
                kind=COST_CAP,
                stage=starts[0].stage,
            )

    def check_next_stage(self, start: StageStarted) -> None:
        """The same for the next stage of a turn that has cost something: IncompleteError."""
        try:
            self.check_input(start)
        except RefusedError as error:
            raise error.as_incomplete(error.message) from None

    def limit(
        self, start: StageStarted, chunks: Iterator[Chunk], then: StageStarted | None = None
    ) -> Iterator[Chunk]:
        """The chunks up to the one that reaches the cap; `is_full` tells whether one did.

        With `then`, the next stage, enough is left for that one to read the text and answer, if
        the caps are set to let Claude answer.
        """
        self.is_full = False
        size = self._bytes_allowed(start, then if self._answers else None)
        return chunks if size is None else self._count_down(chunks, size)

    def charge(self, finished: StageFinished) -> StageFinished:
        """Add the cost of a finished stage; return the stage."""
        self._spent += finished.cost or 0
        return finished

    def stopped(self, stage: str) -> IncompleteError:
        """The error that the stage was ended by the cap."""
        message = f"stopped at {self._running}: {self._cap.words}"
        return IncompleteError(message, hint=self._cap.hint, kind=COST_CAP, stage=stage)

    @property
    def notice(self) -> str:
        """What to say where the reasoner was stopped so that Claude can answer."""
        return (
            f"the reasoner was stopped at {self._running}, the rest is Claude's: {self._cap.words}"
        )

    @property
    def _left(self) -> Decimal:
        return self._cap.left - self._spent

    @property
    def _running(self) -> str:
        return format_usd(self._spent, estimated=True)

    def _count_down(self, chunks: Iterator[Chunk], size: int) -> Iterator[Chunk]:
        """Each chunk costs one subtraction, whatever came before it."""
        for chunk in chunks:
            yield chunk
            if isinstance(chunk, Thought | Text):
                size -= len(chunk.text.encode("utf-8", "replace"))
                if size <= 0:
                    self.is_full = True
                    return

    def _bytes_allowed(self, start: StageStarted, then: StageStarted | None) -> int | None:
        """How much text the stage may write; None where it has no limit."""
        rates = _rates(start)
        if self._cap is UNLIMITED or rates is None:
            return None
        room = self._left - _input_cost(start)
        per_token = rates.output
        if then and (next_rates := _rates(then)):
            room -= _input_cost(then)
            room -= min(next_rates.output * SHORTEST_ANSWER / MILLION, room / 2)
            per_token += next_rates.input  # it reads what this stage writes
        if not per_token:
            return None
        return int(max(room, Decimal(0)) * MILLION / per_token) * BYTES_PER_TOKEN


def _rates(start: StageStarted) -> Rates | None:
    return start.rates.at(start.at, start.input_tokens) if start.rates else None


def _input_cost(start: StageStarted) -> Decimal:
    """USD to have the input read; nothing where the rate is unknown."""
    return start.rates.cost(start.estimate(), start.at) if start.rates else Decimal(0)
