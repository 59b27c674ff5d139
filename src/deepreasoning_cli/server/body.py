"""A request's body: JSON of bounded size, read in bounded time, or a refusal that says why."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Final, NoReturn

from starlette.types import Receive, Scope

from deepreasoning_cli.server.answers import Headers, Rejected
from deepreasoning_cli.server.scopes import header
from deepreasoning_cli.wire.refusal import ApiError

__all__ = ["Gone", "header", "read_json"]

SLOWEST: Final = 30.0
"""Seconds that a whole body may take."""
MOST_VALUES: Final = 50_000
"""Values in a body, without keys.

Millions of small ones would hold up all replies, and take a hundred times their length in memory.
"""
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
UTF_8: Final = frozenset({"utf-8", "utf8"})


class Gone(Exception):  # noqa: N818 (what happened, in a word)
    """The caller went away before the request was whole; there is nobody to answer."""


async def read_json(scope: Scope, receive: Receive, limit: int, seconds: float = SLOWEST) -> object:
    """The decoded body of at most `limit` bytes that comes whole within `seconds`.

    A key that stands twice in an object has its last value. Raises Rejected for anything that is
    no such JSON, Gone where the caller hangs up.
    """
    _demand_json(scope)
    length = header(scope, "content-length") or ""
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise _too_large(scope, limit)
    try:
        async with asyncio.timeout(seconds):
            data = await _whole(scope, receive, limit)
    except TimeoutError:
        late = ApiError(408, "timeout", f"the body was not complete within {seconds:g} seconds")
        raise Rejected(late, headers=_closing(scope)) from None
    return _decoded(data)


def _demand_json(scope: Scope) -> None:
    kind, *parameters = (header(scope, "content-type") or "").split(";")
    if kind.strip().lower() != "application/json":
        raise Rejected(_unsupported("the content type must be application/json"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' \t"').lower() not in UTF_8:
            raise Rejected(_unsupported("the body must be UTF-8"))
    if (header(scope, "content-encoding") or "identity").strip().lower() != "identity":
        raise Rejected(_unsupported("the body must not be compressed"))


def _unsupported(why: str) -> ApiError:
    return ApiError(415, "unsupported_media_type", why)


async def _whole(scope: Scope, receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(scope, limit)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(scope: Scope, limit: int) -> Rejected:
    failure = ApiError(413, "request_too_large", f"the body has more than {limit:,} bytes")
    return Rejected(failure, headers=_closing(scope))


def _closing(scope: Scope) -> Headers:
    """What ends the connection, since the rest of the body is not read; HTTP/2 needs nothing."""
    return [(b"connection", b"close")] if scope.get("http_version", "").startswith("1") else []


def _decoded(data: bytes) -> object:
    if data.count(b",") >= MOST_VALUES and _has_too_many_values(data):
        why = f"the body has more than {MOST_VALUES:,} values"
        raise Rejected(ApiError(413, "request_too_large", why))
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # both are raised by nothing but the input
        why = f"the body is not valid JSON: {_words(error)}"
    raise Rejected(ApiError(400, "invalid_json", why))


def _has_too_many_values(data: bytes) -> bool:
    """Whether there are too many, told by the commas outside of strings."""
    commas = end = 0
    for strings, string in enumerate(STRING.finditer(data)):
        commas += data.count(b",", end, string.start())
        end = string.end()
        if commas >= MOST_VALUES or strings > 3 * MOST_VALUES:  # JSON has no more between them
            return True
    return commas + data.count(b",", end) >= MOST_VALUES


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _words(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} (line {error.lineno}, column {error.colno})"
        case UnicodeDecodeError():
            return f"not UTF-8 at byte {error.start}"
        case RecursionError():
            return "nested too deeply"
        case _ if "digits" in str(error):  # Python converts no longer ones, since that takes long
            return "a number has too many digits"
        case _:
            return str(error)
