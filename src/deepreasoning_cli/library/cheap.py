"""Answers by Message Batches: sent when all is reasoned, collected when they are there.

Each answer becomes an ordinary turn, whose answerer has its reply already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.many import NOTHING, ManyTurns
from deepreasoning_cli.library.question_rows import Row, RowError
from deepreasoning_cli.library.row_turns import RowOutcome, RowTurns
from deepreasoning_cli.pipeline.budget import USUAL_OUTPUT
from deepreasoning_cli.pipeline.events import COST_CAP, Payload
from deepreasoning_cli.pipeline.money import RateCard, Usage
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, answer_prompt, fit_reasoning
from deepreasoning_cli.prompt import check_fits
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.message_batches import ABSENT, BatchedReply, MessageBatches
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client.message_batches import SHARE, BatchState

AskRow = Callable[[Row, Sequence[str], Callable[[str], None]], RowOutcome | None]
"""Asks a row, told the ids of its earlier turns and what to call with that of a new one."""
WITHOUT_CHEAP: Final = "run it without --cheap"
MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 32_000_000
"""Of a batch; Anthropic takes more, but a batch is in memory while it is sent and collected."""
FIRST_LOOK, LONGEST_WAIT = 1.0, 60.0  # seconds between two looks at a batch; each is twice as long
CLOCKS_DIFFER: Final = timedelta(minutes=5)


def claude_of(plan: Plan) -> ClaudeProvider:
    """Who answers the plan, if a batch can be sent there. Raises RowError."""
    claude = plan.answerer
    if not isinstance(claude, ClaudeProvider) or claude.adapts or claude.key is None:
        raise RowError("cannot be asked with --cheap: only Anthropic takes Message Batches")
    if plan.search:
        raise RowError("cannot be asked with --cheap: it searches the web")
    return claude


class CheapAnswers:
    """Sends what is to be answered, and collects it. `rows` begins anew at the first row.

    `take` is handed a row that is over without having been sent. `ask_all` is handed a function
    that is to be called for each of some rows, at once, with the row and its earlier turns; what it
    returns is over. `pause` waits for so many seconds; `show` is told what is waited for.
    """

    def __init__(
        self,
        turns: ManyTurns,
        row_turns: RowTurns,
        answers: AnswersFile,
        claude: ClaudeProvider,
        rows: Callable[[], Iterator[Row]],
        take: Callable[[RowOutcome], None],
        ask_all: Callable[[AskRow, Iterator[Row]], None],
        *,
        pause: Callable[[float], None] = time.sleep,
        show: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._turns = turns
        self._row_turns = row_turns
        self._answers = answers
        self._batches = MessageBatches(claude, turns.connect())
        self._rows = rows
        self._take = take
        self._ask_all = ask_all
        self._pause = pause
        self._show = show
        self._reserved = NOTHING
        self._holder: Plan | None = None

    def send(self) -> None:
        """Send every row, in as many batches as it takes.

        Raises RefusedError where a cap leaves no room for the next one, or there are no batches.
        """
        requests: dict[str, Request] = {}
        keys: dict[str, str] = {}
        cost, size = NOTHING, 0
        for row in self._rows():
            earlier = self._answers.turns.get(row.key, ())
            try:
                plan = self._row_turns.answer_plan(row, earlier)
                if plan is None:  # it was answered, and the run ended before the line was written
                    self._take(self._row_turns.answer(row, earlier, lambda _: None))
                    continue
                request, usual = _request_and_cost(plan)
            except ConfigError:
                raise
            except DeepReasoningError as error:
                self._take(self._row_turns.refuse(row, error, earlier))
                continue
            self._holder = self._holder or plan
            requests[plan.id], keys[plan.id] = request, row.key
            cost, size = cost + usual, size + len(request.content() or b"")
            if len(requests) >= MOST_ROWS or size >= MOST_BYTES:
                self._send(requests, keys, cost)
                requests, keys, cost, size = {}, {}, NOTHING, 0
        if requests:
            self._send(requests, keys, cost)

    def _send(self, requests: dict[str, Request], keys: dict[str, str], cost: Decimal) -> None:
        self._reserve(cost)
        self._answers.submit(keys)
        bodies = {turn: request.body or {} for turn, request in requests.items()}
        try:
            batch = self._batches.create(bodies)
        except (RefusedError, ConfigError, UsageError):
            self._answers.submitted(None, {})
            raise
        except UnavailableError as error:
            if self._find_unclear():
                return
            error.hint = "run it again: it looks first whether the batch is there after all"
            raise
        self._answers.submitted(batch.id, keys)

    def _reserve(self, cost: Decimal) -> None:
        """Set aside what a batch usually costs. Raises RefusedError where no cap leaves so much."""
        if self._holder is None or self._holder.caps.reserve is None:
            return
        self._reserved += cost
        tightest = min(self._holder.caps.reserve(self._reserved), key=lambda cap: cap.left)
        if tightest.left < self._reserved:
            raise RefusedError(
                f"the next batch does not fit: {tightest.words}", kind=COST_CAP, hint=tightest.hint
            )

    def collect(self) -> None:
        """Wait for every batch that was sent, by this run or an earlier one, and take its rows."""
        if self._answers.unclear and not self._find_unclear():
            self._answers.submitted(None, {})
        for batch, turns in list(self._answers.batches.items()):
            self._wait(batch)
            results = self._batches.results(batch)
            turn_of = {key: turn for turn, key in turns.items()}

            def receive(row: Row, earlier: Sequence[str], _begin: object) -> RowOutcome:
                turn = turn_of[row.key]  # noqa: B023 - it is called within this round
                reply = partial(_received, results.get(turn, ABSENT))  # noqa: B023 - as above
                return self._row_turns.take(row, earlier, turn, reply)

            self._ask_all(receive, (row for row in self._rows() if row.key in turn_of))
            self._answers.collected(batch)
        if self._holder:
            self._holder.caps.release(None)

    def _wait(self, batch: str) -> None:
        seconds = FIRST_LOOK
        while not (state := self._batches.state(batch)).ended:
            self._show(f"waiting for batch {batch}: {state.over:,} of {state.total:,} are done")
            self._pause(seconds)
            seconds = min(seconds * 2, LONGEST_WAIT)

    def _find_unclear(self) -> bool:
        """Look whether Anthropic took the batch that was sent without a word of its id."""
        unclear = self._answers.unclear
        if unclear is None:
            return False

        def may_be_it(state: BatchState) -> bool:
            is_new = state.created is not None and state.created > unclear.at - CLOCKS_DIFFER
            return is_new and state.total == len(unclear.rows)

        known = self._answers.batches
        found = [
            each for each in self._batches.recent() if each.id not in known and may_be_it(each)
        ]
        for state in found:
            self._wait(state.id)
            if not unclear.rows.keys().isdisjoint(self._batches.results(state.id)):
                self._answers.submitted(state.id, unclear.rows)
                return True
        return False


def _request_and_cost(plan: Plan) -> tuple[Request, Decimal]:
    """The request for the answer, and what it usually costs in a batch.

    Of reasoning that is longer than the model reads, the middle is left out, as in any turn. Raises
    UsageError where the rest is too long, RefusedError where it passes the cap of its row.
    """
    try:
        claude = claude_of(plan)
    except RowError as error:
        raise RefusedError(str(error), kind="no_batches", hint=WITHOUT_CHEAP) from None
    work, _ = fit_reasoning(plan, plan.reused or ReasonerOutput())
    prompt = answer_prompt(plan, work)
    check_fits(prompt.tokens, claude.context, claude.model)
    cost = NOTHING
    if claude.rates:
        usage = Usage(prompt.tokens, USUAL_OUTPUT)
        cost = claude.rates.cost(usage, datetime.now(UTC)) * SHARE
    for cap in plan.caps.caps:
        if cost > cap.left:
            raise RefusedError(f"it usually costs more: {cap.words}", kind=COST_CAP, hint=cap.hint)
    return claude.request(prompt), cost


def _received(result: Payload, plan: Plan) -> Plan:
    """The plan, its answerer with the reply that came."""
    claude = plan.answerer
    if not isinstance(claude, ClaudeProvider):
        raise RefusedError(
            "its batch was sent to another host",
            kind="no_batches",
            hint="run it with the settings that the batch was sent with",
        )
    return replace(plan, answerer=BatchedReply(claude=claude, result=result), fallbacks={})


def off_peak(
    rows: Iterator[Row],
    rates_of: Callable[[Row], RateCard | None],
    by: datetime | None,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    show: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """The rows, each when its reasoner is out of its peak hours; at once if those end after `by`.

    All times are aware. They end where the run no longer `goes_on`.
    """
    for row in rows:
        rates = rates_of(row)
        if rates and rates.peak and rates.peak_hours:
            while rates.is_peak(moment := now()):
                ends = rates.peak_hours.end_of(moment)
                if by is not None and ends > by:
                    break
                if not goes_on():
                    return
                show(f"waiting for the end of peak hours at {ends.astimezone():%H:%M}")
                pause(min((ends - moment).total_seconds(), FIRST_LOOK))
        yield row
