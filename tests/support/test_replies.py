from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource

from support.loopback import (
    CLAUDE_USAGE,
    DEEPSEEK_USAGE,
    Cut,
    Loopback,
    Pause,
    Reply,
    Reset,
    Stall,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    html_reply,
    reasoner_stream,
    sse,
)

ASK = {"model": "m", "stream": True}


def events(reply: Reply) -> list[tuple[str, Any]]:
    """What httpx and httpx-sse make of the reply, from a real vendor."""
    with Loopback(reply) as vendor, httpx.Client() as client:  # noqa: SIM117 - one at a time
        with client.stream("POST", vendor.url, json=ASK) as response:
            found = [(e.event, e.data) for e in EventSource(response).iter_sse()]
    return [(name, data if data == "[DONE]" else json.loads(data)) for name, data in found]


def test_a_reply_can_fail_after_some_pieces() -> None:
    reply = Reply(body=[b"a", Pause(1), b"b", Pause(1), b"c"])
    assert reply.failing(2, Reset()).body == (b"a", Pause(1), b"b", Pause(1), Reset())
    assert reply.failing(0, Stall(1), Cut()).body == (Stall(1), Cut())
    assert reply.failing(9, Cut()).body == (*reply.body, Cut())


def deltas(reply: Reply) -> list[Any]:
    chunks = [data for _, data in events(reply) if data != "[DONE]"]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


def test_a_reasoner_thinks_then_speaks_then_counts() -> None:
    reply = reasoner_stream(["Six ", "sevens"], ["42"])
    *chunks, (_, done) = events(reply)
    assert done == "[DONE]"
    assert {(name, chunk["model"]) for name, chunk in chunks} == {("message", "deepseek-flash")}
    assert [chunk["usage"] for _, chunk in chunks] == [None] * 5 + [DEEPSEEK_USAGE]
    finishes = [c["choices"][0]["finish_reason"] for _, c in chunks if c["choices"]]
    assert finishes == [None] * 4 + ["stop"]
    assert deltas(reply) == [
        {"role": "assistant", "content": None, "reasoning_content": ""},
        {"content": None, "reasoning_content": "Six "},
        {"content": None, "reasoning_content": "sevens"},
        {"content": "42", "reasoning_content": None},
        {"content": ""},
    ]


def test_usage_can_come_on_the_finish_chunk_or_not_at_all() -> None:
    on_finish = events(reasoner_stream(["a"], usage={"n": 1}, usage_on="finish"))
    assert [chunk["usage"] for _, chunk in on_finish[:-1]] == [None, None, {"n": 1}]
    never = events(reasoner_stream(["a"], usage=None, done=False, finish="length"))
    assert [chunk["usage"] for _, chunk in never] == [None, None, None]
    assert never[-1][1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("field", "thought"),
    [
        ("reasoning", {"content": None, "reasoning": "a"}),
        ("thinking", {"content": None, "thinking": "a"}),
        (
            "reasoning_details",
            {
                "content": None,
                "reasoning": "a",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "a", "index": 0, "format": "unknown"}
                ],
            },
        ),
    ],
)
def test_each_host_has_its_own_field_for_thoughts(field: str, thought: dict[str, Any]) -> None:
    assert deltas(reasoner_stream(["a"], field=field))[1] == thought


def test_thoughts_can_stand_inline_in_the_content() -> None:
    said = [delta["content"] for delta in deltas(reasoner_stream(["a"], ["b"], field="<think>"))]
    assert "".join(said) == "<think>\na\n</think>\n\nb"


def test_claude_speaks_in_named_events() -> None:
    found = events(claude_stream(["4", "2"]))
    assert all(name == data["type"] for name, data in found)
    message = found[0][1]["message"]
    assert (message["model"], message["content"]) == ("claude-sonnet-5-5", [])
    assert message["usage"] == CLAUDE_USAGE | {"output_tokens": 1}
    assert [data for _, data in found[1:]] == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "4"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "2"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 30},
        },
        {"type": "message_stop"},
    ]


def test_claude_may_think_before_it_speaks() -> None:
    found = [data for _, data in events(claude_stream(["42"], thinking=["hm"]))]
    started = [d["content_block"]["type"] for d in found if d["type"] == "content_block_start"]
    said = [(d["index"], d["delta"]["type"]) for d in found if d["type"] == "content_block_delta"]
    assert started == ["thinking", "text"]
    assert said == [(0, "thinking_delta"), (0, "signature_delta"), (1, "text_delta")]


def test_a_refusal_may_be_empty_and_says_why_it_stopped() -> None:
    found = [data for _, data in events(claude_stream([], stop_reason="refusal"))]
    assert [data["type"] for data in found] == ["message_start", "message_delta", "message_stop"]
    assert found[1]["delta"]["stop_details"]["type"] == "refusal"


def test_a_pace_puts_a_pause_between_any_two_pieces() -> None:
    body = claude_stream(["a"], pace=0.5).body
    assert [part for part in body if isinstance(part, Pause)] == [Pause(0.5)] * 6
    assert isinstance(body[0], bytes)
    assert isinstance(body[-1], bytes)


def test_an_event_may_carry_a_name() -> None:
    assert sse({"a": "é"}, "error") == 'event: error\ndata: {"a": "é"}\n\n'.encode()


def test_each_vendor_has_its_own_envelope_for_errors() -> None:
    openai = error_reply_openai(402, "Insufficient Balance", code="invalid_request_error")
    anthropic = error_reply_anthropic(
        429, "rate_limit_error", "Slow", error_code="ramp_limit_exceeded", headers={"a": "b"}
    )
    with Loopback(openai, anthropic, html_reply(502, "Bad gateway")) as vendor:
        first, second, third = (httpx.post(vendor.url, json=ASK) for _ in range(3))
    assert (first.status_code, first.json()) == (
        402,
        {
            "error": {
                "message": "Insufficient Balance",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_request_error",
            }
        },
    )
    assert (second.status_code, second.headers["request-id"], second.headers["a"]) == (
        429,
        second.json()["request_id"],
        "b",
    )
    assert second.json()["error"] == {
        "type": "rate_limit_error",
        "message": "Slow",
        "details": {"error_code": "ramp_limit_exceeded"},
    }
    assert (third.status_code, third.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert "<title>Bad gateway</title>" in third.text
