"""The three formats, by path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.server import chat_completions, messages, responses
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wire.server.writer import ReplyWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """How a format is read and written; `request_id` is the header that carries a turn's id."""

    read: Callable[[object], ChatRequest]
    writer: type[ReplyWriter]
    envelope: Callable[[ApiError], Payload] = openai_envelope
    request_id: str = "x-request-id"


BY_PATH: Final = {
    "/v1/chat/completions": WireFormat(
        read=chat_completions.read_request, writer=chat_completions.ChatCompletionsWriter
    ),
    "/v1/responses": WireFormat(read=responses.read_request, writer=responses.ResponsesWriter),
    "/v1/messages": WireFormat(
        read=messages.read_request,
        writer=messages.MessagesWriter,
        envelope=anthropic_envelope,
        request_id="request-id",
    ),
}


def format_for(path: str) -> WireFormat:
    """The format of failures on `path`; a path without a format has OpenAI's."""
    return BY_PATH.get(path, BY_PATH["/v1/chat/completions"])
