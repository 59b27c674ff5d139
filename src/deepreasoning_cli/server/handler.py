"""Requests for turns: the body is read within limits and checked, then a turn runs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Container
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.keys import validate
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.asgi import header, path_of
from deepreasoning_cli.server.errors import ClientDisconnected, Rejected
from deepreasoning_cli.server.formats import BY_PATH, WireFormat
from deepreasoning_cli.server.guard import most_turns
from deepreasoning_cli.server.observe import TURN
from deepreasoning_cli.server.repeats import caller_of
from deepreasoning_cli.server.response import TurnResponse
from deepreasoning_cli.server.service import MODEL, CallerKeys, Service
from deepreasoning_cli.server.stored_responses import StoredInput, refers, resolve
from deepreasoning_cli.server.turn import Turn
from deepreasoning_cli.wire.server.request import DEEPEST, BadRequest, ChatRequest, is_too_deep
from deepreasoning_cli.wiring.resources import new_id

BODY_SECONDS: Final = 30.0
"""Seconds that a whole body may take."""
MAX_VALUES: Final = 50_000
"""Values in a body, without keys.

Millions of small values would delay all replies, and take a hundred times their length in memory.
"""
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
UTF_8: Final = frozenset({"utf-8", "utf8"})
BUSY_SECONDS: Final = 5.0
SHUTDOWN_SECONDS: Final = 3.0
"""Seconds in which turns can be saved when the server stops."""
CALLER_KEY_HEADERS: Final = {
    "deepseek": "x-deepseek-api-token",
    "anthropic": "x-anthropic-api-token",
}


class TurnHandler:
    """Answers requests on the formats' paths.

    `on_streams` is called with the number of running turns whenever it changes. When the server
    stops, `close` waits up to `shutdown_seconds` for turns to be saved.
    """

    def __init__(
        self,
        service: Service,
        on_streams: Callable[[int], None] | None = None,
        shutdown_seconds: float = SHUTDOWN_SECONDS,
    ) -> None:
        self._service = service
        self._serve = service.loaded.settings.serve
        self._on_streams = on_streams or (lambda _: None)
        self._shutdown_seconds = shutdown_seconds
        self._running: set[Turn] = set()

    @property
    def streams(self) -> int:
        """How many turns are running."""
        return len(self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Rejected before a turn starts."""
        turn_id = new_id()
        try:
            turn = await self._start_turn(turn_id, scope, receive)
        except Rejected as rejected:
            rejected.failure = replace(rejected.failure, request_id=turn_id)
            raise
        scope[TURN] = turn
        self._running.add(turn)
        self._on_streams(self.streams)
        try:
            await TurnResponse(turn, self._serve.keep_alive)(scope, receive, send)
        finally:
            self._running.discard(turn)
            self._on_streams(self.streams)

    async def _start_turn(self, turn_id: str, scope: Scope, receive: Receive) -> Turn:
        keys = caller_keys(scope, ("anthropic",)) if self._serve.byok else None
        wire_format, caller = BY_PATH[path_of(scope)], caller_of(scope)
        request, stored = await self.read(wire_format, scope, receive)
        if keys is not None and not self._service.asks_claude_alone(request):
            keys = caller_keys(scope, CALLER_KEY_HEADERS)
        if self.streams >= min(self._serve.streams, most_turns()):
            why = "too many replies at once; try again in a moment"
            raise Rejected(503, "overloaded", why, retry_after=BUSY_SECONDS)
        return Turn(
            id=turn_id,
            request=request,
            format=wire_format,
            service=self._service,
            keys=keys,
            caller=caller,
            stored=stored,
        )

    async def read(
        self, wire_format: WireFormat, scope: Scope, receive: Receive
    ) -> tuple[ChatRequest, StoredInput | None]:
        """The request in the body, and what is kept of it for later ones. Raises Rejected."""
        body, stored = await read_json(scope, receive, self._serve.body_limit), None
        if wire_format.is_stored and isinstance(body, dict):
            body, stored = await self._resolve(body, caller_of(scope))
        return self._to_chat_request(wire_format, body), stored

    def _to_chat_request(self, wire_format: WireFormat, body: object) -> ChatRequest:
        try:
            request = wire_format.read(body)
        except BadRequest as bad:
            raise Rejected(bad.status, bad.kind, bad.message, bad.field) from None
        if not self._service.knows(request.model):
            why = (
                f"there is no model {request.model}: in the client, choose {MODEL}, or a Claude"
                " model without reasoning, such as haiku"
            )
            raise Rejected(404, "model_not_found", why, "model")
        return request

    async def _resolve(self, body: Payload, caller: str) -> tuple[Payload, StoredInput]:
        """The request with what it refers to in place, and what is kept of it for later ones."""
        resolved = partial(resolve, body, caller, self._service.kept_turn)
        new, stored = await asyncio.to_thread(resolved) if refers(body) else resolved()
        keeps = self._service.saves and body.get("store") is not False
        return new if refers(body) else body, replace(stored, is_kept=keeps)

    async def close(self) -> None:
        """Wait until the turns that were cancelled have been saved."""
        deadline = asyncio.get_running_loop().time() + self._shutdown_seconds
        while self._running and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)


