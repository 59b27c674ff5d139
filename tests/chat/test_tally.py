from __future__ import annotations

from decimal import Decimal

from deepreasoning_cli.chat.tally import Tally
from deepreasoning_cli.events import Finished, Stage
from deepreasoning_cli.money import Usage
from scripted_chat import turn


def test_turns_are_summed() -> None:
    tally = Tally().plus(turn("q", "a", "r")).plus(turn("q", "a"))
    assert tally == Tally(2, 450, Decimal("0.0050"))
    assert tally.words == "450 tokens · $0.0050"


def test_what_is_estimated_or_unknown_is_said() -> None:
    record = turn("q", "a")
    guess = Usage(10, 5, estimated=True)
    record.stages[Stage.REASON] = Finished(Stage.REASON, "r1", None, guess, None, 1.0, None)
    assert Tally().plus(record).words == "≈165 tokens · ≈$0.0020 + unknown"


def test_a_turn_that_was_stopped_at_once_counts_nothing() -> None:
    assert Tally().plus(turn("q")) == Tally(1)
