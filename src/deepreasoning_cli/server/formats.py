"""The three formats, by path, and the paths that clients make of a base URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.server import chat_completions, messages, responses
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wire.server.writer import ReplyWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """How a format is read and written; `request_id` is the header that carries a turn's id.

    `is_stored`: clients come back to a reply by its id.
    """

    read: Callable[[object], ChatRequest]
    writer: type[ReplyWriter]
    envelope: Callable[[ApiError], Payload] = openai_envelope
    request_id: str = "x-request-id"
    is_stored: bool = False


CHAT_COMPLETIONS: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
BY_PATH: Final = {
    CHAT_COMPLETIONS: WireFormat(
        read=chat_completions.read_request, writer=chat_completions.ChatCompletionsWriter
    ),
    RESPONSES: WireFormat(
        read=responses.read_request, writer=responses.ResponsesWriter, is_stored=True
    ),
    MESSAGES: WireFormat(
        read=messages.read_request,
        writer=messages.MessagesWriter,
        envelope=anthropic_envelope,
        request_id="request-id",
    ),
}


VERSION: Final = "v1"
VERSIONED: Final = frozenset({"chat", "messages", "models", "responses"})
"""What the paths below `/v1` begin with."""


def endpoint_of(path: str) -> str:
    """The path that is meant, whether or not the base URL of the client ends in `/v1`.

    OpenAI's clients expect a base URL with it, Anthropic's one without: the wrong one gives
    `/chat/completions` or `/v1/v1/messages`. A slash at its end gives an empty part.
    """
    parts = filter(None, path.split("/"))
    endpoint = list(dropwhile(lambda part: part == VERSION, parts))
    if endpoint and endpoint[0] in VERSIONED:
        return "/".join(["", VERSION, *endpoint])
    return path


def format_for(path: str, *, anthropic: bool = False) -> WireFormat:
    """The format of failures on `path`, which need not be answered; `anthropic` says whether
    the caller is a client of Anthropic's. Without either it is OpenAI's.
    """
    is_messages = anthropic or path.startswith(f"{MESSAGES}/")
    return BY_PATH.get(path, BY_PATH[MESSAGES if is_messages else CHAT_COMPLETIONS])
