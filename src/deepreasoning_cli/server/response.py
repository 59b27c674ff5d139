"""The response of a turn: status, bytes, keep-alives, and what happens on a disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.greenlets import await_only, greenlet_spawn
from deepreasoning_cli.pipeline.events import End, Event, Reused, StageStarted, Thought
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.pipeline.run import ANSWER_PIECES
from deepreasoning_cli.server.asgi import failure_response
from deepreasoning_cli.server.errors import CancelReason
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.writer import Part, ReplyWriter, encode_whole

if TYPE_CHECKING:
    from deepreasoning_cli.server.turn import Turn

STREAM_HEADERS: Final = [
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

Put = Callable[[bytes], None]
Ending = Callable[[BaseException | None], Sequence[Part]]
"""The last parts: usage, cost and End, or an ApiError; none if the caller has disconnected."""


class TurnResponse:
    """Answers one request with the reply of its turn.

    The response starts with the first text or failure, so that a failure has its own status. A
    stream that is silent for `keep_alive` seconds starts with a comment, and gets one as often.
    """

    def __init__(self, turn: Turn, keep_alive: float) -> None:
        self._turn = turn
        self._keep_alive_seconds = keep_alive
        self._has_started = False
        self._has_text = False  # more than keep-alives
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the turn and send its reply."""
        self._send = send
        task = asyncio.current_task()
        assert task is not None, "ASGI apps are run as tasks"
        helpers = [asyncio.create_task(self._watch_disconnect(receive, task))]
        if self._turn.request.stream:
            helpers.append(asyncio.create_task(self._keep_alive()))
        try:
            failure = await self._run()
        except asyncio.CancelledError:  # before the first stage or after the last
            failure = self._turn.cancel_failure
            self._turn.outcome = self._turn.outcome or self._turn.cancel_reason.value
        finally:
            for helper in helpers:
                helper.cancel()
        await self._finish(scope, receive, failure)

    async def _run(self) -> ApiError | None:
        try:
            plan = await self._turn.plan()
        except DeepReasoningError as error:
            return self._turn.failure(error)
        return await greenlet_spawn(lambda: self._turn.run(plan, self._send_piece))

    def _send_piece(self, piece: bytes) -> None:
        self._sent_at = self._loop.time()
        self._has_text = True
        try:
            await_only(self._body(piece))
        except OSError as error:  # ASGI servers may report a disconnect this way
            self._turn.cancel_reason = CancelReason.DISCONNECTED
            raise BrokenPipeError(CancelReason.DISCONNECTED) from error

    async def _body(self, piece: bytes) -> None:
        if not self._has_started:
            self._has_started = True
            wire_format = self._turn.format
            stream_headers = [(b"content-type", wire_format.stream_type), *STREAM_HEADERS]
            headers = [
                *(stream_headers if self._turn.request.stream else _json_headers(piece)),
                (wire_format.request_id.encode(), self._turn.id.encode()),
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _finish(self, scope: Scope, receive: Receive, failure: ApiError | None) -> None:
        if self._turn.cancel_reason is CancelReason.DISCONNECTED:
            return
        if self._has_started:
            last = self._turn.error_frames(failure) if failure and not self._has_text else b""
            await self._send({"type": "http.response.body", "body": last})
        elif failure:
            response = failure_response(scope, failure, retry_after=self._turn.retry_after)
            await response(scope, receive, self._send)

    async def _keep_alive(self) -> None:
        """Send what says nothing whenever the stream has been silent for too long."""
        while True:
            due = self._sent_at + self._keep_alive_seconds
            await asyncio.sleep(due - self._loop.time())
            if self._sent_at + self._keep_alive_seconds <= due:  # else a piece was sent meanwhile
                self._sent_at = self._loop.time()
                with suppress(OSError):  # the next piece raises it too
                    await self._body(self._turn.format.keep_alive)

    async def _watch_disconnect(self, receive: Receive, task: asyncio.Task[object]) -> None:
        """Cancel the turn as soon as its caller disconnects."""
        while (await receive())["type"] != "http.disconnect":
            continue
        if not self._turn.outcome:  # else the reply is complete and the turn is being saved
            self._turn.cancel_reason = CancelReason.DISCONNECTED
            task.cancel()


def _json_headers(first: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a whole reply; its length is known if the first piece ends it."""
    headers = [(b"content-type", b"application/json")]
    if first.endswith(b"}"):  # else a long text follows
        headers.append((b"content-length", str(len(first)).encode()))
    return headers


class ReplyView:
    """A view that writes a reply: each piece at once if `streams`, else one JSON object at the end.

    Reasoning of an earlier turn is a part of the reply if `shows_reused`. `failure` is the failure
    to answer with if there is no reply.
    """

    def __init__(
        self,
        writer: ReplyWriter,
        put: Put,
        ending: Ending,
        *,
        streams: bool,
        shows_reused: bool = False,
    ) -> None:
        self._writer = writer
        self._put = put
        self._ending = ending
        self._streams = streams
        self._shows_reused = shows_reused
        self._left_out = writer.left_out if streams else ()
        self._has_started = False
        self.failure: ApiError | None = None
        writer.reply.keeps_texts = writer.repeats_texts or not streams

    def __call__(self, event: Event) -> None:
        """Write a piece of text or of a call; other events are for other views."""
        if isinstance(event, StageStarted):
            thoughts = event.thoughts
            self._writer.reply.follow(thoughts if isinstance(thoughts, GrowingText) else None)
        if isinstance(event, Reused) and self._shows_reused:
            event = Thought(event.reasoning)
        if isinstance(event, ANSWER_PIECES) and not isinstance(event, self._left_out):
            self._has_started = self._streams
            self._write(event)

    def close(self, failure: BaseException | None) -> None:
        """Write the last parts. A failure before a stream has started becomes an HTTP status."""
        for part in self._ending(failure):
            if isinstance(part, ApiError) and not self._has_started:
                self.failure = part
            else:
                self._write(part)

    def _write(self, part: Part) -> None:
        if self._streams:
            if frames := self._writer.frames(part):  # a part may be for a later one
                self._put(frames)
        elif not isinstance(part, ApiError):
            self._writer.reply.add(part)
            if isinstance(part, End):
                for piece in encode_whole(self._writer.whole()):
                    self._put(piece)
