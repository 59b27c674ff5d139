"""What is told of a request once it is over."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from deepreasoning_cli.server.asgi import json_response
from deepreasoning_cli.server.observe import TURN, Exchange, RequestLogMiddleware
from support.asgi_calls import Answer, call, scope
from support.ended_turns import ended_turn


def told(app: object, asked: Scope) -> tuple[Answer, list[Exchange]]:
    heard: list[Exchange] = []
    answer = call(RequestLogMiddleware(app, [heard.append]), asked)  # type: ignore[arg-type] # asks for less
    return answer, heard


def test_an_answer_passes_unchanged_and_is_told() -> None:
    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        await json_response({"a": 1}, 201)(asked, receive, send)

    asked = scope("/deep/x", "POST", root_path="/deep", query_string=b"key=secret")
    answer, [exchange] = told(app, asked)
    assert (answer.status, answer.json) == (201, {"a": 1})
    assert 0 <= exchange.seconds < 10
    expected = Exchange("POST", "/x", 201, exchange.seconds, "127.0.0.1", None)
    assert exchange == expected


def test_a_turn_that_was_put_into_the_scope_is_told() -> None:
    turn = ended_turn()

    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        asked[TURN] = turn

    _, [exchange] = told(app, scope(client=None))
    assert (exchange.turn, exchange.status, exchange.client) == (turn, None, None)


def test_what_breaks_is_told_and_breaks_on() -> None:
    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    heard: list[Exchange] = []
    with pytest.raises(RuntimeError, match="late"):
        call(RequestLogMiddleware(app, [heard.append]), scope())
    assert [exchange.status for exchange in heard] == [200]


def test_nothing_is_told_of_what_is_no_request() -> None:
    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    heard: list[Exchange] = []
    answer = call(RequestLogMiddleware(app, [heard.append]), {"type": "lifespan"})
    assert (answer, heard) == (Answer(), [])