def caller_keys(scope: Scope, vendors: Container[str]) -> CallerKeys:
    """The keys in the request's headers, where callers bring their own."""
    try:
        return {
            vendor: validate(vendor, header(scope, name) or "", f"the header {name}")
            for vendor, name in CALLER_KEY_HEADERS.items()
            if vendor in vendors
        }
    except ConfigError as error:
        why = f"{error.message}; callers bring their own keys here"
        raise Rejected(401, error.kind, why) from None


async def read_json(
    scope: Scope, receive: Receive, limit: int, seconds: float = BODY_SECONDS
) -> object:
    """The decoded JSON body: at most `limit` bytes, complete within `seconds`.

    A key that appears twice in an object has its last value. Raises Rejected for anything else,
    ClientDisconnected if the caller disconnects.
    """
    _require_json(scope)
    length = header(scope, "content-length") or ""
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise _too_large(scope, limit)
    try:
        async with asyncio.timeout(seconds):
            data = await _read_body(scope, receive, limit)
    except TimeoutError:
        why = f"the body was not complete within {seconds:g} seconds"
        raise Rejected(408, "timeout", why, headers=_close_header(scope)) from None
    return _decode(data)


def _require_json(scope: Scope) -> None:
    kind, *parameters = (header(scope, "content-type") or "").split(";")
    if kind.strip().lower() != "application/json":
        raise _unsupported("the content type must be application/json")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' \t"').lower() not in UTF_8:
            raise _unsupported("the body must be UTF-8")
    if (header(scope, "content-encoding") or "identity").strip().lower() != "identity":
        raise _unsupported("the body must not be compressed")


def _unsupported(why: str) -> Rejected:
    return Rejected(415, "unsupported_media_type", why)


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(scope, limit)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(scope: Scope, limit: int) -> Rejected:
    why = f"the body has more than {limit:,} bytes"
    return Rejected(413, "request_too_large", why, headers=_close_header(scope))


def _close_header(scope: Scope) -> dict[str, str]:
    """Close the connection, since the rest of the body is not read; HTTP/2 needs no header."""
    return {"connection": "close"} if scope.get("http_version", "").startswith("1") else {}


def _decode(data: bytes) -> object:
    if data.count(b",") >= MAX_VALUES and _has_too_many_values(data):
        why = f"the body has more than {MAX_VALUES:,} values"
        raise Rejected(413, "request_too_large", why)
    try:
        body = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # only bad input raises these
        why = f"the body is not valid JSON: {_json_error(error)}"
        raise Rejected(400, "invalid_json", why) from None
    if data.count(b"{") + data.count(b"[") > DEEPEST and is_too_deep(body):
        raise Rejected(400, "invalid_json", "the body is nested too deeply")
    return body


def _has_too_many_values(data: bytes) -> bool:
    """Whether there are too many values: counts the commas outside strings."""
    commas = end = 0
    for strings, string in enumerate(STRING.finditer(data)):
        commas += data.count(b",", end, string.start())
        end = string.end()
        if commas >= MAX_VALUES or strings > 3 * MAX_VALUES:  # valid JSON has fewer strings
            return True
    return commas + data.count(b",", end) >= MAX_VALUES


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _json_error(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} (line {error.lineno}, column {error.colno})"
        case UnicodeDecodeError():
            return f"not UTF-8 at byte {error.start}"
        case RecursionError():
            return "nested too deeply"
        case _ if "digits" in str(error):  # Python refuses to convert longer ones
            return "a number has too many digits"
        case _:
            return str(error)
