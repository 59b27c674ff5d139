"""Send a request, return its decoded payloads; try again only before the first one came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx

from deepreasoning_cli.errors import ConfigError, UnavailableError
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.transport import errors, proxy, retry
from deepreasoning_cli.transport.pool import REQUEST_SENT, PoolTransport, create_pool
from deepreasoning_cli.transport.preconnect import PreconnectBackend
from deepreasoning_cli.transport.request import Request, RetryNotice, Timeouts, TransportLimits
from deepreasoning_cli.transport.retry import AttemptFailed, RetryBudget
from deepreasoning_cli.transport.sse import StallGuard, payloads
from deepreasoning_cli.wire.client.errors import error_in, has_text, to_exception

PORTS = {"http": 80, "https": 443}
NO_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError)

WrapBackend = Callable[[httpcore.NetworkBackend], httpcore.NetworkBackend]
"""Makes a backend that opens its connections by the one it is given."""


def ignore(*_: object) -> None:
    """Take note of nothing."""


class Transport:
    """One pool of connections for a run. Enter it with `with`.

    `notify` hears of every pause, `log` gets one redacted line for each request and reply; `sleep`
    makes the pauses; `wrap_backend` is for a server, whose connections wait on an event loop.
    Raises ConfigError when a proxy or CA setting of the environment is wrong.
    """

    def __init__(
        self,
        clocks: Timeouts | None = None,
        *,
        notify: Callable[[RetryNotice], None] = ignore,
        log: Callable[[str], None] = ignore,
        sleep: Callable[[float], None] = time.sleep,
        wrap_backend: WrapBackend | None = None,
        limits: TransportLimits | None = None,
    ) -> None:
        self._clocks = clocks or Timeouts()
        self._limits = limits or TransportLimits()
        self._notify = notify
        self._log = log
        self._sleep = sleep
        self._running: set[object] = set()
        with proxy.from_set_up_error():
            self._open_pools(wrap_backend)

    def _open_pools(self, wrap_backend: WrapBackend | None) -> None:
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        self._preconnect = PreconnectBackend(context, self._limits, self._clocks.connect)
        backend = wrap_backend(self._preconnect) if wrap_backend else self._preconnect

        def transport(proxy: str | None = None) -> PoolTransport:
            return PoolTransport(create_pool(context, backend, self._limits, proxy))

        proxies = proxy.proxies()
        self._may_proxy = any(proxies.values())
        self._direct = transport()
        self._client = httpx.Client(
            transport=self._direct,
            mounts={
                pattern: transport(proxy) if proxy else None for pattern, proxy in proxies.items()
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._preconnect.close()
        self._client.close()

    def preconnect(self, url: str) -> None:
        """Have a connection ready for the next request to `url`; never through a proxy.

        An idle connection serves. Otherwise one is opened, and kept ready until a request to that
        host goes out or no request is running any more.
        """
        if self._may_proxy:
            return
        with suppress(*NO_ADDRESS):  # the request meets the same fault, and words it
            origin = _origin(url)
            self._preconnect.preconnect(origin, partial(self._direct.has_idle, origin))

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers `request`; raises as `stream` does."""
        with closing(self.stream(request)) as answer:
            for payload in answer:
                return payload
        raise errors.empty(request)

    def stream(
        self, request: Request, when_sent: Callable[[], None] = ignore
    ) -> Generator[Payload, None, None]:
        """The payloads of the reply, as they come; a whole JSON reply is one payload.

        `when_sent` is called once: as soon as the request is out, or before it is sent where no
        open connection waits for it. Tried again only while no payload was handed out. Raises
        ConfigError (401), RefusedError (the vendor says no) and UnavailableError (all else).
        """
        sent = _once(when_sent)
        budget = RetryBudget()
        with self._counted():
            while True:
                received = False
                try:
                    with closing(self._attempt(request, sent)) as attempt:
                        for payload in attempt:
                            received = True
                            yield payload
                except AttemptFailed as failed:
                    wait = None if received else budget.next_wait(failed)
                    if wait is None:
                        raise failed.error from failed.__cause__
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
        self, request: Request, sent: Callable[[], None]
    ) -> Generator[Payload, None, None]:
        try:
            origin = _origin(request.url)
            self._preconnect.lapse(origin)  # this is the request that it was opened for
            if not self._preconnect.is_ready(origin) and not self._direct.has_idle(origin):
                sent()
            with self._opened(request, sent) as response:
                self._log_reply(response, request)
                self._check(response, request)
                yield from _begun_well(self._read(response, request), request)
        except NO_ADDRESS as exc:
            hint = "write the base URL as https://host/path"
            raise ConfigError(
                f"{request.host} is no address to call", kind="base_url", hint=hint
            ) from exc
        except httpx.HTTPError as exc:
            error, heals = errors.network_error(exc, request)
            raise AttemptFailed(error, heals=heals) from exc

    @contextmanager
    def _opened(self, request: Request, sent: Callable[[], None]) -> Iterator[httpx.Response]:
        def trace(name: str, _info: dict[str, Any]) -> None:
            if name == REQUEST_SENT:
                sent()

        headers = request.all_headers(show_key=True)
        line = f"> {request.method} {request.url} {request.all_headers(show_key=False)}"
        self._log(redacted(line, request.secrets))
        built = self._client.build_request(
            request.method,
            request.url,
            headers=headers,
            content=request.content(),
            timeout=self._timeout(request),
            extensions={"trace": trace},
        )
        response = self._client.send(built, stream=True)
        try:
            yield response
        finally:
            response.close()

    def _timeout(self, request: Request) -> httpx.Timeout:
        silence = min(request.silence or self._clocks.silence, self._clocks.silence)
        return httpx.Timeout(silence, connect=self._clocks.connect)

    def _check(self, response: httpx.Response, request: Request) -> None:
        if response.is_success:
            return
        error = errors.refused(response, request)
        heals = retry.worth_retrying(error.kind, response.headers)
        wait = retry.asked_for(response.headers, datetime.now(UTC)) if heals else None
        error.retry_after = wait
        raise AttemptFailed(error, heals=heals, wait=wait)

    def _read(self, response: httpx.Response, request: Request) -> Iterator[Payload]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            yield from payloads(response, self._clocks, self._limits)
        elif kind.endswith("json"):
            yield _whole(StallGuard(response, self._clocks, self._limits), request)
        else:
            raise errors.not_an_answer(response, request)

    def _log_reply(self, response: httpx.Response, request: Request) -> None:
        request_id = errors.response_id(response.headers) or "-"
        line = f"< {response.status_code} {request.host} request-id {request_id}"
        self._log(redacted(line, request.secrets))


