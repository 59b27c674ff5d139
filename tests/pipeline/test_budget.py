"""Caps: refused before sending, stopped while streaming, whatever stage it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import IncompleteError, RefusedError
from deepreasoning_cli.pipeline.budget import NO_CAPS, BudgetMeter, Cap, Caps, ReasoningLimit
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REASONER = RateCard(Rates(Decimal(1), Decimal(2)))
CLAUDE = RateCard(Rates(Decimal(2), Decimal(10)))


def started(
    stage: Stage = Stage.REASON, tokens: int = 0, rates: RateCard | None = REASONER
) -> StageStarted:
    return StageStarted(stage, "m", tokens, rates, NOON)


def meter_of(amount: str, spent: str = "0", *, answers: bool = False) -> BudgetMeter:
    return BudgetMeter(Caps((Cap("max_cost", Decimal(amount), Decimal(spent)),), answers))


def tokens_through(
    meter: BudgetMeter, start: StageStarted, then: StageStarted | None = None
) -> int:
    """How many tokens of an endless stage the meter lets pass."""

    def endless() -> Iterator[Chunk]:
        while True:
            yield Thought("four")

    return sum(1 for _ in meter.limit(start, endless(), then))


def ended(stage: Stage, cost: str) -> StageFinished:
    return StageFinished(stage, "m", None, Usage(1, 1, estimated=True), Decimal(cost), 1.0, None)


def test_without_caps_a_stream_is_handed_on_as_it_is() -> None:
    chunks: Iterator[Chunk] = iter([Text("a"), End("stop")])
    assert BudgetMeter(NO_CAPS).limit(started(), chunks) is chunks


def test_a_stage_writes_what_the_cap_leaves_after_its_input() -> None:
    meter = meter_of("0.01")
    # 1,000 tokens read at 1 are $0.001; $0.009 at 2 are 4,500 tokens
    assert tokens_through(meter, started(tokens=1_000)) == 4_500
    assert meter.is_full


def test_what_was_spent_before_counts() -> None:
    assert tokens_through(meter_of("0.01", "0.008"), started()) == 1_000


def test_a_stage_that_has_ended_leaves_less_for_the_next() -> None:
    meter = meter_of("0.01")
    meter.charge(ended(Stage.REASON, "0.006"))
    assert tokens_through(meter, started(Stage.ANSWER, rates=CLAUDE)) == 400


def test_the_tightest_cap_holds() -> None:
    day = Cap("daily_cost", Decimal(5), Decimal("4.999"))
    meter = BudgetMeter(Caps((Cap("max_cost", Decimal(1)), day)))
    assert tokens_through(meter, started()) == 500
    meter.charge(ended(Stage.REASON, "0.001"))
    assert meter.stopped("reason").message == (
        "stopped at ≈$0.0010: daily_cost is $5, of which $4.999 are spent"
    )
    assert meter.stopped("reason").hint == "`deepreasoning config set daily_cost USD` allows more"


def test_claude_is_left_enough_to_read_and_answer_if_the_user_wants_that() -> None:
    then = started(Stage.ANSWER, 100, CLAUDE)
    # $0.05 less $0.0002 to read the question and $0.01 for 1,000 tokens of answer is $0.0398;
    # each thought costs 2 to write and 2 to read
    assert tokens_through(meter_of("0.05", answers=True), started(), then) == 9_950
    assert tokens_through(meter_of("0.05"), started(), then) == 25_000


def test_of_little_claude_is_left_half() -> None:
    then = started(Stage.ANSWER, 0, CLAUDE)
    assert tokens_through(meter_of("0.004", answers=True), started(), then) == 500


def test_a_stage_that_nobody_can_price_or_that_is_free_is_not_stopped() -> None:
    chunks: Iterator[Chunk] = iter([])
    free = RateCard(Rates(Decimal(0), Decimal(0)))
    assert meter_of("0.01").limit(started(rates=None), chunks) is chunks
    assert meter_of("0.01").limit(started(rates=free), chunks) is chunks


def test_a_character_of_several_bytes_counts_as_several() -> None:
    thoughts: Iterator[Chunk] = iter([Thought("思考")] * 100)
    # six bytes each: 40 tokens are 160 bytes, reached with the 27th
    assert len(list(meter_of("0.00008").limit(started(), thoughts))) == 27


def test_input_that_passes_the_cap_is_refused_with_the_figures() -> None:
    meter = meter_of("0.01")
    meter.check_input(started(tokens=10_000))  # exactly the cap
    with pytest.raises(RefusedError) as refused:
        meter.check_input(started(tokens=6_000), started(Stage.ANSWER, 2_001, CLAUDE))
    error = refused.value
    assert (error.message, error.hint, error.kind, error.stage) == (
        "the input alone costs ≈$0.0100: max_cost is $0.01",
        "--max-cost allows more",
        "cost_cap",
        "reason",
    )


def test_a_cap_that_is_used_up_refuses_whatever_costs() -> None:
    used = meter_of("1", "1.5")
    with pytest.raises(RefusedError, match=r"max_cost is \$1, of which \$1.5 are spent"):
        used.check_input(started(tokens=1))


def test_the_next_stage_of_a_paid_turn_is_incomplete_and_not_refused() -> None:
    meter = meter_of("0.01")
    meter.charge(ended(Stage.REASON, "0.009"))
    with pytest.raises(IncompleteError, match=r"input alone costs ≈\$0.0020 after ≈\$0.0090"):
        meter.check_next_stage(started(Stage.ANSWER, 1_000, CLAUDE))


def test_input_that_may_have_to_be_written_to_a_cache_is_counted_as_dearly() -> None:
    caching = RateCard(Rates(Decimal(2), Decimal(10), Decimal("0.1"), Decimal("2.5")))
    start = replace(started(Stage.ANSWER, 4_400, caching), cache_write_tokens=4_000)
    # 400 tokens at 2 and 4,000 at 2.50 are $0.0108, all at 2 were $0.0088
    meter_of("0.0108").check_input(start)
    with pytest.raises(RefusedError, match=r"input alone costs ≈\$0.0108"):
        meter_of("0.0107").check_input(start)
    assert tokens_through(meter_of("0.0208"), start) == 1_000


@given(st.integers(1, 10**6), st.integers(0, 5_000), st.lists(st.text(min_size=1), max_size=50))
def test_no_stage_passes_its_cap_by_more_than_its_last_piece(
    micros: int, read: int, pieces: list[str]
) -> None:
    cap = Decimal(micros) / 1_000_000
    meter = BudgetMeter(Caps((Cap("max_cost", cap),)))
    start = started(tokens=read)
    thoughts = [Thought(piece) for piece in pieces]
    chunks = list(meter.limit(start, iter(thoughts)))
    before = [chunk.text for chunk in chunks[:-1] if isinstance(chunk, Thought)]
    written = len("".join(before).encode("utf-8", "replace"))
    cost = REASONER.base.cost(Usage(read, written // 4))
    assert cost <= max(cap, REASONER.base.cost(Usage(read, 0)))
    assert meter.is_full or chunks == thoughts


# --- how long a reasoner may think


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("4000", ReasoningLimit(tokens=4000)),
        ("90s", ReasoningLimit(seconds=90)),
        ("1.5m", ReasoningLimit(seconds=90)),
        (" 2S ", ReasoningLimit(seconds=2)),
    ],
)
def test_a_limit_of_reasoning_is_a_number_of_tokens_or_a_time(
    text: str, limit: ReasoningLimit
) -> None:
    assert ReasoningLimit.parse(text) == limit


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "1.5", "many", "90h", "1e3", "٣", "4,000"])
def test_anything_else_is_no_limit_of_reasoning(text: str) -> None:
    with pytest.raises(ValueError, match="neither tokens nor seconds"):
        ReasoningLimit.parse(text)


@given(st.lists(st.text(min_size=1), max_size=20), st.integers(min_value=1, max_value=50))
def test_a_limit_in_tokens_is_reached_by_the_bytes_that_came(
    pieces: list[str], tokens: int
) -> None:
    is_enough = ReasoningLimit(tokens=tokens).begin()
    came = ""
    for piece in pieces:
        came += piece
        assert is_enough(piece) == (len(came.encode("utf-8", "replace")) >= 4 * tokens)


def test_a_limit_in_seconds_begins_with_the_first_thought() -> None:
    times = iter([100.0, 100.0, 129.0, 130.0])
    is_enough = ReasoningLimit(seconds=30).begin(lambda: next(times))
    assert [is_enough(piece) for piece in "abc"] == [False, False, True]


# --- caps that turns share


class Pot:
    """A day's cap that others hold a part of; notes each amount that is asked for."""

    def __init__(self, amount: str, others: str = "0") -> None:
        self.cap = Cap("daily_cost", Decimal(amount), Decimal(0), Decimal(others))
        self.asked: list[Decimal] = []

    def __call__(self, amount: Decimal) -> tuple[Cap, ...]:
        self.asked.append(amount)
        return (self.cap,)

    def meter(self, most: str | None = None, *, answers: bool = False) -> BudgetMeter:
        own = (Cap("max_cost", Decimal(most)),) if most else ()
        return BudgetMeter(Caps(own, answers, self))


