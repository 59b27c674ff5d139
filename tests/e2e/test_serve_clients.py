"""The official clients against the real server: what a reply holds, streamed and whole."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from support.replies import Reply, claude_stream, reasoner_stream
from support.serve_process import ASKED, MODEL, Server, serving_at
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS

CLAUDE = "claude-sonnet-5-5"
THOUGHT = reasoner_stream(THOUGHTS)  # ends by itself, with its usage
INPUT, OUTPUT, REASONED = 20 + 100, 50 + 30, 50  # tokens of both, as the vendors count them


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("house")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def script(server: Server, texts: Reply | None = None) -> None:
    server.vendors.reply(THOUGHT, texts or claude_stream(TEXTS))


def check_kept(server: Server, turn: str, cost: str, status: str = "complete") -> None:
    """The history has it all, and the same cost."""
    kept = server.kept(turn)
    assert (kept["reasoning"], kept["answer"], kept["status"]) == (REASONING, ANSWER, status)
    assert kept["cost_usd"] == cost
    assert Decimal(cost) > 0


def chat_usage(usage: Any) -> tuple[int, int, int, int]:
    details = usage.completion_tokens_details
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return (*counts, details.reasoning_tokens)


CHAT_USAGE = (INPUT, OUTPUT, INPUT + OUTPUT, REASONED)

ENDS = pytest.mark.parametrize(
    ("reason", "finish", "status", "kept"),
    [
        ("end_turn", "stop", ("completed", None), "complete"),
        ("max_tokens", "length", ("incomplete", "max_output_tokens"), "incomplete"),
        ("refusal", "content_filter", ("incomplete", "content_filter"), "incomplete"),
    ],
)
Status = tuple[str, str | None]


# ---------------------------------------------------------------------------- chat completions


@ENDS
def test_a_chat_completion_is_streamed(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    with server.openai().chat.completions.create(
        model=MODEL, messages=ASKED, stream=True, stream_options={"include_usage": True}
    ) as stream:
        turn = stream.response.headers["x-request-id"]
        chunks = list(stream)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    deltas = [choice.delta.model_dump() for choice in choices]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == REASONING
    assert "".join(delta.get("content") or "" for delta in deltas) == ANSWER
    assert [each.finish_reason for each in choices if each.finish_reason] == [finish]
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{turn}"}
    usage: Any = chunks[-1].usage
    assert chat_usage(usage) == CHAT_USAGE
    check_kept(server, turn, usage.model_extra["cost_usd"], kept)


@ENDS
def test_a_chat_completion_is_whole(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    reply = server.openai().chat.completions.create(model=MODEL, messages=ASKED)
    (choice,) = reply.choices
    said = choice.message.model_dump()
    assert (said["reasoning_content"], said["content"]) == (REASONING, ANSWER)
    assert choice.finish_reason == finish
    usage: Any = reply.usage
    assert chat_usage(usage) == CHAT_USAGE
    assert reply.id == f"chatcmpl-{reply._request_id}"
    check_kept(server, reply.id.removeprefix("chatcmpl-"), usage.model_extra["cost_usd"], kept)


def test_without_being_asked_a_chat_stream_tells_no_usage(server: Server) -> None:
    script(server)
    stream = server.openai().chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    assert [chunk.usage for chunk in stream if chunk.usage or not chunk.choices] == []


# ----------------------------------------------------------------------------------- responses


def check_response(server: Server, reply: Any, status: Status, kept: str) -> None:
    thinking, message = reply.output
    assert (thinking.type, thinking.content[0].text) == ("reasoning", REASONING)
    assert (message.type, reply.output_text) == ("message", ANSWER)
    details = reply.incomplete_details
    assert (reply.status, details and details.reason) == status
    usage = reply.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert (*counts, usage.output_tokens_details.reasoning_tokens) == CHAT_USAGE
    check_kept(server, reply.id.removeprefix("resp_"), usage.model_extra["cost_usd"], kept)


@ENDS
def test_a_response_is_streamed(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    with server.openai().responses.stream(model=MODEL, input="6 x 7?") as stream:
        events: list[Any] = list(stream)
    names = ("reasoning_summary_text", "output_text")
    thoughts, texts = (
        [each.delta for each in events if each.type == f"response.{name}.delta"] for name in names
    )
    assert ("".join(thoughts), "".join(texts)) == (REASONING, ANSWER)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == f"response.{status[0]}"
    check_response(server, events[-1].response, status, kept)


@ENDS
def test_a_response_is_whole(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    reply = server.openai().responses.create(model=MODEL, input="6 x 7?")
    assert reply.id == f"resp_{reply._request_id}"
    check_response(server, reply, status, kept)


# ------------------------------------------------------------------------------------ messages


def check_message(server: Server, reply: Any, reason: str, cost: str, kept: str) -> None:
    thinking, text = reply.content
    assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", REASONING, "")
    assert (text.type, text.text) == ("text", ANSWER)
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens) == (INPUT, OUTPUT)
    assert usage.output_tokens_details.thinking_tokens == REASONED
    assert reply.stop_reason == reason
    check_kept(server, reply.id.removeprefix("msg_"), cost, kept)


@ENDS
def test_a_message_is_streamed(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    client = server.anthropic()
    with client.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as stream:
        events: list[Any] = list(stream)
        reply = stream.get_final_message()
        assert stream.response.headers["request-id"] == reply.id.removeprefix("msg_")
    thoughts = [event.thinking for event in events if event.type == "thinking"]
    texts = [event.text for event in events if event.type == "text"]
    assert ("".join(thoughts), "".join(texts)) == (REASONING, ANSWER)
    (delta,) = [event for event in events if event.type == "message_delta"]
    check_message(server, reply, reason, delta.usage.model_extra["cost_usd"], kept)


@ENDS
def test_a_message_is_whole(
    server: Server, reason: str, finish: str, status: Status, kept: str
) -> None:
    script(server, claude_stream(TEXTS, stop_reason=reason))
    reply = server.anthropic().messages.create(model=MODEL, max_tokens=100, messages=ASKED)
    assert reply.id == f"msg_{reply._request_id}"
    usage: Any = reply.usage
    check_message(server, reply, reason, usage.model_extra["cost_usd"], kept)


# ---------------------------------------------------------------------------------- what counts


def test_what_the_caller_asks_for_reaches_the_vendors(server: Server) -> None:
    script(server)
    server.openai().chat.completions.create(
        model=f"{MODEL}/haiku",
        messages=[{"role": "system", "content": "Be brief."}, *ASKED],
        max_completion_tokens=77,
    )
    (reasoner,), (claude,) = server.vendors.requests()
    assert reasoner.body["messages"][-1]["content"].startswith("6 x 7?")
    assert claude.body["model"].startswith("claude-haiku-")
    assert claude.body["max_tokens"] == 77 + 8192  # room to think
    assert "Be brief." in str(claude.body["system"])
    assert REASONING in claude.body["messages"][-1]["content"]


def test_the_messages_before_are_part_of_the_question(server: Server) -> None:
    script(server)
    earlier: Any = [
        {"role": "user", "content": "5 x 7?"},
        {"role": "assistant", "content": "35"},
    ]
    client = server.anthropic()
    client.messages.create(model=MODEL, max_tokens=99, messages=[*earlier, *ASKED])
    for (request,) in server.vendors.requests():
        assert [each["role"] for each in request.body["messages"][-3:]] == [
            "user",
            "assistant",
            "user",
        ]


def test_the_models_are_listed_and_found(server: Server) -> None:
    client = server.openai()
    names = [model.id for model in client.models.list()]
    assert names[0] == MODEL
    assert f"{MODEL}/{CLAUDE}" in names
    for name in names:
        assert client.models.retrieve(name).id == name
    found = server.anthropic().models.list()
    assert [model.id for model in found] == names
    assert server.anthropic().models.retrieve(f"{MODEL}/sonnet").id.startswith(f"{MODEL}/claude-")
    assert server.vendors.counts() == (0, 0)
