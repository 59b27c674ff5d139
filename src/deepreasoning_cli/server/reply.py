"""The ASGI side of a turn: its status, its bytes, its keep-alives, and when nobody listens."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.greenlets import await_only, greenlet_spawn
from deepreasoning_cli.server.answers import Headers, send_failure
from deepreasoning_cli.server.beat import KEEP_ALIVE, Beat
from deepreasoning_cli.server.turn import Turn, Why
from deepreasoning_cli.wire.refusal import ApiError

STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Reply:
    """Answers one request with what its turn says.

    Nothing is sent before there is text or a failure, so that a failure has its own status; but a
    stream that stays silent begins after `keep_alive` seconds, and gets a comment as often.
    """

    def __init__(self, turn: Turn, keep_alive: float) -> None:
        self._turn = turn
        self._beat = Beat(keep_alive, self._keep_alive) if turn.asked.stream else None
        self._begun = False
        self._said = False  # and not only kept alive
        self._send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the turn and send what it says."""
        self._send = send
        task = asyncio.current_task()
        assert task is not None, "ASGI apps are run as tasks"
        watch = asyncio.create_task(self._watch(receive, task))
        try:
            failure = await self._run()
        except asyncio.CancelledError:  # before the first stage, or after the last
            failure = self._turn.stopping if self._turn.why is Why.STOPPING else None
            self._turn.ended = self._turn.ended or self._turn.why.value
        finally:
            watch.cancel()
            if self._beat:
                self._beat.stop()
        await self._finish(scope, failure)

    async def _run(self) -> ApiError | None:
        try:
            plan = await self._turn.plan()
        except DeepReasoningError as error:
            return self._turn.failure(error)
        return await greenlet_spawn(lambda: self._turn.run(plan, self._put))

    def _put(self, piece: bytes) -> None:
        if self._beat:
            self._beat.sent()
        self._said = True
        try:
            await_only(self._body(piece))
        except OSError as gone:  # so ASGI servers may say that the caller has left
            self._turn.why = Why.GONE
            raise BrokenPipeError(Why.GONE) from gone

    async def _body(self, piece: bytes) -> None:
        if not self._begun:
            self._begun = True
            turn_id = (self._turn.format.request_id.encode(), self._turn.id.encode())
            kind = STREAM if self._turn.asked.stream else _whole(piece)
            headers = [*kind, turn_id]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _finish(self, scope: Scope, failure: ApiError | None) -> None:
        if self._turn.why is Why.GONE:
            return
        if self._begun:
            last = self._turn.broken_off(failure) if failure and not self._said else b""
            await self._send({"type": "http.response.body", "body": last})
        elif failure:
            await send_failure(scope, self._send, failure, retry_after=self._turn.retry_after)

    async def _keep_alive(self) -> None:
        with suppress(OSError):  # the next piece meets it too
            await self._body(KEEP_ALIVE)

    async def _watch(self, receive: Receive, task: asyncio.Task[object]) -> None:
        """End the turn as soon as its caller has gone."""
        while (await receive())["type"] != "http.disconnect":
            continue
        if not self._turn.ended:  # else all is said, and what came is being kept
            self._turn.why = Why.GONE
            task.cancel()


def _whole(reply: bytes) -> Headers:
    """The headers of a reply that is one piece."""
    length = str(len(reply)).encode()
    return [(b"content-type", b"application/json"), (b"content-length", length)]
