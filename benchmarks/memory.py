"""What a long chain of thought takes in memory, beside the text itself.

    python benchmarks/memory.py [--size MB …] [--piece CHARACTERS] [--only TEXT]

A vendor on 127.0.0.1 sends so much reasoning, and reads the request for the answer to its end. Each
way of asking runs in a process of its own, once with hardly any reasoning and once with all of it:
what the second peak (`ru_maxrss`, of a server VmHWM) has more, over the text in UTF-8, is the
figure. It ends with 1 where the largest text takes more than twice its size.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMIT = 2.0
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
WORDS = "So the first of the numbers is even, and what follows is that the sum of them is odd.\n\n"
ENDING: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "odd"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)
PEAK = """
import json, os, resource, subprocess, sys
with open(sys.argv[1], "wb") as out:
    code = subprocess.call(sys.argv[2:], stdout=out)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process starts the one that is measured: a child's peak begins with its parent's."""
ON_TERMINAL = """
import fcntl, os, pty, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
try:
    while os.read(fd, 65536):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def event(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


def thought(text: str) -> bytes:
    delta = {"content": None, "reasoning_content": text}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


class Vendor:
    """Both vendors on one port, a thread for each connection."""

    def __init__(self, size: int, piece: int) -> None:
        text = (WORDS * (piece // len(WORDS) + 1))[:piece]
        self.piece, self.count = thought(text), max(size // piece, 1)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=[sock], daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = sock.recv(65536)
                if not received:
                    return
                head += received
            head, _, body = head.partition(b"\r\n\r\n")
            length = LENGTH.search(head + b"\r\n")
            left = int(length[1] if length else 0) - len(body)
            while left > 0:
                left -= len(sock.recv(min(left, 1 << 20)))
            sock.sendall(HEAD)
            if b"/v1/messages" in head.split(b"\r\n", 1)[0]:
                sock.sendall(b"".join(map(event, ENDING)))
                return
            several = max(1, 65536 // len(self.piece))
            for begun in range(0, self.count, several):
                sock.sendall(self.piece * min(several, self.count - begun))
            end = {"content": "odd", "reasoning_content": None}
            sock.sendall(event({"choices": [{"index": 0, "delta": end, "finish_reason": "stop"}]}))
            sock.sendall(b"data: [DONE]\n\n")


def environment(folder: Path, vendor: Vendor) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "DEEPREASONING_DATA_DIR": str(folder / "data"),
        "DEEPREASONING_CONFIG": str(folder / "config.toml"),
        "DEEPSEEK_API_KEY": "sk-deepseek-0123456789",
        "DEEPSEEK_BASE_URL": vendor.url,
        "ANTHROPIC_API_KEY": "sk-ant-0123456789",
        "ANTHROPIC_BASE_URL": vendor.url,
    }


def peak_of(command: list[str], env: dict[str, str], folder: Path) -> int:
    """The peak of the command, in bytes."""
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PEAK, str(folder / "out"), *command],
        env=env,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return peak * 1024


def ask(*options: str, terminal: bool = False) -> Callable[[Path, Vendor], int]:
    def run(folder: Path, vendor: Vendor) -> int:
        command = [sys.executable, "-m", "deepreasoning_cli", "ask", "odd?", *options]
        if terminal:
            command = [sys.executable, "-IS", "-c", ON_TERMINAL, *command]
        return peak_of(command, environment(folder, vendor), folder)

    return run


def serve(*options: str, stream: bool) -> Callable[[Path, Vendor], int]:
    def run(folder: Path, vendor: Vendor) -> int:
        env = environment(folder, vendor)
        command = [sys.executable, "-m", "deepreasoning_cli", "serve", "--port", "0", *options]
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as process:
            assert process.stderr
            try:
                url = ""
                for line in process.stderr:
                    found = re.search(rb"http://[\d.:]+", line)
                    if found:
                        url = found[0].decode()
                        break
                threading.Thread(target=process.stderr.read, daemon=True).start()
                body = {
                    "model": "deepreasoning",
                    "stream": stream,
                    "messages": [{"role": "user", "content": "odd?"}],
                }
                request = urllib.request.Request(
                    f"{url}/v1/chat/completions",
                    json.dumps(body).encode(),
                    {"content-type": "application/json"},
                )
                with urllib.request.urlopen(request, timeout=600) as reply:
                    while reply.read(1 << 20):
                        pass
                time.sleep(1)
                status = Path(f"/proc/{process.pid}/status").read_text()
                return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024
            finally:
                process.terminate()

    return run


WAYS = {
    "ask in a pipe": ask(),
    "ask --no-save": ask("--no-save"),
    "ask --json": ask("--json"),
    "ask --jsonl": ask("--jsonl"),
    "ask on a terminal": ask(terminal=True),
    "serve, streaming": serve(stream=True),
    "serve, whole": serve(stream=False),
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=float, nargs="+", default=[24.0, 100.0])
    parser.add_argument("--piece", type=int, default=1000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    failed = 0
    print("| way | text | peak | above the base, over the text | seconds |")
    print("|---|--:|--:|--:|--:|")
    for name, run in WAYS.items():
        if options.only not in name:
            continue
        base = 0
        for size in [0.0, *options.size]:
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                began = time.monotonic()
                peak = run(Path(folder), Vendor(int(size * 1e6), options.piece))
                seconds = time.monotonic() - began
            if not size:
                base = peak
                continue
            over = (peak - base) / (size * 1e6)
            words = f"{size:g} MB | {peak / 1e6:.0f} MB | {over:.2f} | {seconds:.0f}"
            print(f"| {name} | {words} |", flush=True)
        failed += over > LIMIT
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
