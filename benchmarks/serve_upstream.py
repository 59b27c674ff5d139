"""Both vendors on one port of 127.0.0.1, with every stream paced: the load test's upstream.

    python benchmarks/serve_upstream.py STREAMS RATE SECONDS REASONING MIXED

Prints its port, serves until it is told to end (SIGTERM), then prints as JSON how late it was
itself. Time goes in ticks; a stream owns one tick of each period, by its number, so that the
streams do not send in step. `/chat/completions` is the reasoner's, `/v1/messages` the answerer's,
`/v1/chat/completions` both stages in one, for a run without a proxy.
"""

from __future__ import annotations

import gc
import json
import re
import resource
import select
import signal
import socket
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from serve_wire import (
    ASKED,
    Load,
    Part,
    Script,
    answerer,
    answering_results,
    both,
    calling,
    reasoner,
    spread,
)

TICK = 1_000_000  # about so many nanoseconds; a period is cut into whole ticks
IN, OUT = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
NOTHING = Part(b"", 0, 0)
SCRIPTS: dict[bytes, Callable[[Load, int], Script]] = {
    b"/chat/completions": reasoner,
    b"/v1/messages": answerer,
    b"/v1/chat/completions": both,
}


@dataclass(slots=True, eq=False)
class Connection:
    """A caller's connection and the reply that is running on it."""

    sock: socket.socket
    received: bytes = b""
    unsent: bytes = b""
    slot: int = -1  # of the wheel; -1 while no reply runs
    part: Part = NOTHING
    parts: tuple[Part, ...] = ()  # after that one
    number: int = 0  # of the next token
    closing: bytes = b""


class Upstream:
    """The listener, its connections, and the wheel of ticks on which their replies turn."""

    def __init__(self, load: Load) -> None:
        self.load = load
        period = round(1e9 / load.rate)
        self.slots = max(1, period // TICK)
        self.tick = period // self.slots
        self.wheel: list[list[Connection]] = [[] for _ in range(self.slots)]
        self.running = 0
        self.connections: dict[int, Connection] = {}
        self.late = array("q")
        self.needless = 0
        self.reasoned = 0  # requests for reasoning
        self.stopped = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)

    def serve(self) -> None:
        """Until stopped: see to the callers, send what is due, sleep to the next tick."""
        due = time.monotonic_ns()
        while not self.stopped:
            for fd, event in self.epoll.poll(0 if self.running else 0.02):
                self.ready(fd, event)
            now = time.monotonic_ns()
            if not self.running:
                due = now
            while due <= now:
                self.turn(due)
                due += self.tick
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)

    def turn(self, due: int) -> None:
        """Send the token of every stream whose tick this is."""
        slot = self.wheel[due // self.tick % self.slots]
        for connection in slot[:]:
            now = time.monotonic_ns()
            self.late.append(now - due)
            self.send(connection, connection.part.chunk % (connection.number, now))
            connection.number += 1
            if connection.number == connection.part.end:
                self.next_part(connection)

    def next_part(self, connection: Connection) -> None:
        """Go on to the tokens of the next kind, or end the reply."""
        if connection.slot < 0:
            return  # it went while its last token was being sent
        if connection.parts:
            connection.part, *rest = connection.parts
            connection.parts = tuple(rest)
            connection.number = connection.part.first
            return
        self.leave(connection)
        self.send(connection, connection.closing)

    def leave(self, connection: Connection) -> None:
        if connection.slot >= 0:
            self.wheel[connection.slot].remove(connection)
            self.running -= 1
            connection.slot = -1
            if b'" r' in connection.part.chunk:
                self.needless += connection.number - connection.part.first

    def send(self, connection: Connection, data: bytes) -> None:
        """Send what the peer takes; the rest waits until it takes more."""
        waited = bool(connection.unsent)
        data = connection.unsent + data
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(connection)
            return
        connection.unsent = data[sent:]
        if bool(connection.unsent) != waited:
            self.epoll.modify(connection.sock, IN if waited else IN | OUT)

    def close(self, connection: Connection) -> None:
        self.leave(connection)
        if self.connections.pop(connection.sock.fileno(), None):
            self.epoll.unregister(connection.sock)
            connection.sock.close()

    def ready(self, fd: int, event: int) -> None:
        if fd == self.listener.fileno():
            self.accept()
            return
        if not (connection := self.connections.get(fd)):
            return  # closed by an earlier event of the same poll
        if event & OUT:
            self.send(connection, b"")
        if event & ~OUT:
            self.read(connection)

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[sock.fileno()] = Connection(sock)
            self.epoll.register(sock, IN)

    def read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(connection)
            return
        connection.received += data
        head, blank, body = connection.received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if blank and len(body) >= size:
            connection.received = body[size:]
            self.answer(connection, head.split(b" ", 2)[1], body[:size])

    def answer(self, connection: Connection, path: bytes, body: bytes) -> None:
        """Open the reply at once and give its tokens a place on the wheel."""
        script_of, stream = SCRIPTS.get(path), ASKED.search(body)
        if not script_of or not stream:
            self.send(connection, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        if path == b"/v1/messages" and b'"tools"' in body:
            script_of = answering_results if b'"tool_result"' in body else calling
        self.reasoned += script_of is reasoner
        number = int(stream[1])
        script = script_of(self.load, number)
        connection.parts, connection.closing = script.parts, script.closing
        connection.part = NOTHING
        connection.slot = self.place(number, at_once=path == b"/v1/messages")
        self.wheel[connection.slot].append(connection)
        self.running += 1
        self.next_part(connection)
        self.send(connection, script.opening)

    def place(self, number: int, *, at_once: bool) -> int:
        """The tick for a new stream: its own, or the next but one for an answer that is due."""
        now = time.monotonic_ns() // self.tick
        step = 2 if at_once else 1 + int(number * 0.6180339887 * self.slots)
        return (now + step) % self.slots

    def report(self) -> dict[str, object]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "late": spread(self.late),
            "needless": self.needless,
            "reasoned": self.reasoned,
            "cpu": usage.ru_utime + usage.ru_stime,
        }


def main() -> None:
    upstream = Upstream(Load.of(sys.argv[1:]))

    def stop(*_: object) -> None:
        upstream.stopped = True

    signal.signal(signal.SIGTERM, stop)
    gc.disable()
    print(upstream.listener.getsockname()[1], flush=True)
    upstream.serve()
    print(json.dumps(upstream.report()), flush=True)


if __name__ == "__main__":
    main()
