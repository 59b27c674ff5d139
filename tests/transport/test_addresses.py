"""The addresses of a host: looked up in time, tried beside each other (RFC 8305)."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deepreasoning_cli import connect
from deepreasoning_cli.connect import (
    EarlyConnection,
    HttpOrigin,
    find_addresses,
    first_to_connect,
)
from deepreasoning_cli.transport import Timeouts
from support.calls import Witness, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import Loopback, json_reply

SWALLOWED = 10.0  # seconds that it takes to give up an address that swallows connections
Row = tuple[int, int, int, str, tuple[Any, ...]]


def row(address: str, port: int = 443, scope: int = 0) -> Row:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, scope))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


def names(monkeypatch: pytest.MonkeyPatch, *rows: Row) -> None:
    """Have vendor.example these addresses."""
    real = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **named: Any) -> list[Any]:
        return list(rows) if host == "vendor.example" else real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.mark.parametrize(
    ("found", "order"),
    [
        (["2001:db8::1", "192.0.2.1"], ["2001:db8::1", "192.0.2.1"]),
        (["192.0.2.1", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"]),
        (
            ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"],
            ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"],
        ),
        (["192.0.2.1", "192.0.2.2", "192.0.2.1"], ["192.0.2.1", "192.0.2.2"]),
    ],
)
def test_the_families_take_turns(
    monkeypatch: pytest.MonkeyPatch, found: list[str], order: list[str]
) -> None:
    names(monkeypatch, *map(row, found))
    assert find_addresses("vendor.example", 443, 1) == order


def test_an_address_of_a_link_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, row("fe80::1", scope=2))
    assert find_addresses("vendor.example", 443, 1) == ["fe80::1%2"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2001:db8::1"])
def test_a_number_is_not_looked_up(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert find_addresses(host, 443, 1) == [host]


@contextlib.contextmanager
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: go.wait(100) and [])
    yield
    go.set()


def test_a_name_server_that_never_answers_honours_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with nobody_answers(monkeypatch):
        failure = seen.failure(to("https://vendor.example"), Timeouts.all_of(0.1))
    assert (failure.kind, failure.exit_code) == ("dns", 5)
    assert failure.message == "cannot find vendor.example (name lookup failed)"
    assert seen.waits == [0.5, 1.0]


def test_an_early_connection_waits_no_longer_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_answers(monkeypatch):
        early = EarlyConnection(HttpOrigin("http", "vendor.example", 80), 0.1)
        with pytest.raises(OSError, match="name server"):
            early.take(60)


def test_a_name_that_is_none_is_told_as_before() -> None:
    with pytest.raises(UnicodeError):
        find_addresses("a..b", 443, 1)


# --- several addresses


def waiting(go: threading.Event, outcome: str) -> Callable[[], str]:
    def connect() -> str:
        assert go.wait(60)
        return outcome

    return connect


def failing(error: Exception) -> Callable[[], str]:
    def connect() -> str:
        raise error

    return connect


def test_one_that_swallows_costs_no_more_than_the_delay_and_is_closed_when_it_comes() -> None:
    go, closed = threading.Event(), threading.Event()
    late: list[str] = []

    def close(which: str) -> None:
        late.append(which)
        closed.set()

    start = time.monotonic()
    assert first_to_connect([waiting(go, "six"), lambda: "four"], close) == "four"
    assert time.monotonic() - start > 0.2
    assert not late
    go.set()
    assert closed.wait(60)
    assert late == ["six"]


def test_one_that_is_refused_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "NEXT_ADDRESS_AFTER", 1000.0)
    attempts = [failing(ConnectionRefusedError()), failing(OSError()), lambda: "third"]
    assert first_to_connect(attempts, print) == "third"


def test_a_slow_one_still_wins_where_the_other_fails() -> None:
    go = threading.Event()
    threading.Timer(0.4, go.set).start()
    assert first_to_connect([waiting(go, "six"), failing(OSError())], print) == "six"


@pytest.mark.parametrize("errors", [[OSError("a")], [OSError("a"), OSError("b"), ValueError("c")]])
def test_where_all_fail_the_last_one_says_why(errors: list[Exception]) -> None:
    with pytest.raises(type(errors[-1]), match=str(errors[-1])):
        first_to_connect([failing(error) for error in errors], print)


@pytest.fixture
def swallowing() -> Iterator[int]:
    """A port that ::1 swallows connections to, and that nobody listens at on 127.0.0.1."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    with contextlib.ExitStack() as open_:
        try:
            six = open_.enter_context(socket.socket(socket.AF_INET6))
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6")
        six.listen(0)
        port = six.getsockname()[1]
        for _ in range(8):  # more than wait in its queue: the next ones are dropped
            sock = open_.enter_context(socket.socket(socket.AF_INET6))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("::1", port))
        yield port


@pytest.mark.parametrize("early", [False, True])
def test_a_host_whose_ipv6_swallows_connections_is_reached_by_ipv4(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, swallowing: int, early: bool
) -> None:
    with Loopback(json_reply(200, {"id": 1})) as vendor:
        four = int(vendor.url.rpartition(":")[2])
        real = socket.create_connection

        def connect(address: tuple[str, int], *rest: Any, **named: Any) -> socket.socket:
            host, _ = address
            return real((host, swallowing if host == "::1" else four), *rest, **named)

        monkeypatch.setattr(socket, "create_connection", connect)
        names(monkeypatch, row("::1"), row("127.0.0.1"))
        start = time.monotonic()
        if early:
            ahead = EarlyConnection(HttpOrigin("http", "vendor.example", 80))
            sock = ahead.take(9)
            assert sock
            sock.close()
        else:
            assert seen.answer(to("http://vendor.example")) == [{"id": 1}]
        assert time.monotonic() - start < SWALLOWED