def test_a_turn_sets_aside_what_its_stages_usually_cost_and_then_twice_as_much() -> None:
    pot = Pot("0.02")
    meter = pot.meter()
    meter.check_input(started(tokens=1_000))  # $0.001 to read, $0.004 to write
    assert tokens_through(meter, started(tokens=1_000)) == 9_500  # all of the $0.02
    assert pot.asked == [Decimal(text) for text in ("0.005", "0.011", "0.023", "0.041")]


def test_what_others_hold_is_not_to_be_had() -> None:
    pot = Pot("0.02", "0.01")
    meter = pot.meter()
    meter.check_input(started(tokens=1_000))
    assert tokens_through(meter, started(tokens=1_000)) == 4_500


def test_a_turn_that_is_not_likely_to_end_waits_for_the_others() -> None:
    pot = Pot("0.02", "0.016")
    with pytest.raises(RefusedError) as caught:
        pot.meter().check_input(started(tokens=1_000))
    assert caught.value.message == (
        "it usually costs ≈$0.0050: daily_cost is $0.02,"
        " of which $0.016 are set aside for turns that run"
    )
    assert caught.value.hint == (
        "wait until those turns have ended; `deepreasoning config set daily_cost USD` allows more"
    )
    Pot("0.004").meter().check_input(started(tokens=1_000))  # nobody to wait for


