"""A folded panel: its last rows while it is open, one line afterwards, nothing else to stay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import (
    Event,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.markdown import stream as markdown_stream
from deepreasoning_cli.views.markdown.wrap import wrap_words
from deepreasoning_cli.views.panel import CHUNK, FoldedPanel, PanelRenderer, PanelStyle
from deepreasoning_cli.views.panels import PanelsView
from deepreasoning_cli.views.status import Progress
from support.screen import Tty, foreign

NOW = datetime(2026, 11, 26, tzinfo=UTC)
FOLDED = frozenset({Stage.REASON})
WORDS = "thought 41 s · 3,100 tokens · $0.0042"
FOLD = f"Reasoning · a-model · {WORDS}"


class Folded:
    """A folded panel on a terminal, drawn when it is told to."""

    def __init__(self, columns: int = 80, rows: int = 24, *, box: bool = False) -> None:
        self.tty = Tty(columns, rows)
        self.size = (columns, rows)
        style = PanelStyle(color=False, box=box, folded_stages=FOLDED)
        renderer = PanelRenderer(self.tty, style, lambda: self.size)
        area = renderer.live_area(self.tty.terminal.write)
        self.panel = FoldedPanel(Stage.REASON, "a-model", area, renderer)

    def show(self, text: str) -> list[str]:
        self.panel.feed(text)
        self.panel.draw("thinking · 3 s")
        return self.tty.terminal.lines()

    def close(self, words: str = WORDS, *, alarm: bool = False) -> list[str]:
        self.panel.close(words, alarm=alarm)
        return self.tty.terminal.lines()


@pytest.mark.parametrize("box", [False, True])
def test_the_last_five_rows_are_live_and_one_line_stays(box: bool) -> None:
    folded = Folded(40, box=box)
    for number in range(30):
        lines = folded.show(f"thought {number:02d}\n")
        shown = [line.strip("│ ") for line in lines[1:-1]]
        assert shown == [f"thought {n:02d}" for n in range(max(number - 4, 0), number + 1)]
        assert lines[0].strip("╭╮─ ") == "Reasoning · a-model"
        assert lines[-1].strip("╰─ ") == "thinking · 3 s"
    assert folded.close() == [WORDS]
    assert foreign(folded.tty.terminal.text) == ""


def test_the_line_names_the_model_where_there_is_room() -> None:
    assert Folded(80).close() == [FOLD]
    assert Folded(38).close() == [WORDS]
    assert Folded(24).close() == ["thought 41 s · $0.0042"]


@pytest.mark.parametrize(("rows", "text_rows"), [(24, 5), (8, 4), (6, 2), (4, 1)])
def test_a_low_screen_scrolls_nothing_away(rows: int, text_rows: int) -> None:
    folded = Folded(40, rows)
    for number in range(20):
        lines = folded.show(f"thought {number}\n")
    assert len(lines) == text_rows + 2
    assert folded.close() == [WORDS]


def test_an_open_line_and_blank_lines_count_as_rows() -> None:
    folded = Folded(20)
    assert folded.show("one\n\ntwo\nthree is a longer line that g")[1:-1] == [
        "one",
        "",
        "two",
        "three is a longer",
        "line that g",
    ]
    assert folded.show("oes on\n4")[1:-1] == [
        "",
        "two",
        "three is a longer",
        "line that goes on",
        "4",
    ]


def test_a_row_that_a_narrower_terminal_has_no_room_for_is_let_go() -> None:
    folded = Folded(80)
    folded.show(f"{'x' * 70}\nshort\nand an open line")
    folded.size = (40, 24)
    folded.tty.terminal.screen.resize(24, 40)
    assert folded.show("!")[-2] == "and an open line!"
    assert max(map(len, folded.tty.terminal.lines())) <= 40
    assert folded.close()[-1] == WORDS


def test_a_megabyte_without_a_line_end_costs_the_same_for_each_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []
    wrap = wrap_words

    def counted(runs: list[tuple[str, object]], width: int) -> object:
        lengths.append(sum(len(text) for text, _ in runs))
        return wrap(runs, width)  # type: ignore[arg-type]

    monkeypatch.setattr(markdown_stream, "wrap_words", counted)
    folded = Folded(80)
    folded.panel.feed("a word " * 150_000)  # what piled up
    folded.panel.draw("")
    assert max(lengths) <= CHUNK + 3 * 80
    lengths.clear()
    for _ in range(200):
        folded.panel.feed("token ")
        folded.panel.draw("")
    assert max(lengths) <= 3 * 80
    assert folded.close() == [FOLD]


# --------------------------------------------------------------------------------------- a turn


def started(which: Stage) -> StageStarted:
    return StageStarted(which, "a-model", 10, None, NOW)


def finished(which: Stage, reason: str = "stop") -> StageFinished:
    return StageFinished(which, "a-model", None, None, None, 41.2, reason)


def turn(*events: Event, failure: BaseException | None = None, tty: Tty | None = None) -> list[str]:
    tty, record = tty or Tty(80, 24), TurnRecord()
    style = PanelStyle(color=False, box=False, folded_stages=FOLDED)
    view = PanelsView(record, Progress(), PanelRenderer(tty, style, tty.size))
    try:
        with ViewGroup(record, [view]) as show:
            for event in events:
                show(event)
            if failure:
                raise failure
    except (IncompleteError, KeyboardInterrupt):
        pass
    return tty.terminal.lines()


THINKING: tuple[Event, ...] = (started(Stage.REASON), *(Thought(f"so {n}\n") for n in range(50)))
ANSWERING: tuple[Event, ...] = (started(Stage.ANSWER), Text("42"), finished(Stage.ANSWER))


def test_of_a_turn_the_line_and_the_answer_stay() -> None:
    lines = turn(*THINKING, finished(Stage.REASON), *ANSWERING)
    assert lines[0] == "Reasoning · a-model · thought 41 s"
    assert lines[1].startswith("── Answer · a-model ─")
    assert lines[2] == "42"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (KeyboardInterrupt(), "stopped"),
        (IncompleteError("x", kind="cut"), "cut short"),
        (IncompleteError("x", kind="overloaded"), "stopped by an error"),
    ],
)
def test_the_line_says_what_broke_it_off(failure: BaseException, words: str) -> None:
    assert turn(*THINKING, failure=failure)[0] == f"Reasoning · a-model · {words}"


def test_the_line_says_who_stopped_it() -> None:
    lines = turn(*THINKING, finished(Stage.REASON, "answer_now"), *ANSWERING)
    assert lines[0] == "Reasoning · a-model · stopped by you after 41 s"


def test_what_a_search_found_stays_above_the_line() -> None:
    found = Sources((Source("Tables", "https://a.org"),))
    lines = turn(
        started(Stage.SEARCH),
        found,
        finished(Stage.SEARCH),
        *THINKING,
        finished(Stage.REASON),
        *ANSWERING,
    )
    assert lines[:2] == ["1. Tables — https://a.org", "Reasoning · a-model · thought 41 s"]


def test_what_claude_thinks_itself_is_folded_too() -> None:
    lines = turn(started(Stage.ANSWER), Thought("hm\n"), Text("42"), finished(Stage.ANSWER))
    assert lines[0].startswith("Reasoning · a-model · thought 0.")
    assert (lines[1][:12], lines[2]) == ("── Answer · ", "42")


def test_after_a_bug_in_drawing_what_was_folded_is_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no renderer is perfect")

    monkeypatch.setattr(FoldedPanel, "close", fail)
    tty = Tty(80, 24)
    with pytest.raises(ValueError, match="perfect"):
        turn(*THINKING, finished(Stage.REASON), *ANSWERING, tty=tty)
    assert tty.terminal.lines()[:4] == [
        "Reasoning · a-model",
        "thought 41 s",
        "Answer · a-model",
        "42",
    ]
