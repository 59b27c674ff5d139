from __future__ import annotations

from html import escape

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deepreasoning_cli.cli.history.export import html, markdown
from deepreasoning_cli.pipeline.events import Source, ToolArguments, ToolCallStarted
from support.scripted_chat import turn


def test_a_session_is_a_document() -> None:
    first = turn("Why?\nReally?", "Because.\n", "Let me see.\n\nYes.")
    first.sources = (Source("A\npage", "https://a.example/x"),)
    stopped = turn("And\x1b[2J?", "", "hm", complete=False)
    assert markdown("my\x1bsession", [first, stopped]) == (
        "# my␛session\n\n"
        "## 1\n\n> Why?\n> Really?\n\n"
        "### Reasoning · r1\n\n> Let me see.\n>\n> Yes.\n\n"
        "### Answer · sonnet\n\nBecause.\n\n"
        "- A page <https://a.example/x>\n\n"
        "*r1 → sonnet · 300 tokens · $0.0030 · 3.0 s*\n\n"
        "## 2\n\n> And\\x1b[2J?\n\n"
        "### Reasoning · r1\n\n> hm\n\n"
        "### Answer\n\n(none)\n\n"
        "*r1 · 150 tokens · $0.0010 · 3.0 s · incomplete*\n"
    )


def test_an_answer_that_only_calls_tools_has_its_calls() -> None:
    called = turn("List it.", "")
    called.calls.add(ToolCallStarted("c1", "bash"))
    called.calls.add(ToolArguments('{"command":\n "ls <b>"}'))
    line = 'calls bash({"command": "ls <b>"})'
    assert f"### Answer\n\n> {line}\n" in markdown("s", [called])
    page = html("s", [called])
    assert escape(line) in page
    assert "(none)" not in page


def test_a_fence_that_was_cut_is_closed() -> None:
    text = markdown("s", [turn("q", "Look:\n\n~~~~py\nx = 1"), turn("r", "b")])
    assert "\n~~~~py\nx = 1\n~~~~\n\n*sonnet" in text


@given(st.text("`~> \n-#a1.\t", max_size=60))
def test_no_answer_swallows_the_turn_after_it(answer: str) -> None:
    tokens = MarkdownIt().parse(markdown("s", [turn("q", answer or "a"), turn("r", "b")]))
    headings = [
        tokens[at + 1].content
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2" and token.markup == "##"
    ]
    assert headings[-1] == "2"
