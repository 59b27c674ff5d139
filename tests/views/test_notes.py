from __future__ import annotations

import pytest

from deepreasoning_cli.errors import IncompleteError, Interrupted
from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Handoff,
    Reused,
    Stage,
    StageFinished,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.notes import Notes

DEMO_LINE = "demo: these are scripted replies, no model was called"
FAILURES = [None, IncompleteError("cut"), KeyboardInterrupt()]


def finished(asked: str, served: str | None) -> StageFinished:
    return StageFinished(Stage.ANSWER, asked, served, Usage(1, 2), None, 1.0, "end_turn")


def said(
    *events: Event,
    failure: BaseException | None = None,
    escaped_count: int = 0,
    quiet: bool = False,
    bill: bool = False,
    kept: bool = False,
) -> list[str]:
    lines: list[str] = []
    record = TurnRecord()
    notes = Notes(
        record, lines.append, lambda: escaped_count, quiet=quiet, bill=bill, kept=lambda: kept
    )
    for event in events:
        record.apply(event)
        notes(event)
    record.total = 2.0
    notes.close(failure)
    return lines


def opened(backend: str) -> TurnStarted:
    return TurnStarted("id1", backend, "6 × 7?", Handoff.REASONING)


@pytest.mark.parametrize("quiet", [False, True])
def test_the_demo_says_so_even_when_it_is_to_be_quiet(quiet: bool) -> None:
    assert said(opened("demo"), quiet=quiet) == [DEMO_LINE]
    assert said(opened("direct"), quiet=quiet) == []


def test_a_warning_is_one_harmless_line() -> None:
    assert said(TurnWarning("mind\nthe \x1b[2Jgap")) == ["warning: mind the ␛[2Jgap"]


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("sonnet", None),
        ("sonnet", ""),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1-0528"),
        ("deepseek/deepseek-r1-0528:free", "deepseek/deepseek-r1-0528"),
        ("deepseek-r1", "deepseek-r1:latest"),
        ("gpt-5", "gpt-5-2026-08-07"),
    ],
)
def test_a_prefix_a_date_or_a_tag_makes_no_other_model(asked: str, served: str | None) -> None:
    assert said(finished(asked, served)) == []


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("claude-sonnet-4", "claude-sonnet-4-5"),
        ("DeepSeek-R1-0528", "DeepSeek-R1-0528-Turbo"),
        ("deepseek-r1:671b", "deepseek-r1:8b"),
        ("deepseek-reasoner", "deepseek-v4-pro"),
    ],
)
def test_another_model_than_was_asked_is_noted(asked: str, served: str) -> None:
    assert said(finished(asked, served)) == [f"note: {asked} was asked, {served} answered"]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    ("count", "lines"),
    [
        (0, []),
        (1, ["note: 1 control character was made visible"]),
        (7, ["note: 7 control characters were made visible"]),
    ],
)
def test_what_was_made_visible_is_counted_at_the_end(
    failure: BaseException | None, count: int, lines: list[str]
) -> None:
    assert said(Text("x"), escaped_count=count, failure=failure) == lines


def test_the_bill_is_the_last_line_where_it_is_wanted() -> None:
    assert said(finished("sonnet", "s\x1b"), bill=True, escaped_count=1) == [
        "note: sonnet was asked, s␛ answered",
        "note: 1 control character was made visible",
        "s␛ · 3 tokens · cost unknown · 2.0 s",
    ]
    assert said(Text("x"), bill=True) == []


@pytest.mark.parametrize(
    ("quiet", "failure"), [(True, None), (True, KeyboardInterrupt()), (False, BrokenPipeError())]
)
def test_nothing_is_said_at_the_end_when_quiet_or_when_nobody_reads(
    quiet: bool, failure: BaseException | None
) -> None:
    assert said(Text("x"), bill=True, escaped_count=3, quiet=quiet, failure=failure) == []
    assert said(TurnWarning("w"), finished("a", "b"), quiet=True) == []


GO_ON = "hint: `deepreasoning resume id1` goes on from here"
SOMETHING = [Thought("a"), Draft("a"), Text("a"), Reused("a", "", "r1")]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), Interrupted(15)])
@pytest.mark.parametrize("event", SOMETHING)
def test_after_a_signal_the_way_on_is_named_where_something_is_kept(
    failure: BaseException, event: Event
) -> None:
    assert said(opened("direct"), event, failure=failure, kept=True) == [GO_ON]
    assert said(opened("direct"), event, failure=failure, kept=False) == []
    assert said(opened("direct"), event, failure=failure, kept=True, quiet=True) == []
    assert said(opened("direct"), failure=failure, kept=True) == []


@pytest.mark.parametrize("failure", [None, IncompleteError("cut"), BrokenPipeError()])
def test_whatever_else_ends_a_turn_is_said_elsewhere(failure: BaseException | None) -> None:
    assert said(opened("direct"), Text("a"), failure=failure, kept=True) == []


def test_the_way_on_stands_below_the_bill() -> None:
    lines = said(
        opened("direct"),
        Text("a"),
        finished("s", None),
        failure=KeyboardInterrupt(),
        kept=True,
        bill=True,
    )
    assert lines == ["s · 3 tokens · cost unknown · 2.0 s", GO_ON]
