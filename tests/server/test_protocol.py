"""Connections as floods and slow callers open them, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from deepreasoning_cli.server import protocol as connections
from deepreasoning_cli.server.asgi import json_response
from deepreasoning_cli.server.protocol import MAX_HEAD_BYTES, BoundedProtocol

HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dialog = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


class Impatient(BoundedProtocol):
    _head_within = 0.05
    _write_within = 0.05


async def length(request_scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the bytes of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await json_response({"size": size})(request_scope, receive, send)


def talking(
    talk: Dialog, protocol: type[BoundedProtocol] = BoundedProtocol, app: ASGIApp = length
) -> bytes:
    """What a caller hears."""

    async def served() -> bytes:
        config = uvicorn.Config(app, lifespan="off", log_config=None, http=protocol)
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: protocol(config, state, {}), "127.0.0.1", 0
        )
        async with server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            try:
                async with asyncio.timeout(20):
                    return await talk(reader, writer)
            finally:
                writer.close()

    return asyncio.run(served())


async def all_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"


@pytest.mark.parametrize("line", [b"x: " + b"a" * 50_000 + b"\r\n", b"a" * 50_000])
def test_headers_without_end_are_cut_off(line: bytes) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        nonlocal sent
        writer.write(HEAD + (b"" if line.startswith(b"x") else b"x: "))
        try:
            for _ in range(1_000):
                writer.write(line)
                await writer.drain()
                sent += len(line)
                await asyncio.sleep(0)
        except ConnectionError:
            return b"reset"
        return await all_of(reader)

    response = talking(flood)
    assert response == b"reset" or response.startswith(b"HTTP/1.1 431 ")
    assert sent < 20 * MAX_HEAD_BYTES


def test_headers_just_above_the_limit_are_told_so() -> None:
    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"x: " + b"a" * MAX_HEAD_BYTES)
        return await all_of(reader)

    assert talking(much).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD])
def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await all_of(reader)

    assert talking(idle, Impatient) == b""


def test_the_head_of_a_later_request_is_not_waited_for() -> None:
    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"\r\n")
        first = await reader.readuntil(b"}")
        writer.write(HEAD)
        return first[:15] + await all_of(reader)

    assert talking(second, Impatient) == b"HTTP/1.1 200 OK"


def test_a_body_is_neither_counted_nor_hurried() -> None:
    size = 4 * MAX_HEAD_BYTES

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        head = HEAD.replace(b"GET", b"POST") + f"content-length: {size}\r\n\r\n".encode()
        writer.write(head + b"a" * (size - 1))
        await asyncio.sleep(0.15)
        writer.write(b"b")
        return await reader.readuntil(b"}")

    assert talking(slow, Impatient).endswith(f'{{"size": {size}}}'.encode())


def test_requests_one_after_the_other_are_each_counted_anew() -> None:
    one = HEAD + b"x: " + b"a" * 60_000 + b"\r\n\r\n"

    async def many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for _ in range(5):
            writer.write(one)
            response = await reader.readuntil(b"}")
        return response

    assert talking(many).startswith(b"HTTP/1.1 200 OK")


async def endless(request_scope: Scope, receive: Receive, send: Send) -> None:
    """Sends until its caller is gone."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.create_task(receive_disconnect(receive))
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})


async def receive_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def test_a_caller_who_reads_nothing_is_let_go() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not writer.transport.is_closing():
            await asyncio.sleep(0.02)
            with suppress(OSError):
                writer.write(b"\r\n")
        return b"gone"

    assert talking(talk, Impatient, endless) == b"gone"


def test_a_caller_who_reads_gets_all_of_it() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"\r\n")
        for _ in range(200):
            await reader.readexactly(65_536)
        return b"read"

    class Patient(BoundedProtocol):
        _write_within = 20

    assert talking(talk, Patient, endless) == b"read"


