"""What the server tells its owner: a line for each request, and the numbers for Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from support.replies import claude_stream, error_reply_openai, reasoner_stream
from support.serve_process import ASKED, MODEL, Server, serving, serving_at
from support.vendors import ANSWER, TEXTS, THOUGHTS, Vendors

SECRET = "What nobody is to read in a log?"
QUESTION: Any = [{"role": "user", "content": SECRET}]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("house")
    with serving_at(home, "--log", "json", "--metrics") as server:
        yield server
        for line in server.stderr.splitlines()[1:]:
            assert list(json.loads(line))[:4] == ["time", "method", "path", "status"]
        assert SECRET not in server.stderr


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def logged(server: Server, turn: str) -> dict[str, Any]:
    """The one line about that turn."""
    (match,) = server.said(f'^.*"turn": ?"{turn}".*$')
    facts: dict[str, Any] = json.loads(match[0])
    assert re.fullmatch(TIME, facts.pop("time"))
    assert facts.pop("seconds") > 0
    assert facts.pop("client") == "127.0.0.1"
    return facts


def test_a_turn_is_one_line_of_json(server: Server) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), claude_stream(TEXTS))
    client = server.anthropic()
    with client.messages.stream(model=MODEL, max_tokens=100, messages=QUESTION) as stream:
        turn = stream.get_final_message().id.removeprefix("msg_")
    cost = server.kept(turn)["cost_usd"]
    assert logged(server, turn) == {
        "method": "POST",
        "path": "/v1/messages",
        "status": 200,
        "turn": turn,
        "model": MODEL,
        "ended": "complete",
        "input_tokens": 120,
        "output_tokens": 80,
        "cost_usd": cost,
        "reasoning": "kept",
    }


def test_a_turn_that_failed_says_why(server: Server) -> None:
    server.vendors.reasoner.reply(error_reply_openai(402, "Insufficient Balance"))
    with pytest.raises(openai.APIStatusError) as caught:
        server.openai().responses.create(model=MODEL, input=SECRET)
    turn = str(caught.value.request_id)
    facts = logged(server, turn)
    told = (facts["path"], facts["status"], facts["ended"])
    assert told == ("/v1/responses", 402, "no_credit")
    assert (facts["input_tokens"], facts["cost_usd"]) == (None, "0")


def test_other_requests_are_logged_but_not_those_of_machines(server: Server) -> None:
    client = server.client()
    for path in ("/health", "/metrics", "/v1/models", "/v1/there-is-none?key=sk-1"):
        client.get(path)
    (match,) = server.said(r'^.*"/v1/there-is-none".*$')
    facts = json.loads(match[0])
    assert (facts["method"], facts["status"]) == ("GET", 404)
    server.said(r'"/v1/models"')
    assert "/health" not in server.stderr
    assert "/metrics" not in server.stderr
    assert "sk-1" not in server.stderr


def number(server: Server, name: str) -> float:
    """The sum of the samples with that name."""
    pattern = rf"^deepreasoning_{name}(?:\{{[^}}]*\}})? (\S+)$"
    text = server.client().get("/metrics").text
    return sum(float(found) for found in re.findall(pattern, text, re.MULTILINE))


def test_metrics_count_turns_tokens_and_cost(server: Server) -> None:
    names = ("turns_total", "tokens_total", "cost_usd_total", "turn_seconds_count")
    before = [number(server, name) for name in names]
    server.vendors.reply(reasoner_stream(THOUGHTS), claude_stream(TEXTS))
    reply = server.openai().chat.completions.create(model=MODEL, messages=QUESTION)
    usage: Any = reply.usage
    server.said(f'"{reply.id.removeprefix("chatcmpl-")}"')
    after = [number(server, name) for name in names]
    cost = float(usage.model_extra["cost_usd"])
    grown = [now - then for then, now in zip(before, after, strict=True)]
    assert grown == [1, usage.total_tokens, pytest.approx(cost), 1]
    assert number(server, "streams") == 0


def test_the_log_is_text_and_there_are_no_metrics_unless_asked_for(vendors: Vendors) -> None:
    vendors.reply()
    with serving(vendors) as server:
        reply = server.openai().chat.completions.create(model=MODEL, messages=ASKED)
        assert reply.choices[0].message.content == ANSWER
        server.said("ended=complete")  # which may be after the client has it all
        assert server.client().get("/metrics").status_code == 404
        assert server.stop().code == 143
        first, asked, metrics = server.stderr.splitlines()
        assert first == f"serving on {server.url}"
        turn = reply.id.removeprefix("chatcmpl-")
        assert re.fullmatch(
            rf"{TIME} POST /v1/chat/completions 200 seconds=\d+\.\d+ client=127\.0\.0\.1"
            rf" turn={turn} model={MODEL} ended=complete"
            rf" input_tokens=\d+ output_tokens=\d+ cost_usd=0\.\d+ reasoning=kept",
            asked,
        )
        assert re.fullmatch(rf"{TIME} GET /metrics 404 seconds=\S+ client=127\.0\.0\.1", metrics)
