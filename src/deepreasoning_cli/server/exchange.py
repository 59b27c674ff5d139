"""One request and its response as a fact, told to whoever keeps count once it is over."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepreasoning_cli.record import Record
from deepreasoning_cli.server.scopes import path_of
from deepreasoning_cli.wire.asked import ChatRequest

TURN: Final = "deepreasoning.turn"
"""Where the scope of a request holds its turn, if one has begun."""
RUNNING: Final = "running"
"""What is said of a turn that goes on after its request."""


class Turn(Protocol):
    """What a request set going; `ended` is empty until it has, as long as `record` changes."""

    id: str
    asked: ChatRequest
    record: Record
    ended: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is over. `status` is None where the caller went before there was one.

    `path` is without the query, `seconds` are from the first byte of the request to the last of
    the response.
    """

    method: str
    path: str
    status: int | None
    seconds: float
    client: str | None = None
    turn: Turn | None = None


Teller = Callable[[Exchange], None]


class Observed:
    """`app`, and each of `tellers` hears of every request that it has answered."""

    def __init__(self, app: ASGIApp, tellers: Collection[Teller]) -> None:
        self._app = app
        self._tellers = tellers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, unchanged."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status: int | None = None

        def noting(message: Message) -> Awaitable[None]:  # no coroutine of its own for each piece
            nonlocal status
            status = status or message["status"]
            return send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            exchange = _told(scope, status, time.perf_counter() - began)
            for teller in self._tellers:
                teller(exchange)


def _told(scope: Scope, status: int | None, seconds: float) -> Exchange:
    client = scope.get("client")
    host = client[0] if client else None
    return Exchange(scope["method"], path_of(scope), status, seconds, host, scope.get(TURN))
