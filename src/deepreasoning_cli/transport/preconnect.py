"""Connections opened before they are needed: their set-up is done while the reasoner thinks."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import httpcore

from deepreasoning_cli.connect import (
    SOCKET_KEEP_ALIVE,
    EarlyConnection,
    HttpOrigin,
    find_addresses,
    first_to_connect,
)
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.transport.pool import WrappedStream
from deepreasoning_cli.transport.request import TransportLimits


class _SecuredStream(WrappedStream):
    """A stream after its TLS handshake: `start_tls` returns the stream itself."""

    def start_tls(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        return self


class SocketStream(httpcore.NetworkStream):
    """A socket as a stream of httpcore; it raises httpcore's errors. TLS, if any, is on it already.

    Timeouts are in seconds. httpcore has no public way to make one of a socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, at most `max_bytes`; b"" at the end."""
        try:
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)
        except TimeoutError as exc:
            raise httpcore.ReadTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore.ReadError(str(exc)) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        rest = memoryview(buffer)
        try:
            self._socket.settimeout(timeout)
            while rest:
                rest = rest[self._socket.send(rest) :]
        except TimeoutError as exc:
            raise httpcore.WriteTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def start_tls(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        """The stream itself: who opened it has seen to that."""
        return self

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        match info:
            case "socket" | "ssl_object":
                is_wanted = info == "socket" or isinstance(self._socket, ssl.SSLSocket)
                return self._socket if is_wanted else None
            case "is_readable":
                return bool(select.select([self._socket], [], [], 0)[0])
        return None


class _Preconnection:
    """Keeps one connection ready, in a thread of its own, until a request takes it.

    While the pool has an idle connection (`has_idle`), that one serves and nothing is opened.
    What is opened `once` is not opened anew when it is old or its peer has closed it.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], httpcore.NetworkStream | None],
        has_idle: Callable[[], bool],
        limits: TransportLimits,
        *,
        once: bool,
    ) -> None:
        self._once = once
        self._connect, self._has_idle, self._limits = connect, has_idle, limits
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connected = threading.Event()  # clear while a request should wait for the outcome
        self._stream: httpcore.NetworkStream | None = None
        self._renew_at = 0.0
        self._expected_until = limits.now() + limits.give_up_after
        threading.Thread(target=self._run, name=f"preconnect {name}", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether a request took the connection, or nobody came for it."""
        return self._ended.is_set()

    def is_ready(self) -> bool:
        """Whether a live connection waits."""
        with self._lock:
            return _is_alive(self._stream)

    def expect(self, *, once: bool) -> bool:
        """Go on for one more request; False where this is over."""
        with self._lock:
            self._once = once
            self._expected_until = self._limits.now() + self._limits.give_up_after
            return not self.is_over

    def lapse(self) -> None:
        """Open nothing more: no request is expected. What is open waits until it is old."""
        with self._lock:
            self._expected_until = 0.0

    def take(self, timeout: float | None) -> httpcore.NetworkStream | None:
        """The live stream, or None where there is none; waits `timeout` seconds for its opening."""
        self._connected.wait(timeout)
        with self._lock:
            self._ended.set()
            stream, self._stream = self._stream, None
        if stream is not None and not _is_alive(stream):
            stream.close()
            return None
        return stream

    def _run(self) -> None:
        while self._maintain():
            self._connected.set()
            self._ended.wait(self._limits.poll)
        self._connected.set()

    def _maintain(self) -> bool:
        """Open, renew or close what is due; False when this is over."""
        with self._lock:
            now, is_alive = self._limits.now(), _is_alive(self._stream)
            if is_alive and now < self._renew_at:
                return True
            if now >= self._expected_until:
                self._ended.set()
            elif not is_alive:
                self._connected.clear()
        fresh = None
        if not self.is_over and not self._has_idle():
            fresh = self._connect()
            if fresh is None:
                self._ended.set()  # the request meets the same fault, and words it
        with self._lock:
            old, self._stream = self._stream, None if self.is_over else fresh
            unused = [old, fresh if self.is_over else None]
            self._renew_at = self._limits.now() + self._limits.renew_after
            self._expected_until = 0.0 if self._once else self._expected_until
        for stream in filter(None, unused):
            stream.close()
        return not self.is_over


def _is_alive(stream: httpcore.NetworkStream | None) -> bool:
    """Whether there is a stream, unused so far, whose peer still holds its end.

    A live stream can be readable: TLS 1.3 servers send session tickets unasked. To read takes
    those in; then there must be nothing.
    """
    if stream is None:
        return False
    sock: socket.socket = stream.get_extra_info("socket")
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


class AddressBackend(httpcore.NetworkBackend):
    """Connects by `inner` to whichever address of a host answers first."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        """A new connection; the arguments are httpcore's."""
        try:
            addresses = find_addresses(host, port, timeout)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        connect = self._inner.connect_tcp
        attempts = [partial(connect, each, port, timeout, *args, **options) for each in addresses]
        return first_to_connect(attempts, lambda stream: stream.close())


class PreconnectBackend(httpcore.NetworkBackend):
    """Opens connections, and hands out those that were opened before they were needed.

    `timeout` is in seconds, for TCP and for TLS each; `early` was opened before the transport was.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        limits: TransportLimits,
        timeout: float,
        early: EarlyConnection | None = None,
    ) -> None:
        self._backend = AddressBackend(httpcore.SyncBackend())
        self._context = context
        self._limits = limits
        self._timeout = timeout
        self._early = early
        self._preconnections: dict[tuple[str, int], _Preconnection] = {}
        self._opening = threading.Lock()  # turns in threads of their own share a transport

    def preconnect(
        self, origin: httpcore.Origin, has_idle: Callable[[], bool], *, once: bool
    ) -> None:
        """Have a connection ready for the next request to `origin`: one at a time for each.

        Nothing is opened as long as `has_idle` says that the pool has a connection for it.
        """
        key = _key(origin)
        with self._opening:
            current = self._preconnections.get(key)
            if current is None or not current.expect(once=once):
                connect = partial(self._connect, *key, tls=origin.scheme == b"https")
                self._preconnections[key] = _Preconnection(
                    key[0], connect, has_idle, self._limits, once=once
                )

    def expect(self, origin: httpcore.Origin | None) -> None:
        """A request to `origin` comes: an early connection elsewhere, or for none, is closed."""
        if self._early and (origin is None or self._early.origin != http_origin(origin)):
            self._early.close()
            self._early = None

    def is_ready(self, origin: httpcore.Origin) -> bool:
        """Whether a live connection to `origin` waits here."""
        if self._early and self._early.origin == http_origin(origin):
            return self._early.is_open
        current = self._preconnections.get(_key(origin))
        return current is not None and current.is_ready()

    def lapse(self, origin: httpcore.Origin | None = None) -> None:
        """Open nothing more to `origin`, or to anybody, until `preconnect` is called again."""
        for key, preconnection in list(self._preconnections.items()):
            if origin is None or key == _key(origin):
                preconnection.lapse()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        """A connection that was opened before, or a new one; the arguments are httpcore's."""
        stream = self._take_early(host, port, timeout)
        if stream is None and (waiting := self._preconnections.pop((host, port), None)):
            stream = waiting.take(timeout)
        return stream or self._backend.connect_tcp(host, port, timeout, *args, **options)

    def close(self) -> None:
        """Close what no request took."""
        self.expect(None)
        while self._preconnections:
            _, waiting = self._preconnections.popitem()
            if stream := waiting.take(0):
                stream.close()

    def _take_early(
        self, host: str, port: int, timeout: float | None
    ) -> httpcore.NetworkStream | None:
        if self._early is None or self._early.origin[1:] != (host, port):
            return None
        early, self._early = self._early, None
        try:
            sock = early.take(timeout)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        stream = SocketStream(sock) if sock else None
        if stream is not None and not _is_alive(stream):
            stream.close()
            return None
        return stream

    def _connect(self, host: str, port: int, *, tls: bool) -> httpcore.NetworkStream | None:
        try:
            stream = self._backend.connect_tcp(
                host, port, timeout=self._timeout, socket_options=[SOCKET_KEEP_ALIVE]
            )
            if tls:
                stream = _SecuredStream(stream.start_tls(self._context, host, self._timeout))
        except (httpcore.ConnectError, httpcore.ConnectTimeout, UnicodeError, ConfigError):
            return None
        return stream


def http_origin(origin: httpcore.Origin) -> HttpOrigin:
    """The origin as text."""
    return HttpOrigin(origin.scheme.decode("ascii"), *_key(origin))


def _key(origin: httpcore.Origin) -> tuple[str, int]:
    return origin.host.decode("ascii"), origin.port
