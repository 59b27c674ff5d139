"""Claude's own thinking: asked for by rule, seen, counted to the token, and given room."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.replies import CLAUDE_USAGE, Reply, claude_stream, reasoner_stream
from support.runner import CompletedRun, run_in_pty
from support.screen import Terminal
from support.vendors import ANSWER, OWN_ANSWER, PRINTED, THOUGHTS, Vendors, turn_id

OWN = ("Six sevens ", "are 42.")
COUNTED = CLAUDE_USAGE | {
    "output_tokens": 1_030,
    "output_tokens_details": {"thinking_tokens": 1_000},
}
SUMMARIZED = {"type": "adaptive", "display": "summarized"}


def thinking_reply(**changed: Any) -> Reply:
    return claude_stream([ANSWER], **{"thinking": OWN, "usage": COUNTED, **changed})


def sent_to_claude(vendors: Vendors) -> dict[str, Any]:
    """How much the last request lets Claude think."""
    body = vendors.claude.requests[-1].body
    names = ("max_tokens", "output_config", "thinking")
    return {name: body[name] for name in names if name in body}


LOW = {"max_tokens": 8192 + 8192, "output_config": {"effort": "low"}}
ITS_OWN = {"max_tokens": 8192 + 32_768, "thinking": SUMMARIZED}


# --- what is sent


def test_the_default_pair_with_a_whole_chain_of_thought_sends_low(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == CompletedRun(0, PRINTED, b"")
    assert sent_to_claude(vendors) == LOW


def test_a_chain_that_a_cap_has_cut_leaves_claude_its_own_effort(vendors: Vendors) -> None:
    long = reasoner_stream(["x" * 4_000] * 20, OWN_ANSWER)
    vendors.reply(long)
    result = vendors.ask("--max-cost", "0.03", "--on-cap", "answer", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert sent_to_claude(vendors) == ITS_OWN


def test_a_reasoner_that_sends_nothing_leaves_claude_its_own_effort(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream([], OWN_ANSWER))
    result = vendors.ask("--allow-empty-reasoning", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert sent_to_claude(vendors) == ITS_OWN


def test_effort_and_think_reach_both_vendors(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--effort", "max", "--think", "low", "6 x 7?").code == 0
    assert vendors.reasoner.requests[0].body["reasoning_effort"] == "low"
    assert sent_to_claude(vendors) == {
        "max_tokens": 8192 + 98_304,
        "output_config": {"effort": "max"},
        "thinking": SUMMARIZED,
    }


@pytest.mark.parametrize("flag", ["--effort", "--think"])
def test_a_level_that_does_not_exist_is_a_mistake_in_the_call(vendors: Vendors, flag: str) -> None:
    result = vendors.ask(flag, "extreme", "6 x 7?")
    assert (result.code, result.stdout) == (2, b"")
    assert f"error: {flag}: choose auto".encode() in result.stderr
    assert vendors.connections() == 0


# --- what is seen and counted


def test_thinking_is_counted_to_the_token_in_json_history_and_bill(vendors: Vendors) -> None:
    vendors.reply(texts=thinking_reply())
    result = vendors.ask("--effort", "high", "--json", "6 x 7?")
    turn = json.loads(result.stdout)
    assert turn["answerer"]["usage"]["reasoning_tokens"] == 1_000
    assert turn["answerer"]["usage"]["output_tokens"] == 1_030
    assert turn["answerer"]["thinking"] == "".join(OWN)
    assert turn["reasoning"] == "".join(THOUGHTS)
    # 100 in at $2, 1,030 out at $10 per million
    assert turn["answerer"]["cost_usd"] == "0.0105"
    kept = json.loads(vendors.run("history", "show", turn["id"], "--json").stdout)
    assert kept == turn
    spent = json.loads(vendors.run("price", "--spent", "--json").stdout)
    assert spent["thinking_tokens"] == 1_000


def test_a_reply_without_a_summary_has_no_thinking_in_json(vendors: Vendors) -> None:
    vendors.reply()
    turn = json.loads(vendors.ask("--json", "6 x 7?").stdout)
    assert list(turn["answerer"]) == list(turn["reasoner"])


def test_alone_claude_thinks_in_a_panel_of_its_own_above_the_answer(vendors: Vendors) -> None:
    vendors.claude.reply(thinking_reply())
    # wide enough for every figure, however long it takes
    wide = run_in_pty("ask", "--handoff", "none", "6 x 7?", columns=120, env=vendors.environment)
    terminal = Terminal(120, 60)
    terminal.write(wide.output.decode())
    shown = "\n".join(terminal.lines())
    places = [
        shown.find(text)
        for text in (
            "Reasoning · claude-sonnet-5-5",
            "Six sevens are 42.",
            "Answer · claude-sonnet-5-5",
            "1,030 tokens, 1,000 of them thinking",
            "1,130 tokens, 1,000 of them Claude's thinking",
        )
    ]
    assert -1 not in places, shown
    assert places == sorted(places)


def test_above_low_both_chains_are_shown_under_their_names(vendors: Vendors) -> None:
    vendors.reply(texts=thinking_reply())
    shown = vendors.on_terminal("ask", "--effort", "high", "6 x 7?").output.decode()
    first = shown.index("Reasoning · deepseek-flash")
    assert shown.index("Reasoning · claude-sonnet-5-5") > first
    assert shown.index("Six sevens are 42.") > shown.index("6 times 7 is 42.")


def test_hidden_reasoning_hides_claudes_too(vendors: Vendors) -> None:
    vendors.claude.reply(thinking_reply())
    shown = vendors.on_terminal("ask", "--handoff", "none", "--reasoning", "hide", "6 x 7?").output
    assert b"Six sevens" not in shown
    assert b"1,000 of them thinking" in shown


def test_reasoning_on_stderr_has_both_chains_and_the_answer_stays_alone(vendors: Vendors) -> None:
    vendors.reply(texts=thinking_reply())
    result = vendors.ask("--effort", "high", "--reasoning", "stderr", "6 x 7?")
    assert result.stdout == PRINTED
    assert result.stderr.decode() == "".join(THOUGHTS) + "\n\n" + "".join(OWN) + "\n"


def test_a_host_that_streams_thinking_although_it_was_not_asked_is_kept_apart(
    vendors: Vendors,
) -> None:
    vendors.reply(texts=thinking_reply())
    result = vendors.ask("--effort", "none", "--json", "6 x 7?")
    turn = json.loads(result.stdout)
    assert (turn["answer"], turn["answerer"]["thinking"]) == (ANSWER, "".join(OWN))
    assert sent_to_claude(vendors) == {"max_tokens": 8192, "thinking": {"type": "between_tools"}}


# --- thinking without a word


def starved(tokens: int) -> Reply:
    """A reply that reached its limit before any text."""
    usage = CLAUDE_USAGE | {
        "output_tokens": tokens,
        "output_tokens_details": {"thinking_tokens": tokens},
    }
    return claude_stream([], stop_reason="max_tokens", usage=usage)


def test_a_reply_of_thinking_alone_says_so_and_resume_gives_it_more_room(vendors: Vendors) -> None:
    vendors.reply(texts=starved(16_384))
    first = vendors.ask("6 x 7?")
    assert (first.code, first.stdout) == (6, b"")
    assert first.stderr.decode().splitlines()[0] == (
        "error: answer: claude-sonnet-5-5 thought for 16,384 tokens and wrote nothing (max_tokens)"
    )
    vendors.claude.reply(claude_stream([ANSWER]))
    resumed = vendors.run("resume", turn_id(first))
    assert (resumed.code, resumed.stdout) == (0, PRINTED)
    assert (
        "16,384 tokens of thinking left no room for the answer:"
        " now there is room for 32,768, and for the answer"
    ) in resumed.stderr.decode()
    assert sent_to_claude(vendors) == LOW | {"max_tokens": 8192 + 32_768}
    assert vendors.counts() == (1, 2)


def test_alone_too_a_reply_of_thinking_alone_can_be_resumed(vendors: Vendors) -> None:
    vendors.claude.reply(starved(100_000))
    first = vendors.ask("--handoff", "none", "6 x 7?")
    assert first.code == 6
    vendors.claude.reply(claude_stream([ANSWER]))
    resumed = vendors.run("resume", turn_id(first))
    assert (resumed.code, resumed.stdout) == (0, PRINTED)
    assert b"now there is room for 119,808" in resumed.stderr  # all that the model writes
    assert sent_to_claude(vendors)["max_tokens"] == 128_000


def test_the_panel_of_a_reply_of_thinking_alone_says_so(vendors: Vendors) -> None:
    vendors.claude.reply(starved(8_192))
    shown = vendors.on_terminal("ask", "--handoff", "none", "6 x 7?").output
    assert b"thought for 8,192 tokens and wrote nothing" in shown


# --- thinking that is long enough


def test_a_reasoner_is_stopped_at_its_tokens_and_answered_from(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream(["abcd" * 10] * 5_000, OWN_ANSWER))
    turn = json.loads(vendors.ask("--max-reasoning", "30", "--json", "6 x 7?").stdout)
    assert (turn["reasoning"], turn["answer"]) == ("abcd" * 30, ANSWER)
    assert (turn["reasoner"]["stop_reason"], turn["stop_reason"]) == ("max_reasoning", "end_turn")
    assert turn["reasoner"]["usage"]["output_tokens"] == 30
    assert turn["reasoner"]["usage"]["estimated"]
    assert turn["status"] == "complete"
    assert sent_to_claude(vendors) == ITS_OWN
    assert json.loads(vendors.run("history", "show", turn["id"], "--json").stdout) == turn


def test_a_reasoner_is_stopped_at_its_seconds_by_the_setting_too(vendors: Vendors) -> None:
    vendors.config('max_reasoning = "0.5s"\n')
    vendors.reply(reasoner_stream(["thinking on "] * 300, OWN_ANSWER, pace=0.1))
    turn = json.loads(vendors.ask("--json", "6 x 7?").stdout)
    assert turn["answer"] == ANSWER
    assert 1 < turn["reasoning"].count("thinking on ") < 300
    assert turn["reasoner"]["stop_reason"] == "max_reasoning"
    assert turn["reasoner"]["usage"]["estimated"]


def test_the_panel_says_what_stopped_the_reasoner(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream(["abcd" * 10] * 50, OWN_ANSWER))
    shown = vendors.on_terminal("ask", "--max-reasoning", "30", "6 x 7?").output.decode()
    assert "stopped by max_reasoning after" in shown
    assert "≈30 tokens" in shown


@pytest.mark.parametrize("value", ["long", "0", "-1", "90h"])
def test_a_limit_that_is_none_is_a_mistake_in_the_call(vendors: Vendors, value: str) -> None:
    result = vendors.ask(f"--max-reasoning={value}", "6 x 7?")
    assert (result.code, result.stdout) == (2, b"")
    assert b"--max-reasoning must be tokens such as 4000" in result.stderr
    assert vendors.connections() == 0
