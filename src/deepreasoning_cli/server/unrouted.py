"""What no route takes, as a failure in the envelope of the path."""

from __future__ import annotations

from typing import Final, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request

from deepreasoning_cli.server.answers import Headers, Rejected
from deepreasoning_cli.wire.refusal import Failure

FAILURES: Final = {
    404: Failure(404, "not_found", "there is nothing at this path; /openapi.json lists what is"),
    405: Failure(405, "method_not_allowed", "this path does not answer that method"),
}


async def unrouted(_: Request, error: Exception) -> NoReturn:
    """Starlette's handler of HTTPException. Raises Rejected for the guard to answer."""
    assert isinstance(error, HTTPException)
    failure = FAILURES.get(error.status_code)
    said = failure or Failure(error.status_code, "http", str(error.detail))
    raise Rejected(said, headers=_allow(error))


def _allow(error: HTTPException) -> Headers:
    """The methods in an order that does not change from one process to the next."""
    methods = sorted((error.headers or {}).get("Allow", "").split(", "))
    return [(b"allow", ", ".join(methods).encode())] if any(methods) else []
