"""A vendor's error means the same wherever it stands: a status, a body, any event of a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.pipeline.events import Chunk, Payload, Text
from deepreasoning_cli.wire.client import chat_completions, messages, responses
from support.calls import HOST, REQUEST, Outcome, Witness, outcome, said
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen

Case = tuple[int, Payload, type[DeepReasoningError], str, str, str]

LATER = "try again later"
KEY = "rejected the deepseek key …vBn5 from DEEPSEEK_API_KEY"
REPLACE = "replace it: `deepreasoning config set keys.deepseek`"
TOP_UP = "top up the account at https://example.com/top_up"
MODEL = "unknown model or address"
MODELS = "`deepreasoning models` lists the models; or check the base URL"
SHORTER = "shorten the prompt, drop files, or choose a model with a larger context"
CHANGE = "change the request as the message says"
RIGHTS = "check the rights of the key and whether your region is served"
SPENT: Payload = {"error_code": "enforced_spend_limit_reached"}


def typed(kind: str, message: str = "So it is.", **fields: Any) -> Payload:
    """An error as Anthropic writes it."""
    return {"type": kind, "message": message, **fields}


def coded(code: str | int, message: str = "So it is.", kind: str | None = None) -> Payload:
    """An error as OpenAI, DeepSeek, OpenRouter and the gateway write it."""
    return {"message": message, "type": kind, "param": None, "code": code}


INVALID = "invalid_request_error"
CASES: dict[str, Case] = {
    "Anthropic, key": (
        401,
        typed("authentication_error"),
        ConfigError,
        "key_rejected",
        KEY,
        REPLACE,
    ),
    "DeepSeek, key": (
        *(401, coded(INVALID, kind="authentication_error")),
        *(ConfigError, "key_rejected", KEY, REPLACE),
    ),
    "OpenAI, key": (
        *(401, coded("invalid_api_key", kind=INVALID)),
        *(ConfigError, "key_rejected", KEY, REPLACE),
    ),
    "gateway, no key": (401, coded("missing_api_key"), ConfigError, "key_rejected", KEY, REPLACE),
    "Anthropic, billing": (
        *(402, typed("billing_error")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "Anthropic, balance": (
        *(400, typed(INVALID, "Your credit balance is too low.")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "Anthropic, spend limit": (
        *(429, typed("rate_limit_error", details=SPENT)),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "DeepSeek, balance": (
        *(402, coded(INVALID, "Insufficient Balance", "unknown_error")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "OpenRouter, credits": (
        *(402, coded(402)),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "gateway, credits": (
        *(402, coded("insufficient_credits")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "OpenAI, quota": (
        *(429, coded("insufficient_quota", kind="insufficient_quota")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "Linkup, funds": (
        *(429, coded("INSUFFICIENT_FUNDS_CREDITS")),
        *(RefusedError, "no_credit", "no credit left", TOP_UP),
    ),
    "Anthropic, rights": (
        *(403, typed("permission_error")),
        *(RefusedError, "forbidden", "access denied", RIGHTS),
    ),
    "Anthropic, model": (404, typed("not_found_error"), RefusedError, "not_found", MODEL, MODELS),
    "gateway, model": (404, coded("model_not_found"), RefusedError, "not_found", MODEL, MODELS),
    "OpenAI, model": (
        *(404, coded("model_not_found", kind=INVALID)),
        *(RefusedError, "not_found", MODEL, MODELS),
    ),
    "Anthropic, size": (
        *(413, typed("request_too_large")),
        *(RefusedError, "too_long", "the request is too long", SHORTER),
    ),
    "Anthropic, context": (
        *(400, typed(INVALID, "prompt is too long: 210000 tokens > 200000 maximum")),
        *(RefusedError, "too_long", "the request is too long", SHORTER),
    ),
    "OpenAI, context": (
        *(400, coded("context_length_exceeded", "Too many tokens.", INVALID)),
        *(RefusedError, "too_long", "the request is too long", SHORTER),
    ),
    "vLLM, context": (
        *(400, coded(400, "The model's maximum context length is 65536.", "BadRequestError")),
        *(RefusedError, "too_long", "the request is too long", SHORTER),
    ),
    "Anthropic, request": (
        *(400, typed(INVALID)),
        *(RefusedError, "bad_request", "request refused", CHANGE),
    ),
    "DeepSeek, parameter": (
        *(422, coded(422)),
        *(RefusedError, "bad_request", "request refused", CHANGE),
    ),
    "OpenAI, content policy": (
        *(400, coded("content_policy_violation", kind=INVALID)),
        *(RefusedError, "bad_request", "request refused", CHANGE),
    ),
    "DeepSeek, content policy": (
        *(400, coded(INVALID, "Content Exists Risk", INVALID)),
        *(RefusedError, "bad_request", "request refused", CHANGE),
    ),
    "Anthropic, rate": (
        *(429, typed("rate_limit_error")),
        *(UnavailableError, "rate_limit", "rate limited", LATER),
    ),
    "Anthropic, ramp": (
        *(429, typed("rate_limit_error", details={"error_code": "ramp_limit_exceeded"})),
        *(UnavailableError, "rate_limit", "rate limited", LATER),
    ),
    "gateway, rate": (
        *(429, coded("rate_limit_exceeded")),
        *(UnavailableError, "rate_limit", "rate limited", LATER),
    ),
    "OpenRouter, rate": (
        *(429, coded(429)),
        *(UnavailableError, "rate_limit", "rate limited", LATER),
    ),
    "Linkup, queue": (
        *(429, coded("TOO_MANY_REQUESTS")),
        *(UnavailableError, "rate_limit", "rate limited", LATER),
    ),
    "Anthropic, overload": (
        *(529, typed("overloaded_error")),
        *(UnavailableError, "overloaded", "overloaded", LATER),
    ),
    "gateway, offline": (
        *(503, coded("model_unavailable")),
        *(UnavailableError, "overloaded", "unavailable", LATER),
    ),
    "OpenRouter, overload": (503, coded(503), UnavailableError, "overloaded", "unavailable", LATER),
    "Anthropic, fault": (
        500,
        typed("api_error"),
        UnavailableError,
        "server",
        "server error",
        LATER,
    ),
    "OpenAI, fault": (
        *(500, coded("server_error", kind="server_error")),
        *(UnavailableError, "server", "server error", LATER),
    ),
    "gateway, upstream": (
        *(502, coded("upstream_error")),
        *(UnavailableError, "server", "server error", LATER),
    ),
    "OpenRouter, upstream": (502, coded(502), UnavailableError, "server", "server error", LATER),
    "Anthropic, timeout": (
        504,
        typed("timeout_error"),
        UnavailableError,
        "server",
        "server error",
        LATER,
    ),
    "Anthropic, conflict": (
        *(409, typed("conflict_error")),
        *(UnavailableError, "server", "server error", LATER),
    ),
}


@dataclass(frozen=True)
class Format:
    """How a format tells an error, how it begins, how it brings text, and who reads it."""

    error: Callable[[Payload], Payload]
    beginning: Payload
    text: Payload
    read: Callable[..., Any]


CHOICE: Payload = {"index": 0, "delta": {"role": "assistant", "content": ""}}
TEXT: Payload = {"index": 0, "delta": {"content": "4"}}
CHAT = (
    {"object": "chat.completion.chunk", "choices": [CHOICE]},
    {"object": "chat.completion.chunk", "choices": [TEXT]},
    chat_completions.read_reply,
)
RESPONSES = (
    {"type": "response.created", "response": {"status": "in_progress", "error": None}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "4"},
    responses.read_reply,
)
FORMATS = {
    "chat_completions": Format(lambda error: {"error": error}, *CHAT),
    "chat_completions, in a choice": Format(
        lambda error: {"choices": [{"delta": {}, "finish_reason": "error", "error": error}]}, *CHAT
    ),
    "messages": Format(
        lambda error: {"type": "error", "error": error},
        {"type": "message_start", "message": {"content": []}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "4"}},
        messages.read_reply,
    ),
    "responses": Format(lambda error: {"type": "error", "error": error}, *RESPONSES),
    "responses, failed": Format(
        lambda error: {
            "type": "response.failed",
            "response": {"object": "response", "status": "failed", "error": error},
        },
        *RESPONSES,
    ),
}
STREAM = {"content-type": "text/event-stream"}
SEEN = tuple[list[Chunk], Outcome, int]


def replies(spoken: Format, status: int, error: Payload) -> dict[str, dict[str, Any]]:
    """The same error in every place where a vendor may tell it."""
    told = spoken.error(error)
    return {
        "a status": {"status_code": status, "json": {"error": error}},
        "a body": {"json": told},
        "the first event": {"headers": STREAM, "content": said(told)},
        "a later event": {"headers": STREAM, "content": said(spoken.beginning, told)},
        "after text": {"headers": STREAM, "content": said(spoken.text, told)},
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_an_error_means_the_same_wherever_it_stands(
    httpx_mock: HTTPXMock, seen: Witness, case: str, name: str
) -> None:
    status, error, kind_of_error, kind, what, hint = CASES[case]
    spoken = FORMATS[name]
    message = f"{HOST}: {what} ({status}): {error['message']}"
    told = (kind_of_error, kind, message, hint, status, None, kind_of_error.exit_code)
    tries = 3 if kind_of_error is UnavailableError else 1
    found: dict[str, SEEN] = {}
    for place, reply in replies(spoken, status, error).items():
        httpx_mock.reset()
        httpx_mock.add_response(**reply, is_reusable=True)
        received: list[Chunk] = []
        with seen.transport() as transport, pytest.raises(DeepReasoningError) as caught:
            received.extend(spoken.read(transport.stream(REQUEST), REQUEST.account))
        found[place] = (received, outcome(caught.value), len(httpx_mock.get_requests()))
    assert found == {
        "a status": ([], told, tries),
        "a body": ([], told, tries),
        "the first event": ([], told, tries),
        "a later event": ([], told, 1),
        "after text": ([Text("4")], told, 1),
    }
