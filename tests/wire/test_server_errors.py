"""Failures in the envelopes of the formats: exact objects, safe words."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope

SLOW_DOWN = ApiError(429, "rate_limited", "Slow\ndown.", "messages[2].role", "req_1")
ENVELOPES: list[Callable[[ApiError], Payload]] = [
    openai_envelope,
    openai_envelope,
    anthropic_envelope,
]


@pytest.mark.parametrize("envelope", ENVELOPES[:2])
def test_openais_envelope_is_written_word_for_word(
    envelope: Callable[[ApiError], Payload],
) -> None:
    assert envelope(SLOW_DOWN) == {
        "error": {
            "message": "Slow down.",
            "type": "rate_limit_error",
            "param": "messages[2].role",
            "code": "rate_limited",
        }
    }


def test_anthropics_envelope_is_written_word_for_word() -> None:
    assert anthropic_envelope(SLOW_DOWN) == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "Slow down.",
            "details": {"error_code": "rate_limited"},
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("status", "openai", "anthropic"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (402, "insufficient_quota", "billing_error"),
        (403, "permission_error", "permission_error"),
        (404, "invalid_request_error", "not_found_error"),
        (405, "invalid_request_error", "invalid_request_error"),
        (408, "timeout_error", "timeout_error"),
        (409, "invalid_request_error", "conflict_error"),
        (413, "invalid_request_error", "request_too_large"),
        (422, "invalid_request_error", "invalid_request_error"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (502, "server_error", "api_error"),
        (503, "server_error", "overloaded_error"),
        (504, "server_error", "timeout_error"),
        (529, "server_error", "overloaded_error"),
    ],
)
def test_each_vendor_has_its_word_for_a_status(status: int, openai: str, anthropic: str) -> None:
    failure = ApiError(status, "kind", "words")
    assert (failure.openai_type, failure.anthropic_type) == (openai, anthropic)


@pytest.mark.parametrize("status", [400, 408, 409, 429, 500, 529])
def test_clients_are_stopped_only_where_they_would_repeat_what_cannot_help(status: int) -> None:
    final = ApiError(status, "kind", "words", is_final=True)
    assert final.stops_retries == (status != 400)
    assert not ApiError(status, "kind", "words").stops_retries


@pytest.mark.parametrize("envelope", ENVELOPES)
@given(words=st.text(max_size=600))
def test_a_message_is_one_short_line_without_control_characters(
    envelope: Callable[[ApiError], Payload], words: str
) -> None:
    said = envelope(ApiError(500, "bug", words))["error"]["message"]
    assert len(said) <= 500
    assert said.isprintable() or not any(ord(each) < 0x20 for each in said)
    assert len(said.splitlines()) <= 1
    said.encode()


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_escape_sequences_are_shown_and_not_obeyed(
    envelope: Callable[[ApiError], Payload],
) -> None:
    failure = ApiError(500, "bug", "\x1b[31mred\r\nand\u2028more " + "x" * 600)
    said = envelope(failure)["error"]["message"]
    assert said.startswith("␛[31mred and more xxx")
    assert (len(said), said[-1]) == (500, "…")
    assert json.loads(json.dumps(envelope(failure))) == envelope(failure)
