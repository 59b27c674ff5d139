"""Keep-alives: a comment where a stream has been silent, so that no proxy cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

KEEP_ALIVE = b": keep-alive\n\n"


class Beat:
    """Runs `send` whenever nothing was sent for `seconds`.

    It costs nothing for a piece: the timer that runs is moved on only when it fires.
    """

    def __init__(self, seconds: float, send: Callable[[], Coroutine[None, None, None]]) -> None:
        self._seconds = seconds
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._fire)
        self._sending: asyncio.Task[None] | None = None

    def sent(self) -> None:
        """Something was sent."""
        self._at = self._loop.time()

    def stop(self) -> None:
        """No more."""
        self._timer.cancel()
        if self._sending:
            self._sending.cancel()

    def _fire(self) -> None:
        now = self._loop.time()
        if now >= self._at + self._seconds:
            self._at = now
            if self._sending is None or self._sending.done():  # else the caller takes nothing
                self._sending = self._loop.create_task(self._send())
        self._timer = self._loop.call_at(self._at + self._seconds, self._fire)