def _begun_well(payloads: Iterator[Payload], request: Request) -> Iterator[Payload]:
    """The payloads; raises AttemptFailed where the first one is an error and brings no text."""
    for number, payload in enumerate(payloads):
        details = error_in(payload) if number == 0 and not has_text(payload) else None
        if details:
            error = to_exception(details, request.account)
            raise AttemptFailed(error, heals=retry.worth_retrying(details.kind, {}))
        yield payload


def _whole(guard: StallGuard, request: Request) -> Payload:
    text = "".join(guard.iter_text()).strip()  # empty lines before it: DeepSeek's keep-alive
    if not text:
        raise errors.empty(request)
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise UnavailableError(f"{request.host} sent unreadable JSON", kind="bad_reply")
    return payload


def _once(action: Callable[[], None]) -> Callable[[], None]:
    pending = [action]

    def act() -> None:
        while pending:
            pending.pop()()

    return act


@lru_cache(maxsize=64)  # a server asks the same few again and again
def _origin(url: str) -> httpcore.Origin:
    parsed = httpx.URL(url)
    if parsed.scheme not in PORTS:
        raise httpx.UnsupportedProtocol(f"not {parsed.scheme}")
    return httpcore.Origin(parsed.raw_scheme, parsed.raw_host, parsed.port or PORTS[parsed.scheme])
