"""Vendors' errors, judged and told; tests/transport/test_vendor_errors.py sends them."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import ConfigError, RefusedError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.transport import Request
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
from deepreasoning_cli.wiring.resources import name_at

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
        f"api.x.org: rejected the deepseek key …vBn5 from {origin} (401)",
        hint,
        401,
    )


def test_a_call_without_a_key_is_told_to_have_one() -> None:
    error = to_exception(read_error({"type": "authentication_error"}), UNNAMED_ACCOUNT)
    assert (error.kind, error.message) == ("key_missing", "the server: a key is needed (401)")


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
    assert (error.message, error.request_id) == (
        "api.x.org: server error (500): bad [key]",
        "id [key]",
    )


def test_a_meaning_of_the_callers_replaces_our_own() -> None:
    meaning = Meaning(UnavailableError, "redirects (307)", "go there", has_status=True)
    error = to_exception(ErrorDetails("redirect", 307, "", None), UNNAMED_ACCOUNT, meaning)
    assert (error.kind, error.message, error.hint, error.status, error.request_id) == (
        *("redirect", "the server: redirects (307)", "go there", 307),
        None,
    )


TOO_LONG = ("too_long", 400)
NO_CREDIT = ("no_credit", 402)
BROKEN = ("stream_error", None)


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


RAW = '{"error": {"message": "at most 1 image", "type": "invalid_request_error"}}'
GENERIC = "Provider returned error"
WORDS = "maximum context length is 4096"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": GENERIC, "metadata": {"raw": RAW}}}, "at most 1 image"),
        (
            {"error": {"message": GENERIC, "metadata": {"raw": RAW, "provider_name": "Crucible"}}},
            "Crucible: at most 1 image",
        ),
        ({"error": {"message": GENERIC, "metadata": {"raw": "no room"}}}, "no room"),
        (
            {"error": {"message": GENERIC, "metadata": {"raw": {"detail": "down", "x": 1}}}},
            "down",
        ),
        ({"error": {"message": GENERIC, "metadata": {}}}, GENERIC),
        (
            {"error": {"message": "flagged", "metadata": {"reasons": ["violence", "spam"]}}},
            "flagged (violence, spam)",
        ),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]}, "body.top_p: too large"),
        (
            {"detail": [{"loc": ["body", 0], "msg": "a"}, {"loc": ["query", "n"], "msg": "b"}]},
            "body.0: a; query.n: b",
        ),
        ({"detail": {"error": {"message": "within"}}}, "within"),
        ({"code": 20012, "message": "no such model", "data": None}, "no such model"),
        ({"code": 400, "msg": "bad field"}, "bad field"),
        ({"error_code": 336, "error_msg": "too many"}, "too many"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "login fail"),
        ({"success": False, "errors": [{"code": 1, "message": "off"}]}, "off"),
        ([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}], "quota"),
        ({"status": 404, "error": "Not Found", "message": "No handler"}, "No handler"),
        ({"title": "Gone", "detail": "it left", "status": 410}, "it left"),
        ({"__type": "ThrottlingException", "Message": "slow down"}, "slow down"),
        ({"fault": {"faultstring": "no quota"}}, "no quota"),
        ({"error": {"message": '{"error":{"message":"deep"}}'}}, "deep"),
        ({"error": {"message": 'litellm: {"message": "deep"}'}}, "litellm: deep"),
        ({"error": {"message": "a {brace} alone"}}, "a {brace} alone"),
        ({"error": {"message": "two\n lines"}}, "two lines"),
        ("plain text", "plain text"),
    ],
)
def test_the_vendors_own_words_are_found_in_any_shape(body: object, message: str) -> None:
    assert read_error_body(body, 422, None).message == message


@pytest.mark.parametrize(
    ("payload", "kind", "status"),
    [
        ({"object": "error", "message": WORDS, "type": "BadRequestError", "code": 400}, *TOO_LONG),
        ({"detail": WORDS}, *TOO_LONG),
        ({"code": 400, "msg": WORDS}, *TOO_LONG),
        ({"error": {"message": GENERIC, "code": 502, "metadata": {"raw": RAW}}}, "server", 502),
        ({"error": {"message": GENERIC, "metadata": {"raw": RAW}}}, "bad_request", 400),
        ({"error": {"message": "x", "code": "429"}}, "rate_limit", 429),
        ({"error": {"message": "x", "http_code": "400"}}, "bad_request", 400),
        ({"error": {"code": 5, "message": "x", "status": "NOT_FOUND"}}, "not_found", 404),
        ({"object": "error", "type": "NotFoundError", "message": "x"}, "not_found", 404),
        ({"code": 20012, "message": "Model does not exist.", "data": None}, "not_found", 404),
        ({"error": "Incorrect API key provided"}, "key_rejected", 401),
        ({"code": "InvalidApiKey", "message": "no"}, "key_rejected", 401),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, *NO_CREDIT),
        ({"choices": None, "base_resp": {"status_code": 1, "status_msg": "?"}}, *BROKEN),
        ({"success": False, "errors": [{"message": "off"}]}, *BROKEN),
        ({"message": "Internal error"}, *BROKEN),
    ],
)
def test_an_error_inside_a_reply_means_what_its_code_says(
    payload: Payload, kind: str, status: int | None
) -> None:
    details = error_in(payload)
    assert details
    assert (details.kind, details.status) == (kind, status)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"code": 0, "msg": "success", "data": {}},
        {"code": 20000, "message": "OK", "status": True, "data": {"balance": "1"}},
        {"base_resp": {"status_code": 0, "status_msg": ""}},
        {"id": "deepreasoning", "description": "x", "message": "welcome"},
        {"type": "message_start", "message": {"content": []}},
        {"object": "chat.completion.chunk", "usage": {}, "message": "x"},
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


def test_a_vendor_is_named_at_its_own_address_alone() -> None:
    vendor = load_catalog().vendor("deepseek")
    assert name_at(vendor, "https://api.deepseek.com/v1") == "DeepSeek"
    assert name_at(vendor, "https://proxy.example.com/v1") is None
    at_home = Request("https://api.deepseek.com/chat/completions", vendor="DeepSeek").account
    elsewhere = Request("http://127.0.0.1:8000/chat/completions").account
    for account, name in ((at_home, "DeepSeek"), (elsewhere, "127.0.0.1:8000")):
        error = to_exception(ErrorDetails("no_credit", 402, ""), account)
        assert error.message == f"{name}: no credit left (402)"
