"""Send a request, hand back decoded payloads; wait and try again only while nothing came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx

from deepreasoning_cli.errors import ConfigError, UnavailableError
from deepreasoning_cli.events import Payload
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport import environment, faults, refusals, retry
from deepreasoning_cli.transport.patience import Failed, Patience
from deepreasoning_cli.transport.request import Clocks, Request, Waiting
from deepreasoning_cli.transport.sse import Watched, payloads
from deepreasoning_cli.transport.warm import (
    KEPT_IDLE,
    KEPT_IDLE_SECONDS,
    WarmBackend,
    WarmTransport,
    open_by,
)
from deepreasoning_cli.wire.client.errors import error_in, has_text, to_exception

SENT = "http11.send_request_body.complete"  # httpcore's name for the moment a request is out
PORTS = {"http": 80, "https": 443}
LIMITS = httpx.Limits(
    max_connections=None,
    max_keepalive_connections=KEPT_IDLE,
    keepalive_expiry=KEPT_IDLE_SECONDS,
)
NO_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError)


Through = Callable[[httpcore.NetworkBackend], httpcore.NetworkBackend]
"""Makes of what opens connections something that opens them in another manner."""


def ignore(*_: object) -> None:
    """Take note of nothing."""


class Transport:
    """One pool of connections for a run. Enter it with `with`.

    `notify` hears of every pause, `log` gets one redacted line for each request and reply;
    `sleep` makes the pauses, and `through` what connections are opened by.
    Raises ConfigError when a proxy or CA setting of the environment is wrong.
    """

    def __init__(
        self,
        clocks: Clocks | None = None,
        *,
        notify: Callable[[Waiting], None] = ignore,
        log: Callable[[str], None] = ignore,
        sleep: Callable[[float], None] = time.sleep,
        through: Through | None = None,
    ) -> None:
        self._clocks = clocks or Clocks()
        self._notify = notify
        self._log = log
        self._sleep = sleep
        self._proxied = environment.proxied()
        with environment.worded():
            context = httpx.create_ssl_context()
            self._warm = WarmBackend(context)
            opened_by = through(self._warm) if through else self._warm
            direct = None if self._proxied else WarmTransport(context, opened_by)
            self._client = httpx.Client(
                transport=direct, verify=context, follow_redirects=False, limits=LIMITS
            )
            if through and self._proxied:
                open_by(through, self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._warm.close()
        self._client.close()

    def warm(self, url: str) -> None:
        """Open the connection that a request to `url` will need; never through a proxy."""
        if self._proxied:
            return
        with suppress(*NO_ADDRESS):  # the request meets the same fault, and words it
            self._warm.open(*_origin(url), tls=httpx.URL(url).scheme == "https")

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers `request`; raises as `stream` does."""
        with closing(self.stream(request)) as answer:
            for payload in answer:
                return payload
        raise refusals.empty(request)

    def stream(
        self, request: Request, when_sent: Callable[[], None] = ignore
    ) -> Generator[Payload, None, None]:
        """The payloads of the reply, as they come; a whole JSON reply is one payload.

        `when_sent` is called once: as soon as the request is out, or before it is sent where no
        open connection waits for it. Tried again only while no payload was handed out. Raises
        ConfigError (401), RefusedError (the vendor says no) and UnavailableError (all else).
        """
        sent = _once(when_sent)
        patience = Patience()
        while True:
            received = False
            try:
                with closing(self._attempt(request, sent)) as attempt:
                    for payload in attempt:
                        received = True
                        yield payload
            except Failed as failed:
                wait = None if received else patience.next_wait(failed)
                if wait is None:
                    raise failed.error from failed.__cause__
                self._notify(Waiting(failed.error.message, wait))
                self._sleep(wait)
            else:
                return

    def _attempt(
        self, request: Request, sent: Callable[[], None]
    ) -> Generator[Payload, None, None]:
        try:
            if not self._warm.ready(*_origin(request.url)):
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
            error, heals = faults.lost(exc, request)
            raise Failed(error, heals=heals) from exc

    @contextmanager
    def _opened(self, request: Request, sent: Callable[[], None]) -> Iterator[httpx.Response]:
        def trace(name: str, _info: dict[str, Any]) -> None:
            if name == SENT:
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
        error = refusals.refused(response, request)
        heals = retry.worth_retrying(error.kind, response.headers)
        wait = retry.asked_for(response.headers, datetime.now(UTC)) if heals else None
        error.retry_after = wait
        raise Failed(error, heals=heals, wait=wait)

    def _read(self, response: httpx.Response, request: Request) -> Iterator[Payload]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            yield from payloads(response, self._clocks)
        elif kind.endswith("json"):
            yield _whole(Watched(response, self._clocks), request)
        else:
            raise refusals.not_an_answer(response, request)

    def _log_reply(self, response: httpx.Response, request: Request) -> None:
        request_id = refusals.response_id(response.headers) or "-"
        line = f"< {response.status_code} {request.host} request-id {request_id}"
        self._log(redacted(line, request.secrets))


def _begun_well(payloads: Iterator[Payload], request: Request) -> Iterator[Payload]:
    """The payloads; raises Failed where the first one is an error and brings no text."""
    for number, payload in enumerate(payloads):
        details = error_in(payload) if number == 0 and not has_text(payload) else None
        if details:
            error = to_exception(details, request.account)
            raise Failed(error, heals=retry.worth_retrying(details.kind, {}))
        yield payload


def _whole(watched: Watched, request: Request) -> Payload:
    text = "".join(watched.iter_text()).strip()  # empty lines before it: DeepSeek's keep-alive
    if not text:
        raise refusals.empty(request)
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
def _origin(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    if parsed.scheme not in PORTS:
        raise httpx.UnsupportedProtocol(f"not {parsed.scheme}")
    return parsed.raw_host.decode("ascii"), parsed.port or PORTS[parsed.scheme]
