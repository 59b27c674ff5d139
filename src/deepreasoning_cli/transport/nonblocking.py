"""Connections that wait on an event loop: for the server, where many share one thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpcore

from deepreasoning_cli.greenlets import await_only, run_in_thread
from deepreasoning_cli.transport.pool import WrappedStream

READ_SIZE = 65_536  # bytes; as much as httpcore asks for
MAX_UNREAD = 1_048_576  # bytes that nobody has read yet: the peer waits until somebody has
THREADS = ThreadPoolExecutor(128, "connection")
"""For what waits for a peer. They are many, and no others': a disk is not to wait behind a peer."""
NOT_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError)


class NonblockingBackend(httpcore.NetworkBackend):
    """Connects in a thread, by `inner`; what it hands out waits on the running event loop."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """A new connection; the arguments are those of httpcore."""
        return NonblockingStream(_connect(partial(self._inner.connect_tcp, *args, **options)))


class NonblockingStream(WrappedStream):
    """A stream whose socket the event loop reads as soon as there is something to read."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        super().__init__(stream)
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._loop = asyncio.get_running_loop()
        self._unread: deque[bytes] = deque()
        self._size = 0
        self._error: OSError | None = None
        self._at_end = False
        self._is_reading = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = Deadline(self._loop, self._give_up)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, b"" at the end; at most 64 KB, which is less than anybody asks for."""
        if not self._is_readable:
            self._await_more(timeout)
        if self._unread:
            piece = self._unread.popleft()
            self._size -= len(piece)
            return piece
        if self._error:
            raise httpcore.ReadError(str(self._error)) from self._error
        return b""

    def _await_more(self, timeout: float | None) -> None:
        self._waiter = self._loop.create_future()
        self._deadline.move(timeout)
        if not self._is_reading:
            self._is_reading = True
            self._socket.setblocking(False)
            self._loop.add_reader(self._socket, self._receive)
            if isinstance(self._socket, ssl.SSLSocket):
                self._receive()  # what came with the handshake makes no socket readable
        try:
            await_only(self._waiter)
        finally:
            self._waiter = None

    def _receive(self) -> None:
        """Take in all that is there: what TLS has decrypted already wakes nobody again."""
        try:
            while self._size <= MAX_UNREAD:
                piece = self._socket.recv(READ_SIZE)
                if not piece:
                    self._at_end = True
                    break
                self._unread.append(piece)
                self._size += len(piece)
                if len(piece) < READ_SIZE and not isinstance(self._socket, ssl.SSLSocket):
                    break
        except NOT_YET:
            pass
        except OSError as error:
            self._error = error
            self._at_end = True
        if self._at_end or self._size > MAX_UNREAD:
            self._stop_reading()
        if self._waiter is not None and not self._waiter.done() and self._is_readable:
            self._waiter.set_result(None)

    @property
    def _is_readable(self) -> bool:
        return bool(self._unread) or self._at_end

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket)

    def _give_up(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(httpcore.ReadTimeout("timed out"))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; what the system does not take at once is sent by a thread."""
        if not buffer:
            return
        self._stop_reading()
        self._socket.setblocking(False)
        try:
            count = self._socket.send(buffer)
        except (*NOT_YET, ssl.SSLWantWriteError):
            count = 0
        except OSError as exc:
            raise httpcore.WriteError(str(exc)) from exc
        if rest := buffer[count:]:
            run_in_thread(partial(self._stream.write, rest, timeout), THREADS)

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """The stream inside TLS; the arguments are those of httpcore."""
        self._stop_reading()  # the socket is another's from now on
        self._deadline.cancel()
        secured = _connect(partial(self._stream.start_tls, *args, **options))
        if isinstance(self._socket, ssl.SSLSocket) and secured is not self._stream:
            return ThreadedStream(secured)
        return NonblockingStream(secured)

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection; one that has ended is readable, as a socket would be."""
        if info == "is_readable" and self._is_readable:
            return True
        return super().get_extra_info(info)

    def close(self) -> None:
        """Close it; to be called where the event loop runs."""
        self._stop_reading()
        self._deadline.cancel()
        super().close()


class ThreadedStream(WrappedStream):
    """TLS inside the TLS of a proxy: what its socket gets is not yet what is to be read."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, read by a thread."""
        return run_in_thread(partial(super().read, max_bytes, timeout), THREADS)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it, by a thread."""
        run_in_thread(partial(super().write, buffer, timeout), THREADS)

    def close(self) -> None:
        """Close it; a thread that still reads is woken."""
        with suppress(OSError):  # it has ended already
            self.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        super().close()


class Deadline:
    """Calls `give_up` when it passes; to move it to a later moment costs nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[], None]) -> None:
        self._loop = loop
        self._give_up = give_up
        self._moment = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def move(self, seconds: float | None) -> None:
        """Pass so many seconds from now; None never passes."""
        if seconds is None:
            self.cancel()
            return
        self._moment = self._loop.time() + seconds
        if self._timer is not None and self._moment < self._timer.when():
            self.cancel()
        if self._timer is None:
            self._timer = self._loop.call_at(self._moment, self._fire)

    def cancel(self) -> None:
        """Never pass."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._loop.time() < self._moment:
            self._timer = self._loop.call_at(self._moment, self._fire)
        else:
            self._give_up()


def _connect(connect: Callable[[], httpcore.NetworkStream]) -> httpcore.NetworkStream:
    """What `connect` opens, in a thread; what is opened too late for whoever waited is closed."""
    opening = asyncio.get_running_loop().run_in_executor(THREADS, connect)
    try:
        return await_only(asyncio.shield(opening))
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[httpcore.NetworkStream]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
