"""Connections: what floods, slow and silent callers are allowed. Uses uvicorn's internals."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from deepreasoning_cli.server.guard import MAX_HEADER_BYTES, MAX_TARGET_BYTES, most_connections
from deepreasoning_cli.server.service import LOGGER

MAX_HEAD_BYTES: Final = 2 * (MAX_HEADER_BYTES + MAX_TARGET_BYTES)
"""Bytes before the body. A head slightly above the guard's limits still gets the guard's answer."""
HEAD_SECONDS: Final = 30.0
"""Seconds from a connection, or from the first byte of a later request, to the end of its head."""
WRITE_SECONDS: Final = 30.0
"""Seconds in which a caller has to take `WRITE_BYTES` of what is ready for it, or all of it."""
WRITE_BYTES: Final = 65_536
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
MALFORMED: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_waiting: Final[WeakKeyDictionary[ServerState, dict[BoundedProtocol, None]]] = WeakKeyDictionary()
"""The connections of a server without a whole request to answer, the longest waiting first."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has a head that is too large or too slow, or whose caller
    reads nothing. Where there is no room for another one, the one that has said nothing for the
    longest time makes room.
    """

    _head_within = HEAD_SECONDS
    _write_within = WRITE_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._waiting = _waiting.setdefault(self.server_state, {})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """A caller has connected; start the timeout of its first head."""
        super().connection_made(transport)
        self._waiting[self] = None
        if len(self.connections) > most_connections():
            say_once("there are more callers than open files allow; silent ones are turned away")
            self._make_room()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has closed."""
        self._waiting.pop(self, None)
        self._cancel_deadline()
        self._cancel_write_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller takes less than there is for it."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """The caller has taken most of it."""
        if not self.transport.is_closing():
            self._cancel_write_deadline()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, by its status alone."""
        self.transport.write(MALFORMED)
        self._close()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is complete; a body has its own limits."""
        self._in_head = False
        self._head = 0
        self._cancel_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete, and is being answered."""
        super().on_message_complete()
        if not self.cycle.response_complete:  # as it may be, where the body was too large
            self._waiting.pop(self, None)

    def on_response_complete(self) -> None:
        """The reply is complete; another request may follow, or has followed already."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()
        if self.cycle.response_complete:
            self._waiting.pop(self, None)
            self._waiting[self] = None

    def data_received(self, data: bytes) -> None:
        """Take the data, and close the connection if the head is too large."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self._close()

    def timeout_keep_alive_handler(self) -> None:
        """No other request has followed."""
        self._close()

    def _make_room(self) -> None:
        """Close the connection that waits for the longest time, be it this one."""
        longest = next(iter(self._waiting))
        del self._waiting[longest]
        longest.transport.abort()

    def _close(self) -> None:
        """Close the connection once its caller has taken what is left, unless that takes long."""
        self.transport.close()
        self._expect_progress()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self._head_within, self._close)

    def _expect_progress(self) -> None:
        self._cancel_write_deadline()
        left = self.transport.get_write_buffer_size()
        self._write_deadline = self.loop.call_later(self._write_within, self._check_progress, left)

    def _check_progress(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < WRITE_BYTES:
            self.transport.abort()
        else:
            self._expect_progress()

    def _cancel_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@cache
def say_once(text: str) -> None:
    """Log a warning, the first time only: what goes on for long would fill the disk."""
    LOGGER.warning(text)
