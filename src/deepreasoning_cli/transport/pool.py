"""httpx over httpcore's public API: pools made by us, and httpcore's errors as those of httpx.

httpx has no public way to say how connections are opened. httpcore has one, `network_backend`.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpcore
import httpx

from deepreasoning_cli.transport.request import TransportLimits

REQUEST_SENT = "http11.send_request_body.complete"
"""httpcore's name, in its `trace` extension, for the moment a request is out."""
SOCKET_KEEP_ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"),
        *("ConnectError", "ReadError", "WriteError", "ProxyError"),
        *("LocalProtocolError", "RemoteProtocolError", "UnsupportedProtocol"),
    )
}
"""Every error that httpcore raises for a request, and httpx's error of that name."""


class PoolTransport(httpx.BaseTransport):
    """Sends httpx's requests over a pool of httpcore; raises httpx's errors."""

    def __init__(self, pool: httpcore.ConnectionPool, proxy: str | None = None) -> None:
        self._pool = pool
        self._proxy = proxy

    def has_idle(self, origin: httpcore.Origin) -> bool:
        """Whether an open connection to `origin` waits for a request; any thread may ask."""
        return any(
            connection.can_handle_request(origin)
            and connection.is_available()
            and not connection.has_expired()
            for connection in self._pool.connections
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response's head; its body comes from the connection as it is read.

        The request learns which `proxy` it goes through: an error is to name it.
        """
        request.extensions["proxy"] = self._proxy
        with _as_httpx_errors():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    _url(request.url),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_ResponseStream(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _ResponseStream(httpx.SyncByteStream):
    """A response's body. To close it early closes its connection."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class WrappedStream(httpcore.NetworkStream):
    """A stream that does what the one inside it does."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, at most `max_bytes`; b"" at the end."""
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        return self._stream.get_extra_info(info)


class DeferredContext(ssl.SSLContext):
    """Stands for a TLS context that is made when a connection is first secured.

    To load the CA bundle takes 13 to 56 ms, which a plain connection need not pay. It is loaded in
    the thread that connects, once for all connections; itself this context trusts nobody. Both
    methods raise ConfigError where the bundle cannot be read.
    """

    def __new__(cls) -> Self:
        """One that speaks as a client."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: ssl.SSLContext | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """A socket inside TLS; the arguments are those of ssl."""
        return self._context().wrap_socket(*args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """TLS within another connection's TLS; the arguments are those of ssl."""
        return self._context().wrap_bio(*args, **options)

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._made is None:
                try:
                    self._made = httpx.create_ssl_context()
                except OSError as exc:
                    from deepreasoning_cli.transport.proxy import ca_error

                    raise ca_error() from exc
                self._made.set_alpn_protocols(["http/1.1"])
            return self._made


def create_pool(
    context: ssl.SSLContext,
    backend: httpcore.NetworkBackend,
    limits: TransportLimits,
    proxy: str | None = None,
) -> httpcore.ConnectionPool:
    """A pool whose connections `backend` opens; all of them go through `proxy` where there is one.

    Raises ValueError or httpx.InvalidURL when `proxy` is no proxy's address, and RuntimeError when
    it speaks SOCKS and the package `socksio` is missing.
    """
    options: dict[str, Any] = {
        "ssl_context": context,
        "max_connections": None,  # a server's turns do not wait for each other
        "max_keepalive_connections": limits.idle_connections,
        "keepalive_expiry": limits.idle_seconds,
        "network_backend": backend,
    }
    if proxy is None:
        return httpcore.ConnectionPool(socket_options=SOCKET_KEEP_ALIVE, **options)
    parsed = httpx.Proxy(proxy)
    kind = httpcore.SOCKSProxy if parsed.url.scheme.startswith("socks") else httpcore.HTTPProxy
    return kind(_url(parsed.url), parsed.raw_auth, **options)


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    try:
        yield
    except tuple(ERRORS) as exc:
        raise ERRORS[type(exc)](str(exc)) from exc


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
