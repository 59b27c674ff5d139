"""Two panels, streamed: whole in the scrollback, each row once, on every size of screen."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deepreasoning_cli.cli.boundary import run_guarded
from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sanitiser
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.base import View, ViewGroup
from deepreasoning_cli.views.live import SHOW_CURSOR, Row
from deepreasoning_cli.views.markdown.stream import MarkdownStream, PlainStream, render_markdown
from deepreasoning_cli.views.panel import Frame, PanelRenderer, PanelStyle
from deepreasoning_cli.views.panels import PanelsView
from deepreasoning_cli.views.status import Progress
from support.screen import Tty, foreign

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SIZES = [(80, 24), (40, 10), (20, 5), (120, 40)]


def stage(which: Stage, reason: str = "end_turn") -> StageFinished:
    usage = Usage(10, 20)
    return StageFinished(which, "m", None, usage, Decimal("0.007"), 41.2, reason)


def started(which: Stage) -> StageStarted:
    return StageStarted(which, "a-model", 10, None, NOW)


PLAIN = PanelStyle(color=False)


def panels(record: TurnRecord, stream: Tty, style: PanelStyle = PLAIN) -> PanelsView:
    renderer = PanelRenderer(stream, style, stream.size)
    return PanelsView(record, Progress(), renderer)


def show(
    events: list[Event],
    size: tuple[int, int] = (80, 24),
    style: PanelStyle = PLAIN,
    failure: BaseException | None = None,
) -> Tty:
    stream = Tty(*size)
    record = TurnRecord()
    shown = ViewGroup(record, [panels(record, stream, style)])
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
        TurnStarted("id", "direct", "q", Handoff.REASONING),
        started(Stage.REASON),
        *map(Thought, thoughts),
        stage(Stage.REASON, "stop"),
        started(Stage.ANSWER),
        *map(Text, texts),
        stage(Stage.ANSWER, reason),
    ]


def contents(lines: list[str], title: str) -> list[str]:
    """The rows inside the box with that title, without its sides."""
    top = next(at for at, line in enumerate(lines) if line.startswith(f"╭─ {title}"))
    bottom = next(at for at, line in enumerate(lines) if at > top and line.startswith("╰"))
    return [line.removeprefix("│").removesuffix("│").strip() for line in lines[top + 1 : bottom]]


def expected(markdown: str, width: int) -> list[str]:
    rows = render_markdown(
        markdown, width, console=terminal.make_console(io.StringIO(), color=False, columns=80)
    )
    return ["".join(segment.text for segment in row).strip() for row in rows]


def test_both_panels_stand_whole_with_what_they_took() -> None:
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
    found = StageFinished(Stage.SEARCH, "linkup", None, None, Decimal("0.005"), 1.0, None)
    return [started(Stage.SEARCH), FOUND, found]


def test_what_was_found_stands_above_the_reasoning() -> None:
    opened, *rest = turn(["hm"], ["42"])
    lines = show([opened, *searched(), *rest], (60, 24)).terminal.lines()
    assert lines[0].startswith("╭─ Reasoning")
    assert contents(lines, "Reasoning") == [*LISTED, "hm"]
    assert contents(lines, "Answer") == ["42"]
    assert lines[-1].startswith("m → m · 60 tokens · $0.0190 · ")


def test_without_reasoning_it_stands_above_the_answer() -> None:
    opened, *rest = turn([], ["42"])
    lines = show([opened, *searched(), *rest[2:]], (60, 24)).terminal.lines()
    assert contents(lines, "Answer") == [*LISTED, "42"]


def test_while_it_searches_one_row_says_so_and_then_goes() -> None:
    stream = Tty(60, 24)
    record = TurnRecord()
    view = panels(record, stream)
    view(started(Stage.SEARCH))
    until = time.monotonic() + 60
    while "searching" not in stream.terminal.text and time.monotonic() < until:
        time.sleep(0.01)
    assert "searching · 0 s" in stream.terminal.text
    view(searched()[-1])
    assert "".join(stream.terminal.lines()).strip() == ""
    view.close(None)


def test_a_thought_that_comes_late_is_not_in_the_answer() -> None:
    *rest, text, end = turn(["hm"], ["42"])
    lines = show([*rest, text, Thought("later"), end], (60, 24)).terminal.lines()
    assert contents(lines, "Answer") == ["42"]


LISTING = "".join(f"- item {n:03d} 漢字 👍 with `code`\n" for n in range(100))
FENCE = "```python\n" + "".join(f"value_{n:03d} = {n}\n" for n in range(100)) + "```\n"
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| row {n:03d} | x |\n" for n in range(15))
ARABIC = "".join(f"- السطر رقم {n:03d} من القائمة\n" for n in range(60))


@pytest.mark.parametrize("size", SIZES)
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


def test_a_frame_drawn_in_mid_stream_shows_the_newest_text() -> None:
    stream = Tty(60, 10)
    record = TurnRecord()
    shown = ViewGroup(record, [panels(record, stream)])
    with shown:
        for event in turn([], [])[:2]:
            shown(event)
        shown(Thought("one two"))
        deadline = time.monotonic() + 60
        while "one two" not in "\n".join(stream.terminal.lines()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        shown(stage(Stage.REASON))


def test_before_the_first_text_the_panel_says_what_it_waits_for() -> None:
    stream = Tty(60, 10)
    record = TurnRecord()
    shown = ViewGroup(record, [panels(record, stream)])
    with shown:
        for event in turn([], [])[:2]:
            shown(event)
        deadline = time.monotonic() + 60
        while "thinking · 0 s" not in "\n".join(stream.terminal.lines()):
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.parametrize("columns", [5, 12, 20])
def test_what_a_narrow_panel_waits_for_takes_one_row_and_goes(
    columns: int,
) -> None:
    stream = Tty(columns, 10)
    record = TurnRecord()
    shown = ViewGroup(record, [panels(record, stream)])
    with shown:
        for event in (*turn([], [])[:1], started(Stage.ANSWER)):
            shown(event)
        deadline = time.monotonic() + 60
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


def test_an_error_before_the_first_token_leaves_nothing_on_the_screen() -> None:
    failure = IncompleteError("x", kind="network")
    assert show(turn([], [])[:2], failure=failure).terminal.lines() == []
    lines = show(turn(["so"], [])[:5], failure=failure).terminal.lines()
    assert [line[:11] for line in lines] == [
        "╭─ Reasonin",
        "│ so       ",
        "╰─ thought ",
        "m → a-model",
    ]


def test_what_is_stopped_before_the_first_token_says_so() -> None:
    lines = show(turn([], [])[:2], failure=KeyboardInterrupt()).terminal.lines()
    assert [line[:11] for line in lines] == ["╭─ Reasonin", "╰─ stopped "]


@pytest.mark.parametrize(
    ("reason", "words"),
    [("max_tokens", "cut at its token limit · 41 s"), ("refusal", "declined · 41 s")],
)
def test_a_truncated_or_refused_answer_says_so_in_its_border(reason: str, words: str) -> None:
    lines = show(turn(["so"], ["half"], reason)).terminal.lines()
    assert lines[5].startswith(f"╰─ {words}")


def test_hidden_reasoning_leaves_only_what_it_took() -> None:
    style = PanelStyle(color=False, hidden_stages=frozenset({Stage.REASON}))
    lines = show(turn(["secret"], ["42"]), style=style).terminal.lines()
    assert [line[:30] for line in lines[:2]] == [
        "╭─ Reasoning · a-model ───────",
        "╰─ thought 41 s · 20 tokens · ",
    ]
    assert "secret" not in "\n".join(lines)


def test_a_skipped_stage_has_no_panel() -> None:
    style = PanelStyle(color=False, omitted_stages=frozenset({Stage.REASON}))
    lines = show(turn(["secret"], ["42"]), style=style).terminal.lines()
    assert lines[0].startswith("╭─ Answer")


def test_the_demo_says_so_in_every_title() -> None:
    lines = show(turn(["so"], ["42"]), style=PanelStyle(color=False, demo=True)).terminal.lines()
    assert [line for line in lines if "no model was called" in line] == [lines[0], lines[3]]


def test_rules_leave_content_rows_bare() -> None:
    lines = show(turn(["so"], ["42"]), style=PanelStyle(box=False, color=False)).terminal.lines()
    assert (lines[1], lines[4]) == ("so", "42")


def test_a_terminal_that_shrinks_and_grows_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)  # the emulated one wraps nothing anew
    sizes = iter([(80, 24)] * 40 + [(50, 24)] * 40)
    words = [f"word{n:04d} " for n in range(600)]
    stream = Tty(100, 24)
    stream.size = lambda: next(sizes, (100, 24))
    record = TurnRecord()
    shown = ViewGroup(record, [panels(record, stream)])
    with shown:
        for event in turn(["hm"], [])[:5]:
            shown(event)
        for word in words:
            shown(Text(word))
            time.sleep(0.001)
        shown(stage(Stage.ANSWER))
    text = " ".join(stream.terminal.lines())
    assert [word for word in words if text.count(word.strip()) != 1] == []


def test_a_suspended_panel_leaves_the_screen_to_others_and_is_drawn_anew() -> None:
    stream = Tty(80, 24)
    view = panels(TurnRecord(), stream)
    view(started(Stage.ANSWER))
    view(Text("- one\n- two\n- three and more"))
    deadline = time.monotonic() + 60
    while "three" not in "\n".join(stream.terminal.lines()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with view.suspended():
        lines = stream.terminal.lines()
        assert contents([*lines, "╰"], "Answer") == ["• one"]
        assert stream.terminal.text.endswith(SHOW_CURSOR)
        stream.write("$ fg\n")
        view(Text(" words"))
        time.sleep(0.3)
        assert stream.terminal.lines() == [*lines, "$ fg"]
    view(stage(Stage.ANSWER))
    view.close(None)
    rows = contents(stream.terminal.lines(), "Answer")
    assert rows == ["• one", "$ fg", "• two", "• three and more words"]


class FailingRows(PlainStream):
    """A row stream that has a bug in one of its methods, from the given call on."""

    def __init__(self, rows: MarkdownStream | PlainStream, method: str, calls: int) -> None:
        super().__init__(1)
        self._stream = rows
        self._method = method
        self._left = calls

    def feed(self, text: str) -> list[Row]:
        self._count("feed")
        return self._stream.feed(text)

    def tail(self, limit: int) -> list[Row]:
        self._count("tail")
        return self._stream.tail(limit)

    def close(self) -> list[Row]:
        self._count("close")
        return self._stream.close()

    def resize(self, width: int) -> None:
        self._stream.resize(width)

    @property
    def unfinished(self) -> str:
        return self._stream.unfinished

    def _count(self, method: str) -> None:
        self._left -= method == self._method
        if self._left < 0:
            raise ValueError("no renderer is perfect")


class FailingRenderer(PanelRenderer):
    """Has a bug in `method`, which is its own or one of its row streams'."""

    def __init__(self, method: str, calls: int = 0, style: PanelStyle = PLAIN) -> None:
        self.tty = Tty(60, 24)
        super().__init__(self.tty, style, self.tty.size)
        self._method = method
        self._calls = calls

    def row_stream(self, stage: Stage, width: int) -> FailingRows:
        return FailingRows(super().row_stream(stage, width), self._method, self._calls)

    def frame(self, stage: Stage) -> Frame:
        self._check("frame")
        return super().frame(stage)

    def sanitiser(self) -> Sanitiser:
        self._check("sanitiser")
        return super().sanitiser()

    def _check(self, method: str) -> None:
        if method == self._method:
            raise ValueError("no renderer is perfect")


