"""A transport under test with everything it tells the outside, and a request to send with it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.keys import validate_and_remember
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.transport import Request, RetryNotice, Timeouts, Transport, TransportLimits

URL = "https://api.example.com/v1/chat/completions"
HOST = "api.example.com"
CANARY = 'sk-canary-7Fq"/pXw2Zr9Kd4LmT8vBn5'
KEY = validate_and_remember("deepseek", CANARY, "DEEPSEEK_API_KEY")
REQUEST = Request(URL, {"model": "deepseek-reasoner"}, KEY, top_up="https://example.com/top_up")
Outcome = tuple[type, str, str, str | None, int | None, str | None, int]


def to(url: str) -> Request:
    """The request, sent to a loopback vendor."""
    return replace(REQUEST, url=f"{url}/v1/chat/completions")


@dataclass(slots=True)
class Witness:
    """What a transport said and how long it slept; nothing really sleeps."""

    waits: list[float] = field(default_factory=list)
    told: list[RetryNotice] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def transport(
        self, clocks: Timeouts | None = None, limits: TransportLimits | None = None
    ) -> Transport:
        return Transport(
            clocks,
            notify=self.told.append,
            log=self.lines.append,
            sleep=self.waits.append,
            limits=limits,
        )

    def answer(self, request: Request = REQUEST, clocks: Timeouts | None = None) -> list[Payload]:
        with self.transport(clocks) as transport:
            return list(transport.stream(request))

    def failure(
        self, request: Request = REQUEST, clocks: Timeouts | None = None
    ) -> DeepReasoningError:
        with pytest.raises(DeepReasoningError) as caught:
            self.answer(request, clocks)
        return caught.value


def outcome(error: DeepReasoningError) -> Outcome:
    """Everything a user or a script sees of a failure."""
    return (
        type(error),
        error.kind,
        error.message,
        error.hint,
        error.status,
        error.request_id,
        error.exit_code,
    )


def said(*payloads: Any) -> bytes:
    """A recorded stream of payloads."""
    from support.replies import sse

    return b"".join(sse(payload) for payload in payloads)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """No chance in the waits, so that they can be compared."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.fixture
def seen() -> Witness:
    return Witness()
