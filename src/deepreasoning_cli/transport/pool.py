"""httpx over httpcore's public API: pools made by us, and httpcore's errors as those of httpx.

httpx has no public way to say how connections are opened. httpcore has one, `network_backend`.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpcore
import httpx

from deepreasoning_cli.connect import SOCKET_KEEP_ALIVE, TlsContext
from deepreasoning_cli.transport.request import TransportLimits

REQUEST_SENT = "http11.send_request_body.complete"
"""httpcore's name, in its `trace` extension, for the moment a request is out."""
ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"),
        *("ConnectError", "ReadError", "WriteError", "ProxyError"),
        *("LocalProtocolError", "RemoteProtocolError", "UnsupportedProtocol"),
    )
}
"""Every error that httpcore raises for a request, and httpx's error of that name."""
CRLF = b"\r\n"
READ_SIZE = 65_536  # bytes; as much as httpcore asks for
BLANK_LINE = re.compile(rb"\n\r?\n")  # the end of a head, as h11 finds it
CHUNK_HEAD = re.compile(rb"(?=[0-9A-Fa-f]*[1-9A-Fa-f])([0-9A-Fa-f]{1,8})\r\n")
CHUNK_HEAD_SIZE = 10  # bytes at most


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
            stream=_ResponseStream(response, request.extensions.get("timeout", {}).get("read")),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _ResponseStream(httpx.SyncByteStream):
    """A response's body. To close it early closes its connection."""

    def __init__(self, response: httpcore.Response, read_timeout: float | None) -> None:
        self._response = response
        self._read_timeout = read_timeout

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx_errors():
            stream: BodyStream = self._response.extensions["network_stream"]
            stream.is_in_head = False
            headers = httpx.Headers(self._response.headers)
            is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
            if is_chunked and self._response.status == httpx.codes.OK:
                yield from stream.read_chunks(self._read_timeout)
            for data in self._response.iter_stream():
                yield data
                stream.data_came()

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

    A plain connection need not load the CA bundle. `made` is that context; itself this one trusts
    nobody. Both methods raise ConfigError where the bundle cannot be read.
    """

    def __new__(cls, made: TlsContext) -> Self:
        """One that speaks as a client."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, made: TlsContext) -> None:
        self._made = made

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """A socket inside TLS; the arguments are those of ssl."""
        return self._context().wrap_socket(*args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """TLS within another connection's TLS; the arguments are those of ssl."""
        return self._context().wrap_bio(*args, **options)

    def _context(self) -> ssl.SSLContext:
        try:
            return self._made.get()
        except OSError as exc:
            from deepreasoning_cli.transport.proxy import ca_error

            raise ca_error() from exc


class BodyStream(WrappedStream):
    """A stream whose chunked bodies need not go through h11.

    For a chunk, h11 and httpcore take a quarter of a token's CPU. They read every head, and of such
    a body the end, so that they know whether the connection can be used again.
    """

    def __init__(self, stream: httpcore.NetworkStream, timeout: float | None = None) -> None:
        """`timeout`, in seconds, is for what httpcore reads without one: a SOCKS proxy's words."""
        super().__init__(stream)
        self.is_in_head = True
        self._timeout = timeout
        self._head_until: float | None = None
        self._data_until: float | None = None
        self._before = b""  # of a head, where its last line may have begun
        self._unread = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come; of a head and what follows it, the head alone.

        The whole head has to come within `timeout`, however often a byte of it comes; of a body,
        some data.
        """
        if self.is_in_head and not self._unread:
            self._unread = self._read_head(max_bytes, self._timeout if timeout is None else timeout)
        data, self._unread = self._unread or self._read_body(max_bytes, timeout), b""
        if self.is_in_head:
            head = self._before + data
            blank_line = BLANK_LINE.search(head)
            end = blank_line.end() - len(self._before) if blank_line else len(data)
            self._before = b"" if blank_line else head[-2:]
            data, self._unread = data[:end], data[end:]
        return data

    def _read_head(self, max_bytes: int, timeout: float | None) -> bytes:
        """A part of a head; when it has taken too long, the connection is of no use to anybody."""
        if timeout is None:
            return super().read(max_bytes)
        now = time.monotonic()
        self._head_until = self._head_until or now + timeout
        try:
            if now >= self._head_until:
                raise httpcore.ReadTimeout("the head came too slowly")
            return super().read(max_bytes, self._head_until - now)
        except httpcore.ReadTimeout:
            self.close()  # httpcore leaves one open that was to speak to a SOCKS proxy
            raise

    def _read_body(self, max_bytes: int, timeout: float | None) -> bytes:
        """A part of a body: the head of a chunk, or what follows the last one, may never end."""
        if timeout is None:
            return super().read(max_bytes)
        now = time.monotonic()
        self._data_until = self._data_until or now + timeout
        if now >= self._data_until:
            raise httpcore.ReadTimeout("the body came without data for too long")
        return super().read(max_bytes, self._data_until - now)

    def data_came(self) -> None:
        """Some data of the body was taken: from now on there is `timeout` for the next."""
        self._data_until = None

    def read_chunks(self, timeout: float | None) -> Iterator[bytes]:
        """The data of a body's chunks, that of one read together; `timeout` is in seconds.

        Once the head is read. What is no plain chunk is left for `read`, and so is the last one,
        which is empty.
        """
        data, self._unread = self._unread, b""
        missing = 0
        while True:
            pieces, data, missing = split_chunks(data, missing)
            if body := b"".join(pieces):
                yield body
                self.data_came()
            if missing == len(CRLF) <= len(data):
                raise httpcore.RemoteProtocolError("malformed chunk footer")
            is_cut = missing or (len(data) < CHUNK_HEAD_SIZE and CRLF not in data)
            more = self._read_body(READ_SIZE, timeout) if is_cut else b""
            if not more:
                self._unread = b"" if missing else data
                return
            data += more

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; a head comes next."""
        self.is_in_head, self._head_until, self._data_until = True, None, None
        super().write(buffer, timeout)

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """The stream inside TLS; the arguments are those of httpcore."""
        return BodyStream(self._stream.start_tls(*args, **options))

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection; it is readable where something is unread."""
        return bool(info == "is_readable" and self._unread) or super().get_extra_info(info)


class BodyBackend(httpcore.NetworkBackend):
    """Connects by `inner`."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """A new connection; the arguments are those of httpcore."""
        return BodyStream(self._inner.connect_tcp(*args, **options), options.get("timeout"))


def split_chunks(data: bytes, missing: int) -> tuple[list[bytes], bytes, int]:
    """The chunks in `data`, what follows them, and how many bytes the last chunk still misses.

    `missing` says how many bytes of a chunk `data` begins with; they count the line end after it.
    """
    pieces = []
    at = 0
    while True:
        if not missing:
            if not (head := CHUNK_HEAD.match(data, at)):
                break
            at = head.end()
            missing = int(head[1], 16) + len(CRLF)
        piece = data[at : at + missing - len(CRLF)]
        pieces.append(piece)
        at += len(piece)
        missing -= len(piece)
        if missing > len(CRLF) or not data.startswith(CRLF, at):
            break
        at += len(CRLF)
        missing = 0
    return pieces, data[at:], missing


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
        "network_backend": BodyBackend(backend),
    }
    if proxy is None:
        return httpcore.ConnectionPool(socket_options=[SOCKET_KEEP_ALIVE], **options)
    parsed = httpx.Proxy(proxy)
    kind = httpcore.SOCKSProxy if parsed.url.scheme.startswith("socks") else httpcore.HTTPProxy
    return kind(_url(parsed.url), parsed.raw_auth, **options)


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    try:
        yield
    except tuple(ERRORS) as exc:
        raise ERRORS[type(exc)](str(exc)) from exc
    except Exception as exc:
        if type(exc).__module__ != "socksio.exceptions":
            raise
        raise httpx.ProxyError(str(exc)) from exc  # no SOCKS: httpcore lets it through as it is


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
