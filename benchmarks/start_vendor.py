"""Both vendors, each on a port of 127.0.0.1, for `start.py`: as fast as they can, and with a clock.

    python benchmarks/start_vendor.py THOUGHTS WORDS SETUP PAUSE [CERTIFICATE]

Each connection waits SETUP seconds before its handshake, as a real network does; the reasoner
thinks for PAUSE seconds beyond its tokens. With a CERTIFICATE (key and chain in one PEM file) both
speak TLS. Prints the ports. Each line on stdin ends
one run: what was seen since the line before is printed as JSON, moments by the machine's monotonic
clock, which all processes share.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from typing import Any

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(*payloads: dict[str, Any], event: bool = False) -> bytes:
    """The payloads as events in one chunk of the body."""
    lines = [
        (f"event: {each['type']}\n" if event else "") + f"data: {json.dumps(each)}\n\n"
        for each in payloads
    ]
    data = "".join(lines).encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def reasoner_chunk(content: str | None, reasoning: str | None) -> dict[str, Any]:
    """A chunk with all that DeepSeek puts around a token: about 300 bytes."""
    delta = {"content": content, "reasoning_content": reasoning}
    return {
        "id": "0b4f2f5e-6a5c-4b0e-9d4a-3a1f8b7c9d2e",
        "object": "chat.completion.chunk",
        "created": 1780000000,
        "model": "deepseek-flash",
        "system_fingerprint": "fp_0a1b2c3d4e_prod0820_fp8_kvcache",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
    }


def word(text: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


MESSAGE = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [],
        "usage": {"input_tokens": 10, "output_tokens": 1},
    },
}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
ENDING = (
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 10},
    },
    {"type": "message_stop"},
)


class Vendor:
    """A listener with a thread for each connection, and the moments of the run."""

    def __init__(
        self, thoughts: int, words: int, setup: float, pause: float, tls: ssl.SSLContext | None
    ) -> None:
        self.thoughts, self.words, self.tls = thoughts, words, tls
        self.setup, self.pause = setup, pause
        self.moments: dict[str, float] = {}
        self.ports = [self.listen(), self.listen()]

    def listen(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        threading.Thread(target=self.accept, args=[listener], daemon=True).start()
        return int(listener.getsockname()[1])

    def accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self.serve, args=[sock], daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(self.setup)
        with suppress(OSError):
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            while request := self.request(sock):
                self.reply(sock, request)
        sock.close()

    def request(self, sock: socket.socket) -> bytes:
        """The next request's path, once it is here whole; empty at the end of the connection."""
        received = sock.recv(65536)
        first = time.monotonic()
        while received:
            head, blank, body = received.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            if blank and len(body) >= int(length[1] if length else 0):
                path = head.split(b" ", 2)[1]
                name = "answer" if path == b"/v1/messages" else "reason"
                self.moments.setdefault(f"{name}_first_byte", first)
                self.moments.setdefault(f"{name}_request", time.monotonic())
                return path
            received += sock.recv(65536)
        return b""

    def reply(self, sock: socket.socket, path: bytes) -> None:
        sock.sendall(HEAD)
        if path == b"/v1/messages":
            sock.sendall(chunk(MESSAGE, BLOCK, event=True))
            for number in range(self.words):
                sock.sendall(chunk(word(f"word{number} "), event=True))
            self.moments["last_word"] = time.monotonic()
            sock.sendall(chunk(*ENDING, event=True) + END)
            return
        for number in range(self.thoughts):
            sock.sendall(chunk(reasoner_chunk(None, f"so{number} ")))
        time.sleep(self.pause)
        self.moments["first_own_answer"] = time.monotonic()
        with suppress(OSError):  # the reasoner is stopped here
            while sock.sendall(chunk(reasoner_chunk("x", None))) is None:
                time.sleep(0.002)


def main() -> None:
    thoughts, words, setup, pause, *certificate = sys.argv[1:]
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate[0])
    vendor = Vendor(int(thoughts), int(words), float(setup), float(pause), tls)
    print(*vendor.ports, flush=True)
    for _ in sys.stdin:
        seen, vendor.moments = vendor.moments, {}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
