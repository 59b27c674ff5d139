"""Recorded replies and refusals, mutated at random: text or one error, and the key in neither."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Message, Prompt, Text, Thought, ToolArguments
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.providers.gateway import Endpoint, GatewayProvider, Parameters
from deepreasoning_cli.providers.openai_compatible import ReasonerProvider
from deepreasoning_cli.transport import Transport
from deepreasoning_cli.views.base import error_lines
from support.cut_replies import ANSWERERS, BREAKS, HOSTED, REASONERS, BreakingNetwork, RecordedReply
from support.mutations import mutated
from support.often import RecordProperty, often
from support.replies import Reply, error_reply_anthropic, error_reply_openai, html_reply
from support.vendors import canary

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower
TIMES, SHARES = often(400, 20_000), 4
PROMPT = Prompt((Message("user", "What is 6×7?"),))
PRESET = load_catalog().reasoners[0]
KEY = Key("k", canary("sk-"), "a test")
ODD = (
    *(b"null", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud83d", b"-1", b"1e999", b"NaN", b"9" * 30),
    *(b"\n", b"\n\n", b"\r", b"data: ", b"event: error\n", b"[DONE]", b"\x00", b"\xff", b"\x1b[2J"),
    *(b'"error":{"message":"', b'"type":', b"<think>", b"</think>", b"content", b"usage"),
)


def refusal(reply: Reply) -> bytes:
    """A reply that is no success, on the wire."""
    head = f"HTTP/1.1 {reply.status} No\r\ncontent-type: {reply.content_type}\r\n\r\n"
    return head.encode() + reply.whole


REFUSALS = (
    refusal(error_reply_openai(400, "Too long", code="context_length_exceeded", param="messages")),
    refusal(error_reply_openai(401, "Wrong key")),
    refusal(error_reply_anthropic(529, "overloaded_error", "Overloaded")),
    refusal(error_reply_anthropic(404, "not_found_error", "model: claude-x")),
    refusal(html_reply(502, "Bad Gateway")),
)


def damaged(wire: bytes, dice: random.Random) -> bytes:
    """The reply mutated, and in some cases with the key, which a vendor has echoed."""
    data = bytearray(mutated(wire, dice, ODD))
    if dice.random() < 0.3:
        at = dice.randrange(len(data))
        data[at:at] = KEY.value.encode()
    return bytes(data)


def reasoner(transport: Transport) -> ApiProvider:
    return ReasonerProvider(
        preset=PRESET, base_url="http://h", key=KEY, samplers={}, transport=transport
    )


def claude(transport: Transport) -> ApiProvider:
    return ClaudeProvider(
        model="claude-x",
        base_url="http://h",
        key=KEY,
        max_tokens=100,
        samplers={},
        transport=transport,
    )


def hosted(endpoint: Endpoint) -> Callable[[Transport], ApiProvider]:
    parameters = Parameters(anthropic_model="claude-x")
    return lambda transport: GatewayProvider(
        base_url="http://h",
        key=KEY,
        transport=transport,
        parameters=parameters,
        endpoint=endpoint,
    )


CALLS: list[tuple[Callable[[Transport], ApiProvider], list[RecordedReply]]] = [
    (reasoner, list(REASONERS.values())),
    (claude, list(ANSWERERS.values())),
    (hosted("responses"), [HOSTED["responses"]]),
]


def said_by(provider: Callable[[Transport], ApiProvider], network: BreakingNetwork) -> list[str]:
    """The texts of a reply, and the lines of the error that ends it."""
    said: list[str] = []
    with Transport(wrap_backend=lambda _: network, sleep=lambda _: None) as transport:
        try:
            for chunk in provider(transport).stream(PROMPT):
                if isinstance(chunk, Thought | Text | ToolArguments):
                    said.append(chunk.text)
        except DeepReasoningError as error:
            said += error_lines(error)
    return said


@pytest.mark.parametrize("share", range(SHARES))
def test_any_reply_is_text_or_one_error(share: int, record_property: RecordProperty) -> None:
    dice = random.Random(share)
    for _ in range(TIMES // SHARES):
        provider, recorded = dice.choice(CALLS)
        wire = damaged(dice.choice([*(each.wire for each in recorded), *REFUSALS]), dice)
        network = BreakingNetwork({"h": (wire, len(wire), dice.choice(BREAKS))})
        said = said_by(provider, network)
        assert KEY.value not in "".join(said), wire
        assert KEY.value not in "\n".join(said), wire
    record_property("replies", TIMES // SHARES)
