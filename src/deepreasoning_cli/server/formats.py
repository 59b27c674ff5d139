"""The three formats by the paths they are asked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.pipeline.events import Chunk, Payload
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter, completion_object
from deepreasoning_cli.wire.server.chat_completions import read_request as read_chat_completions
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.server.messages import MessagesWriter, message_object
from deepreasoning_cli.wire.server.messages import read_request as read_messages
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wire.server.responses import ResponsesWriter, response_object
from deepreasoning_cli.wire.server.responses import read_request as read_responses
from deepreasoning_cli.wire.server.writer import Cost, Head, ReplyWriter


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How a format is read and written; `request_id` is the header that carries a turn's id."""

    path: str
    read: Callable[[object], ChatRequest]
    writer: Callable[[Head, bool], ReplyWriter]
    whole: Callable[[Iterable[Chunk | Cost], Head], Payload]
    envelope: Callable[[ApiError], Payload]
    request_id: str = "x-request-id"


def _chat_writer(head: Head, include_usage: bool) -> ReplyWriter:
    return ChatCompletionsWriter(head, include_usage=include_usage)


FORMATS: Final = (
    WireFormat(
        "/v1/chat/completions",
        read_chat_completions,
        _chat_writer,
        completion_object,
        openai_envelope,
    ),
    WireFormat(
        "/v1/responses",
        read_responses,
        lambda head, _: ResponsesWriter(head),
        response_object,
        openai_envelope,
    ),
    WireFormat(
        "/v1/messages",
        read_messages,
        lambda head, _: MessagesWriter(head),
        message_object,
        anthropic_envelope,
        "request-id",
    ),
)
BY_PATH: Final = {each.path: each for each in FORMATS}


def envelope_for(path: str) -> Callable[[ApiError], Payload]:
    """The envelope of whoever asks on `path`."""
    wire_format = BY_PATH.get(path)
    return wire_format.envelope if wire_format else openai_envelope
