"""What a turn may still cost and how long it may think; where a stage has to stop for it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple, Self

from deepreasoning_cli.errors import IncompleteError, RefusedError
from deepreasoning_cli.pipeline.events import (
    COST_CAP,
    Chunk,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    ToolArguments,
)
from deepreasoning_cli.pipeline.money import (
    BYTES_PER_TOKEN,
    MILLION,
    Rates,
    decimal_usd,
    format_usd,
)

SHORTEST_ANSWER: Final = 1_000  # tokens that Claude is left to write where it is to answer
USUAL_OUTPUT: Final = 2_000
"""Tokens of a stage for which money is set aside before it begins, of caps that turns share."""
LEAST_RESERVED: Final = Decimal("0.001")  # USD by which a reservation grows


class Cap(NamedTuple):
    """A limit in USD by the name of its setting, and what counts towards it already.

    `reserved` is set aside for other turns, which run at the same time.
    """

    name: str
    amount: Decimal
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        """USD that may still be spent."""
        return max(self.amount - self.spent - self.reserved, Decimal(0))

    @property
    def words(self) -> str:
        """`daily_cost is $5, of which $4.20 are spent`, `max_cost is $0.01`."""
        parts = [f"${decimal_usd(self.spent)} are spent"] if self.spent else []
        if self.reserved:
            parts.append(f"${decimal_usd(self.reserved)} are set aside for turns that run")
        gone = f", of which {' and '.join(parts)}" if parts else ""
        return f"{self.name} is ${decimal_usd(self.amount)}{gone}"

    @property
    def hint(self) -> str:
        """How to raise it."""
        if self.name.startswith("max_cost"):  # of a turn, or of all turns of a run
            return "--max-cost allows more"
        wait = "wait until those turns have ended; " if self.reserved else ""
        return f"{wait}`deepreasoning config set {self.name} USD` allows more"


class Caps(NamedTuple):
    """All caps of a turn. `answers`: the reasoner is stopped early rather than Claude left out.

    Those of a day or a month are shared by all turns, also by those that run at the same time:
    `reserve` sets USD aside for this turn alone, as far as they leave so much, and returns them as
    they are now. Once the turn has been saved, `release` is told what it has cost.
    """

    caps: tuple[Cap, ...] = ()
    answers: bool = False
    reserve: Callable[[Decimal], tuple[Cap, ...]] | None = None
    release: Callable[[Decimal | None], None] = lambda _: None

    @property
    def are_set(self) -> bool:
        """Whether a cap may refuse the turn."""
        return bool(self.caps or self.reserve)


NO_CAPS: Final = Caps()
UNLIMITED: Final = Cap("no cap", Decimal("Infinity"))


class ReasoningLimit(NamedTuple):
    """After how many tokens, or how many seconds of thinking, the answer is to begin."""

    tokens: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`4000` are tokens, `90s` and `1.5m` a time. Raises ValueError for anything else."""
        match = REASONING_LIMIT.fullmatch(text.strip())
        amount = float(match[1]) if match else 0
        if match is None or not amount or (not match[2] and "." in match[1]):
            raise ValueError("neither tokens nor seconds")
        if match[2]:
            return cls(seconds=amount * SECONDS_IN[match[2].lower()])
        return cls(tokens=int(match[1]))

    def begin(self, clock: Callable[[], float] = time.monotonic) -> Callable[[str], bool]:
        """A function that is told each piece of a thought, and says whether it is enough.

        Tokens are counted by the estimate, seconds from the first piece: a host's queue is no
        thinking. What a piece costs does not grow with those before it.
        """
        size = None if self.tokens is None else self.tokens * BYTES_PER_TOKEN
        seen, ends = 0, None if self.seconds is None else float("inf")

        def is_enough(text: str) -> bool:
            nonlocal seen, ends
            if self.seconds is not None and not seen:
                ends = clock() + self.seconds
            seen += len(text.encode("utf-8", "replace"))
            return (size is not None and seen >= size) or (ends is not None and clock() >= ends)

        return is_enough


