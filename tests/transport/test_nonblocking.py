"""The transport on an event loop: the same replies and the same words as where it blocks."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.greenlets import greenlet_spawn, sleep
from deepreasoning_cli.pipeline.events import DONE, Payload
from deepreasoning_cli.transport import Request, Timeouts, Transport, nonblocking
from deepreasoning_cli.transport.nonblocking import (
    Deadline,
    NonblockingBackend,
    NonblockingStream,
    ThreadedStream,
)
from deepreasoning_cli.transport.preconnect import SocketStream
from support.calls import REQUEST, Outcome, Witness, outcome, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import (
    Cut,
    Gate,
    Loopback,
    Pause,
    Reply,
    Reset,
    Stall,
    json_reply,
    reasoner_stream,
    refusing_url,
    sse,
)
from support.tunnels import Kind, Tunnels

T = TypeVar("T")
OK = json_reply(200, {"id": 1})


def looped(main: Callable[[], Awaitable[T]]) -> T:
    """What `main` returns on a loop of its own, in which nothing goes wrong unseen."""
    problems: list[dict[str, Any]] = []

    async def guarded() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: problems.append(what))
        return await main()

    result = asyncio.run(guarded())
    gc.collect()
    assert problems == []
    return result


def with_transport(
    seen: Witness, work: Callable[[Transport], T], clocks: Timeouts | None = None
) -> T:
    """What `work` returns for a transport that does not block."""

    async def main() -> T:
        with Transport(
            clocks,
            notify=seen.told.append,
            log=seen.lines.append,
            sleep=seen.waits.append,
            wrap_backend=NonblockingBackend,
        ) as transport:
            return await greenlet_spawn(lambda: work(transport))

    return looped(main)


def answers(
    seen: Witness, *requests: Request, clocks: Timeouts | None = None
) -> list[list[Payload]]:
    return with_transport(
        seen, lambda transport: [list(transport.stream(each)) for each in requests], clocks
    )


def failure(seen: Witness, request: Request, clocks: Timeouts | None = None) -> Outcome:
    with pytest.raises(DeepReasoningError) as caught:
        answers(seen, request, clocks=clocks)
    return outcome(caught.value)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def trust(monkeypatch: pytest.MonkeyPatch, vendor: Loopback) -> None:
    if vendor.url.startswith("https"):
        monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))


def test_many_replies_come_at_once_on_one_thread(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    go = threading.Event()
    ahead, rest = sse({"a": 1}), [sse({"a": 2}), sse("[DONE]")]
    with Loopback(Reply(body=[ahead, Gate(go), *rest]), tls=tls) as vendor:
        trust(monkeypatch, vendor)

        async def main() -> list[list[Payload]]:
            begun = 0

            def work(transport: Transport) -> list[Payload]:
                nonlocal begun
                got: list[Payload] = []
                for payload in transport.stream(to(vendor.url)):
                    if not got:
                        begun += 1
                    if begun == 20:
                        go.set()  # only if all of them stand at their first piece together
                    got.append(payload)
                return got

            with Transport(wrap_backend=NonblockingBackend) as transport:
                return await asyncio.gather(
                    *(greenlet_spawn(partial(work, transport)) for _ in range(20))
                )

        assert looped(main) == [[{"a": 1}, {"a": 2}, DONE]] * 20
        assert len(vendor.connections) == 20


def test_a_connection_is_used_again(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(OK, reasoner_stream(["a"], done=False), OK, tls=tls) as vendor:
        trust(monkeypatch, vendor)
        first, stream, last = answers(seen, *[to(vendor.url)] * 3)
        assert (first, last, len(stream)) == ([{"id": 1}], [{"id": 1}], 4)
        assert len(vendor.connections) == 1
        vendor.connections[0].wait_closed()
        assert vendor.connections[0].closed_by == "peer"


def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    may_close = threading.Event()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n"
    with Loopback(
        Reply(framing="raw", body=[head + b'{"id":1}', Gate(may_close)]), OK, tls=tls
    ) as vendor:
        trust(monkeypatch, vendor)

        def work(transport: Transport) -> list[Payload]:
            first = list(transport.stream(to(vendor.url)))
            may_close.set()
            vendor.connections[0].wait_closed()
            sleep(0.05)
            return [*first, *transport.stream(to(vendor.url))]

        assert with_transport(seen, work) == [{"id": 1}, {"id": 1}]
        assert (len(vendor.connections), seen.waits) == (2, [])


def test_a_connection_opened_ahead_serves_the_request(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor)
        port = int(vendor.url.rpartition(":")[2])
        origin = httpcore.Origin(b"https" if tls else b"http", b"127.0.0.1", port)

        def work(transport: Transport) -> list[Payload]:
            transport.preconnect(vendor.url)
            while not (vendor.connections and transport._preconnect.is_ready(origin)):
                sleep(0.002)
            assert (len(vendor.connections), vendor.requests) == (1, [])
            return [transport.fetch(to(vendor.url)), transport.fetch(to(vendor.url))]

        assert with_transport(seen, work) == [{"id": 1}, {"id": 1}]
        assert len(vendor.connections) == 1


def test_nothing_is_opened_beside_an_idle_connection(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor)

        def work(transport: Transport) -> list[Payload]:
            first = transport.fetch(to(vendor.url))
            transport.preconnect(vendor.url)
            sleep(0.1)
            return [first, transport.fetch(to(vendor.url))]

        assert with_transport(seen, work) == [{"id": 1}, {"id": 1}]
        assert len(vendor.connections) == 1


LARGE = "x" * 6_000_000  # more than a socket takes at once


def test_a_large_question_is_sent_whole(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    asked = replace(REQUEST, body={"prompt": LARGE})
    with Loopback(OK, tls=tls) as vendor:
        trust(monkeypatch, vendor)
        to_vendor = replace(asked, url=vendor.url)
        assert answers(seen, to_vendor, to_vendor) == [[{"id": 1}]] * 2
        assert [request.body for request in vendor.requests] == [{"prompt": LARGE}] * 2
        assert len(vendor.connections) == 1


def test_a_large_answer_is_read_whole(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tls: bool
) -> None:
    with Loopback(json_reply(200, {"text": LARGE}), tls=tls) as vendor:
        trust(monkeypatch, vendor)
        assert answers(seen, to(vendor.url)) == [[{"text": LARGE}]]


EVENTS: list[Payload] = [{"n": number, "text": "töne" * (number % 50)} for number in range(400)]
STREAM = b"".join(sse(event) for event in EVENTS) + sse("[DONE]")


@given(cuts=st.lists(st.integers(1, len(STREAM) - 1), max_size=6, unique=True))
@settings(max_examples=15)
def test_the_same_bytes_are_the_same_payloads_however_they_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    with Loopback(Reply(body=pieces)) as vendor:
        assert answers(Witness(), to(vendor.url)) == [Witness().answer(to(vendor.url))]
        assert answers(Witness(), to(vendor.url)) == [[*EVENTS, DONE]]


BROKEN: list[tuple[str, Reply]] = [
    ("cut before the head", Reply(before=[Cut()])),
    ("reset before the head", Reply(before=[Reset()])),
    ("half a head", Reply(framing="raw", body=[b"HTTP/1.1 200 OK\r\ncontent-"])),
    ("no http", Reply(framing="raw", body=[b"SSH-2.0-OpenSSH_9.6\r\n"])),
    ("cut in the stream", reasoner_stream(["a", "b"]).failing(2, Cut())),
    ("reset in the stream", reasoner_stream(["a", "b"]).failing(2, Reset())),
    ("cut in the json", Reply(200, {}, [b'{"a":', Cut()], "application/json")),
    ("nothing", Reply(200, {}, [], "application/json", "length")),
    ("not found", json_reply(404, {"error": {"message": "no such model"}})),
    ("overloaded", json_reply(503, {"error": {"message": "busy"}}, {"retry-after": "2"})),
    ("a page", Reply(200, {}, [b"<title>Log in</title>"], "text/html", "length")),
]


@pytest.mark.parametrize("reply", [reply for _, reply in BROKEN], ids=[name for name, _ in BROKEN])
def test_what_breaks_is_said_in_the_same_words(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, tls: bool
) -> None:
    with Loopback(reply, tls=tls) as vendor:
        trust(monkeypatch, vendor)
        blocking, looping = Witness(), Witness()
        expected = outcome(blocking.failure(to(vendor.url)))
        assert failure(looping, to(vendor.url)) == expected
        assert (looping.waits, looping.told) == (blocking.waits, blocking.told)
        assert [line.partition(" ")[0] for line in looping.lines] == [
            line.partition(" ")[0] for line in blocking.lines
        ]


def test_silence_is_said_in_the_same_words(monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    clocks = Timeouts(read=0.5)
    for reply in (Reply(before=[Stall(60)]), reasoner_stream(["a", "b"]).failing(2, Stall(60))):
        with Loopback(reply, tls=tls) as vendor:
            trust(monkeypatch, vendor)
            expected = outcome(Witness().failure(to(vendor.url), clocks))
            assert failure(Witness(), to(vendor.url), clocks) == expected
            assert expected[1:3] == (
                "timeout",
                f"{vendor.url.partition('//')[2]} has been silent for too long",
            )


def test_what_has_been_slow_but_never_silent_comes_whole(seen: Witness) -> None:
    events = [sse({"n": number}) for number in range(6)]
    body = [part for event in events for part in (Pause(0.4), event)]
    with Loopback(Reply(body=[*body, sse("[DONE]")])) as vendor:
        [payloads] = answers(seen, to(vendor.url), clocks=Timeouts(read=2.2))
    assert payloads == [*({"n": number} for number in range(6)), DONE]


def test_an_address_where_nobody_listens_is_said_in_the_same_words(seen: Witness) -> None:
    request = to(refusing_url())
    assert failure(seen, request) == outcome(Witness().failure(request))
    assert seen.waits == [0.5, 1.0]


def test_a_certificate_that_nobody_trusts_is_said_in_the_same_words(seen: Witness) -> None:
    with Loopback(OK, tls=True) as vendor:
        expected = outcome(Witness().failure(to(vendor.url)))
        assert failure(seen, to(vendor.url)) == expected
    assert (expected[1], seen.waits) == ("tls", [])


def test_a_server_that_never_shakes_hands_is_said_in_the_same_words(seen: Witness) -> None:
    clocks = Timeouts(connect=0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        request = to(f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert failure(seen, request, clocks) == outcome(Witness().failure(request, clocks))


def test_a_plain_address_is_asked_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(OK) as proxy, Loopback() as vendor:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert answers(seen, to(vendor.url), to(vendor.url)) == [[{"id": 1}]] * 2
        assert [request.path for request in proxy.requests] == [to(vendor.url).url] * 2
        assert (len(proxy.connections), vendor.connections) == (1, [])


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_tunnel_through_a_proxy_carries_tls(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, kind: Kind
) -> None:
    stream = reasoner_stream(["töne"] * 50, done=False)
    with Loopback(stream, OK, tls=True) as vendor, Tunnels(kind) as proxy:
        trust(monkeypatch, vendor)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        request = to(vendor.url)
        streamed, [answer] = answers(seen, request, request)
        assert (len(streamed), answer) == (53, {"id": 1})
        assert proxy.start == [vendor.url.partition("//")[2]]


def test_a_tunnel_inside_tls_carries_tls(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tmp_path: Path
) -> None:
    stream = reasoner_stream(["töne"] * 50, done=False)
    with Loopback(stream, OK, tls=True) as vendor, Tunnels("https", tmp_path) as proxy:
        both = tmp_path / "both.pem"
        both.write_bytes(vendor.ca_file.read_bytes() + (tmp_path / "proxy.pem").read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(both))
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        request = replace(to(vendor.url), body={"prompt": "x" * 300_000})
        streamed, [answer] = answers(seen, request, request)
        assert (len(streamed), answer) == (53, {"id": 1})
        assert len(vendor.requests[0].body["prompt"]) == 300_000


def test_a_proxy_that_turns_the_tunnel_down_is_said_in_the_same_words(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(Reply(407, framing="length")) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert failure(seen, REQUEST) == outcome(Witness().failure(REQUEST))


def test_a_host_the_proxy_is_not_for_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(OK) as vendor:
        monkeypatch.setenv("ALL_PROXY", refusing_url())
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert answers(seen, to(vendor.url)) == [[{"id": 1}]]


def test_a_turn_that_is_cancelled_closes_its_connection_at_once(
    monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    with Loopback(reasoner_stream(["a", "b"]).failing(2, Stall(60)), tls=tls) as vendor:
        trust(monkeypatch, vendor)

        async def main() -> None:
            got: list[Payload] = []

            def work(transport: Transport) -> None:
                for payload in transport.stream(to(vendor.url)):
                    got.append(payload)

            with Transport(wrap_backend=NonblockingBackend) as transport:
                task = asyncio.create_task(greenlet_spawn(partial(work, transport)))
                while len(got) < 2:
                    await asyncio.sleep(0.002)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                [connection] = vendor.connections
                await asyncio.to_thread(connection.wait_closed)
                assert (connection.closed_by, len(got)) == ("peer", 2)

        looped(main)


def test_a_connection_whose_turn_has_gone_before_it_is_open_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go, came = threading.Event(), threading.Event()
    real = httpcore.SyncBackend.connect_tcp

    def late(*args: Any, **named: Any) -> httpcore.NetworkStream:
        came.set()
        go.wait(60)
        return real(*args, **named)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", late)
    with Loopback(OK) as vendor:

        async def main() -> None:
            with Transport(wrap_backend=NonblockingBackend) as transport:
                task = asyncio.create_task(
                    greenlet_spawn(lambda: list(transport.stream(to(vendor.url))))
                )
                await asyncio.to_thread(came.wait, 60)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert vendor.connections == []
                go.set()
                while not vendor.connections:
                    await asyncio.sleep(0.002)
                await asyncio.to_thread(vendor.connections[0].wait_closed)
            assert vendor.connections[0].closed_by == "peer"

        looped(main)


def test_a_connection_that_fails_after_its_turn_has_gone_is_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go, came, ended = threading.Event(), threading.Event(), threading.Event()

    def late(*args: Any, **named: Any) -> httpcore.NetworkStream:
        came.set()
        go.wait(60)
        ended.set()
        raise httpcore.ConnectError("refused")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", late)

    async def main() -> None:
        backend = NonblockingBackend(httpcore.SyncBackend())
        task = asyncio.create_task(greenlet_spawn(lambda: backend.connect_tcp("127.0.0.1", 1)))
        await asyncio.to_thread(came.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await asyncio.to_thread(ended.wait, 60)
        await asyncio.sleep(0.02)

    looped(main)


def test_tls_inside_the_tls_of_a_proxy_is_read_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    outer = ssl.create_default_context().wrap_socket(
        ours, server_hostname="proxy.example", do_handshake_on_connect=False
    )

    class ToProxy(SocketStream):
        def start_tls(self, *_args: Any, **_named: Any) -> httpcore.NetworkStream:
            return SocketStream(theirs)

    async def main() -> None:
        monkeypatch.setattr(nonblocking, "_connect", lambda connect: connect())
        secured = NonblockingStream(ToProxy(outer)).start_tls(ssl.create_default_context())
        assert isinstance(secured, ThreadedStream)
        secured.close()
        outer.close()

    looped(main)


def test_what_opens_for_nobody_is_closed_and_nothing_is_written_as_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    class Opening(httpcore.NetworkBackend):
        def connect_tcp(self, *_args: Any, **_named: Any) -> httpcore.NetworkStream:
            assert go.wait(60)
            return SocketStream(ours)

    go = threading.Event()
    ours, theirs = socket.socketpair()

    async def main() -> None:
        NonblockingStream(SocketStream(ours)).write(b"")
        monkeypatch.setattr(nonblocking, "await_only", cancelled)
        with pytest.raises(asyncio.CancelledError):
            NonblockingBackend(Opening()).connect_tcp("127.0.0.1", 1)
        go.set()
        assert await asyncio.to_thread(theirs.recv, 1) == b""

    with ours, theirs:
        theirs.settimeout(60)
        looped(main)


def conversing(
    serve: Callable[[socket.socket], None], work: Callable[[httpcore.NetworkStream], T]
) -> T:
    """What `work` returns for a stream whose other end `serve` has, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        port = listener.getsockname()[1]

        def accept() -> None:
            peer, _ = listener.accept()
            with peer:
                serve(peer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()

        def connected() -> T:
            stream = NonblockingBackend(httpcore.SyncBackend()).connect_tcp("127.0.0.1", port)
            try:
                return work(stream)
            finally:
                stream.close()

        try:
            return looped(lambda: greenlet_spawn(connected))
        finally:
            thread.join(60)
            assert not thread.is_alive()


def until(done: threading.Event) -> Callable[[socket.socket], None]:
    """The other end of somebody who only wants to be let alone."""

    def serve(_: socket.socket) -> None:
        assert done.wait(60)

    return serve


def read_all(stream: httpcore.NetworkStream) -> bytes:
    return b"".join(iter(partial(stream.read, 65_536, 60), b""))


def test_a_peer_that_floods_is_paused_and_nothing_is_lost() -> None:
    flood = random.Random(7).randbytes(12_000_000)
    sent = 0

    def serve(peer: socket.socket) -> None:
        nonlocal sent
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        while sent < len(flood):
            sent += peer.send(flood[sent : sent + 65_536])

    def work(stream: httpcore.NetworkStream) -> bytes:
        first = stream.read(65_536, 5)
        sleep(0.5)  # nobody reads meanwhile
        assert sent < 10_000_000, "all of it was taken in"
        return first + read_all(stream)

    assert conversing(serve, work) == flood


def test_what_was_written_before_an_end_can_be_read_after_it() -> None:
    def work(stream: httpcore.NetworkStream) -> list[object]:
        stream.write(b"hello", 5)
        stream.write(b"", 5)
        sleep(0.05)
        return [stream.read(65_536, 5), stream.read(65_536, 5), stream.read(65_536, 5)]

    def serve(peer: socket.socket) -> None:
        peer.sendall(peer.recv(5) + b" yourself")

    assert conversing(serve, work) == [b"hello yourself", b"", b""]


def test_a_reset_is_a_fault_of_reading_each_time() -> None:
    def work(stream: httpcore.NetworkStream) -> list[str]:
        stream.write(b"hello", 5)
        said = []
        for _ in range(2):
            with pytest.raises(httpcore.ReadError) as caught:
                stream.read(65_536, 5)
            said.append(str(caught.value))
        assert stream.get_extra_info("is_readable")
        return said

    def serve(peer: socket.socket) -> None:
        peer.recv(5)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert conversing(serve, work) == ["[Errno 104] Connection reset by peer"] * 2


def test_writing_to_a_peer_that_has_gone_is_a_fault_of_writing() -> None:
    def work(stream: httpcore.NetworkStream) -> None:
        def write_on() -> None:
            while True:
                stream.write(b"x" * 1000, 60)
                sleep(0.01)

        with pytest.raises(httpcore.WriteError):
            write_on()

    conversing(lambda _: None, work)


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    done = threading.Event()

    def work(stream: httpcore.NetworkStream) -> None:
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"x" * 20_000_000, 0.05)
        done.set()

    conversing(until(done), work)


