from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Handoff,
    Reused,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.pipeline.record import GrowingText, TurnRecord

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RATES = RateCard(Rates(Decimal(1), Decimal(10)))
OPENED = TurnStarted("id1", "direct", "6 × 7?", Handoff.REASONING)
REASON = StageStarted(Stage.REASON, "r1", 100, RATES, NOON)
ANSWER = StageStarted(Stage.ANSWER, "sonnet", 200, None, NOON)


def ticking() -> Callable[[], float]:
    """A clock that is one second later each time it is looked at."""
    times = iter(range(1000, 2000))
    return lambda: float(next(times))


USED = Usage(1, 2)


def finished(stage: Stage, cost: str | None, usage: Usage = USED) -> StageFinished:
    return StageFinished(
        stage, "m", None, usage, None if cost is None else Decimal(cost), 1.0, "stop"
    )


def record(*events: Event, complete: bool = True) -> TurnRecord:
    kept = TurnRecord(clock=ticking())
    for event in events:
        kept.apply(event)
    kept.close(complete=complete)
    return kept


def test_a_turn_is_folded_from_its_events() -> None:
    first, second = finished(Stage.REASON, "0.1"), finished(Stage.ANSWER, "0.2")
    sources = (Source("Title", "https://example.org"),)
    kept = record(
        OPENED,
        TurnWarning("careful"),
        Sources(sources),
        REASON,
        Thought("six "),
        Thought("sevens"),
        first,
        ANSWER,
        Text("4"),
        Text("2"),
        second,
    )
    assert (kept.start, kept.warnings, kept.sources) == (OPENED, ["careful"], sources)
    assert (kept.reasoning, kept.answer, kept.complete) == ("six sevens", "42", True)
    assert kept.stages == {Stage.REASON: first, Stage.ANSWER: second}
    assert (kept.cost, kept.estimated, kept.running) == (Decimal("0.3"), False, None)
    # looked at: opened 1000, REASON 1001, thought 1002, ANSWER 1003, text 1004, close 1005
    assert (kept.first_reasoning, kept.first_answer, kept.total) == (2.0, 4.0, 5.0)


def test_a_first_piece_that_came_in_no_time_at_all_stays_the_first() -> None:
    times = iter([0.0, 0.0, 7.0, 0.0, 9.0, 9.0])
    kept = TurnRecord(clock=lambda: next(times))
    for event in (OPENED, Thought("a"), Thought("b"), Text("c"), Text("d")):
        kept.apply(event)
    assert (kept.first_reasoning, kept.first_answer) == (0.0, 7.0)


def test_a_turn_without_text_has_no_first_times() -> None:
    kept = record(OPENED, REASON, complete=False)
    assert (kept.first_reasoning, kept.first_answer, kept.complete) == (None, None, False)


def test_a_broken_off_reasoning_is_accounted_for_by_an_estimate() -> None:
    kept = record(OPENED, REASON, Thought("x" * 41), complete=False)
    usage = Usage(100, 11, 11, estimated=True)
    cost = Decimal("0.00021")
    assert kept.stages == {
        Stage.REASON: StageFinished(
            Stage.REASON, "r1", None, usage, cost, 3.0, None, complete=False
        )
    }
    assert (kept.cost, kept.estimated, kept.running) == (cost, True, None)


def test_a_broken_off_answer_is_estimated_by_its_own_text_and_thinking() -> None:
    kept = record(OPENED, ANSWER, Thought("x" * 99), Text("four"), complete=False)
    usage = Usage(200, 26, 25, estimated=True)
    assert kept.stages[Stage.ANSWER] == StageFinished(
        Stage.ANSWER, "sonnet", None, usage, None, 4.0, None, complete=False
    )


def test_a_stage_that_brought_nothing_has_no_usage_and_adds_nothing() -> None:
    kept = record(OPENED, REASON, finished(Stage.REASON, "0.1"), ANSWER, complete=False)
    assert kept.stages[Stage.ANSWER] == StageFinished(
        Stage.ANSWER, "sonnet", None, None, None, 2.0, None, complete=False
    )
    assert (kept.cost, kept.estimated) == (Decimal("0.1"), False)


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        ([], Decimal(0)),
        (["0.1", "0"], Decimal("0.1")),
        (["0.1", None], None),
        ([None, None], None),
    ],
)
def test_one_unknown_cost_makes_the_whole_unknown(
    costs: list[str | None], total: Decimal | None
) -> None:
    stages = [finished(stage, cost) for stage, cost in zip(Stage, costs, strict=False)]
    assert record(OPENED, *stages).cost == total


def test_a_search_counts_by_its_price_alone() -> None:
    search = replace(finished(Stage.SEARCH, "0.005"), usage=None)
    free = replace(finished(Stage.REASON, None), usage=None)
    assert record(OPENED, search, free, finished(Stage.ANSWER, "0.1")).cost == Decimal("0.105")


def test_an_estimate_in_one_stage_makes_the_turn_an_estimate() -> None:
    guessed = finished(Stage.REASON, "0.1", Usage(1, 2, estimated=True))
    assert record(OPENED, guessed, finished(Stage.ANSWER, "0.1")).estimated is True


def test_reused_reasoning_stands_in_the_record_and_costs_nothing() -> None:
    record = TurnRecord()
    record.apply(Reused("thoughts", "a draft", "r1"))
    assert (record.reasoning, record.draft, record.stages) == ("thoughts", "a draft", {})


def test_the_reasoners_own_answer_is_kept_apart_from_claudes() -> None:
    record = TurnRecord()
    for event in (Draft("its "), Draft("own"), Text("Claude's")):
        record.apply(event)
    assert (record.draft, record.answer) == ("its own", "Claude's")


