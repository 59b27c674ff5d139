"""The three formats by the paths they are asked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.events import Chunk, Payload
from deepreasoning_cli.wire import chat_completions, messages, responses
from deepreasoning_cli.wire.asked import Asked
from deepreasoning_cli.wire.chat_completions.asked import read as read_chat_completions
from deepreasoning_cli.wire.messages.asked import read as read_messages
from deepreasoning_cli.wire.refusal import Failure, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.reply import Cost, Head
from deepreasoning_cli.wire.responses.asked import read as read_responses
from deepreasoning_cli.wire.writer import Writer


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How a format is read and written; `request_id` is the header that carries a turn's id."""

    path: str
    read: Callable[[object], Asked]
    writer: Callable[[Head, bool], Writer]
    whole: Callable[[Iterable[Chunk | Cost], Head], Payload]
    envelope: Callable[[Failure], Payload]
    request_id: str = "x-request-id"


def _chat_writer(head: Head, include_usage: bool) -> Writer:
    return chat_completions.Writer(head, include_usage=include_usage)


FORMATS: Final = (
    WireFormat(
        "/v1/chat/completions",
        read_chat_completions,
        _chat_writer,
        chat_completions.whole,
        openai_envelope,
    ),
    WireFormat(
        "/v1/responses",
        read_responses,
        lambda head, _: responses.Writer(head),
        responses.whole,
        openai_envelope,
    ),
    WireFormat(
        "/v1/messages",
        read_messages,
        lambda head, _: messages.Writer(head),
        messages.whole,
        anthropic_envelope,
        "request-id",
    ),
)
BY_PATH: Final = {each.path: each for each in FORMATS}


def envelope_for(path: str) -> Callable[[Failure], Payload]:
    """The envelope of whoever asks on `path`."""
    wire_format = BY_PATH.get(path)
    return wire_format.envelope if wire_format else openai_envelope