def test_it_says_of_itself_what_a_blocking_stream_says() -> None:
    done = threading.Event()

    def work(stream: httpcore.NetworkStream) -> tuple[object, ...]:
        there = stream.get_extra_info("server_addr")[0]
        quiet = stream.get_extra_info("is_readable")
        done.set()
        while not stream.get_extra_info("is_readable"):
            sleep(0.002)
        return there, quiet, stream.get_extra_info("ssl_object")

    assert conversing(until(done), work) == ("127.0.0.1", False, None)


@pytest.mark.parametrize(("first", "second"), [(60, 0.05), (None, 0.05), (9, 0.2)])
def test_each_wait_has_a_time_of_its_own(first: float | None, second: float) -> None:
    done = threading.Event()

    def work(stream: httpcore.NetworkStream) -> float:
        assert stream.read(65_536, first) == b"a"
        begun = time.monotonic()
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(65_536, second)
        done.set()
        return time.monotonic() - begun

    def serve(peer: socket.socket) -> None:
        time.sleep(0.01)
        peer.sendall(b"a")
        done.wait(60)

    assert second * 0.9 <= conversing(serve, work) < 50


def test_no_time_at_all_is_for_ever() -> None:
    is_over = threading.Event()

    def work(stream: httpcore.NetworkStream) -> bytes:
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(65_536, 0.02)
        is_over.set()
        return stream.read(65_536, None)

    def serve(peer: socket.socket) -> None:
        assert is_over.wait(60)
        time.sleep(0.1)
        peer.sendall(b"late")

    assert conversing(serve, work) == b"late"


