from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Self

import httpcore
import pytest

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.transport import Transport, TransportLimits
from deepreasoning_cli.transport.preconnect import SocketStream
from support.calls import Witness, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import (
    Cut,
    Gate,
    Loopback,
    Reply,
    Stall,
    json_reply,
    reasoner_stream,
    refusing_url,
)

OK = json_reply(200, {"id": 1})
QUICK = TransportLimits(poll=0.01)
RENEWING = TransportLimits(poll=0.01, renew_after=0.05)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until the test moves it on."""

    seconds: float = 1000.0

    def now(self) -> float:
        return self.seconds


def eventually(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def preconnecting(others: set[threading.Thread]) -> list[threading.Thread]:
    """The threads that keep a connection ready, but for those of `others`."""
    begun = set(threading.enumerate()) - others
    return [thread for thread in begun if thread.name.startswith("preconnect")]


def ready(transport: Transport, vendor: Loopback | Listener) -> Callable[[], bool]:
    """Whether a preconnection is ready, as something to call."""
    origin = httpcore.URL(vendor.url).origin
    return lambda: transport._preconnect.is_ready(origin)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def trust(monkeypatch: pytest.MonkeyPatch, vendor: Loopback, *, tls: bool) -> None:
    if tls:
        monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))


def test_a_connection_opened_ahead_serves_the_next_request(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor, tls=tls)
        with seen.transport(limits=QUICK) as transport:
            transport.preconnect(vendor.url)
            transport.preconnect(vendor.url)
            eventually(ready(transport, vendor))
            time.sleep(0.1)  # some looks at it; session tickets of TLS have come
            assert ready(transport, vendor)()
            assert (len(vendor.connections), vendor.requests) == (1, [])
            assert transport.fetch(to(vendor.url)) == {"id": 1}
            assert transport.fetch(to(vendor.url)) == {"id": 1}
            assert (len(vendor.connections), len(vendor.requests)) == (1, 2)
    assert seen.waits == []


def test_a_connection_still_being_opened_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(OK, tls=True) as vendor:
        trust(monkeypatch, vendor, tls=True)
        with seen.transport(limits=QUICK) as transport:
            transport.preconnect(vendor.url)
            assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert len(vendor.connections) == 1


def test_an_unused_connection_is_closed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    others = set(threading.enumerate())
    with Loopback(tls=tls) as vendor:
        trust(monkeypatch, vendor, tls=tls)
        with seen.transport(limits=QUICK) as transport:
            transport.preconnect(vendor.url)
            eventually(ready(transport, vendor))
            eventually(lambda: vendor.connections)
        [connection] = vendor.connections
        connection.wait_closed()
        assert connection.closed_by == "peer"
    eventually(lambda: not preconnecting(others))


def test_a_connection_that_opens_after_the_end_is_closed(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    go = threading.Event()
    real = httpcore.SyncBackend.connect_tcp

    def late(*args: object, **named: object) -> httpcore.NetworkStream:
        go.wait(60)
        return real(*args, **named)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", late)
    with Loopback() as vendor:
        with seen.transport(limits=QUICK) as transport:
            transport.preconnect(vendor.url)
        go.set()
        eventually(lambda: vendor.connections)
        vendor.connections[0].wait_closed()
        assert vendor.connections[0].closed_by == "peer"


class Listener:
    """A vendor whose connections the test itself accepts, drops and answers."""

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.peers: list[socket.socket] = []
        return self

    def __exit__(self, *_: object) -> None:
        for peer in [*self.peers, self.listener]:
            peer.close()

    def accept(self) -> socket.socket:
        peer, _ = self.listener.accept()
        self.peers.append(peer)
        return peer

    def serve(self, peer: socket.socket) -> None:
        peer.settimeout(60)
        peer.recv(65536)
        peer.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b'content-length: 9\r\n\r\n{"id": 1}'
        )

    @contextmanager
    def serving(self, accept: Callable[[], socket.socket]) -> Iterator[None]:
        thread = threading.Thread(target=lambda: self.serve(accept()), daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(60)


def fin(peer: socket.socket) -> None:
    peer.close()


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def unasked(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")


@pytest.mark.parametrize("die", [fin, reset, unasked])
def test_a_connection_that_died_is_opened_again(
    seen: Witness, die: Callable[[socket.socket], None]
) -> None:
    with Listener() as vendor, seen.transport(limits=QUICK) as transport:
        transport.preconnect(vendor.url)
        first = vendor.accept()
        eventually(ready(transport, vendor))
        die(first)
        second = vendor.accept()
        eventually(ready(transport, vendor))
        with vendor.serving(lambda: second):
            assert transport.fetch(to(vendor.url)) == {"id": 1}
    assert (len(vendor.peers), seen.waits) == (2, [])


@pytest.mark.parametrize("die", [fin, reset, unasked])
def test_a_death_that_nobody_saw_costs_no_retry(
    seen: Witness, die: Callable[[socket.socket], None]
) -> None:
    with Listener() as vendor, seen.transport(limits=TransportLimits(poll=60)) as transport:
        transport.preconnect(vendor.url)
        first = vendor.accept()
        eventually(ready(transport, vendor))
        die(first)
        eventually(lambda: not ready(transport, vendor)())
        with vendor.serving(vendor.accept):
            assert transport.fetch(to(vendor.url)) == {"id": 1}
    assert (len(vendor.peers), seen.waits) == (2, [])


def test_an_old_connection_is_renewed(seen: Witness) -> None:
    with Listener() as vendor, seen.transport(limits=RENEWING) as transport:
        transport.preconnect(vendor.url)
        first = vendor.accept()
        vendor.accept()
        first.settimeout(60)
        assert first.recv(1) == b""  # closed only when the next one stood


def test_what_cannot_be_opened_ahead_is_worded_by_the_request(seen: Witness) -> None:
    url = refusing_url()
    with seen.transport(limits=QUICK) as transport:
        transport.preconnect(url)
        with pytest.raises(UnavailableError, match="connection refused"):
            transport.fetch(to(url))
    assert seen.waits == [0.5, 1.0]


def test_a_certificate_that_is_not_trusted_is_worded_by_the_request(seen: Witness) -> None:
    with Loopback(OK, tls=True) as vendor, seen.transport(limits=QUICK) as transport:
        transport.preconnect(vendor.url)
        with pytest.raises(UnavailableError, match="cannot trust"):
            transport.fetch(to(vendor.url))
        assert vendor.requests == []


def test_over_a_waiting_connection_the_signal_comes_when_the_request_is_out(
    seen: Witness,
) -> None:
    go = threading.Event()
    calls: list[int] = []

    def sent() -> None:
        calls.append(len(vendor.wait_for_requests(1)))
        go.set()  # only now the vendor answers

    reply = replace(reasoner_stream(["a"]), before=[Gate(go)])
    with Loopback(reply) as vendor, seen.transport(limits=QUICK) as transport:
        transport.preconnect(vendor.url)
        eventually(ready(transport, vendor))
        assert len(list(transport.stream(to(vendor.url), sent))) == 5
    assert calls == [1]


def test_what_is_opened_once_serves_a_request(seen: Witness) -> None:
    with Loopback(OK) as vendor, seen.transport(limits=QUICK) as transport:
        transport.preconnect(vendor.url, once=True)
        eventually(ready(transport, vendor))
        assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert len(vendor.connections) == 1


def test_what_is_opened_once_is_closed_when_it_is_old(seen: Witness) -> None:
    others = set(threading.enumerate())
    with Loopback() as vendor, seen.transport(limits=RENEWING) as transport:
        transport.preconnect(vendor.url, once=True)
        eventually(lambda: vendor.connections)
        [connection] = vendor.connections
        connection.wait_closed()
        assert connection.closed_by == "peer"
        eventually(lambda: not preconnecting(others))
        assert len(vendor.connections) == 1
        transport.preconnect(vendor.url)  # a new one begins anew
        eventually(lambda: len(vendor.connections) > 2)


def test_what_comes_later_is_loaded_between_the_request_and_the_reply() -> None:
    go = threading.Event()
    calls: list[int] = []

    def load() -> None:
        calls.append(len(vendor.wait_for_requests(1)))
        go.set()  # only now the vendor answers

    reply = replace(reasoner_stream(["a"]), before=[Gate(go)])
    with Loopback(reply) as vendor, Transport(while_waiting=load) as transport:
        assert len(list(transport.stream(to(vendor.url)))) == 5
    assert calls == [1]


def test_without_one_the_signal_comes_before_connecting(seen: Witness) -> None:
    calls: list[tuple[int, int]] = []
    with Loopback(json_reply(529, {}), OK) as vendor, seen.transport(limits=QUICK) as transport:
        stream = transport.stream(
            to(vendor.url), lambda: calls.append((len(vendor.connections), len(vendor.requests)))
        )
        assert calls == []
        assert list(stream) == [{"id": 1}]
        assert len(vendor.requests) == 2
    assert (calls, seen.waits) == ([(0, 0)], [0.5])


def test_the_signal_comes_once_even_if_the_first_attempt_fails(seen: Witness) -> None:
    calls: list[int] = []
    with Loopback(Reply(before=[Cut()]), OK) as vendor, seen.transport(limits=QUICK) as transport:
        transport.preconnect(vendor.url)
        eventually(ready(transport, vendor))
        assert list(transport.stream(to(vendor.url), lambda: calls.append(1))) == [{"id": 1}]
    assert (calls, seen.waits) == ([1], [0.5])


def test_a_waiting_connection_is_only_for_its_own_port(seen: Witness) -> None:
    with Loopback() as one, Loopback(OK) as other, seen.transport(limits=QUICK) as transport:
        transport.preconnect(one.url)
        eventually(ready(transport, one))
        assert transport.fetch(to(other.url)) == {"id": 1}
        assert ready(transport, one)()
        assert (one.requests, len(one.connections), len(other.connections)) == ([], 1, 1)


def test_a_connection_that_nobody_comes_for_is_given_up_and_opened_again_when_asked(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    clock = ManualClock()
    limits = TransportLimits(poll=0.01, renew_after=60, give_up_after=90, now=clock.now)
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor, tls=tls)
        with seen.transport(limits=limits) as transport:
            transport.preconnect(vendor.url)
            [preconnection] = transport._preconnect._preconnections.values()
            eventually(ready(transport, vendor))
            eventually(lambda: bool(vendor.connections))  # accepted as well as opened
            clock.seconds += 61
            vendor.connections[0].wait_closed()  # the next one stands
            clock.seconds += 61
            eventually(lambda: preconnection.is_over)
            for connection in vendor.connections:
                connection.wait_closed()
            assert not ready(transport, vendor)()
            count = len(vendor.connections)
            transport.preconnect(vendor.url)
            eventually(ready(transport, vendor))
            assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert len(vendor.connections) == count + 1


def test_nothing_is_opened_beside_an_idle_connection_of_the_pool(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor, tls=tls)
        with seen.transport(limits=RENEWING) as transport:
            transport.fetch(to(vendor.url))
            transport.preconnect(vendor.url)
            time.sleep(0.3)
            assert not ready(transport, vendor)()
            transport.fetch(to(vendor.url))
            time.sleep(0.3)
        assert (len(vendor.connections), len(vendor.requests)) == (1, 2)


def test_one_is_opened_as_soon_as_the_idle_connection_has_gone(seen: Witness) -> None:
    with Listener() as vendor, seen.transport(limits=QUICK) as transport:
        with vendor.serving(vendor.accept):
            transport.fetch(to(vendor.url))
        transport.preconnect(vendor.url)
        time.sleep(0.1)
        assert len(vendor.peers) == 1
        fin(vendor.peers[0])
        second = vendor.accept()
        eventually(ready(transport, vendor))
        with vendor.serving(lambda: second):
            assert transport.fetch(to(vendor.url)) == {"id": 1}
    assert (len(vendor.peers), seen.waits) == (2, [])


def test_one_is_opened_as_soon_as_the_idle_connection_is_too_old(seen: Witness) -> None:
    limits = TransportLimits(poll=0.01, idle_seconds=0.1)
    with Loopback(OK) as vendor, seen.transport(limits=limits) as transport:
        transport.fetch(to(vendor.url))
        transport.preconnect(vendor.url)
        eventually(ready(transport, vendor))
        assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert len(vendor.connections) == 2


def test_nothing_is_opened_beside_the_request_that_an_idle_connection_serves(
    seen: Witness,
) -> None:
    """The second turn of a chat: the reasoner's call is still open when the answer begins."""
    thinking = reasoner_stream(["a", "b"]).failing(2, Stall(5))
    with (
        Loopback(thinking) as reasoner,
        Loopback(OK, thinking) as answerer,
        seen.transport(limits=RENEWING) as transport,
    ):
        transport.fetch(to(answerer.url))
        reasoning = transport.stream(to(reasoner.url), lambda: transport.preconnect(answerer.url))
        with closing(reasoning), closing(transport.stream(to(answerer.url))) as answer:
            next(reasoning)
            time.sleep(0.1)
            next(answer)
            time.sleep(0.3)
            assert (len(answerer.connections), len(answerer.requests)) == (1, 2)


