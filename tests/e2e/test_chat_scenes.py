"""What stands on the screen of a chat, row by row, on a usual terminal and on a small one."""

from __future__ import annotations

import os
import re
import shlex

import pytest

from support.chatting import turns
from support.replies import claude_stream, reasoner_stream
from support.runner import PROGRAM, environment
from support.tmux import Tmux
from support.vendors import TEXTS, THOUGHTS, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no tmux")

USUAL, SMALL = (80, 24), (40, 12)
FIGURES = (
    (r"[≈<]*\$\d+(\.\d+)?", "$N"),
    (r"≈?[\d,]+ tokens", "N tokens"),
    (r"\d+(\.\d)? s\b", "N s"),
    (r" ─+$", " ─"),
)


def rows(lines: list[str]) -> list[str]:
    """The rows without their figures, which are others each time, and with short rules."""
    for pattern, name in FIGURES:
        lines = [re.sub(pattern, name, line) for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def begin(tmux: Tmux, vendors: Vendors, size: tuple[int, int], *args: str) -> None:
    """A chat that waits for its first question."""
    command = f"{shlex.join([*PROGRAM, 'chat', *args])}; echo over $?; sleep 60"
    tmux.start(command, environment(vendors.environment), columns=size[0], rows=size[1])
    tmux.wait_for("/help lists")
    tmux.wait_for("claude-sonnet-5-5")


def slowly(vendors: Vendors) -> None:
    """A first turn that takes its time, and others that do not."""
    thoughts = reasoner_stream([f"thought {n:03d} " for n in range(40)], ["x"], pace=0.1)
    vendors.reasoner.reply(thoughts, reasoner_stream(THOUGHTS, ["x"]))
    vendors.claude.reply(claude_stream(TEXTS), claude_stream(TEXTS))


def turn_of(question: str, columns: int) -> list[str]:
    """What a turn leaves on the screen."""
    bill = "deepseek-flash → claude-sonnet-5-5 · N tokens · $N · N s"
    folded = ["Reasoning · deepseek-flash · thought N s · N tokens · $N"]
    if columns == SMALL[0]:
        bill = "deepseek-flash → claude-sonnet-5-5 ·|N tokens · $N · N s"
        folded = ["thought N s · N tokens · $N"]
    return [
        f"> {question}",
        *folded,
        "── Answer · claude-sonnet-5-5 ─",
        "42 is the answer.",
        "── N s · N tokens · $N ─",
        *bill.split("|"),
    ]


@pytest.mark.parametrize("size", [USUAL, SMALL])
def test_what_is_typed_and_pasted_while_it_thinks_stands_at_the_next_prompt(
    vendors: Vendors, tmux: Tmux, size: tuple[int, int]
) -> None:
    slowly(vendors)
    begin(tmux, vendors, size, "--session", "phys")
    tmux.press("first?", "Enter")
    tmux.wait_for("thought 003")
    tmux.press("and ")
    tmux.wait_for("> and")
    tmux.paste("then\nagain")
    tmux.wait_for("> and then again")
    shown = rows(tmux.wait_for("phys · ≈$" if size is USUAL else "claude-sonnet-5-5 · ≈$"))
    at = shown.index("> first?")
    names = "claude-sonnet-5-5 ← deepseek-flash · phys" if size is USUAL else "claude-sonnet-5-5"
    assert shown[at:] == [
        *turn_of("first?", size[0]),
        "> and then",
        "  again",
        f"{names} · $N · /help",
    ]
    assert vendors.counts() == (1, 1)


@pytest.mark.parametrize("size", [USUAL, SMALL])
def test_a_question_that_is_queued_is_asked_next_and_leaving_says_how_to_come_back(
    vendors: Vendors, tmux: Tmux, size: tuple[int, int]
) -> None:
    slowly(vendors)
    begin(tmux, vendors, size, "--session", "phys")
    tmux.press("first?", "Enter")
    tmux.wait_for("thought 003")
    tmux.press("second?")
    tmux.wait_for("> second?")
    tmux.press("Enter")
    tmux.wait_for("1 queued")
    tmux.press("/exit")
    tmux.wait_for("> /exit")
    tmux.press("Enter")
    shown = rows(tmux.wait_for("over 0"))
    at = shown.index("> first?")
    leaving = ["`deepreasoning chat --session phys` continues from here"]
    if size is SMALL:
        leaving = ["`deepreasoning chat --session phys`", "  continues from here"]
    assert shown[at:] == [
        *turn_of("first?", size[0]),
        *turn_of("second?", size[0]),
        "> /exit",
        "2 questions · N tokens · $N",
        *leaving,
        "over 0",
    ]
    assert [turn.start.prompt for turn in turns("phys")] == ["first?", "second?"]