class Keeper:
    def __init__(self) -> None:
        self.kept: list[object] = []

    def __call__(self, event: Event) -> None:
        self.kept.append(event)

    def close(self, failure: BaseException | None) -> None:
        self.kept.append(failure)


def unframed(lines: list[str]) -> str:
    return " ".join(" ".join(lines).replace("│", " ").split())


def show_with(
    renderer: FailingRenderer,
    events: list[Event],
    *,
    pause: float = 0,
    failure: Exception | None = None,
    keeper: View | None = None,
) -> None:
    """Show a turn with a renderer that has a bug, `pause` seconds between two events."""
    record = TurnRecord()
    view = PanelsView(record, Progress(), renderer)
    with ViewGroup(record, [view], keeper) as shown:
        for event in events:
            shown(event)
            time.sleep(pause)
        if failure:
            raise failure


ANSWER = [f"word{n:02d} and\x1b more.\n\n" for n in range(12)]
AT_ONCE = [("feed", 0, 0.0), ("close", 0, 0.0)]
PACED = [("feed", 0, 0.02), ("feed", 1, 0.05), ("tail", 0, 0.05), ("tail", 1, 0.05)]


@pytest.mark.parametrize(("method", "calls", "pause"), [*AT_ONCE, *PACED])
def test_after_a_bug_in_drawing_the_rest_is_plain_text(
    method: str, calls: int, pause: float
) -> None:
    renderer, keeper = FailingRenderer(method, calls), Keeper()
    events = turn(["let me ", "think"], ANSWER)
    with pytest.raises(ValueError, match="no renderer is perfect"):
        show_with(renderer, events, pause=pause, keeper=keeper)
    terminal = renderer.tty.terminal
    lines = terminal.lines()
    text = unframed(lines)
    assert text.count("let me think") == 1
    assert [text.count(f"word{n:02d} and␛ more.") for n in range(12)] == [1] * 12
    assert text.index("word00") < text.index("word11")
    assert lines[-1].startswith("m → m · 60 tokens · $0.0140 · ")
    assert "41 s · 20 tokens · $0.0070" in lines[-2]
    assert terminal.text.endswith("\x1b[?25h")
    assert foreign(terminal.text) == ""
    assert keeper.kept == [*events, None]


