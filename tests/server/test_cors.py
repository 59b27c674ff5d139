"""Pages of other origins: only those that the settings name are told that they may."""

from __future__ import annotations

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from deepreasoning_cli.server.app import with_cors
from deepreasoning_cli.server.asgi import json_response
from support.asgi_calls import Answer, call, scope

PAGE = "https://app.example.com"
OPENAI = "authorization,content-type,x-stainless-retry-count,x-stainless-timeout"
ANTHROPIC = "anthropic-version,content-type,x-api-key,anthropic-dangerous-direct-browser-access"
OTHERS = "content-type,http-referer,x-title,x-stainless-of-next-year,editor-version"


async def welcome(request_scope: Scope, receive: Receive, send: Send) -> None:
    await json_response({}, headers={"x-request-id": "one"})(request_scope, receive, send)


def preflight(app: ASGIApp, origin: str, headers: str = OPENAI, method: str = "POST") -> Answer:
    all_headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }
    return call(app, scope("/v1/chat/completions", "OPTIONS", all_headers))


def test_without_origins_nothing_is_said_of_any() -> None:
    app = with_cors(welcome, ())
    assert app is welcome


@pytest.mark.parametrize("headers", [OPENAI, ANTHROPIC, OTHERS])
def test_any_client_may_call_from_a_page_that_is_named(headers: str) -> None:
    answer = preflight(with_cors(welcome, (PAGE,)), PAGE, headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert answer.headers["access-control-allow-headers"] == headers


@pytest.mark.parametrize(
    ("origin", "method"), [(f"{PAGE}.evil.example", "POST"), ("null", "POST"), (PAGE, "DELETE")]
)
def test_other_pages_and_methods_may_not(origin: str, method: str) -> None:
    answer = preflight(with_cors(welcome, (PAGE,)), origin, method=method)
    assert answer.status == 400


def test_a_page_sees_the_request_id() -> None:
    answer = call(with_cors(welcome, (PAGE,)), scope(headers={"origin": PAGE}))
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_an_answer_to_a_stranger_cannot_be_read_by_it() -> None:
    answer = call(with_cors(welcome, (PAGE,)), scope(headers={"origin": "https://evil.example"}))
    assert "access-control-allow-origin" not in answer.headers


def test_a_star_is_any_page() -> None:
    answer = call(with_cors(welcome, ("*",)), scope(headers={"origin": "https://any.example"}))
    assert answer.headers["access-control-allow-origin"] == "*"
