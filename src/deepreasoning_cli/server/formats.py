"""The formats, by path, and the paths that clients make of a base URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.server import (
    chat_completions,
    completions,
    messages,
    ollama,
    responses,
)
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wire.server.writer import ReplyWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """How a format is read and written; `request_id` is the header that carries a turn's id.

    `is_stored`: clients come back to a reply by its id. `stream_type` is the content type of a
    stream, and `keep_alive` what says nothing in one.
    """

    read: Callable[[object], ChatRequest]
    writer: type[ReplyWriter]
    envelope: Callable[[ApiError], Payload] = openai_envelope
    request_id: str = "x-request-id"
    is_stored: bool = False
    stream_type: bytes = b"text/event-stream; charset=utf-8"
    keep_alive: bytes = b": keep-alive\n\n"


CHAT_COMPLETIONS: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
COMPLETIONS: Final = "/v1/completions"
OLLAMA_CHAT: Final = "/api/chat"
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
    COMPLETIONS: WireFormat(read=completions.read_request, writer=completions.CompletionsWriter),
    OLLAMA_CHAT: WireFormat(
        read=ollama.read_request,
        writer=ollama.OllamaWriter,
        envelope=ollama.ollama_envelope,
        stream_type=b"application/x-ndjson",
        keep_alive=f"{ollama.SILENT_LINE}\n".encode("ascii"),
    ),
}


VERSION: Final = "v1"
VERSIONED: Final = frozenset({"chat", "completions", "messages", "models", "responses"})
"""What the paths below `/v1` begin with."""
UNVERSIONED: Final = "api"
"""What those of Ollama begin with."""


def endpoint_of(path: str) -> str:
    """The path that is meant, whether or not the base URL of the client ends in `/v1`.

    OpenAI's clients expect a base URL with it, Anthropic's one without: the wrong one gives
    `/chat/completions` or `/v1/v1/messages`. A slash at its end gives an empty part.
    """
    parts = filter(None, path.split("/"))
    endpoint = list(dropwhile(lambda part: part == VERSION, parts))
    if endpoint and endpoint[0] in VERSIONED:
        return "/".join(["", VERSION, *endpoint])
    return "/".join(["", *endpoint]) if endpoint[:1] == [UNVERSIONED] else path


def format_for(path: str, *, anthropic: bool = False) -> WireFormat:
    """The format of failures on `path`, which need not be answered; `anthropic` says whether
    the caller is a client of Anthropic's. Without either it is OpenAI's.
    """
    if path in BY_PATH:
        return BY_PATH[path]
    if path.startswith(f"/{UNVERSIONED}/"):
        return BY_PATH[OLLAMA_CHAT]
    is_messages = anthropic or path.startswith(f"{MESSAGES}/")
    return BY_PATH[MESSAGES if is_messages else CHAT_COMPLETIONS]
