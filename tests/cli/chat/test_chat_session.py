from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from deepreasoning_cli.cli.chat.session import UsageTotals
from deepreasoning_cli.pipeline.events import Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from support.scripted_chat import turn


def test_turns_are_summed() -> None:
    totals = UsageTotals().plus(turn("q", "a", "r")).plus(turn("q", "a"))
    assert totals == UsageTotals(turns=2, tokens=450, cost=Decimal("0.0050"))
    assert totals.words == "450 tokens · $0.0050"


def test_what_is_estimated_or_unknown_is_said() -> None:
    record = turn("q", "a")
    guess = Usage(10, 5, estimated=True)
    record.stages[Stage.REASON] = StageFinished(Stage.REASON, "r1", None, guess, None, 1.0, None)
    assert UsageTotals().plus(record).words == "≈165 tokens · ≈$0.0020 + unknown"


def test_a_turn_that_was_stopped_at_once_counts_nothing() -> None:
    assert UsageTotals().plus(turn("q")) == UsageTotals(turns=1)


def cached(read: int, written: int, saved: str, *, estimated: bool = False) -> TurnRecord:
    record = turn("q", "a")
    usage = Usage(20_000, 5, None, read, written, estimated=estimated)
    record.stages[Stage.ANSWER] = replace(record.stages[Stage.ANSWER], usage=usage)
    record.saved = Decimal(saved)
    return record


def test_what_caches_brought_is_summed_with_what_they_cost() -> None:
    first = UsageTotals().plus(cached(0, 12_345, "-0.0062"))
    assert first.cache_words == "0 tokens read, 12,345 written · $0.0062 more than without"
    second = first.plus(cached(12_345, 1_000, "0.0284"))
    assert second.cache_words == "12,345 tokens read, 13,345 written · $0.0222 saved"


def test_a_chat_without_a_cache_says_so() -> None:
    assert UsageTotals().plus(turn("q", "a")).cache_words == "not used yet"


def test_tokens_that_nobody_counted_are_not_said_to_be_cached() -> None:
    assert UsageTotals().plus(cached(0, 500, "0", estimated=True)).cache_words == "not used yet"
