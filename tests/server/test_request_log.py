"""What is told of a request once it is over."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from deepreasoning_cli.server.asgi import json_response
from deepreasoning_cli.server.observe import TURN, Exchange, RequestLogMiddleware
from support.asgi_calls import Answer, call, scope
from support.ended_turns import ended_turn


def observe(app: object, request_scope: Scope) -> tuple[Answer, list[Exchange]]:
    exchanges: list[Exchange] = []
    answer = call(RequestLogMiddleware(app, [exchanges.append]), request_scope)  # type: ignore[arg-type] # asks for less
    return answer, exchanges


def test_an_answer_passes_unchanged_and_is_told() -> None:
    async def app(request_scope: Scope, receive: Receive, send: Send) -> None:
        await json_response({"a": 1}, 201)(request_scope, receive, send)

    request_scope = scope("/deep/x", "POST", root_path="/deep", query_string=b"key=secret")
    answer, [exchange] = observe(app, request_scope)
    assert (answer.status, answer.json) == (201, {"a": 1})
    assert 0 <= exchange.seconds < 10
    expected = Exchange("POST", "/x", 201, exchange.seconds, "127.0.0.1", None)
    assert exchange == expected


def test_a_turn_that_was_put_into_the_scope_is_told() -> None:
    turn = ended_turn()

    async def app(request_scope: Scope, receive: Receive, send: Send) -> None:
        request_scope[TURN] = turn

    _, [exchange] = observe(app, scope(client=None))
    assert (exchange.turn, exchange.status, exchange.client) == (turn, None, None)


def test_what_breaks_is_told_and_breaks_on() -> None:
    async def app(request_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    exchanges: list[Exchange] = []
    with pytest.raises(RuntimeError, match="late"):
        call(RequestLogMiddleware(app, [exchanges.append]), scope())
    assert [exchange.status for exchange in exchanges] == [200]


def test_nothing_is_told_of_what_is_no_request() -> None:
    async def app(request_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    exchanges: list[Exchange] = []
    answer = call(RequestLogMiddleware(app, [exchanges.append]), {"type": "lifespan"})
    assert (answer, exchanges) == (Answer(), [])