def test_the_reasoning_is_by_the_model_that_served_it() -> None:
    assert record(OPENED).reasoned_by is None
    assert record(OPENED, REASON, finished(Stage.REASON, None)).reasoned_by == "m"
    served = replace(finished(Stage.REASON, None), served_model="m-0922")
    assert record(OPENED, REASON, served).reasoned_by == "m-0922"
    reused = record(OPENED, Reused("why", "42", "r1"), ANSWER, finished(Stage.ANSWER, None))
    assert (reused.reasoned_by, reused.reasoning, reused.draft) == ("r1", "why", "42")


CACHING = RateCard(Rates(Decimal(2), Decimal(10), Decimal("0.1"), Decimal("2.5")))
READS = replace(ANSWER, input_tokens=5_000, rates=CACHING, cache_write_tokens=4_000)


def test_what_caches_spared_is_summed_over_the_stages() -> None:
    wrote = Usage(3_000, 10, cache_write_tokens=2_000)
    read = Usage(5_000, 10, cached_tokens=3_000, cache_write_tokens=1_000)
    kept = record(
        replace(REASON, rates=CACHING),
        finished(Stage.REASON, "0.1", wrote),
        READS,
        finished(Stage.ANSWER, "0.1", read),
    )
    # 2,000 and 1,000 written at 0.50 more, 3,000 read at 1.90 less, per million
    assert kept.saved == Decimal("0.0042")


def test_nothing_is_said_to_be_saved_where_the_rates_are_unknown_or_nobody_counted() -> None:
    read = Usage(5_000, 10, cached_tokens=3_000)
    assert record(ANSWER, finished(Stage.ANSWER, None, read)).saved == 0
    assert record(finished(Stage.ANSWER, "0.1", read)).saved == 0
    assert record(REASON, finished(Stage.ANSWER, "0.1", read)).saved == 0
    guess = replace(read, estimated=True)
    assert record(READS, finished(Stage.ANSWER, "0.1", guess)).saved == 0


def test_a_stage_that_broke_off_is_priced_as_if_it_had_written_to_the_cache() -> None:
    kept = record(READS, Text("four"), complete=False)
    stage = kept.stages[Stage.ANSWER]
    assert stage.usage == Usage(5_000, 1, None, 0, 4_000, estimated=True)
    # 1,000 at 2, 4,000 at 2.50, one token out at 10
    assert (stage.cost, kept.saved) == (Decimal("0.01201"), Decimal(0))


@given(
    pieces=st.lists(st.text(st.characters(codec="utf-8"), min_size=1)), often=st.integers(1, 300)
)
def test_a_growing_text_is_its_pieces_however_they_are_cut(pieces: list[str], often: int) -> None:
    whole = pieces * often if sum(map(len, pieces)) < 50 else pieces
    text = GrowingText(whole)
    assert (str(text), bool(text), text == GrowingText(["".join(whole)])) == (
        "".join(whole),
        bool("".join(whole)),
        True,
    )
    assert text.size == len("".join(whole).encode())
    assert text.is_blank == (not "".join(whole).strip())


def test_a_growing_text_takes_little_more_than_its_characters() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        text = GrowingText(f"{number:04} → " for number in range(100_000))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < text.size * 1.1


@given(text=st.text(), size=st.integers(1, 100))
def test_the_ends_of_a_text_are_its_own(text: str, size: int) -> None:
    first, last = GrowingText([text]).ends(size)
    assert text.startswith(first)
    assert text.endswith(last)
    assert max(len(first.encode()), len(last.encode())) <= size // 2


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 100_001, 250_000, 300_000, 400_000])
def test_a_text_is_split_between_blocks(size: int) -> None:
    text = GrowingText(["é" * 150_000])
    first, rest = text.split(size)
    assert (first + b"".join(rest).decode(), len(first.encode()) >= min(size, 300_000)) == (
        "é" * 150_000,
        True,
    )
    assert len(first.encode()) <= size + 200_000


def test_a_copy_grows_by_itself() -> None:
    text = GrowingText(["a", "b"])
    other = text.copy()
    other.append("c")
    text.append("d")
    assert (str(text), str(other)) == ("abd", "abc")


def test_a_record_keeps_no_second_copy_of_what_the_stage_has() -> None:
    thoughts = GrowingText()
    kept = TurnRecord(clock=ticking())
    kept.apply(OPENED)
    kept.apply(replace(REASON, thoughts=thoughts))
    thoughts.append("so")
    kept.apply(Thought("so"))
    assert (kept.thoughts is thoughts, kept.reasoning) == (True, "so")
    kept.apply(ANSWER)
    kept.apply(Thought("own"))
    assert (kept.reasoning, kept.own_thinking) == ("so", "own")


class Stopped(BaseException):
    """What a signal raises."""


@pytest.mark.parametrize("event", ["c_call", "c_return"])
@pytest.mark.parametrize("at", range(1, 12))
def test_a_signal_amid_a_piece_costs_no_text_and_doubles_none(event: str, at: int) -> None:
    """A signal raises in a call or right behind one."""
    seen = 0

    def interrupt(frame: FrameType, happened: str, _argument: object) -> None:
        nonlocal seen
        seen += happened == event and frame.f_code.co_filename.endswith("pipeline/record.py")
        if seen == at:
            seen += 1
            raise Stopped

    text = GrowingText(["a"])
    sys.setprofile(interrupt)
    try:
        with suppress(Stopped):
            text.append("b" * 1_000)
    finally:
        sys.setprofile(None)
    assert str(text) in ("a", "a" + "b" * 1_000)
    text.append("c")
    assert str(text) in ("ac", "a" + "b" * 1_000 + "c")
