"""The official clients with their own repeats: while Claude fails, the reasoner is asked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import anthropic
import openai
import pytest

from support.replies import claude_stream, reasoner_stream
from support.serve_process import FAILURES, MODEL, Server
from support.serve_process import house as house
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS

OWN_TRIES: Final = 3  # of the server's, before anything came


@pytest.fixture
def server(house: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """With clients that repeat as often as they do by themselves, but wait less before it."""
    for package in (openai, anthropic):
        client = package._base_client.BaseClient
        monkeypatch.setattr(client, "_calculate_retry_timeout", lambda *_: 0.01)
    house.forget()
    house.ids.clear()
    return house


def chat(server: Server, *, stream: bool) -> tuple[str, str]:
    """The answer and the reasoning."""
    client = server.openai().with_options(max_retries=openai.DEFAULT_MAX_RETRIES)
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "6 x 7?"}]}
    if not stream:
        said: Any = client.chat.completions.create(**asked).choices[0].message
        return said.content, said.reasoning_content
    deltas = [
        chunk.choices[0].delta for chunk in client.chat.completions.create(**asked, stream=True)
    ]
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    return "".join(delta.content or "" for delta in deltas), thoughts


def responses(server: Server, *, stream: bool) -> tuple[str, str]:
    client = server.openai().with_options(max_retries=openai.DEFAULT_MAX_RETRIES).responses
    if stream:
        with client.stream(model=MODEL, input="6 x 7?") as events:
            reply: Any = events.get_final_response()
    else:
        reply = client.create(model=MODEL, input="6 x 7?")
    return reply.output_text, reply.output[0].summary[0].text


def messages(server: Server, *, stream: bool) -> tuple[str, str]:
    client = server.anthropic().with_options(max_retries=anthropic.DEFAULT_MAX_RETRIES).messages
    question: Any = [{"role": "user", "content": "6 x 7?"}]
    asked: Any = {"model": MODEL, "max_tokens": 99, "messages": question}
    if stream:
        with client.stream(**asked) as events:
            reply: Any = events.get_final_message()
    else:
        reply = client.create(**asked)
    thinking, text = reply.content
    return text.text, thinking.thinking


Ask = Callable[..., tuple[str, str]]
every_format = pytest.mark.parametrize("ask", [chat, responses, messages])
whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@every_format
@whole_and_streamed
@pytest.mark.parametrize("failure", FAILURES)
def test_a_claude_that_fails_each_time_has_the_reasoner_asked_once(
    server: Server, ask: Ask, stream: bool, failure: str
) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), FAILURES[failure])
    with pytest.raises((openai.OpenAIError, anthropic.AnthropicError, RuntimeError)):
        ask(server, stream=stream)
    repeats = failure != "rejected" and not stream
    assert len(server.ids) == 1 + repeats * openai.DEFAULT_MAX_RETRIES
    _, claudes = server.vendors.requests()
    assert server.vendors.counts()[0] == 1
    assert all(REASONING in str(claude.body["messages"]) for claude in claudes)


@every_format
def test_a_claude_that_recovers_answers_from_the_reasoning_that_was_paid_for(
    server: Server, ask: Ask
) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), FAILURES["overloaded"])
    server.vendors.claude.reply(*[FAILURES["overloaded"]] * (OWN_TRIES - 1), claude_stream(TEXTS))
    assert ask(server, stream=False) == (ANSWER, REASONING)
    assert len(server.ids) == 2
    assert server.vendors.counts() == (1, OWN_TRIES + 1)
