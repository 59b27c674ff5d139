"""Two panels, streamed: whole in the scrollback, each row once, on every size of screen."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.events import (
    Event,
    Finished,
    Handoff,
    Opened,
    Source,
    Sources,
    Stage,
    Started,
    Text,
    Thought,
)
from deepreasoning_cli.money import Usage
from deepreasoning_cli.record import Record
from deepreasoning_cli.views import console
from deepreasoning_cli.views.blocks import whole
from deepreasoning_cli.views.panel import Look
from deepreasoning_cli.views.panels import PanelsView
from deepreasoning_cli.views.show import Show
from deepreasoning_cli.views.status import Progress
from screen import Terminal, foreign

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SIZES = [(80, 24), (40, 10), (20, 5), (120, 40)]


class Tty(io.StringIO):
    """A stream that is a terminal; what it is sent is emulated."""

    encoding = "utf-8"

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.terminal = Terminal(columns, rows)

    def write(self, text: str) -> int:
        self.terminal.write(text)
        return len(text)

    def isatty(self) -> bool:
        return True


def stage(which: Stage, reason: str = "end_turn") -> Finished:
    usage = Usage(10, 20)
    return Finished(which, "m", None, usage, Decimal("0.007"), 41.2, reason)


def started(which: Stage) -> Started:
    return Started(which, "a-model", 10, None, NOW)


def show(
    events: list[Event],
    size: tuple[int, int] = (80, 24),
    look: Look | None = None,
    failure: BaseException | None = None,
) -> Tty:
    stream = Tty(*size)
    record = Record()
    view = PanelsView(record, Progress(), stream, look or Look(color=False))
    shown = Show(record, [view])
    try:
        with shown:
            for event in events:
                shown(event)
            if failure:
                raise failure
    except (IncompleteError, KeyboardInterrupt):
        pass
    return stream


def turn(thoughts: list[str], texts: list[str], reason: str = "end_turn") -> list[Event]:
    return [
        Opened("id", "direct", "q", Handoff.REASONING),
        started(Stage.REASON),
        *map(Thought, thoughts),
        stage(Stage.REASON, "stop"),
        started(Stage.ANSWER),
        *map(Text, texts),
        stage(Stage.ANSWER, reason),
    ]


@pytest.fixture
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    columns, rows = request.param
    monkeypatch.setattr(console, "size", lambda: (columns, rows))
    return columns, rows


def contents(lines: list[str], title: str) -> list[str]:
    """The rows inside the box with that title, without its sides."""
    top = next(at for at, line in enumerate(lines) if line.startswith(f"╭─ {title}"))
    bottom = next(at for at, line in enumerate(lines) if at > top and line.startswith("╰"))
    return [line.removeprefix("│").removesuffix("│").strip() for line in lines[top + 1 : bottom]]


def expected(markdown: str, width: int) -> list[str]:
    rows = whole(markdown, width, console=console.console(io.StringIO(), color=False, columns=80))
    return ["".join(segment.text for segment in row).strip() for row in rows]


def test_both_panels_stand_whole_with_what_they_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 24))
    lines = show(turn(["let me ", "think"], ["**42**", " it is"]), (60, 24)).terminal.lines()
    assert lines[:6] == [
        "╭─ Reasoning · a-model ────────────────────────────────────╮",
        "│ let me think                                             │",
        "╰─ thought 41 s · 20 tokens · $0.0070 ─────────────────────╯",
        "╭─ Answer · a-model ───────────────────────────────────────╮",
        "│ 42 it is                                                 │",
        "╰─ 41 s · 20 tokens · $0.0070 ─────────────────────────────╯",
    ]
    assert lines[6].startswith("m → m · 60 tokens · $0.0140 · ")
    assert len(lines) == 7


FOUND = Sources((Source("Tables", "https://a.org"), Source("\x1b[2JMore", "javascript:1")))
LISTED = ["1. Tables — https://a.org", "2. ␛[2JMore — javascript:1", ""]


def searched() -> list[Event]:
    found = Finished(Stage.SEARCH, "linkup", None, None, Decimal("0.005"), 1.0, None)
    return [started(Stage.SEARCH), FOUND, found]


def test_what_was_found_stands_above_the_reasoning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 24))
    opened, *rest = turn(["hm"], ["42"])
    lines = show([opened, *searched(), *rest], (60, 24)).terminal.lines()
    assert lines[0].startswith("╭─ Reasoning")
    assert contents(lines, "Reasoning") == [*LISTED, "hm"]
    assert contents(lines, "Answer") == ["42"]
    assert lines[-1].startswith("m → m · 60 tokens · $0.0190 · ")


def test_without_reasoning_it_stands_above_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 24))
    opened, *rest = turn([], ["42"])
    lines = show([opened, *searched(), *rest[2:]], (60, 24)).terminal.lines()
    assert contents(lines, "Answer") == [*LISTED, "42"]


def test_while_it_searches_one_row_says_so_and_then_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 24))
    stream = Tty(60, 24)
    record = Record()
    view = PanelsView(record, Progress(), stream, Look(color=False))
    view(started(Stage.SEARCH))
    until = time.monotonic() + 5
    while "searching" not in stream.terminal.text and time.monotonic() < until:
        time.sleep(0.01)
    assert "searching · 0 s" in stream.terminal.text
    view(searched()[-1])
    assert "".join(stream.terminal.lines()).strip() == ""
    view.close(None)


def test_a_thought_that_comes_late_is_not_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 24))
    *rest, text, end = turn(["hm"], ["42"])
    lines = show([*rest, text, Thought("later"), end], (60, 24)).terminal.lines()
    assert contents(lines, "Answer") == ["42"]


LISTING = "".join(f"- item {n:03d} 漢字 👍 with `code`\n" for n in range(100))
FENCE = "```python\n" + "".join(f"value_{n:03d} = {n}\n" for n in range(100)) + "```\n"
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| row {n:03d} | x |\n" for n in range(15))
ARABIC = "".join(f"- السطر رقم {n:03d} من القائمة\n" for n in range(60))


@pytest.mark.parametrize("size", SIZES, indirect=True)
@pytest.mark.parametrize("text", [LISTING, FENCE, TABLE, ARABIC, LISTING + "\n" + FENCE + TABLE])
@pytest.mark.parametrize("step", [7, 500])
def test_an_answer_taller_than_the_screen_stands_there_once_and_in_order(
    size: tuple[int, int], text: str, step: int
) -> None:
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    stream = show(turn(["hm"], pieces), size)
    shown = contents(stream.terminal.lines(), "Answer")
    assert shown == expected(text, size[0] - 4)
    assert foreign(stream.terminal.text) == ""


def test_a_frame_drawn_in_mid_stream_shows_the_newest_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "size", lambda: (60, 10))
    stream = Tty(60, 10)
    record = Record()
    shown = Show(record, [PanelsView(record, Progress(), stream, Look(color=False))])
    with shown:
        for event in turn([], [])[:2]:
            shown(event)
        shown(Thought("one two"))
        deadline = time.monotonic() + 5
        while "one two" not in "\n".join(stream.terminal.lines()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        shown(stage(Stage.REASON))


def test_before_the_first_text_the_panel_says_what_it_waits_for() -> None:
    stream = Tty(60, 10)
    record = Record()
    shown = Show(record, [PanelsView(record, Progress(), stream, Look(color=False))])
    with shown:
        for event in turn([], [])[:2]:
            shown(event)
        deadline = time.monotonic() + 5
        while "thinking · 0 s" not in "\n".join(stream.terminal.lines()):
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.parametrize("columns", [5, 12, 20])
def test_what_a_narrow_panel_waits_for_takes_one_row_and_goes(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(console, "size", lambda: (columns, 10))
    stream = Tty(columns, 10)
    record = Record()
    shown = Show(record, [PanelsView(record, Progress(), stream, Look(color=False))])
    with shown:
        for event in (*turn([], [])[:1], started(Stage.ANSWER)):
            shown(event)
        deadline = time.monotonic() + 5
        while not set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") & set(stream.terminal.text):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        shown(Text("42"))
        shown(stage(Stage.ANSWER))
    lines = "\n".join(stream.terminal.lines())
    assert not set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") & set(lines), lines
    assert "42" in lines


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (KeyboardInterrupt(), "stopped"),
        (IncompleteError("x", kind="cut"), "cut short"),
        (IncompleteError("x", kind="overloaded"), "stopped by an error"),
    ],
)
def test_a_broken_off_panel_says_so_in_its_border(failure: BaseException, words: str) -> None:
    stream = show(turn(["so"], [])[:3], failure=failure)
    lines = stream.terminal.lines()
    assert lines[1].startswith("│ so ")
    assert lines[2].startswith(f"╰─ {words} ─")
    assert stream.terminal.text.endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("reason", "words"),
    [("max_tokens", "cut at its token limit · 41 s"), ("refusal", "declined · 41 s")],
)
def test_a_truncated_or_refused_answer_says_so_in_its_border(reason: str, words: str) -> None:
    lines = show(turn(["so"], ["half"], reason)).terminal.lines()
    assert lines[5].startswith(f"╰─ {words}")


def test_hidden_reasoning_leaves_only_what_it_took() -> None:
    look = Look(color=False, folded=frozenset({Stage.REASON}))
    lines = show(turn(["secret"], ["42"]), look=look).terminal.lines()
    assert [line[:30] for line in lines[:2]] == [
        "╭─ Reasoning · a-model ───────",
        "╰─ thought 41 s · 20 tokens · ",
    ]
    assert "secret" not in "\n".join(lines)


def test_a_skipped_stage_has_no_panel() -> None:
    look = Look(color=False, skipped=frozenset({Stage.REASON}))
    lines = show(turn(["secret"], ["42"]), look=look).terminal.lines()
    assert lines[0].startswith("╭─ Answer")


def test_the_demo_says_so_in_every_title() -> None:
    lines = show(turn(["so"], ["42"]), look=Look(color=False, demo=True)).terminal.lines()
    assert [line for line in lines if "no model was called" in line] == [lines[0], lines[3]]


def test_rules_leave_content_rows_bare() -> None:
    lines = show(turn(["so"], ["42"]), look=Look(box=False, color=False)).terminal.lines()
    assert (lines[1], lines[4]) == ("so", "42")


def test_a_terminal_that_shrinks_and_grows_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([(80, 24)] * 40 + [(50, 24)] * 40)
    monkeypatch.setattr(console, "size", lambda: next(sizes, (100, 24)))
    words = [f"word{n:04d} " for n in range(600)]
    stream = Tty(100, 24)
    record = Record()
    shown = Show(record, [PanelsView(record, Progress(), stream, Look(color=False))])
    with shown:
        for event in turn(["hm"], [])[:5]:
            shown(event)
        for word in words:
            shown(Text(word))
            time.sleep(0.001)
        shown(stage(Stage.ANSWER))
    text = " ".join(stream.terminal.lines())
    assert [word for word in words if text.count(word.strip()) != 1] == []
