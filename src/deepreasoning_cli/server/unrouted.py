"""What no route takes, and what breaks in one, as a failure in the envelope of the path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ExceptionHandler

from deepreasoning_cli.server.formats import envelope_for
from deepreasoning_cli.server.guard import BUG
from deepreasoning_cli.server.scopes import path_of
from deepreasoning_cli.wire.refusal import ApiError

FAILURES: Final = {
    404: ApiError(404, "not_found", "there is nothing at this path; /openapi.json lists what is"),
    405: ApiError(405, "method_not_allowed", "this path does not answer that method"),
}


async def unrouted(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler of HTTPException."""
    assert isinstance(error, HTTPException)
    failure = FAILURES.get(error.status_code)
    return _told(
        request, failure or ApiError(error.status_code, "http", str(error.detail)), _allow(error)
    )


async def broken(request: Request, _: Exception) -> JSONResponse:
    """Starlette's handler of a bug; it raises the exception again, for the guard to note."""
    return _told(request, BUG)


HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    HTTPException: unrouted,
    Exception: broken,
}


def _told(
    request: Request, failure: ApiError, headers: dict[str, str] | None = None
) -> JSONResponse:
    envelope = envelope_for(path_of(request.scope))
    return JSONResponse(envelope(failure), failure.status, headers)


def _allow(error: HTTPException) -> dict[str, str]:
    """The methods in an order that does not change from one process to the next."""
    methods = sorted((error.headers or {}).get("Allow", "").split(", "))
    return {"allow": ", ".join(methods)} if any(methods) else {}
