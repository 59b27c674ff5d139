"""What no route takes is answered in the envelope of its path."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deepreasoning_cli.server.app import ERROR_HANDLERS
from deepreasoning_cli.server.asgi import json_response
from deepreasoning_cli.server.guard import Guard
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.models import ServeSettings
from support.asgi_calls import Answer, Headers, call, scope


async def welcome(_: Request) -> Response:
    return json_response({})


async def teapot(_: Request) -> Response:
    raise HTTPException(418, "short and stout")


async def buggy(_: Request) -> Response:
    raise RuntimeError("sk-secret")


def ask(
    path: str,
    method: str = "GET",
    broken: list[Exception] | None = None,
    headers: Headers = (),
) -> Answer:
    service = SimpleNamespace(
        token=None,
        loaded=SimpleNamespace(settings=SimpleNamespace(serve=ServeSettings())),
        log_bug=([] if broken is None else broken).append,
    )
    routes = [
        Route("/v1/messages", welcome, methods=["POST"]),
        Route("/v1/models", welcome),
        Route("/tea", teapot),
        Route("/bug", buggy),
    ]
    app = Starlette(routes=routes, exception_handlers=ERROR_HANDLERS)
    return call(Guard(app, cast("Service", service)), scope(path, method, headers))


def test_an_unknown_path_is_not_found() -> None:
    answer = ask("/v1/nothing")
    assert answer.status == 404
    assert answer.json == {
        "error": {
            "message": "there is nothing at this path: in the client, set a base URL that ends in"
            " /v1 (OpenAI's clients) or in no path at all (Anthropic's); /openapi.json lists what"
            " there is",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
    }


@pytest.mark.parametrize("path", ["/v1/messages/batches", "/messages/batches", "/v1/files"])
def test_a_client_of_anthropics_is_told_in_its_envelope(path: str) -> None:
    answer = ask(path, headers={"anthropic-version": "2023-06-01"})
    assert (answer.status, answer.json["type"]) == (404, "error")
    assert answer.json["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [("/v1/models", "DELETE", "GET, HEAD"), ("/v1/models", "OPTIONS", "GET, HEAD")],
)
def test_a_wrong_method_is_told_the_right_ones(path: str, method: str, allow: str) -> None:
    answer = ask(path, method)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.json["error"]["code"] == "method_not_allowed"


def test_a_wrong_method_of_messages_is_told_in_its_envelope() -> None:
    answer = ask("/v1/messages")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.json["error"]["details"] == {"error_code": "method_not_allowed"}


def test_head_is_answered_where_get_is() -> None:
    assert ask("/v1/models", "HEAD").status == 200


def test_any_other_failure_of_a_route_keeps_its_status() -> None:
    answer = ask("/tea")
    assert (answer.status, answer.json["error"]["message"]) == (418, "short and stout")
    assert "allow" not in answer.headers


def test_a_bug_in_a_route_is_told_in_the_envelope_and_noted() -> None:
    broken: list[Exception] = []
    answer = ask("/bug", broken=broken)
    assert answer.status == 500
    assert answer.json["error"]["code"] == "internal"
    assert [str(bug) for bug in broken] == ["sk-secret"]
    assert b"secret" not in answer.body
