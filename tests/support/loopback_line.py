"""One accepted connection: reads requests, plays replies, and logs when what happened."""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, TypeVar

from support.replies import Call, Cut, Gate, HalfClose, Pause, Reply, Reset, Stall, Step

T = TypeVar("T")
POLL = 0.002  # seconds between two looks at a gate
PATIENCE = 60.0  # seconds a waiting test gives the server


class Received(NamedTuple):
    """A request; `headers` in lower case, `body` the parsed JSON, `at` when it was all there."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    at: float


class Sent(NamedTuple):
    """A piece of a body, and when the last of it was handed to the network."""

    at: float
    piece: bytes


@dataclass(slots=True)
class Connection:
    """What happened on one connection; times are `time.monotonic()`.

    `bytes_sent` counts what went out, heads and chunk sizes included.
    """

    opened: float
    closed: float | None = None
    closed_by: Literal["peer", "server"] | None = None
    bytes_sent: int = 0
    requests: list[Received] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def wait_closed(self, seconds: float = PATIENCE) -> float:
        """When it was closed; waits for that, and fails if it does not come."""
        assert self._ended.wait(seconds), f"the connection is still open after {seconds} s"
        assert self.closed is not None
        return self.closed

    def end(self, closed_by: Literal["peer", "server"]) -> None:
        self.closed, self.closed_by = time.monotonic(), closed_by
        self._ended.set()


class Left(Exception):  # noqa: N818 - an outcome, not a fault
    """The peer hung up."""


class Over(Exception):  # noqa: N818 - an outcome, not a fault
    """The server's side is done with the connection: script, reset, or end of the test."""


class Line:
    """One accepted socket that never outlasts the test and sees at once when the peer leaves."""

    def __init__(self, sock: socket.socket, stop: socket.socket, log: Connection) -> None:
        self.sock, self.stop, self.log = sock, stop, log
        self.inbound = b""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def greet(self) -> None:
        """Shake hands, where that is the custom."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.persist(self.sock.do_handshake)

    def look(self, seconds: float | None, *, write: bool = False) -> bool:
        """Wait for something to happen; whether it did. Raises Over at the end of the test."""
        writers = [self.sock] if write else []
        ready, writable, _ = select.select([self.sock, self.stop], writers, [], seconds)
        if self.stop in ready:
            raise Over
        return bool(ready or writable)

    def persist(self, operation: Callable[[], T]) -> T:
        """The result of a socket operation, as soon as it goes through."""
        while True:
            try:
                return operation()
            except (ssl.SSLWantReadError, BlockingIOError):
                self.look(None)
            except ssl.SSLWantWriteError:
                self.look(None, write=True)
            except OSError as lost:  # reset, broken pipe, a failed handshake
                raise Left from lost

    def take(self) -> None:
        """Read what is there; raises Left when that is the end."""
        try:
            data = self.sock.recv(65536)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError as lost:
            raise Left from lost
        if not data:
            raise Left
        self.inbound += data

    def rest(self, seconds: float) -> None:
        """Send nothing for so long, unless the peer leaves."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.look(left):
                self.take()

    def send(self, data: bytes) -> None:
        """Hand all of it to the network, unless the peer leaves."""
        while data:
            if self.look(0):
                self.take()
            try:
                count = self.sock.send(data)
            except (ssl.SSLWantWriteError, BlockingIOError):
                self.look(None, write=True)
                continue
            except OSError as lost:
                raise Left from lost
            self.log.bytes_sent += count
            data = data[count:]

    def until(self, mark: bytes) -> bytes:
        """What comes in up to and without the mark."""
        while mark not in self.inbound:
            self.more()
        taken, _, self.inbound = self.inbound.partition(mark)
        return taken

    def exactly(self, count: int) -> bytes:
        while len(self.inbound) < count:
            self.more()
        taken, self.inbound = self.inbound[:count], self.inbound[count:]
        return taken

    def more(self) -> None:
        had = len(self.inbound)
        self.take()  # what TLS has decrypted already does not wake `look`
        while len(self.inbound) == had:
            self.look(None)
            self.take()

    def request(self) -> Received:
        """The next request, body and all."""
        head, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, path, _ = head.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            raw = b"".join(iter(self.chunk, b""))
        else:
            raw = self.exactly(int(headers.get("content-length", "0")))
        return Received(method, path, headers, _parsed(raw), raw, time.monotonic())

    def chunk(self) -> bytes:
        data = self.exactly(int(self.until(b"\r\n").split(b";")[0], 16))
        self.until(b"\r\n")
        return data

    def answer(self, reply: Reply, *, last: bool) -> None:
        """Play the reply; `last` announces that the connection closes after it."""
        for step in reply.before:
            self.play(step)
        if reply.framing != "raw":
            self.send(head_of(reply, last=last))
        for part in reply.body:
            if isinstance(part, bytes):
                self.send(chunk_of(part) if reply.framing == "chunked" else part)
                self.log.sent.append(Sent(time.monotonic(), part))
            else:
                self.play(part)
        if reply.framing == "chunked":
            self.send(b"0\r\n\r\n")

    def play(self, step: Step) -> None:
        match step:
            case Pause(seconds) | Stall(seconds):
                self.rest(seconds)
            case Gate(event):
                while not event.is_set():
                    self.rest(POLL)
            case Cut():
                raise Over
            case HalfClose():
                self.sock.shutdown(socket.SHUT_WR)
                self.rest(PATIENCE)
            case Call(function):
                function()
            case Reset():
                linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                raise Over


def on_the_wire(reply: Reply) -> list[bytes | Step]:
    """What is sent for the reply on a connection that closes after it: the head, then each piece
    as a chunk where the reply is chunked, then what ends it.
    """
    parts: list[bytes | Step] = [*reply.before, head_of(reply, last=True)]
    is_chunked = reply.framing == "chunked"
    for part in reply.body:
        parts.append(chunk_of(part) if is_chunked and isinstance(part, bytes) else part)
    return [*parts, b"0\r\n\r\n"] if is_chunked else parts


def chunk_of(piece: bytes) -> bytes:
    """The piece as a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def head_of(reply: Reply, *, last: bool) -> bytes:
    """Its status line and headers; `last` announces that the connection closes after it."""
    headers = {"content-type": reply.content_type} if reply.content_type else {}
    headers |= {name.lower(): value for name, value in reply.headers.items()}
    if reply.framing == "chunked":
        headers["transfer-encoding"] = "chunked"
    elif reply.framing == "length":
        headers["content-length"] = str(len(reply.whole))
    if last:
        headers["connection"] = "close"
    known = reply.status in HTTPStatus._value2member_map_
    phrase = HTTPStatus(reply.status).phrase if known else "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
