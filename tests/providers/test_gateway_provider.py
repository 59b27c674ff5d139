from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

import pytest

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
from deepreasoning_cli.providers.gateway import Endpoint, GatewayProvider, Parameters
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.writer import Head, ReplyWriter
from support.written import written

PROMPT = Prompt((Message("user", "6×7?"),))
KEY = Key("empiriolabs", "sk-empiriolabs-0123456789", "a test")
HEAD = Head("1", "deepreasoning", 1795392000)
CHUNKS: list[Chunk] = [Thought("six"), Text("42"), End("end_turn")]
INLINE: list[Chunk] = [Text("<think>six</think>"), Text("42"), End("end_turn")]


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
        self.log.append(request.url)
        when_sent()
        try:
            yield from self.payloads
        finally:
            self.log.append("closed")


def gateway(line: Line, endpoint: Endpoint) -> GatewayProvider:
    parameters = Parameters(anthropic_model="claude-x", web_search_linkup=True)
    transport = cast(Transport, line)
    return GatewayProvider(
        parameters=parameters,
        endpoint=endpoint,
        base_url="https://x.org/v1/",
        key=KEY,
        transport=transport,
    )


PATHS: dict[Endpoint, str] = {
    "chat_completions": "https://x.org/v1/chat/completions",
    "responses": "https://x.org/v1/responses",
    "messages": "https://x.org/v1/messages",
}


@pytest.mark.parametrize("chunks", [CHUNKS, INLINE], ids=["apart", "inline"])
@pytest.mark.parametrize("endpoint", PATHS)
def test_reasoning_is_told_apart_wherever_it_stands(
    endpoint: Endpoint, chunks: list[Chunk]
) -> None:
    formats: dict[str, Callable[[Head], ReplyWriter]] = {
        "chat_completions": ChatCompletionsWriter,
        "messages": MessagesWriter,
        "responses": ResponsesWriter,
    }
    line = Line(*written(formats[endpoint](HEAD), chunks))
    sent: list[int] = []
    received = list(gateway(line, endpoint).stream(PROMPT, lambda: sent.append(1)))
    assert received[:2] == [Thought("six"), Text("42")]
    assert isinstance(received[2], End)
    assert (line.log, sent) == ([PATHS[endpoint], "closed"], [1])


def test_a_model_that_is_not_the_hosted_one_is_told() -> None:
    line = Line(*written(ChatCompletionsWriter(HEAD), [ModelReported("claude-y"), *CHUNKS]))
    received = list(gateway(line, "chat_completions").stream(PROMPT))
    assert received[0] == ModelReported("claude-y")


def test_closing_the_reply_closes_the_call() -> None:
    line = Line(*written(MessagesWriter(HEAD), CHUNKS))
    stream = gateway(line, "messages").stream(PROMPT)
    next(stream)
    stream.close()
    assert line.log[-1] == "closed"


def test_it_is_named_for_its_part() -> None:
    hosted = gateway(Line(), "messages")
    assert (hosted.model, hosted.as_reasoner().model) == ("claude-x", "deepreasoning")
    assert hosted.searches is True


def test_its_connection_can_be_opened_ahead() -> None:
    line = Line()
    gateway(line, "messages").preconnect()
    assert line.log == ["https://x.org/v1/"]


def test_messages_carry_their_version_and_others_do_not() -> None:
    for endpoint, url in PATHS.items():
        request = gateway(Line(), endpoint).request(PROMPT)
        assert request.url == url
        assert ("anthropic-version" in request.headers) == (endpoint == "messages")
