from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpx import HTTPXMock

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.transport import RetryNotice, Transport
from deepreasoning_cli.transport.request import AttemptFailed
from deepreasoning_cli.transport.retry import backoff, next_wait, requested_wait
from support.calls import HOST, REQUEST, Witness, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import Loopback, Reset, reasoner_stream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DATE = "Mon, 23 Nov 2026 09:00:00 GMT"  # the server's clock, three hours behind ours


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "0", "retry-after": "2.5"}, 2.5),
        ({"retry-after": "2678400"}, 2_678_400.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:07 -0000", "date": DATE}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:07 GMT"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:00 +99999999999999"}, None),
        ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after-ms": "1e999", "retry-after": "3"}, 3.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:07 GMT", "date": f"{DATE[:-3]}+9999999999"}, 7.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:07 GMT", "date": "yesterday"}, 7.0),
    ],
)
def test_the_server_says_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert requested_wait(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("kind", "status", "is_tried"),
    [
        ("rate_limit", 429, True),
        ("overloaded", 529, True),
        ("connect", None, True),
        ("overloaded", 503, False),  # a gateway's word, after which it may be there
        ("server", 500, False),
        ("timeout", None, False),
        ("connection_lost", None, False),
    ],
)
def test_what_creates_something_is_not_tried_again_once_it_may_be_there(
    kind: str, status: int | None, *, is_tried: bool
) -> None:
    failed = AttemptFailed(UnavailableError("failed", kind=kind, status=status), retryable=True)
    assert (next_wait(failed, [], creates=True) is not None) is is_tried
    assert next_wait(failed, []) is not None


NO_SENSE = [
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e9",
    "1e400",
    "2678401",
    "soon",
    "１２ s",
    "\x00",
]


@pytest.mark.parametrize("hint", [*NO_SENSE, DATE, "Mon, 23 Nov 2026 08:59:59 GMT"])
def test_a_wait_that_makes_no_sense_is_none(hint: str) -> None:
    assert requested_wait({"retry-after": hint, "date": DATE}, NOW) is None


@given(st.text(), st.text(), st.text())
def test_any_header_gives_a_sensible_wait_or_none(ms: str, after: str, date: str) -> None:
    wait = requested_wait({"retry-after-ms": ms, "retry-after": after, "date": date}, NOW)
    assert wait is None or 0 < wait <= 31 * 86_400


def test_nothing_said_is_none() -> None:
    assert requested_wait({}, NOW) is None


@pytest.mark.parametrize(
    ("chance", "waits"),
    [(0.0, [0.5, 1, 2, 4, 8, 8]), (1.0, [0.375, 0.75, 1.5, 3, 6, 6])],
)
def test_the_backoff_is_that_of_the_official_clients(
    monkeypatch: pytest.MonkeyPatch, chance: float, waits: list[float]
) -> None:
    monkeypatch.setattr(random, "random", lambda: chance)
    assert [backoff(attempt) for attempt in range(6)] == waits


@pytest.mark.parametrize("hint", [*NO_SENSE[:10], "Mon, 23 Nov 2026 08:59:59 GMT"])
def test_a_senseless_hint_falls_back_to_the_backoff(
    httpx_mock: HTTPXMock, seen: Witness, hint: str
) -> None:
    headers = {"retry-after": hint, "date": DATE}
    httpx_mock.add_response(429, headers=headers, is_reusable=True)
    assert seen.failure().hint == "try again later"
    assert seen.waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("asked", "waits", "hint"),
    [
        (["2", "3", "4"], [2.0, 3.0], "try again later"),
        (["60", None], [60.0], "try again later"),
        (["61"], [], "try again in 61 s"),
        (["3600"], [], "try again in 3600 s"),
        (["40", "20", None], [40.0, 20.0], "try again later"),
        (["40", "21"], [40.0], "try again in 21 s"),
        (["Mon, 23 Nov 2026 09:02:00 GMT"], [], "try again in 120 s"),
    ],
)
def test_the_waits_of_a_stage_come_to_a_minute_at_most(
    httpx_mock: HTTPXMock,
    seen: Witness,
    asked: list[str | None],
    waits: list[float],
    hint: str,
) -> None:
    for after in asked:
        headers = {"date": DATE} | ({"retry-after": after} if after else {})
        httpx_mock.add_response(429, headers=headers)
    failure = seen.failure()
    message = f"{HOST}: rate limited (429)"
    assert (failure.message, failure.hint, failure.exit_code) == (message, hint, 5)
    assert seen.waits == waits
    assert seen.told == [RetryNotice(message, wait) for wait in waits]


def test_each_stage_has_its_own_patience(httpx_mock: HTTPXMock, seen: Witness) -> None:
    with seen.transport() as transport:
        for _ in range(2):
            httpx_mock.add_response(429, headers={"retry-after": "50"})
            httpx_mock.add_response(json={})
            assert list(transport.stream(REQUEST)) == [{}]
    assert seen.waits == [50.0, 50.0]


def test_ctrl_c_during_a_wait_passes_through(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(529)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with Transport(sleep=interrupt) as transport, pytest.raises(KeyboardInterrupt):
        list(transport.stream(REQUEST))
    assert len(httpx_mock.get_requests()) == 1


def test_before_the_first_payload_it_is_sent_again(seen: Witness) -> None:
    whole = reasoner_stream(["a", "b"])
    with Loopback(whole.failing(0, b": keep-alive\n\n", Reset()), whole) as vendor:
        payloads = seen.answer(to(vendor.url))
        host = vendor.url.partition("//")[2]
        assert (len(payloads), len(vendor.requests)) == (6, 2)
    assert seen.told == [RetryNotice(f"the connection to {host} was lost", 0.5)]