def test_what_a_stage_found_and_its_name_are_plain_text_too_after_a_bug() -> None:
    renderer = FailingRenderer("close")
    reasoning, answering = turn(["hm"], [])[:4], turn([], ["42"])[3:]
    with pytest.raises(ValueError, match="perfect"):
        show_with(renderer, [*reasoning, *searched(), *answering])
    lines = renderer.tty.terminal.lines()
    at = lines.index("Answer · a-model")
    assert lines[at + 1 : at + 5] == [*LISTED, "42"]


def test_hidden_reasoning_stays_hidden_after_a_bug() -> None:
    style = PanelStyle(color=False, hidden_stages=frozenset({Stage.REASON}))
    renderer = FailingRenderer("frame", style=style)
    with pytest.raises(ValueError, match="perfect"):
        show_with(renderer, turn(["secret"], ["4", "2"]))
    assert renderer.tty.terminal.lines()[:4] == [
        "Reasoning · a-model",
        "thought 41 s · 20 tokens · $0.0070",
        "Answer · a-model",
        "42",
    ]


def test_the_failure_of_a_turn_comes_before_the_bug_of_its_view() -> None:
    renderer = FailingRenderer("feed")
    failure = IncompleteError("x", kind="cut")
    with pytest.raises(IncompleteError) as caught:
        show_with(renderer, turn(["so"], [])[:3], failure=failure)
    assert caught.value.__notes__ == ["the turn was not shown as it should be: ValueError"]
    assert renderer.tty.terminal.lines()[-3:-1] == ["so", "cut short"]


def test_where_plain_text_fails_too_the_turn_learns_of_it() -> None:
    with pytest.raises(ValueError, match="perfect"):
        show_with(FailingRenderer("sanitiser"), turn(["so"], [])[:2])


@pytest.mark.parametrize("words", [["ask"], ["ask", "--debug"]])
def test_a_bug_in_drawing_is_reported_where_every_bug_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    events = turn(["let me"], ["42"])
    assert run_guarded(lambda: show_with(FailingRenderer("tail"), events, pause=0.05), words) == 1
    error, hint, *traceback = capsys.readouterr().err.splitlines()
    assert error == "error: unexpected ValueError"
    assert hint.endswith(": this is a bug")
    assert bool(traceback) is ("--debug" in words)
    assert "let me" not in "".join(traceback)
