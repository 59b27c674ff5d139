"""Vendors' errors, judged and told; tests/transport/test_vendor_errors.py sends them."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.errors import ConfigError, RefusedError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.client.errors import (
    UNNAMED_ACCOUNT,
    ApiAccount,
    ErrorDetails,
    Meaning,
    error_in,
    has_text,
    read_error,
    read_error_body,
    to_exception,
)

VALUE = "sk-canary-7FqpXw2Zr9Kd4LmT8vBn5"


def account(origin: str) -> ApiAccount:
    return ApiAccount("api.x.org", Key("deepseek", VALUE, origin), "https://x.org/top_up")


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        (
            "environment DEEPSEEK_API_KEY",
            "correct DEEPSEEK_API_KEY: the environment outranks the config file",
        ),
        ("config.toml", "replace it: `deepreasoning config set keys.deepseek`"),
    ],
)
def test_advice_on_a_rejected_key_says_where_it_is_set(origin: str, hint: str) -> None:
    error = to_exception(read_error({"code": "invalid_api_key"}), account(origin))
    assert (type(error), error.kind, error.message, error.hint, error.status) == (
        ConfigError,
        "key_rejected",
        f"api.x.org rejected the key deepseek from {origin} (…vBn5) (401)",
        hint,
        401,
    )


def test_a_call_without_a_key_is_told_to_have_one() -> None:
    error = to_exception(read_error({"type": "authentication_error"}), UNNAMED_ACCOUNT)
    assert (error.kind, error.message) == ("key_missing", "the server asks for a key (401)")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (account("config.toml"), "top up the account at https://x.org/top_up"),
        (UNNAMED_ACCOUNT, "top up the account"),
    ],
)
def test_advice_on_an_empty_balance_names_the_page_if_there_is_one(
    asked: ApiAccount, hint: str
) -> None:
    error = to_exception(read_error({"code": "insufficient_credits"}), asked)
    assert (type(error), error.kind, error.hint) == (RefusedError, "no_credit", hint)


def test_the_key_is_masked_in_words_and_request_id() -> None:
    details = ErrorDetails("server", 500, f"bad {VALUE}", f"id {VALUE}")
    error = to_exception(details, account("config.toml"))
    assert (error.message, error.request_id) == ("api.x.org failed (500): bad [key]", "id [key]")


def test_a_meaning_of_the_callers_replaces_our_own() -> None:
    meaning = Meaning(UnavailableError, "redirects (307)", "go there", has_status=True)
    error = to_exception(ErrorDetails("redirect", 307, "", None), UNNAMED_ACCOUNT, meaning)
    assert (error.kind, error.message, error.hint, error.status, error.request_id) == (
        *("redirect", "the server redirects (307)", "go there", 307),
        None,
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m", "type": "x"}}, "m"),
        ({"error": "plain"}, "plain"),
        ({"detail": "detailed"}, "detailed"),
        ({"error": None, "message": "beside it"}, "beside it"),
        ({"detail": [{"loc": []}]}, ""),
    ],
)
def test_the_body_of_a_status_may_have_any_envelope(body: dict[str, Any], message: str) -> None:
    assert read_error_body(body, 422, "req_1") == ErrorDetails("bad_request", 422, message, "req_1")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"error": None, "choices": [{"finish_reason": "stop"}]},
        {"choices": None},
        {"type": "response.completed", "response": {"status": "completed", "error": None}},
        {"type": "response.completed", "response": 7},
        {"object": "response", "status": "incomplete"},
    ],
)
def test_most_payloads_hold_no_error(payload: Payload) -> None:
    assert error_in(payload) is None


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"delta": {"role": "assistant", "content": ""}}, False),
        ({"delta": {"content": "4"}}, True),
        ({"message": {"role": "assistant", "reasoning_content": "six"}}, True),
        ({}, False),
    ],
)
def test_text_beside_an_error_is_seen(choice: Payload, expected: bool) -> None:
    assert has_text({"error": {"code": 502}, "choices": [choice]}) is expected
