"""uvicorn's HTTP/1.1, which of itself takes headers without end and waits for them for ever."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deepreasoning_cli.server.guard import LARGEST_HEADERS, LONGEST_TARGET

LARGEST_HEAD: Final = 2 * (LARGEST_HEADERS + LONGEST_TARGET)
"""Bytes before the body; what is above the guard's own limits, but not by much, has its answer."""
HEAD_WITHIN: Final = 30.0
"""Seconds from a connection, or from the first byte of a later request, to the end of its head."""
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has a head that is too large or too slow."""

    _head_within = HEAD_WITHIN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """A caller is there; what it asks is expected soon."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone, or was sent away."""
        self._forget_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is whole; a body has limits of its own."""
        self._in_head = False
        self._head = 0
        self._forget_deadline()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is too much."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self._head_within, self.transport.close)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
