"""More callers than `deepreasoning serve` has open files for, and callers who stay."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from support.replies import claude_stream
from support.serve_process import (
    ASKED,
    MODEL,
    PATIENCE,
    SERVE,
    SERVING,
    Server,
    eventually,
    started,
    thinking,
)
from support.vendors import TEXTS, Vendors

LIMITED: Final = ("/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *SERVE)
CROWD: Final = 90
BODY: Final = json.dumps({"model": MODEL, "stream": True, "messages": ASKED}).encode()
LINES: Final = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
QUESTION: Final = LINES + (
    f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
)
NUMBERS: Final = itertools.count()


@contextmanager
def crowded(vendors: Vendors, *args: str, token: str = "") -> Iterator[Server]:
    """A server that may open 64 files."""
    env = {"DEEPREASONING_KEYS__SERVE": token} if token else {}
    with started(vendors, *args, program=LIMITED, env=env) as server:
        (line,) = server.said(f"^{SERVING}$")
        server.url = line[1]
        yield server


def callers(server: Server, sent: bytes, count: int, stack: ExitStack) -> list[socket.socket]:
    """So many connections, on each of which that is sent."""
    host, port = server.url.removeprefix("http://").split(":")
    opened = []
    for _ in range(count):
        caller = stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
        opened.append(caller)
        try:
            caller.sendall(sent)
        except ConnectionError:
            continue  # there was no room
    return opened


def status_of(caller: socket.socket) -> int:
    """The status of a reply; 0 if the connection was closed instead."""
    try:
        head = caller.recv(12)
    except ConnectionError:
        return 0
    return int(head[9:]) if head else 0


@pytest.mark.parametrize(
    ("sent", "args", "token"),
    [
        (b"", (), ""),
        (b"GET / HT", (), ""),
        (LINES + b"content-type: application/json\r\ncontent-length: 999\r\n\r\n{", (), ""),
        (b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n", (), "tell-no-one-0123"),
        (b"", ("--workers", "2"), ""),
    ],
    ids=["silent", "half a head", "half a body", "kept open, token", "silent, workers"],
)
def test_who_asks_is_answered_beside_a_crowd_that_does_not(
    vendors: Vendors, sent: bytes, args: tuple[str, ...], token: str
) -> None:
    vendors.reply()
    with crowded(vendors, *args, token=token) as server, ExitStack() as stack:
        callers(server, sent, CROWD, stack)
        asked = server.openai(key=token or None).chat.completions.create(
            model=MODEL, messages=ASKED
        )
        assert asked.choices[0].message.content == "".join(TEXTS)
        assert len(server.stderr) < 20_000


def test_turns_that_open_files_do_not_allow_are_to_come_again(vendors: Vendors) -> None:
    gate = threading.Event()
    vendors.reasoner.reply(thinking(1, gate))
    vendors.claude.reply(claude_stream(TEXTS))
    with crowded(vendors) as server, ExitStack() as stack:
        opened = callers(server, QUESTION, 16, stack)
        eventually(lambda: server.streams() == 8)
        gate.set()
        statuses = sorted(status_of(caller) for caller in opened)
        assert statuses == [200] * 8 + [503] * 8
        assert "Too many open files" not in server.stderr
