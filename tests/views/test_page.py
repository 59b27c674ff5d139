from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from deepreasoning_cli.pipeline.events import Event, Handoff, Reused, TurnStarted
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
