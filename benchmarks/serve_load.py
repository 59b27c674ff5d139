"""Many streaming clients in one cheap process: the load test's generator.

    python benchmarks/serve_load.py STREAMS RATE SECONDS REASONING MIXED < plan.json

The plan says where to ask: `{"port", "path", "model", "headers"}`. Prints as JSON how old every
token was when it came, what was lost, and how the streams ended.
"""

from __future__ import annotations

import errno
import gc
import json
import resource
import select
import socket
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict

from serve_wire import TOKEN, Load, question, request, spread, unchunked

RAMP = 5.0  # seconds over which the streams begin; the rest of the time all of them run
PATIENCE = 20.0  # seconds beyond the load's own after which a stream counts as cut
LOOK = {"name": "look", "parameters": {"type": "object"}}
JSON = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
EXTRA: dict[str, dict[str, object]] = {
    "text": {},
    "loop": {"tools": [{"type": "function", "function": LOOK}]},
    "json": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "text", "schema": JSON},
        }
    },
}
"""What the kinds of streams ask for besides."""
READ = 16384  # a larger buffer costs more to make than to fill


class Plan(TypedDict):
    port: int
    path: str
    model: str
    headers: dict[str, str]


def _socket() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@dataclass(slots=True, eq=False)
class Stream:
    """One client: its connection, what it has not read to the end, and what it has seen."""

    number: int
    seen: bytearray  # one byte a token
    sock: socket.socket = field(default_factory=_socket)
    newest: int = -1
    thought: int = 0  # when the last token of the reasoning was sent
    head: bytes = b""
    status: int = 0
    chunked: bool = False
    left: bytes = b""  # of the transfer coding
    text: bytes = b""  # of a line
    tail: bytes = b""  # every line in which no token was, and the last ones
    has_called: bool = False