@pytest.mark.parametrize("sent", [b"HELO\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n"])
def test_what_is_no_http_is_answered_by_a_status_alone(sent: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await all_of(reader)

    heard = talking(talk)
    assert heard == b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def several(
    talk: Callable[[Callable[[], Awaitable[Caller]]], Awaitable[None]],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
    app: ASGIApp = length,
) -> None:
    """Let callers talk to a server that has room for `most` of them."""
    monkeypatch.setattr(connections, "most_connections", lambda: most)

    async def served() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, http=BoundedProtocol)
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0
        )
        writers: list[asyncio.StreamWriter] = []

        async def call() -> Caller:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writers.append(writer)
            return reader, writer

        async with server:
            try:
                async with asyncio.timeout(20):
                    await talk(call)
            finally:
                for writer in writers:
                    writer.close()

    asyncio.run(served())


BODY_BEGUN = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, BODY_BEGUN, HEAD + b"\r\n"])
def test_who_waits_longest_makes_room_for_new_callers(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent, in a head, in a body, and after a reply."""

    async def flood(call: Callable[[], Awaitable[Caller]]) -> None:
        silent = []
        for _ in range(5):
            reader, writer = await call()
            writer.write(sent)
            if sent.endswith(b"\r\n\r\n"):
                await reader.readuntil(b"}")
            silent.append(reader)
        for first in silent[:3]:
            assert await all_of(first) in (b"", b"reset")
        reader, writer = await call()
        writer.write(HEAD + b"\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")

    several(flood, 2, monkeypatch)


def test_a_new_caller_is_turned_away_where_all_others_are_being_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk(call: Callable[[], Awaitable[Caller]]) -> None:
        answered = []
        for _ in range(2):
            reader, writer = await call()
            writer.write(HEAD + b"\r\n")
            await reader.readexactly(65_536)
            answered.append(reader)
        reader, writer = await call()
        writer.write(HEAD + b"\r\n")
        assert await all_of(reader) in (b"", b"reset")
        for reader in answered:
            await reader.readexactly(1_000_000)

    several(talk, 2, monkeypatch, endless)


@dataclass
class Connection:
    """A connection whose bytes and timers a test moves by hand."""

    left: int = 0
    """Bytes that its caller has not taken."""
    timers: list[Callable[[], None]] = field(default_factory=list)
    closed: bool = False
    cut: bool = False

    def protocol(self) -> BoundedProtocol:
        config = uvicorn.Config(length, lifespan="off", log_config=None, http=BoundedProtocol)
        config.load()
        loop = SimpleNamespace(call_later=self.call_later)
        protocol = BoundedProtocol(
            config, ServerState(), {}, cast("asyncio.AbstractEventLoop", loop)
        )
        protocol.transport = cast("asyncio.Transport", self)
        protocol.flow = FlowControl(protocol.transport)
        return protocol

    def call_later(self, _: float, action: Callable[..., None], *args: int) -> SimpleNamespace:
        self.timers.append(lambda: action(*args))
        return SimpleNamespace(cancel=lambda: None)

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.left += len(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.cut = True


@pytest.mark.parametrize(
    ("left", "is_cut"),
    [
        ([3_000_000, 2_900_000, 2_800_000, 20_000], False),
        ([3_000_000, 3_000_000], True),
        ([3_000_000, 2_990_000], True),
        ([90_000, 24_000, 23_000], True),
    ],
)
def test_a_reader_may_be_slow_but_has_to_go_on(left: list[int], is_cut: bool) -> None:
    connection = Connection(left[0])
    connection.protocol().pause_writing()
    for connection.left in left[1:]:
        connection.timers.pop()()
    assert connection.cut is is_cut


@pytest.mark.parametrize(
    "end",
    [
        lambda protocol: protocol.timeout_keep_alive_handler(),
        lambda protocol: protocol.send_400_response(""),
        lambda protocol: protocol.data_received(HEAD + b"x: " + b"a" * MAX_HEAD_BYTES),
    ],
)
def test_a_connection_that_ends_is_not_kept_for_what_nobody_reads(
    end: Callable[[BoundedProtocol], None],
) -> None:
    """What is left may be too little for the server to have stopped writing."""
    connection = Connection(10_000)
    end(connection.protocol())
    assert (connection.closed, connection.cut) == (True, False)
    connection.timers.pop()()
    assert connection.cut
