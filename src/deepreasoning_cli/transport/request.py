"""A request, what its sending may cost in time and memory, and what happens when it fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.sanitize import repair_surrogates
from deepreasoning_cli.wire.client.errors import ApiAccount

if TYPE_CHECKING:
    from deepreasoning_cli.connect import HttpOrigin
    from deepreasoning_cli.transport.client import Transport

USER_AGENT = f"deepreasoning-cli/{__version__}"


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a vendor: the key goes into `key_header`, as a bearer token or bare.

    `vendor` is what a person calls it and `top_up` its page for credit, for errors and advice.
    """

    url: str
    body: Payload | None = None
    key: Key | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    key_header: str = "authorization"
    top_up: str | None = None
    vendor: str | None = None
    read_timeout: float | None = None
    """Seconds without a byte after which this call is given up, where that is sooner than usual."""
    creates: bool = False
    """Whether it makes something at the vendor that a repeat might make twice."""
    is_retried: bool = True
    """Whether it is sent again where it fails."""

    @property
    def host(self) -> str:
        """The vendor's host, with the port where the address names one; never a login."""
        address = re.split(r"[/?#]", self.url.partition("//")[2], maxsplit=1)[0]
        return address.rpartition("@")[2].lower()

    @property
    def account(self) -> ApiAccount:
        """Who is asked with which key, for the words of an error in the reply."""
        return ApiAccount(self.vendor or self.host, self.key, self.top_up)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return (self.key.value,) if self.key else ()

    def all_headers(self, *, show_key: bool) -> dict[str, str]:
        """Every header that matters; with `show_key` false the key is masked."""
        headers = {
            "accept": "text/event-stream, application/json",
            "accept-encoding": "identity",
            "user-agent": USER_AGENT,
            **({"content-type": "application/json"} if self.body is not None else {}),
            **self.headers,
        }
        if self.key:
            key = self.key.value if show_key else self.key.masked
            bearer = self.key_header == "authorization" or self.key.is_token
            headers["authorization" if bearer else self.key_header] = (
                f"Bearer {key}" if bearer else key
            )
        return headers

    def content(self) -> bytes | None:
        """The body as it is sent: UTF-8 JSON, halves of surrogate pairs joined or replaced."""
        if self.body is None:
            return None
        text = json.dumps(self.body, ensure_ascii=False)
        return repair_surrogates(text).encode()


class Timeouts(NamedTuple):
    """How long to wait, in seconds.

    `read`: no byte at all. `first_progress` and `progress`: bytes come, but no event of the
    reply, before and after its first one (keep-alive comments are no progress). DeepSeek queues a
    request for up to ten minutes (its rate-limit page), which sets `first_progress`; events without
    text may come for as long.
    """

    connect: float = 10
    read: float = 120
    first_progress: float = 620
    progress: float = 180

    @classmethod
    def all_of(cls, seconds: float) -> Timeouts:
        """Every wait for a reply lasts at most `seconds`."""
        return cls(min(seconds, 10), seconds, seconds, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """How much is kept, and how long, in seconds.

    `idle_connections` wait for another request, each for `idle_seconds`. A connection that was
    opened before it is needed is looked at every `poll` seconds, opened anew after `renew_after`
    (the vendors publish no idle limits) and given up after `give_up_after` (no reasoner thinks for
    so long). `largest_event` is in characters. `now` reads the clock.
    """

    idle_connections: int = 20
    idle_seconds: float = 60.0
    poll: float = 1.0
    renew_after: float = 60.0
    give_up_after: float = 1800.0
    largest_event: int = 16 * 1024 * 1024
    now: Callable[[], float] = time.monotonic


class DeferredTransport:
    """Stands for the transport of a plan until `opened` is asked for: it takes long to import.

    Its methods are those of a transport, which they open.
    """

    def __init__(self, make: Callable[[], Transport]) -> None:
        self._make = make
        self._unchecked: list[str] = []

    def open(self) -> None:
        """Open it. Raises ConfigError where a proxy or the CA bundle is wrong."""
        transport = self.opened
        while self._unchecked:
            transport.check_route(self._unchecked.pop())

    def check_route(self, url: str) -> None:
        """Have `open` check that the proxy for `url`, if there is one, is a proxy's address."""
        self._unchecked.append(url)

    @cached_property
    def opened(self) -> Transport:
        """The transport. Raises what opening it raises."""
        return self._make()

    @property
    def first_origin(self) -> HttpOrigin | None:
        """Where the first request went; None before it, and through a proxy."""
        return self.opened.first_origin if "opened" in vars(self) else None

    def preconnect(self, url: str, *, once: bool = False) -> None:
        """Have a connection ready."""
        self.opened.preconnect(url, once=once)

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers."""
        return self.opened.fetch(request)

    def stream(
        self, request: Request, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Payload, None, None]:
        """The payloads of the reply."""
        return self.opened.stream(request, when_sent)


@dataclass(frozen=True, slots=True)
class RetryNotice:
    """A pause before the next attempt: why, and for how many seconds."""

    why: str
    seconds: float


@dataclass(eq=False)
class AttemptFailed(Exception):  # noqa: N818 (never seen outside: it carries the error to the retry loop)
    """One attempt failed; `wait` is the pause in seconds that the server asks for."""

    error: DeepReasoningError
    retryable: bool
    wait: float | None = None
