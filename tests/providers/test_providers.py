from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

import pytest

from deepreasoning_cli.catalog.models import Reasoner
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Message,
    ModelReported,
    Payload,
    Prompt,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.openai_compatible import ReasonerProvider
from deepreasoning_cli.transport import Request, Transport

PROMPT = Prompt((Message("user", "6 × 7?"),), "Be brief.")
KEY = Key("k", "sk-0123456789", "a test")


class Line:
    """A transport that hands out payloads and notes what it was asked for."""

    def __init__(self, *payloads: Payload) -> None:
        self.payloads = payloads
        self.log: list[Any] = []

    def preconnect(self, url: str, *, once: bool = False) -> None:
        self.log.append(url)

    def stream(
        self, request: Request, when_sent: Callable[[], None]
    ) -> Generator[Payload, None, None]:
        self.log.append(request)
        when_sent()
        try:
            yield from self.payloads
        finally:
            self.log.append("closed")


THOUGHT: Payload = {"model": "r1-0528", "choices": [{"delta": {"reasoning_content": "hm"}}]}
ANSWERED: Payload = {"choices": [{"delta": {"content": "42"}, "finish_reason": "stop"}]}
USED: Payload = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}
WHOLE: Payload = {
    "type": "message",
    "model": "claude-x",
    "content": [{"type": "text", "text": "42"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 7},
}
PRESET = Reasoner(
    name="lab",
    label="Lab",
    base_url="http://gpu:8000/v1",
    model="r1",
    key="lab",
    context=1000,
    body={"thinking": True},
)


def reasoner(line: Line, base_url: str = "http://gpu:8000/v1") -> ReasonerProvider:
    samplers = {"temperature": 0.7}
    return ReasonerProvider(
        preset=PRESET,
        base_url=base_url,
        key=KEY,
        samplers=samplers,
        transport=cast(Transport, line),
        top_up="https://pay",
    )


def claude(line: Line, base_url: str = "https://api.anthropic.com") -> ClaudeProvider:
    return ClaudeProvider(
        model="claude-x",
        base_url=base_url,
        key=KEY,
        max_tokens=100,
        samplers={"top_p": 0.5},
        transport=cast(Transport, line),
        top_up="p",
    )


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_reasoner_is_asked_in_chat_completions(slash: str) -> None:
    request = reasoner(Line(), f"http://gpu:8000/v1{slash}").request(PROMPT)
    assert request == Request(
        "http://gpu:8000/v1/chat/completions",
        body={
            "model": "r1",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "6 × 7?"},
            ],
            "temperature": 0.7,
            "stream": True,
            "stream_options": {"include_usage": True},
            "thinking": True,
        },
        key=KEY,
        top_up="https://pay",
    )


@pytest.mark.parametrize("slash", ["", "/"])
def test_claude_is_asked_in_messages_with_the_version_that_takes_samplers(slash: str) -> None:
    request = claude(Line(), f"https://api.anthropic.com{slash}").request(PROMPT)
    assert request == Request(
        "https://api.anthropic.com/v1/messages",
        body={
            "model": "claude-x",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "6 × 7?"}],
            "system": "Be brief.",
            "top_p": 0.5,
            "stream": True,
        },
        key=KEY,
        headers={"anthropic-version": "2023-06-01"},
        key_header="x-api-key",
        top_up="p",
    )


def test_a_reasoner_says_what_it_is() -> None:
    provider = reasoner(Line())
    assert (provider.model, provider.context, provider.rates) == ("r1", 1000, None)


REASONED: list[Chunk] = [
    ModelReported("r1-0528"),
    Thought("hm"),
    Text("42"),
    Usage(5, 7),
    End("stop"),
]
ANSWER: list[Chunk] = [ModelReported("claude-x"), Text("42"), Usage(5, 7), End("end_turn")]
both = pytest.mark.parametrize(
    ("make", "payloads", "chunks"),
    [(reasoner, [THOUGHT, ANSWERED, USED], REASONED), (claude, [WHOLE], ANSWER)],
    ids=["reasoner", "claude"],
)
Make = Callable[[Line], ReasonerProvider | ClaudeProvider]


@both
def test_the_reply_comes_as_chunks_and_the_call_is_closed(
    make: Make, payloads: list[Payload], chunks: list[Chunk]
) -> None:
    line, sent = Line(*payloads), list[str]()
    provider = make(line)
    assert list(provider.stream(PROMPT, lambda: sent.append("sent"))) == chunks
    assert (line.log, sent) == ([provider.request(PROMPT), "closed"], ["sent"])


@both
def test_nothing_is_sent_before_it_is_iterated(
    make: Make, payloads: list[Payload], chunks: list[Chunk]
) -> None:
    line = Line(*payloads)
    make(line).stream(PROMPT)
    assert line.log == []


@both
def test_closing_the_stream_ends_the_call(
    make: Make, payloads: list[Payload], chunks: list[Chunk]
) -> None:
    line = Line(*payloads)
    stream = make(line).stream(PROMPT)
    assert next(stream) == chunks[0]
    stream.close()
    assert line.log[1:] == ["closed"]


@both
def test_warming_opens_the_connection_to_its_base_url(
    make: Make, payloads: list[Payload], chunks: list[Chunk]
) -> None:
    line = Line()
    provider = make(line)
    provider.preconnect()
    assert line.log == [provider.base_url]


@both
def test_the_key_is_not_in_its_repr(
    make: Make, payloads: list[Payload], chunks: list[Chunk]
) -> None:
    assert KEY.value not in repr(make(Line()))
