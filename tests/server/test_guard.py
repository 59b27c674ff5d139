"""Who is let in, and that whatever happens inside has one answer in the envelope asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from deepreasoning_cli.keys import Key
from deepreasoning_cli.server.asgi import json_response
from deepreasoning_cli.server.errors import ClientDisconnected, Rejected
from deepreasoning_cli.server.guard import Guard
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.models import ServeSettings
from support.asgi_calls import Answer, call, receiving, scope

TOKEN = "tell-no-one-0123"
OUTSIDE = ("192.168.1.5", 1337)


async def welcome(request_scope: Scope, receive: Receive, send: Send) -> None:
    await json_response({"path": request_scope["path"]})(request_scope, receive, send)


def guarded(
    app: Any = welcome,
    *,
    token: str | None = None,
    broken: list[Exception] | None = None,
    **settings: Any,
) -> Guard:
    """A guard of a service that is only what a guard asks it for."""
    service = SimpleNamespace(
        token=Key("serve", token, "a test") if token else None,
        loaded=SimpleNamespace(settings=SimpleNamespace(serve=ServeSettings(**settings))),
        log_bug=([] if broken is None else broken).append,
    )
    return Guard(app, cast("Service", service))


def status(guard: Guard, path: str = "/v1/models", **request_scope: Any) -> int:
    return call(guard, scope(path, **request_scope)).status


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:1337", "localhost.", "127.0.0.1:80", "[::1]:1337", "[0:0::1]"],
)
def test_this_machine_may_be_called_by_its_names(host: str) -> None:
    assert status(guarded(), headers={"host": host}) == 200


@pytest.mark.parametrize(
    ("host", "settings", "expected"),
    [
        ("evil.example", {}, 421),
        ("[abc]", {}, 421),
        ("localhost.evil.example", {}, 421),
        ("127.0.0.1.evil.example", {}, 421),
        ("0.0.0.0:1337", {"host": "0.0.0.0"}, 421),
        ("[::]", {"host": "::"}, 421),
        ("10.0.0.7:1337", {"host": "10.0.0.7"}, 200),
        ("[fd00::1]:99", {"host": "fd00:0:0::1"}, 200),
        ("api.example.com", {"hosts": ("API.example.com",)}, 200),
        ("api.example.com:443", {"hosts": ["api.example.com:8443"]}, 200),
        ("www.api.example.com", {"hosts": ("api.example.com",)}, 421),
    ],
)
def test_only_a_host_of_ours_is_answered(
    host: str, settings: dict[str, Any], expected: int
) -> None:
    assert status(guarded(**settings), headers={"host": host}) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "")],
        [("host", "localhost"), ("host", "evil.example")],
        [("host", "local host")],
        [("host", "localhost/@evil")],
        [("host", "user@localhost")],
        [("host", "localhost:port")],
        [("host", "[::1")],
        [("host", "::1")],
        [("host", "[nonsense]")],
    ],
)
def test_a_malformed_host_is_a_bad_request(headers: list[tuple[str, str]]) -> None:
    assert code(call(guarded(), scope("/", headers=headers))) == (400, "invalid_host")


def test_a_missing_host_is_a_bad_request() -> None:
    assert code(call(guarded(), scope("/") | {"headers": []})) == (400, "invalid_host")


def test_whoever_has_the_token_may_use_any_name() -> None:
    shown = {"authorization": f"Bearer {TOKEN}", "host": "whatever.example"}
    assert status(guarded(token=TOKEN), headers=shown) == 200
    assert status(guarded(token=TOKEN, hosts=("api.example.com",)), headers=shown) == 421


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN}"}, 200),
        ({"x-api-key": TOKEN}, 200),
        ({"x-api-key": TOKEN, "authorization": "Bearer other"}, 200),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": TOKEN}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer t\xe9ll"}, 401),
    ],
)
def test_a_token_is_asked_of_all(headers: dict[str, str], expected: int) -> None:
    assert status(guarded(token=TOKEN), headers=headers) == expected
    assert status(guarded(token=TOKEN), headers=headers, server=OUTSIDE) == expected


def test_a_token_that_is_missing_is_named_in_the_envelope_of_the_path() -> None:
    openai = call(guarded(token=TOKEN), scope("/v1/responses", "POST"))
    assert (openai.status, openai.headers["www-authenticate"]) == (401, "Bearer")
    assert openai.json == {
        "error": {
            "message": "a token is needed: in the client, set this server's token as the API key",
            "type": "authentication_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }
    shown = {"x-api-key": "sk-wrong-0000"}
    anthropic = call(guarded(token=TOKEN), scope("/v1/messages", "POST", shown))
    assert anthropic.json == {
        "type": "error",
        "error": {
            "type": "authentication_error",
            "message": "the token is wrong: in the client, set this server's token as the API key",
            "details": {"error_code": "invalid_api_key"},
        },
        "request_id": None,
    }


def test_a_callers_own_key_is_no_token() -> None:
    assert status(guarded(token=TOKEN, byok=True), headers={"x-api-key": TOKEN}) == 401
    shown = {"authorization": f"Bearer {TOKEN}"}
    assert status(guarded(token=TOKEN, byok=True), headers=shown) == 200


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (("127.0.0.1", 1337), 200),
        (("127.8.9.1", 1337), 200),
        (("::1", 1337), 200),
        (("::ffff:127.0.0.1", 1337), 200),
        (("localhost", 80), 200),
        (("/run/deepreasoning.sock", None), 200),
        (None, 200),
        (OUTSIDE, 403),
        (("::ffff:192.168.1.5", 1337), 403),
        (("0.0.0.0", 1337), 403),
        (("fe80::1%eth0", 1337), 403),
        (("testserver", 80), 403),
        (["10.0.0.1", 80], 403),
    ],
)
def test_without_a_token_only_this_machine_is_answered(server: object, expected: int) -> None:
    assert status(guarded(), server=server) == expected


def test_the_refusal_of_the_outside_says_what_to_configure() -> None:
    answer = call(guarded(), scope("/health", server=OUTSIDE))
    assert code(answer) == (403, "token_required")
    assert "keys.serve" in answer.json["error"]["message"]


def test_health_needs_neither_token_nor_host() -> None:
    request_scope: dict[str, Any] = {"path": "/health", "headers": {"host": "10.0.0.1:1337"}}
    assert status(guarded(token=TOKEN, hosts=("api.example.com",)), **request_scope) == 200
    assert status(guarded(), **request_scope) == 200
    assert status(guarded(), "/health/x", headers=request_scope["headers"]) == 421


def test_health_is_known_where_the_app_is_mounted() -> None:
    mounted = {"root_path": "/deep"}
    assert status(guarded(token=TOKEN), "/deep/health", **mounted) == 200
    assert status(guarded(token=TOKEN), "/deeper/health", **mounted) == 401


@pytest.mark.parametrize(
    ("request_scope", "expected"),
    [
        ({"headers": [(f"x-{n}", "") for n in range(99)]}, (200, None)),
        ({"headers": [(f"x-{n}", "") for n in range(100)]}, (431, "too_many_headers")),
        ({"headers": {"x-a": "a" * 65_400}}, (200, None)),
        ({"headers": {"x-a": "a" * 65_536}}, (431, "headers_too_large")),
        ({"path": "/" + "a" * 8_191}, (200, None)),
        ({"path": "/" + "a" * 8_192}, (414, "path_too_long")),
        ({"raw_path": None, "path": "/" + "a" * 8_192}, (414, "path_too_long")),
        ({"query_string": b"a" * 8_192}, (414, "path_too_long")),
        ({"method": "CONNECT"}, (405, "method_not_allowed")),
        ({"method": "TRACE"}, (405, "method_not_allowed")),
    ],
)
def test_what_is_too_much_is_refused(
    request_scope: Mapping[str, Any], expected: tuple[int, str | None]
) -> None:
    answer = call(guarded(), scope(**request_scope))
    assert (answer.status, answer.json.get("error", {}).get("code")) == expected


def test_a_method_that_is_never_answered_is_told_which_are() -> None:
    assert call(guarded(), scope(method="TRACE")).headers["allow"] == "GET, HEAD, POST"


def test_a_rejection_inside_is_answered() -> None:
    async def rejecting(request_scope: Scope, receive: Receive, send: Send) -> None:
        raise Rejected(429, "slow_down", "not so fast", retry_after=1.5)

    answer = call(guarded(rejecting), scope("/v1/chat/completions", "POST"))
    assert code(answer) == (429, "slow_down")
    assert answer.headers["retry-after"] == "2"


def test_nothing_is_said_to_a_caller_who_has_gone() -> None:
    async def deserted(request_scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnected

    broken: list[Exception] = []
    assert call(guarded(deserted, broken=broken), scope()) == Answer()
    assert broken == []


def test_a_bug_is_one_answer_without_a_word_of_it() -> None:
    bug = RuntimeError("sk-secret in /home/someone")

    async def buggy(request_scope: Scope, receive: Receive, send: Send) -> None:
        raise bug

    broken: list[Exception] = []
    answer = call(guarded(buggy, broken=broken), scope("/v1/messages", "POST"))
    assert answer.json == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "unexpected; the server's log says where",
            "details": {"error_code": "internal"},
        },
        "request_id": None,
    }
    assert (answer.status, broken) == (500, [bug])


def test_a_bug_after_the_beginning_leaves_the_answer_cut() -> None:
    bug = RuntimeError("late")

    async def late(request_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise bug

    broken: list[Exception] = []
    assert call(guarded(late, broken=broken), scope()) == Answer(200)
    assert broken == [bug]


def test_a_websocket_is_refused() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    request_scope = {"type": "websocket", "path": "/v1/realtime", "headers": []}
    asyncio.run(guarded()(request_scope, receiving([{"type": "websocket.connect"}]), send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(request_scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(request_scope["type"])

    call(guarded(app, token=TOKEN), {"type": "lifespan"})
    assert seen == ["lifespan"]


@given(
    st.binary(max_size=40),
    st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=30)), max_size=5),
    st.text(max_size=30),
)
def test_no_header_and_no_path_is_a_bug(
    host: bytes, headers: list[tuple[bytes, bytes]], path: str
) -> None:
    broken: list[Exception] = []
    request_scope = scope("/") | {"path": path, "headers": [(b"host", host), *headers]}
    for guard in (guarded(broken=broken), guarded(broken=broken, token=TOKEN)):
        assert call(guard, request_scope).status in {200, 400, 401, 421}
    assert broken == []
