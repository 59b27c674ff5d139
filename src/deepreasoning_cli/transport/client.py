"""Send a request, return its decoded payloads; try again only before the first one came.

What reads a reply is imported once the request is out, and what retries it when it has failed.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Self

import httpcore
import httpx

from deepreasoning_cli.connect import EarlyConnection, HttpOrigin, TlsContext, check_ca_bundle
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.keys import redact
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.transport.pool import (
    REQUEST_SENT,
    DeferredContext,
    PoolTransport,
    create_pool,
)
from deepreasoning_cli.transport.preconnect import PreconnectBackend, http_origin
from deepreasoning_cli.transport.request import (
    AttemptFailed,
    Request,
    RetryNotice,
    Timeouts,
    TransportLimits,
)

if TYPE_CHECKING:
    from deepreasoning_cli.transport.proxy import ProxyRoutes

PORTS = {"http": 80, "https": 443}
NO_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError)

WrapBackend = Callable[[httpcore.NetworkBackend], httpcore.NetworkBackend]
"""Makes a backend that opens its connections by the one it is given."""


def ignore(*_: object) -> None:
    """Take note of nothing."""


class Transport:
    """One pool of connections for a run. Enter it with `with`.

    `notify` hears of every pause, `log` gets one redacted line for each request and reply; `sleep`
    makes the pauses; `while_waiting` is called whenever a request is out, to load what comes later;
    `wrap_backend` is for a server, whose connections wait on an event loop; `early` is used for the
    first request, if it leads to its host, or closed. Raises ConfigError when a CA bundle is
    missing.
    """

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        *,
        notify: Callable[[RetryNotice], None] = ignore,
        log: Callable[[str], None] = ignore,
        sleep: Callable[[float], None] = time.sleep,
        while_waiting: Callable[[], None] = ignore,
        wrap_backend: WrapBackend | None = None,
        limits: TransportLimits | None = None,
        early: EarlyConnection | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or TransportLimits()
        self._notify = notify
        self._log = log
        self._sleep = sleep
        self._while_waiting = while_waiting
        self._running: set[object] = set()
        self.first_origin: HttpOrigin | None = None
        """Where the first request went; None before it, and through a proxy."""
        try:
            self._open_pools(wrap_backend, early)
        except OSError as exc:
            from deepreasoning_cli.transport.proxy import ca_error

            raise ca_error() from exc

    def _open_pools(self, wrap_backend: WrapBackend | None, early: EarlyConnection | None) -> None:
        check_ca_bundle()
        context = DeferredContext(early.tls if early else TlsContext())
        connect = self._timeouts.connect
        self._preconnect = PreconnectBackend(context, self._limits, connect, early)
        backend = wrap_backend(self._preconnect) if wrap_backend else self._preconnect
        pool = partial(create_pool, context, backend, self._limits)
        self._direct = PoolTransport(pool())
        self._routes: ProxyRoutes | None = None
        if urllib.request.getproxies():
            from deepreasoning_cli.transport.proxy import ProxyRoutes, ProxySettings

            self._routes = ProxyRoutes(
                ProxySettings.read(),
                self._direct,
                lambda proxy: PoolTransport(pool(proxy), proxy),
            )
        self._client = httpx.Client(transport=self._routes or self._direct)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._preconnect.close()
        self._client.close()

    def check_route(self, url: str) -> None:
        """Raise ConfigError where the proxy for `url` is set to what is no proxy's address."""
        if self._routes:
            with suppress(*NO_ADDRESS):
                self._routes.route(httpx.URL(url))

    def preconnect(self, url: str, *, once: bool = False) -> None:
        """Have a connection ready for the next request to `url`; never through a proxy.

        An idle connection serves. Otherwise one is opened, and kept ready until a request to that
        host goes out or no request is running any more; `once`: and not opened anew when it is old.
        """
        # the request meets the same fault, and words it; and it does without a thread of its own
        with suppress(*NO_ADDRESS, RuntimeError):
            if self._is_proxied(url):
                return
            origin = _origin(url)
            has_idle = partial(self._direct.has_idle, origin)
            self._preconnect.preconnect(origin, has_idle, once=once)

    def _is_proxied(self, url: str) -> bool:
        return bool(self._routes and self._routes.is_proxied(url))

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers `request`; raises as `stream` does."""
        with closing(self.stream(request)) as answer:
            for payload in answer:
                return payload
        from deepreasoning_cli.transport.errors import empty_error

        raise empty_error(request)

    def stream(
        self, request: Request, when_sent: Callable[[], None] = ignore
    ) -> Generator[Payload, None, None]:
        """The payloads of the reply, as they come; a whole JSON reply is one payload.

        `when_sent` is called once: as soon as the request is out, or before it is sent where no
        open connection waits for it. Tried again only while no payload was handed out. Raises
        ConfigError (401, a CA bundle that is none), RefusedError (the vendor says no) and
        UnavailableError (all else).
        """
        once = cache(when_sent)
        waits: list[float] = []
        with self._counted():
            while True:
                received = False
                try:
                    with closing(self._attempt(request, once)) as attempt:
                        for payload in attempt:
                            received = True
                            yield payload
                except AttemptFailed as failed:
                    from deepreasoning_cli.transport.retry import next_wait

                    is_last = received or not request.is_retried
                    wait = None if is_last else next_wait(failed, waits, creates=request.creates)
                    if wait is None:
                        raise failed.error from failed.__cause__
                    waits.append(wait)
                    self._notify(RetryNotice(failed.error.message, wait))
                    self._sleep(wait)
                else:
                    return

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """A request is running; after the last one nobody comes for what was opened."""
        request = object()
        self._running.add(request)
        try:
            yield
        finally:
            self._running.discard(request)
            if not self._running:
                self._preconnect.lapse()

    def _attempt(
        self, request: Request, when_sent: Callable[[], None]
    ) -> Generator[Payload, None, None]:
        try:
            origin = _origin(request.url)
            self._preconnect.expect(origin)
            if self.first_origin is None and not self._is_proxied(request.url):
                self.first_origin = http_origin(origin)
            self._preconnect.lapse(origin)  # this is the request that it was opened for
            if not self._preconnect.is_ready(origin) and not self._direct.has_idle(origin):
                when_sent()
            with closing(self._send(request, when_sent)) as response:
                from deepreasoning_cli.transport import errors, sse

                request_id = errors.response_id(response.headers) or "-"
                line = f"< {response.status_code} {request.host} request-id {request_id}"
                self._log(redact(line, request.secrets))
                yield from sse.read_response(response, request, self._timeouts, self._limits)
        except NO_ADDRESS as exc:
            hint = "write the base URL as https://host/path"
            raise ConfigError(
                f"{request.host} is not a valid address", kind="base_url", hint=hint
            ) from exc
        except httpx.HTTPError as exc:
            from deepreasoning_cli.transport.errors import network_error

            raise network_error(exc, request) from exc

    def _send(self, request: Request, when_sent: Callable[[], None]) -> httpx.Response:
        def trace(name: str, _info: dict[str, Any]) -> None:
            if name == REQUEST_SENT:
                when_sent()
                from deepreasoning_cli.transport import sse  # noqa: F401 (while the vendor works)

                self._while_waiting()

        line = f"> {request.method} {request.url} {request.all_headers(show_key=False)}"
        self._log(redact(line, request.secrets))
        read = min(request.read_timeout or self._timeouts.read, self._timeouts.read)
        built = self._client.build_request(
            request.method,
            request.url,
            headers=request.all_headers(show_key=True),
            content=request.content(),
            timeout=httpx.Timeout(read, connect=self._timeouts.connect),
            extensions={"trace": trace},
        )
        return self._client.send(built, stream=True)


@lru_cache(maxsize=64)  # a server asks the same few again and again
def _origin(url: str) -> httpcore.Origin:
    parsed = httpx.URL(url)
    if parsed.scheme not in PORTS:
        raise httpx.UnsupportedProtocol(f"not {parsed.scheme}")
    return httpcore.Origin(parsed.raw_scheme, parsed.raw_host, parsed.port or PORTS[parsed.scheme])
