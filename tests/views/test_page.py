from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import pytest

from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Reused,
    Text,
    ToolArguments,
    ToolCallStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.tools import ToolResult, text_of
from deepreasoning_cli.views.page import render_turn
from deepreasoning_cli.views.panel import PanelStyle
from support.sample_turns import answer_events, reason_events, record_of, turn_events, turn_started
from support.screen import foreign

RULES = PanelStyle(box=False, color=False)


class Screen(io.TextIOWrapper):
    """A stream of some encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


def lines(events: Sequence[Event], look: PanelStyle = RULES, encoding: str = "utf-8") -> list[str]:
    text = render_turn(record_of(events), Screen(encoding), look, reasoning=True)
    assert text.endswith("\n")
    return [line.strip("─-") for line in text.splitlines()]


def test_a_turn_is_prompt_reasoning_answer_sources_and_bill() -> None:
    assert lines(turn_events("turn1", "talk"))[:-1] == [
        " Prompt ",
        "What is 6×7?",
        "",
        " Reasoning · deepseek-v4-pro-0922 ",
        "First, what is asked? Six sevens.",
        " 2.2 s · ≈40 tokens · <$0.0001 ",
        " Answer · claude-sonnet-5 ",
        "Forty-two.",
        "",
        "1. Tables — https://example.org/7",
        " 0.8 s · 5 tokens · <$0.0001 ",
        "turn1 · session talk · deepseek-v4-pro-0922 →",
    ]


def test_the_reasoning_is_shown_only_where_it_is_wanted() -> None:
    record = record_of(turn_events())
    texts = [render_turn(record, Screen(), RULES, reasoning=wish) for wish in (True, False)]
    assert ["Six sevens" in text for text in texts] == [True, False]


def test_a_turn_that_was_cut_says_so_and_how_to_go_on() -> None:
    record = record_of([turn_started("turn7"), *reason_events()[:-1]], None, KeyboardInterrupt())
    text = render_turn(record, Screen(), RULES, reasoning=True)
    assert "cut short" in text
    assert "incomplete: `deepreasoning resume turn7`" in " ".join(text.split())
    assert "Answer" not in text


def test_reasoning_of_another_turn_names_it() -> None:
    first = TurnStarted("turn2", "direct", "Again?", Handoff.REASONING, reasoning_from="turn1")
    found = lines([first, Reused("Six sevens.", "", "r1"), *answer_events()])
    assert found[3:6] == [" Reasoning ", "Six sevens.", " of turn turn1 "]


CALLING: Final[list[Event]] = [
    ToolCallStarted("toolu_1", "bash"),
    ToolArguments('{"command":\n "printf '),
    ToolArguments('a >> out.txt"}'),
    ToolCallStarted("toolu_2", "read"),
    ToolArguments("{}"),
]


def test_the_calls_of_an_answer_stand_below_its_text() -> None:
    first, last = answer_events([])
    calls = ['calls bash({"command": "printf a >> out.txt"})', "calls read({})"]
    found = lines([turn_started(), first, *CALLING, last])
    assert found[3:6] == [" Answer · claude-sonnet-5 ", *calls]
    found = lines([turn_started(), first, Text("I look."), *CALLING, last])
    assert found[3:8] == [" Answer · claude-sonnet-5 ", "I look.", "", *calls]


@pytest.mark.parametrize("full", [True, False])
def test_long_calls_and_results_are_short_unless_all_is_wanted(full: bool) -> None:
    results = [ToolResult("1", ("a" * 9_000,)), ToolResult("2", ("b" * 9_000,), is_error=True)]
    prompt = text_of([*results, "And now?"], {"1": "bash"})
    first, last = answer_events([])
    written = ToolArguments(f'{{"text": "{"c" * 9_000}"}}')
    call = ToolCallStarted("3", "write")
    record = record_of([turn_started(prompt=prompt), first, call, written, last])
    text = render_turn(record, Screen(), RULES, reasoning=False, full=full)
    joined = "".join(text.split())
    assert [letter * 9_000 in joined for letter in "abc"] == [full] * 3
    words = ["[result of bash:", "[error of a tool:", "And now?", "calls write("]
    assert [word in text for word in words] == [True] * 4
    assert ("characters …]" in " ".join(text.split())) is not full


def test_scripted_replies_are_called_that() -> None:
    text = "\n".join(lines(turn_events(), PanelStyle(box=False, color=False, demo=True)))
    assert " Answer · no model was called " in text


def test_a_box_is_as_wide_as_the_terminal() -> None:
    text = render_turn(record_of(turn_events()), Screen(), PanelStyle(color=False), reasoning=True)
    framed = [line for line in text.splitlines() if line[0] in "╭│╰"]
    assert {len(line) for line in framed} == {60}


def test_nothing_but_colours_is_added_and_what_came_from_outside_is_harmless() -> None:
    evil = "\x1b]0;t\x07\x9b\u202e[red]"
    events = [
        turn_started(evil, evil, evil),
        *reason_events([evil]),
        *answer_events([evil + "&#27;[2J"], evil),
    ]
    text = render_turn(record_of(events), Screen(), PanelStyle(color=True), reasoning=True)
    assert (foreign(text), "\u202e" in text, "[red]" in text) == ("", False, True)


def test_an_ascii_terminal_gets_ascii() -> None:
    text = "\n".join(
        lines(
            [turn_started(prompt="Grüße ☃"), *answer_events(["naïve — yes"])],
            PanelStyle(color=False),
            "ascii",
        )
    )
    assert text.isascii()
    assert "Gr\\xfc\\xdfe \\u2603" in text
