from __future__ import annotations

from decimal import Decimal

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
from deepreasoning_cli.views.notes import Notes, format_duration, stage_summary, turn_summary

DEMO_LINE = "demo: these are scripted replies, no model was called"
FAILURES = [None, IncompleteError("cut"), KeyboardInterrupt()]


def finished(asked: str, served: str | None) -> StageFinished:
    return StageFinished(Stage.ANSWER, asked, served, Usage(1, 2), None, 1.0, "end_turn")


def notes_on(
    *events: Event,
    failure: BaseException | None = None,
    escaped_count: int = 0,
    quiet: bool = False,
    bill: bool = False,
    saved: bool = False,
) -> list[str]:
    lines: list[str] = []
    record = TurnRecord()
    notes = Notes(
        record,
        lines.append,
        lambda: escaped_count,
        quiet=quiet,
        bill=lines.append if bill else None,
        is_saved=lambda: saved,
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
    assert notes_on(opened("demo"), quiet=quiet) == [DEMO_LINE]
    assert notes_on(opened("direct"), quiet=quiet) == []


def test_a_warning_is_one_harmless_line() -> None:
    assert notes_on(TurnWarning("mind\nthe \x1b[2Jgap")) == ["warning: mind the ␛[2Jgap"]


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
    assert notes_on(finished(asked, served)) == []


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
    assert notes_on(finished(asked, served)) == [f"note: {served} answered instead of {asked}"]


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
    assert notes_on(Text("x"), escaped_count=count, failure=failure) == lines


def test_the_bill_is_the_last_line_where_it_is_wanted() -> None:
    assert notes_on(finished("sonnet", "s\x1b"), bill=True, escaped_count=1) == [
        "note: s␛ answered instead of sonnet",
        "note: 1 control character was made visible",
        "s␛ · 3 tokens · cost unknown · 2.0 s",
    ]
    assert notes_on(Text("x"), bill=True) == []


@pytest.mark.parametrize(
    ("quiet", "failure"), [(True, None), (True, KeyboardInterrupt()), (False, BrokenPipeError())]
)
def test_nothing_is_said_at_the_end_when_quiet_or_when_nobody_reads(
    quiet: bool, failure: BaseException | None
) -> None:
    assert notes_on(Text("x"), bill=True, escaped_count=3, quiet=quiet, failure=failure) == []
    assert notes_on(TurnWarning("w"), finished("a", "b"), quiet=True) == []


GO_ON = "hint: `deepreasoning resume id1` continues from here"
SOMETHING = [Thought("a"), Draft("a"), Text("a"), Reused("a", "", "r1")]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), Interrupted(15)])
@pytest.mark.parametrize("event", SOMETHING)
def test_after_a_signal_the_way_on_is_named_where_something_is_kept(
    failure: BaseException, event: Event
) -> None:
    assert notes_on(opened("direct"), event, failure=failure, saved=True) == [GO_ON]
    assert notes_on(opened("direct"), event, failure=failure, saved=False) == []
    assert notes_on(opened("direct"), event, failure=failure, saved=True, quiet=True) == []
    assert notes_on(opened("direct"), failure=failure, saved=True) == []


@pytest.mark.parametrize("failure", [None, IncompleteError("cut"), BrokenPipeError()])
def test_whatever_else_ends_a_turn_is_said_elsewhere(failure: BaseException | None) -> None:
    assert notes_on(opened("direct"), Text("a"), failure=failure, saved=True) == []


def test_the_way_on_stands_below_the_bill() -> None:
    lines = notes_on(
        opened("direct"),
        Text("a"),
        finished("s", None),
        failure=KeyboardInterrupt(),
        saved=True,
        bill=True,
    )
    assert lines == ["s · 3 tokens · cost unknown · 2.0 s", GO_ON]


def stage(
    stage: Stage = Stage.REASON,
    usage: Usage | None = None,
    cost: str | None = None,
    seconds: float = 41.2,
    served: str | None = None,
) -> StageFinished:
    known = None if cost is None else Decimal(cost)
    return StageFinished(stage, f"asked-{stage}", served, usage, known, seconds, "stop")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (8.24, "8.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (41.4, "41 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185.2, "3 min 5 s"),
        (3600, "60 min 0 s"),
    ],
)
def test_time_is_said_as_exactly_as_it_matters(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("finished", "line"),
    [
        (stage(usage=Usage(9, 3120), cost="0.0070"), "41 s · 3,120 tokens · $0.0070"),
        (
            stage(usage=Usage(9, 3120, estimated=True), cost="0.0070"),
            "41 s · ≈3,120 tokens · ≈$0.0070",
        ),
        (stage(usage=Usage(9, 3120)), "41 s · 3,120 tokens · cost unknown"),
        (stage(), "41 s"),
    ],
)
def test_a_stage_in_one_line(finished: StageFinished, line: str) -> None:
    assert stage_summary(finished) == line


def record(*stages: StageFinished) -> TurnRecord:
    return TurnRecord(stages={each.stage: each for each in stages}, total=52.1)


@pytest.mark.parametrize(
    ("turn", "line"),
    [
        (
            record(
                stage(Stage.REASON, Usage(1000, 2000), "0.01", served="r1-0528"),
                stage(Stage.ANSWER, Usage(400, 12), "0.0023"),
            ),
            "r1-0528 → asked-answer · 3,412 tokens · $0.0123 · 52 s",
        ),
        (
            record(
                stage(Stage.REASON, Usage(1000, 2000, estimated=True), "0.01"),
                stage(Stage.ANSWER, Usage(400, 12), None),
            ),
            "asked-reason → asked-answer · ≈3,412 tokens · cost unknown · 52 s",
        ),
        (
            record(stage(Stage.ANSWER, Usage(1, 2, estimated=True), "0.5")),
            "asked-answer · ≈3 tokens · ≈$0.5000 · 52 s",
        ),
        (record(stage(Stage.ANSWER)), "asked-answer · 0 tokens · $0 · 52 s"),
    ],
)
def test_a_turn_in_one_line(turn: TurnRecord, line: str) -> None:
    assert turn_summary(turn) == line


@pytest.mark.parametrize(
    ("saved", "line"),
    [
        ("0.02224", "asked-answer · 12,357 tokens · $0.0500 · 12,345 cached, $0.0222 saved · 52 s"),
        ("0.0001", "asked-answer · 12,357 tokens · $0.0500 · 12,345 cached, $0.0001 saved · 52 s"),
        ("0.00009", "asked-answer · 12,357 tokens · $0.0500 · 52 s"),
        ("-0.5", "asked-answer · 12,357 tokens · $0.0500 · 52 s"),
    ],
)
def test_what_a_cache_saved_stands_behind_the_cost_if_it_is_worth_a_word(
    saved: str, line: str
) -> None:
    turn = record(stage(Stage.ANSWER, Usage(12_350, 7, None, 12_345), "0.05"))
    turn.saved = Decimal(saved)
    assert turn_summary(turn) == line