def test_nothing_is_opened_once_no_request_is_running(seen: Witness) -> None:
    """A turn that ends while the reasoner thinks has no answer to come."""
    thinking = reasoner_stream(["a", "b"]).failing(2, Stall(5))
    with (
        Loopback(thinking) as reasoner,
        Loopback() as answerer,
        seen.transport(limits=RENEWING) as transport,
    ):
        stream = transport.stream(to(reasoner.url), lambda: transport.preconnect(answerer.url))
        with closing(stream):
            next(stream)
            eventually(lambda: len(answerer.connections) > 2)
        eventually(lambda: not ready(transport, answerer)())
        count = len(answerer.connections)
        time.sleep(0.3)
        assert len(answerer.connections) == count


def test_a_turn_after_one_that_ended_early_takes_the_connection_over(seen: Witness) -> None:
    with (
        Loopback(OK) as reasoner,
        Loopback(OK) as answerer,
        seen.transport(limits=QUICK) as transport,
    ):
        for _ in range(2):
            list(transport.stream(to(reasoner.url), lambda: transport.preconnect(answerer.url)))
            eventually(ready(transport, answerer))
        assert transport.fetch(to(answerer.url)) == {"id": 1}
        assert len(answerer.connections) == 1


def test_over_an_idle_connection_the_signal_comes_when_the_request_is_out(seen: Witness) -> None:
    calls: list[int] = []
    with Loopback(OK) as vendor, seen.transport(limits=QUICK) as transport:
        transport.fetch(to(vendor.url))
        stream = transport.stream(
            to(vendor.url), lambda: calls.append(len(vendor.wait_for_requests(2)))
        )
        assert list(stream) == [{"id": 1}]
    assert calls == [2]


def test_a_socket_that_was_opened_early_is_a_stream_with_httpcores_errors() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = SocketStream(ours)
        assert (stream.start_tls(), stream.get_extra_info("ssl_object")) == (stream, None)
        assert stream.get_extra_info("socket") is ours
        assert (stream.get_extra_info("is_readable"), stream.get_extra_info("?")) == (False, None)
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(1, 0.01)
        theirs.sendall(b"ab")
        assert stream.get_extra_info("is_readable")
        assert (stream.read(1, 60), stream.read(9)) == (b"a", b"b")
        large = b"x" * 4_000_000
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(large, 0.01)
        theirs.close()
        with pytest.raises(httpcore.WriteError):
            stream.write(large, 60)
        stream.close()
        with pytest.raises(httpcore.ReadError):
            stream.read(1, 60)