def test_a_turn_asks_for_no_more_than_its_own_cap() -> None:
    pot = Pot("1")
    meter = pot.meter("0.002")
    meter.check_input(started(tokens=1_000))
    assert tokens_through(meter, started(tokens=1_000)) == 500
    assert pot.asked == [Decimal("0.002")]
    assert meter.stopped("reason").message.endswith("max_cost is $0.002")


def test_a_cap_that_runs_out_meanwhile_stops_the_stage_and_says_why() -> None:
    pot = Pot("0.02")
    meter = pot.meter()
    meter.check_input(started(tokens=1_000))
    pot.cap = pot.cap._replace(spent=Decimal("0.012"), reserved=Decimal("0.003"))
    assert tokens_through(meter, started(tokens=1_000)) == 2_000  # what it had set aside
    assert meter.stopped("reason").message.endswith(
        "daily_cost is $0.02, of which $0.012 are spent and $0.003 are set aside for turns that run"
    )


def test_the_answer_is_reserved_before_it_is_asked_for() -> None:
    pot = Pot("0.05", "0.01")
    meter = pot.meter()
    meter.check_input(started())
    meter.charge(ended(Stage.REASON, "0.003"))
    meter.check_next_stage(started(Stage.ANSWER, 2_000, CLAUDE))  # 0.004 to read, 0.02 to write
    assert pot.asked == [Decimal("0.004"), Decimal("0.027")]
    pot.cap = pot.cap._replace(reserved=Decimal("0.049"))
    meter.charge(ended(Stage.ANSWER, "0.024"))
    with pytest.raises(IncompleteError, match="set aside for turns that run"):
        meter.check_next_stage(started(Stage.ANSWER, 2_000, CLAUDE))


def test_room_for_the_answer_is_left_in_a_shared_cap_too() -> None:
    shared, alone = Pot("0.02").meter(answers=True), meter_of("0.02", answers=True)
    answer = started(Stage.ANSWER, 100, CLAUDE)
    shared.check_input(started(), answer)
    assert tokens_through(shared, started(), answer) == tokens_through(alone, started(), answer)