REASONING_LIMIT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([sm]?)", re.IGNORECASE)
SECONDS_IN: Final = {"s": 1, "m": 60}
NO_LIMIT: Final = ReasoningLimit()


class BudgetMeter:
    """The running cost of one turn against the cap that leaves least.

    A stage that runs is priced by an estimate, four bytes a token; a finished one by its usage. A
    stage whose rates are unknown is not stopped: nobody knows what it costs.

    Of a cap that turns share, so much is reserved as the turn usually costs, and twice as much each
    time that it has been used up.
    """

    def __init__(self, caps: Caps) -> None:
        self._cap = self._own = min(caps.caps, key=lambda cap: cap.left, default=UNLIMITED)
        self._reserve = caps.reserve
        self._reserved = Decimal(0) if caps.reserve else UNLIMITED.amount
        self._answers = caps.answers
        self._spent = Decimal(0)
        self._aside = Decimal(0)
        self.is_full = False

    def check_input(self, *starts: StageStarted) -> None:
        """Raise RefusedError where the input of these stages alone would pass the cap.

        Also where other turns have been promised so much that this one is not likely to end.
        """
        cost = sum(map(_input_cost, starts), Decimal(0))
        usual = cost + sum(map(_usual_output_cost, starts), Decimal(0))
        self._reserve_up_to(self._spent + usual)
        what = "the input alone costs"
        if self._cap.reserved and not self._spent and cost <= self._left:
            cost, what = usual, "it usually costs"
        if cost > self._left:
            so_far = f" after {self._running}" if self._spent else ""
            estimate = format_usd(cost, estimated=True)
            raise RefusedError(
                f"{what} {estimate}{so_far}: {self._cap.words}",
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
        allowed = partial(self._bytes_allowed, start, then if self._answers else None)
        size = allowed()
        return chunks if size is None else self._count_down(chunks, size, allowed)

    def charge(self, finished: StageFinished) -> StageFinished:
        """Add the cost of a finished stage; return the stage."""
        self._spent += finished.cost or 0
        return finished

    def set_aside(self) -> Decimal:
        """Keep a tenth of what is left for calls beside the stages; how many USD that is."""
        self._aside = Decimal(0)
        if self._left == UNLIMITED.amount:
            return self._left
        self._aside = max(self._left, self._aside) / 10
        return self._aside

    def charge_aside(self, cost: Decimal) -> None:
        """Add what those calls have cost; the rest of what was set aside is free again."""
        self._spent, self._aside = self._spent + cost, Decimal(0)

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

    def _reserve_up_to(self, total: Decimal) -> bool:
        """Have so much of the shared caps for this turn, or what there is; whether it is more."""
        before, total = self._reserved, min(total, self._own.left)
        if self._reserve and total > before:
            shared = self._reserve(total)
            self._cap = min((self._own, *shared), key=lambda cap: cap.left)
            self._reserved = max(before, min(total, self._cap.left))
        return self._reserved > before

    @property
    def _left(self) -> Decimal:
        return min(self._cap.left, self._reserved) - self._spent - self._aside

    @property
    def _running(self) -> str:
        return format_usd(self._spent, estimated=True)

    def _count_down(
        self, chunks: Iterator[Chunk], size: int, allowed: Callable[[], int | None]
    ) -> Iterator[Chunk]:
        """Each chunk costs one subtraction, whatever came before it."""
        whole = size
        for chunk in chunks:
            yield chunk
            if isinstance(chunk, Thought | Text | ToolArguments):
                size -= len(chunk.text.encode("utf-8", "replace"))
                while size <= 0:
                    if not self._reserve_up_to(self._reserved * 2 + LEAST_RESERVED):
                        self.is_full = True
                        return
                    more = (allowed() or 0) - whole
                    whole, size = whole + more, size + more

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


def _usual_output_cost(start: StageStarted) -> Decimal:
    rates = _rates(start)
    return rates.output * USUAL_OUTPUT / MILLION if rates else Decimal(0)
