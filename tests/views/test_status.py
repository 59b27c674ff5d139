from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deepreasoning_cli.pipeline.events import (
    Event,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.views.status import Progress, StatusLine

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ERASE = "\r\x1b[0K"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def started(stage: Stage, model: str = "r1") -> StageStarted:
    return StageStarted(stage, model, 1, None, NOON)


FINISHED = StageFinished(Stage.REASON, "r1", None, None, None, 1.0, "stop")


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([], "starting · 12 s"),
        ([started(Stage.SEARCH, "linkup")], "linkup searching · 12 s"),
        ([started(Stage.REASON)], "r1 thinking · 12 s"),
        ([started(Stage.REASON), Thought("é" * 680)], "r1 thinking · 12 s · 340 tokens"),
        ([started(Stage.ANSWER), Text("x" * 8000)], "r1 answering · 12 s · 2,000 tokens"),
        ([Thought("x" * 99), started(Stage.ANSWER)], "r1 answering · 12 s"),
        ([started(Stage.REASON, "a\x1b]0;t\n" + "b" * 99)], f"a␛]0;t {'b' * 52}… thinking · 12 s"),
    ],
)
def test_the_line_names_model_age_and_size(events: list[Event], line: str) -> None:
    clock = Clock()
    progress = Progress(clock)
    for event in events:
        progress.apply(event)
    clock.now += 12.3
    assert progress.line() == line


RATES = RateCard(Rates(Decimal(1), Decimal(10)))  # USD per million tokens read and written
COSTLY = StageStarted(Stage.REASON, "r1", 1_000, RATES, NOON)


def test_the_line_has_what_the_turn_costs_so_far() -> None:
    progress = Progress(Clock())
    progress.apply(COSTLY)
    assert progress.line() == "r1 thinking · 0 s"
    progress.apply(Thought("x" * 4_000))
    assert progress.line() == "r1 thinking · 0 s · 1,000 tokens · ≈$0.0110"
    progress.apply(replace(FINISHED, cost=Decimal("0.0200")))
    progress.apply(replace(COSTLY, stage=Stage.ANSWER))
    assert progress.line() == "r1 answering · 0 s · ≈$0.0200"
    progress.apply(Text("x" * 400))
    assert progress.line().endswith("100 tokens · ≈$0.0220")


def test_what_nobody_knows_the_cost_of_is_given_no_figure() -> None:
    progress = Progress(Clock())
    progress.apply(COSTLY)
    progress.apply(FINISHED)
    progress.apply(replace(COSTLY, stage=Stage.ANSWER))
    progress.apply(Text("x" * 400))
    assert progress.line() == "r1 answering · 0 s · 100 tokens"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (None, "thinking · 0 s · 1,000 tokens · ≈$0.0110 · Enter: answer now · Ctrl-C: stop"),
        (74, "thinking · 0 s · ≈$0.0110 · Enter: answer now · Ctrl-C: stop"),
        (59, "thinking · 0 s · ≈$0.0110 · Enter: answer now"),
        (44, "thinking · ≈$0.0110 · Enter: answer now"),
        (38, "thinking · Enter: answer now"),
        (27, "thinking"),
        (3, "thinking"),
    ],
)
def test_where_there_is_little_room_fields_are_left_out_whole(width: int | None, line: str) -> None:
    progress = Progress(Clock(), tip=lambda _: "Enter: answer now · Ctrl-C: stop")
    progress.apply(COSTLY)
    progress.apply(Thought("x" * 4_000))
    assert progress.line(model=False, width=width) == line


def test_each_stage_has_its_own_age() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.apply(started(Stage.REASON))
    clock.now += 50
    progress.apply(started(Stage.ANSWER))
    clock.now += 3
    assert progress.line() == "r1 answering · 3 s"


def test_a_pause_says_what_is_waited_for_until_it_is_over() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.apply(started(Stage.REASON))
    progress.note_retry("r1 is\noverloaded", 8.0)
    clock.now += 3
    assert progress.line() == "r1 is overloaded, retrying in 5 s"
    clock.now += 5
    assert progress.line() == "r1 thinking · 8 s"


@pytest.mark.parametrize("event", [Thought("x"), Text("x"), FINISHED])
def test_a_pause_ends_with_the_first_piece(event: Event) -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.note_retry("overloaded", 8.0)
    progress.apply(event)
    assert progress.line() == "starting · 0 s"


def drawn(columns: int, spinner: str, frames: int) -> tuple[list[str], int]:
    """What a status line wrote until it had drawn `frames`, and how many threads it left."""
    out: list[str] = []
    enough = threading.Event()
    others = set(threading.enumerate())

    def write(text: str) -> None:
        out.append(text)
        if len(out) == frames:
            enough.set()

    progress = Progress(Clock())
    progress.apply(started(Stage.REASON))
    line = StatusLine(progress, write, columns, spinner, tick=0.001)
    assert enough.wait(60)
    line.close(None)
    left = sum(thread.name == "status" for thread in set(threading.enumerate()) - others)
    return out, left


def test_the_line_turns_in_place_and_is_erased_and_its_thread_ends() -> None:
    out, left = drawn(80, "|/", 3)
    assert out[:3] == [
        "\r/ r1 thinking · 0 s\x1b[0K",
        "\r| r1 thinking · 0 s\x1b[0K",
        "\r/ r1 thinking · 0 s\x1b[0K",
    ]
    assert (out[-1], left) == (ERASE, 0)


@pytest.mark.parametrize(("columns", "text"), [(8, "/ r1 th"), (2, "/"), (1, "/"), (0, "/")])
def test_the_line_never_reaches_the_last_column(columns: int, text: str) -> None:
    assert drawn(columns, "|/", 1)[0][0] == f"\r{text}\x1b[0K"


def test_the_line_counts_the_events_it_is_shown() -> None:
    progress = Progress(Clock())
    line = StatusLine(progress, lambda _: None, 80)
    line(started(Stage.ANSWER))
    line.close(None)
    assert progress.line() == "r1 answering · 0 s"


def test_a_turn_that_is_over_at_once_shows_nothing() -> None:
    out: list[str] = []
    StatusLine(Progress(), out.append, 80).close(None)
    assert out == []


@pytest.mark.parametrize("exc", [OSError(5, "Input/output error"), ValueError("closed")])
def test_a_terminal_that_hung_up_stops_nothing(
    exc: Exception,
) -> None:
    tried = threading.Event()

    def write(_: str) -> None:
        tried.set()
        raise exc

    line = StatusLine(Progress(), write, 80, tick=0.001)
    assert tried.wait(60)
    line.close(None)


def test_a_bug_in_the_thread_is_raised_when_the_turn_is_over() -> None:
    tried = threading.Event()

    class Failing(Progress):
        def line(self, *, model: bool = True, width: int | None = None) -> str:
            tried.set()
            raise TypeError("no line")

    out: list[str] = []
    line = StatusLine(Failing(), out.append, 80, tick=0.001)
    assert tried.wait(60)
    with pytest.raises(TypeError, match="no line"):
        line.close(None)
    assert out == []
