"""A connection opened ahead of its use: DNS, TCP and TLS are done while the reasoner thinks."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

POLL = 1.0  # seconds between two looks at a waiting connection
RENEWED_AFTER = 60.0  # seconds; idle limits of the vendors are not published
GIVEN_UP_AFTER = 1800.0  # seconds; no reasoner thinks for so long, its turn has ended otherwise
KEPT_IDLE = 20  # connections that wait for another request
KEPT_IDLE_SECONDS = 60.0
KEEP_ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class _Finished(httpcore.NetworkStream):
    """A stream that is through its TLS handshake: asked for one, it returns itself."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Opening:
    """One connection being opened, then kept alive, by a thread of its own until it is taken."""

    def __init__(
        self, backend: httpcore.NetworkBackend, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        self._backend, self._host, self._port, self._tls = backend, host, port, tls
        self._lock = threading.Lock()
        self._taken = threading.Event()
        self._opened = threading.Event()
        self._stream: httpcore.NetworkStream | None = None
        self._thread = threading.Thread(target=self._keep, name=f"warm {host}", daemon=True)
        self._thread.start()

    def ready(self) -> bool:
        with self._lock:
            return self._stream is not None and _alive(self._stream)

    def take(self, timeout: float | None) -> httpcore.NetworkStream | None:
        """The live stream, or None where it could not be opened or has died."""
        self._opened.wait(timeout)
        with self._lock:
            self._taken.set()
            stream, self._stream = self._stream, None
        if stream is not None and not _alive(stream):
            stream.close()
            return None
        return stream

    @property
    def is_over(self) -> bool:
        """Whether nobody keeps a connection here any more."""
        return not self._thread.is_alive()

    def _keep(self) -> None:
        given_up = time.monotonic() + GIVEN_UP_AFTER
        while not self._taken.is_set() and time.monotonic() < given_up:
            stream = self._connect()
            with self._lock:
                if self._taken.is_set():
                    stale = stream
                else:
                    stale, self._stream = self._stream, stream
            self._opened.set()
            if stale is not None:
                stale.close()
            if stream is None:
                return
            self._watch()
        self._drop()

    def _drop(self) -> None:
        """Close what nobody came for."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _watch(self) -> None:
        """Return when the waiting stream has died, has grown old, or was taken."""
        renew = time.monotonic() + RENEWED_AFTER
        while not self._taken.wait(POLL):
            if not self.ready() or time.monotonic() > renew:
                return

    def _connect(self) -> httpcore.NetworkStream | None:
        try:
            stream = self._backend.connect_tcp(
                self._host, self._port, timeout=10, socket_options=KEEP_ALIVE
            )
            if self._tls is None:
                return stream
            return _Finished(stream.start_tls(self._tls, self._host, timeout=10))
        except (httpcore.ConnectError, httpcore.ConnectTimeout, UnicodeError):
            return None  # the real attempt meets the same fault, and words it


def _alive(stream: httpcore.NetworkStream) -> bool:
    """Whether the peer still holds its end of a stream that nothing was asked on.

    To be readable is no sign of death: TLS 1.3 servers send session tickets ahead. Reading takes
    those in; then there must be nothing.
    """
    sock: socket.socket = stream.get_extra_info("socket")
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


class WarmBackend(httpcore.NetworkBackend):
    """Opens connections, and hands out those that were opened ahead."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._real = httpcore.SyncBackend()
        self._context = context
        self._openings: dict[tuple[str, int], _Opening] = {}

    def open(self, host: str, port: int, *, tls: bool) -> None:
        """Begin to open a connection; one for each host and port."""
        opening = self._openings.get((host, port))
        if opening is None or opening.is_over:
            context = self._context if tls else None
            self._openings[host, port] = _Opening(self._real, host, port, context)

    def ready(self, host: str, port: int) -> bool:
        """Whether a live connection waits."""
        opening = self._openings.get((host, port))
        return opening is not None and opening.ready()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A waiting connection, or a new one."""
        opening = self._openings.pop((host, port), None)
        stream = opening.take(timeout) if opening else None
        return stream or self._real.connect_tcp(host, port, timeout, local_address, socket_options)

    def close(self) -> None:
        """Close what was opened and never used."""
        while self._openings:
            _, opening = self._openings.popitem()
            stream = opening.take(0)
            if stream is not None:
                stream.close()


def open_by(
    through: Callable[[httpcore.NetworkBackend], httpcore.NetworkBackend], client: httpx.Client
) -> None:
    """Let the pools that httpx has made for the proxies open their connections by `through`."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = through(pool._network_backend)


class WarmTransport(httpx.HTTPTransport):
    """httpx's own transport over a pool that asks `backend` for its connections."""

    def __init__(self, context: ssl.SSLContext, backend: httpcore.NetworkBackend) -> None:
        super().__init__(verify=context, trust_env=False)
        context.set_alpn_protocols(["http/1.1"])
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,  # a server's turns do not wait for each other
            max_keepalive_connections=KEPT_IDLE,
            keepalive_expiry=KEPT_IDLE_SECONDS,
            network_backend=backend,
            socket_options=KEEP_ALIVE,
        )