class FakeLoop:
    """An event loop whose time is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(self, when, call))
        return self.timers[-1]

    def advance(self, now: float) -> None:
        self.now = now
        for timer in [timer for timer in self.timers if timer.at <= now]:
            timer.cancel()
            timer.call()


@dataclass(eq=False)
class FakeTimer:
    loop: FakeLoop
    at: float
    call: Callable[[], None]

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.loop.timers.remove(self)


def test_a_deadline_passes_once_at_the_last_moment_it_was_moved_to() -> None:
    loop = FakeLoop()
    fired: list[float] = []
    deadline = Deadline(cast(Any, loop), lambda: fired.append(loop.now))
    deadline.move(0.4)
    loop.advance(0.1)
    deadline.move(0.5)
    for now in (0.4, 0.5, 0.6, 0.7):
        loop.advance(now)
    deadline.move(5.0)
    deadline.move(0.1)
    loop.advance(1.0)
    deadline.move(0.1)
    deadline.cancel()
    deadline.cancel()
    loop.advance(9.0)
    assert (fired, loop.timers) == ([0.6, 1.0], [])


def test_a_time_that_passes_while_nobody_waits_is_no_fault() -> None:
    go = threading.Event()

    def work(stream: httpcore.NetworkStream) -> list[bytes]:
        first = stream.read(65_536, 60)
        cast(NonblockingStream, stream)._deadline.move(0)
        sleep(0.05)
        go.set()
        return [first, stream.read(65_536, 60)]

    def serve(peer: socket.socket) -> None:
        peer.sendall(b"a")
        assert go.wait(60)
        peer.sendall(b"b")

    assert conversing(serve, work) == [b"a", b"b"]


def test_peers_that_never_answer_hold_up_nobody_else(seen: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"

        def leave() -> None:
            """Go away in the middle of each handshake, so that no thread outlives the test."""
            silent.settimeout(5)  # where the tests are slow, some were cancelled before they came
            with suppress(TimeoutError):
                for _ in tasks:
                    with silent.accept()[0] as peer:
                        peer.settimeout(60)
                        peer.recv(1)

        async def main() -> None:
            with Transport(Timeouts(connect=100), wrap_backend=NonblockingBackend) as transport:
                tasks.extend(
                    asyncio.create_task(greenlet_spawn(lambda: list(transport.stream(to(url)))))
                    for _ in range(40)
                )
                await asyncio.sleep(0.1)
                await asyncio.to_thread(time.monotonic)  # what waits for a disk
                assert not [task for task in tasks if task.done()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(leave)

        tasks: list[asyncio.Task[list[Payload]]] = []
        looped(main)
