"""Send a request, hand back decoded payloads; wait and try again only while nothing came."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UnavailableError
from deepreasoning_cli.events import Payload
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport import faults, retry
from deepreasoning_cli.transport.request import Clocks, Request, Waiting
from deepreasoning_cli.transport.sse import payloads
from deepreasoning_cli.transport.warm import WarmBackend, WarmTransport

SENT = "http11.send_request_body.complete"  # httpcore's name for the moment a request is out
PROXIED = ("http", "https", "all")


def ignore(*_: object) -> None:
    """Take note of nothing."""


class _Failed(Exception):  # noqa: N818 (never seen outside: it carries the error to the retry loop)
    def __init__(
        self, error: DeepReasoningError, *, heals: bool, wait: float | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.heals = heals
        self.wait = wait


@dataclass(slots=True)
class _Patience:
    """How often and how long one stage has waited."""

    attempts: int = 0
    seconds: float = 0.0

    def next_wait(self, failed: _Failed) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if not failed.heals or self.attempts >= retry.RETRIES:
            return None
        wait = retry.backoff(self.attempts) if failed.wait is None else failed.wait
        if self.seconds + wait > retry.LONGEST_WAIT:
            return None
        self.attempts += 1
        self.seconds += wait
        return wait


class Transport:
    """One pool of connections for a run. Enter it with `with`.

    `notify` hears of every pause, `log` gets one redacted line for each request and reply.
    Raises ConfigError when a proxy or CA setting of the environment is wrong.
    """

    def __init__(
        self,
        clocks: Clocks | None = None,
        *,
        notify: Callable[[Waiting], None] = ignore,
        log: Callable[[str], None] = ignore,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clocks = clocks or Clocks()
        self._notify = notify
        self._log = log
        self._sleep = sleep
        self._proxied = any(scheme in urllib.request.getproxies() for scheme in PROXIED)
        timeout = httpx.Timeout(self._clocks.silence, connect=self._clocks.connect)
        with _environment_worded():
            context = httpx.create_ssl_context()
            self._warm = WarmBackend(context)
            direct = None if self._proxied else WarmTransport(context, self._warm)
            self._client = httpx.Client(
                transport=direct, verify=context, timeout=timeout, follow_redirects=False
            )

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
        if not self._proxied:
            self._warm.open(*_origin(url), tls=urlsplit(url).scheme == "https")

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers `request`; raises as `stream` does."""
        for payload in self.stream(request):
            return payload
        raise UnavailableError(f"{request.host} sent an empty answer", kind="bad_reply")

    def stream(
        self, request: Request, when_sent: Callable[[], None] = ignore
    ) -> Generator[Payload, None, None]:
        """The payloads of the reply, as they come; a whole JSON reply is one payload.

        `when_sent` is called once: as soon as the request is out, or before it is sent where no
        open connection waits for it. Tried again only while no payload was handed out. Raises
        ConfigError (401), RefusedError (the vendor says no) and UnavailableError (all else).
        """
        sent = _once(when_sent)
        patience = _Patience()
        while True:
            received = False
            try:
                for payload in self._attempt(request, sent):
                    received = True
                    yield payload
            except _Failed as failed:
                wait = None if received else patience.next_wait(failed)
                if wait is None:
                    raise failed.error from failed.__cause__
                self._notify(Waiting(failed.error.message, wait))
                self._sleep(wait)
            else:
                return

    def _attempt(self, request: Request, sent: Callable[[], None]) -> Iterator[Payload]:
        if not self._warm.ready(*_origin(request.url)):
            sent()
        try:
            with self._opened(request, sent) as response:
                self._log_reply(response, request)
                self._check(response, request)
                yield from self._read(response, request)
        except httpx.HTTPError as exc:
            error, heals = faults.lost(exc, request, proxied=self._proxied)
            raise _Failed(error, heals=heals) from exc
        except httpx.InvalidURL as exc:
            raise ConfigError(f"{request.host} is no address to call", kind="base_url") from exc

    @contextmanager
    def _opened(self, request: Request, sent: Callable[[], None]) -> Iterator[httpx.Response]:
        def trace(name: str, _info: dict[str, Any]) -> None:
            if name == SENT:
                sent()

        headers = request.all_headers(show_key=True)
        self._log(f"> {request.method} {request.url} {request.all_headers(show_key=False)}")
        built = self._client.build_request(
            request.method,
            request.url,
            headers=headers,
            content=request.content(),
            extensions={"trace": trace},
        )
        response = self._client.send(built, stream=True)
        try:
            yield response
        finally:
            response.close()

    def _check(self, response: httpx.Response, request: Request) -> None:
        if response.is_success:
            return
        response.read()
        reply = faults.read_refusal(response, request.secrets)
        error = faults.refused(reply, request)
        heals = retry.worth_retrying(reply.status, response.headers, reply.code)
        wait = retry.asked_for(response.headers, datetime.now(UTC)) if heals else None
        if wait is not None and wait > retry.LONGEST_WAIT:
            error.hint = f"it asks to wait {wait:.0f} s"
        raise _Failed(error, heals=heals, wait=wait)

    def _read(self, response: httpx.Response, request: Request) -> Iterator[Payload]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            yield from payloads(response, self._clocks)
        elif kind.endswith("json"):
            yield _whole(response, request)
        else:
            response.read()
            raise faults.not_an_answer(response, request)

    def _log_reply(self, response: httpx.Response, request: Request) -> None:
        request_id = response.headers.get("request-id") or response.headers.get("x-request-id", "-")
        line = f"< {response.status_code} {request.host} request-id {request_id}"
        self._log(redacted(line, request.secrets))


def _whole(response: httpx.Response, request: Request) -> Payload:
    try:
        payload = json.loads(response.read())  # white space before it: DeepSeek's keep-alive
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


def _origin(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


@contextmanager
def _environment_worded() -> Iterator[None]:
    """Say which variable of the environment is wrong; httpx says it in many ways."""
    try:
        yield
    except FileNotFoundError as exc:
        names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        where = ", ".join(f"{name}={os.environ[name]}" for name in names)
        raise ConfigError(f"{where} does not exist", kind="ca", hint="correct or unset it") from exc
    except OSError as exc:
        raise ConfigError("the CA bundle cannot be read", kind="ca") from exc
    except (ValueError, ImportError, httpx.InvalidURL) as exc:
        names = [name for name in os.environ if name.lower().endswith("_proxy")]
        raise ConfigError(
            f"a proxy setting is wrong: look at {', '.join(sorted(names))}",
            kind="proxy",
            hint="a proxy is written as http://host:port or socks5://host:port",
        ) from exc
