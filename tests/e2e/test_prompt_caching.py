"""Conversations whose beginning is kept at Anthropic: the next turn finds it, and says so."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from typing import Final

import pytest

from deepreasoning_cli.wire.client.messages import CACHE_CONTROL
from support.chatting import screen, turns, typed
from support.loopback import Received
from support.replies import (
    CLAUDE_USAGE,
    DEEPSEEK_USAGE,
    Cut,
    Payload,
    Reply,
    claude_stream,
    reasoner_stream,
)
from support.vendors import ANSWER, TEXTS, THOUGHTS, Vendors, turn_id

SYSTEM: Final = "Answer in one sentence. " * 100  # 600 tokens by the estimate; 512 are enough
LAB: Final = """
reasoner = "lab"
max_tokens = 1000
[reasoners.lab]
base_url = "{url}"
model = "deepseek-flash"
context = 3000
"""


def claude(fresh: int, written: int, read: int) -> Reply:
    """A reply whose prompt was counted so."""
    counts = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }
    return claude_stream(TEXTS, usage=CLAUDE_USAGE | counts)


def blocks(request: Received) -> list[Payload]:
    """What Claude reads, in order: each text in a block, as the format understands it."""
    said = [{"role": "system", "content": request.body.get("system", [])}]
    return [
        {"role": turn["role"], **block}
        for turn in [*said, *request.body["messages"]]
        for block in _listed(turn["content"])
    ]


def _listed(content: str | list[Payload]) -> list[Payload]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def beginnings(request: Received) -> list[str]:
    """The beginnings that the request has kept, as they are compared: without the marks."""
    read = blocks(request)
    marked = [at for at, block in enumerate(read) if "cache_control" in block]
    plain = [{k: v for k, v in block.items() if k != "cache_control"} for block in read]
    return [json.dumps(plain[: at + 1])[:-1] for at in marked]


def texts(request: Received) -> list[str]:
    """What stands before each mark."""
    return [block["text"] for block in blocks(request) if CACHE_CONTROL.items() <= block.items()]


def finds(later: Received, earlier: Received) -> bool:
    """Whether the later request begins with what the earlier one had kept the most of."""
    plain = [{k: v for k, v in block.items() if k != "cache_control"} for block in blocks(later)]
    return json.dumps(plain).startswith(beginnings(earlier)[-1])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")
def test_the_second_turn_of_a_chat_reads_what_the_first_wrote_and_says_what_that_saved(
    vendors: Vendors,
) -> None:
    counts = DEEPSEEK_USAGE | {"prompt_tokens": 620, "total_tokens": 670}
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, usage=counts))
    vendors.claude.reply(claude(50, 12_000, 0), claude(60, 200, 12_000))
    done = typed(vendors, b"6 x 7?\r", b"Sure?\r", b"/info\r", args=("--system", SYSTEM))
    first, second = vendors.claude.requests
    assert texts(first) == [SYSTEM]
    assert texts(second) == [SYSTEM, ANSWER]
    assert finds(second, first)
    shown = " ".join(screen(done))  # the footer is longer than a line of 80 columns
    # 12,000 read at 0.10 and 200 written at 2.50 in place of 2 per million
    assert shown.count(" cached, ") == 1
    # what the reasoner takes depends on the hour
    assert re.search(r" · 12,960 tokens · \$0\.002\d · 12,000 cached, \$0\.0227 saved · ", shown)
    # less 12,000 written at 2.50 in the first turn
    assert "cache          12,000 tokens read, 12,200 written · $0.0167 saved" in shown
    assert [turn.saved for turn in turns()] == [Decimal("-0.006"), Decimal("0.0227")]


def test_a_third_turn_reads_what_the_second_wrote_whatever_was_thought(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(["one"]), reasoner_stream(["two"]))
    vendors.claude.reply(claude_stream([ANSWER * 50]))
    assert vendors.run("chat", stdin=b"a\nb\nc\nd\n").code == 0
    first, second, third, fourth = vendors.claude.requests
    assert (texts(first), texts(second)) == ([], [])  # about 275 tokens are too few
    assert (len(texts(third)), finds(fourth, third)) == (1, True)


def test_a_question_asked_once_pays_for_no_cache(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--system", SYSTEM, "6 x 7?")
    (request,) = vendors.claude.requests
    assert (request.body["system"], request.raw.count(b"cache_control")) == (SYSTEM, 0)


def test_a_session_is_kept_over_several_commands(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--session", "s", "--system", SYSTEM, "6 x 7?")
    vendors.ask("-c", "Sure?")
    first, second = vendors.claude.requests
    assert (texts(first), texts(second), finds(second, first)) == (
        [SYSTEM],
        [SYSTEM, ANSWER],
        True,
    )
    assert not any(b"cache_control" in request.raw for request in vendors.reasoner.requests)


def test_resume_reads_what_the_cut_turn_of_a_session_wrote(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    whole = claude_stream(TEXTS)
    vendors.claude.reply(whole.failing(4, Cut()), whole)
    cut = vendors.ask("--session", "s", "--system", SYSTEM, "6 x 7?")
    assert vendors.run("resume", turn_id(cut)).code == 0
    first, second = vendors.claude.requests
    assert (texts(first), finds(second, first)) == ([SYSTEM], True)


def test_resume_of_a_turn_without_a_session_pays_for_no_cache(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    whole = claude_stream(TEXTS)
    vendors.claude.reply(whole.failing(4, Cut()), whole)
    cut = vendors.ask("--system", SYSTEM, "6 x 7?")
    assert vendors.run("resume", turn_id(cut)).code == 0
    assert not any(b"cache_control" in request.raw for request in vendors.claude.requests)


def test_where_old_turns_are_left_out_only_the_system_prompt_is_kept(vendors: Vendors) -> None:
    vendors.config(LAB.format(url=vendors.reasoner.url))
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    vendors.claude.reply(claude_stream([ANSWER * 40]))
    done = vendors.run("chat", "--system", SYSTEM, stdin=b"a\nb\nc\n")
    assert (done.code, b"does not fit into 3,000 tokens" in done.stderr) == (0, True)
    first, second, third = vendors.claude.requests
    assert (texts(second), texts(third)) == ([SYSTEM, ANSWER * 40], [SYSTEM])
    assert (finds(second, first), finds(third, first), finds(third, second)) == (True, True, False)


def test_a_dry_run_shows_the_marks_and_what_they_cost(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--session", "s", "--system", SYSTEM, "6 x 7?")
    done = vendors.ask("-c", "--dry-run", "Sure?", "--handoff", "none")
    shown = done.stdout.decode()
    assert shown.count('"cache_control"') == 2
    assert "where the cache has 608 of them" in shown


def test_price_in_a_chat_tells_what_the_cache_may_spare(vendors: Vendors) -> None:
    vendors.reply()
    done = vendors.run("chat", "--system", SYSTEM, stdin=b"/handoff none\n/price Sure?\n")
    assert done.stdout.decode().splitlines()[-1] == (
        "claude-sonnet-5-5: ≈602 tokens in, ≈$0.0015, or <$0.0001 where the cache has 600 of them;"
        " each 1,000 tokens out $0.0100"
    )
    assert vendors.counts() == (0, 0)