class Clients:
    """All the streams, and the sums over them."""

    def __init__(self, load: Load, plan: Plan) -> None:
        self.load = load
        self.thoughts, self.tokens = load.thoughts, load.tokens
        self.plan = plan
        self.ages = array("q")
        self.first = array("q")
        self.handoffs = array("q")
        self.wrong: Counter[str] = Counter()  # tokens
        self.broken: Counter[str] = Counter()  # connections
        self.streams: dict[int, Stream] = {}
        self.waiting: dict[int, Stream] = {}
        self.begun = 0
        self.epoll = select.epoll()

    def run(self) -> None:
        """Begin the streams one after the other, read until all have ended or time is up."""
        began = time.monotonic()
        until = began + RAMP + self.load.seconds + PATIENCE
        while self.waiting or self.begun < self.load.streams:
            now = time.monotonic()
            if now > until:
                return
            while self.begun < self.load.streams and now >= began + self.offset(self.begun):
                self.begin(self.begun)
                self.begun += 1
            coming = self.begun < self.load.streams
            wait = began + self.offset(self.begun) - now if coming else 1.0
            for fd, event in self.epoll.poll(max(0.0, min(1.0, wait))):
                self.ready(fd, event)

    def offset(self, number: int) -> float:
        return RAMP * number / self.load.streams

    def begin(self, number: int) -> None:
        stream = self.streams[number] = Stream(number, bytearray(self.tokens))
        self.connect(stream)

    def connect(self, stream: Stream) -> None:
        self.waiting[stream.sock.fileno()] = stream
        code = stream.sock.connect_ex(("127.0.0.1", self.plan["port"]))
        if code not in (0, errno.EINPROGRESS):
            self.end(stream, errno.errorcode[code])
            return
        self.epoll.register(stream.sock, select.EPOLLOUT)

    def ready(self, fd: int, event: int) -> None:
        stream = self.waiting[fd]
        try:
            if event & select.EPOLLOUT:
                self.ask(stream)
            else:
                self.read(stream)
        except (OSError, ValueError) as error:
            self.end(stream, f"{type(error).__name__} {error}"[:200])

    def ask(self, stream: Stream) -> None:
        messages: list[dict[str, object]] = [{"role": "user", "content": question(stream.number)}]
        body = {"model": self.plan["model"], "stream": True, "messages": messages}
        body |= EXTRA[self.load.kind(stream.number)]
        if stream.has_called:
            call = {"name": "look", "arguments": "{}"}
            calls = [{"id": f"toolu_{stream.number}", "type": "function", "function": call}]
            result = {"role": "tool", "tool_call_id": f"toolu_{stream.number}", "content": "so"}
            messages += [{"role": "assistant", "content": None, "tool_calls": calls}, result]
        data = request(self.plan["path"], json.dumps(body).encode(), self.plan["headers"])
        stream.sock.sendall(data)  # a few hundred bytes: they fit at once, or it is an error
        self.epoll.modify(stream.sock, select.EPOLLIN)

    def end(self, stream: Stream, broken: str = "") -> None:
        del self.waiting[stream.sock.fileno()]
        stream.sock.close()
        if broken:
            self.broken[broken] += 1

    def read(self, stream: Stream) -> None:
        data = stream.sock.recv(READ)
        now = time.monotonic_ns()
        ended = not data
        if not stream.status:
            data = self.read_head(stream, data)
        if stream.chunked and data:
            data, stream.left, ended = unchunked(stream.left + data)
        self.take(stream, data, now)
        if ended and b'"finish_reason":"tool_calls"' in _tight(stream.tail) + _tight(stream.text):
            self.go_on(stream)
        elif ended:
            self.end(stream)

    def go_on(self, stream: Stream) -> None:
        """Send what the call has brought, on a connection of its own."""
        self.end(stream)
        stream.has_called, stream.sock = True, _socket()
        stream.head, stream.status, stream.chunked = b"", 0, False
        stream.left = stream.text = stream.tail = b""
        self.connect(stream)

    def read_head(self, stream: Stream, data: bytes) -> bytes:
        """Read the reply's head; what came of the body."""
        stream.head += data
        head, blank, body = stream.head.partition(b"\r\n\r\n")
        if not blank:
            return b""
        stream.status = int(head[9:12])
        stream.chunked = b"\r\ntransfer-encoding: chunked" in head.lower()
        return body

    def take(self, stream: Stream, data: bytes, now: int) -> None:
        """Find the tokens in whole lines; half a line waits for the rest of it."""
        text = stream.text + data
        end = text.rfind(b"\n") + 1
        stream.text = text[end:]
        tokens = TOKEN.findall(text, 0, end)
        for number, token, sent in tokens:
            self.note(stream, int(number), int(token), int(sent), now)
        if not tokens or stream.newest == self.tokens - 1:
            stream.tail += text[:end]

    def note(self, stream: Stream, number: int, token: int, sent: int, now: int) -> None:
        if number != stream.number or token >= self.tokens:
            self.wrong["token of another stream"] += 1
            return
        if stream.seen[token]:
            self.wrong["token twice"] += 1
            return
        if token < stream.newest:
            self.wrong["token out of order"] += 1
        stream.seen[token] = 1
        stream.newest = token
        self.ages.append(now - sent)
        if not token:
            self.first.append(now - sent)
        if token == self.thoughts - 1:
            stream.thought = sent
        elif token == self.thoughts and stream.thought:
            self.handoffs.append(sent - stream.thought)

    def report(self) -> dict[str, object]:
        streams = self.streams.values()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        refused = Counter(stream.status for stream in streams if stream.status != 200)
        done = [stream for stream in streams if b"data: [DONE]" in stream.tail]
        whole = [stream for stream in done if b'"finish_reason":"' in _tight(stream.tail)]
        return {
            "age": spread(self.ages),
            "first": spread(self.first),
            "handoff": spread(self.handoffs),
            "tokens": len(self.ages),
            "lost": self.tokens * self.load.streams - len(self.ages),
            "lossy": sum(1 for stream in streams if 0 in stream.seen),
            "cut": self.load.streams - len(done),
            "unfinished": len(done) - len(whole),
            "refused": {str(status): count for status, count in refused.items()},
            "wrong": dict(self.wrong),
            "broken": dict(self.broken),
            "complaint": next(filter(None, map(_complaint, streams)), ""),
            "cpu": usage.ru_utime + usage.ru_stime,
        }


def _tight(text: bytes) -> bytes:
    return text.replace(b'": "', b'":"')


def _complaint(stream: Stream) -> str:
    """What the server said went wrong, or nothing."""
    said = stream.tail + stream.text
    refused = stream.status not in (0, 200) or b'"error"' in said
    return said.decode(errors="replace").strip()[-300:] if refused else ""


def main() -> None:
    plan: Plan = json.load(sys.stdin)
    clients = Clients(Load.of(sys.argv[1:]), plan)
    gc.disable()
    clients.run()
    print(json.dumps(clients.report()))


if __name__ == "__main__":
    main()
