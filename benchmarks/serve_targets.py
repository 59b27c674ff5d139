"""What the load is put on: nothing (the floor), `deepreasoning serve`, or another proxy."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serve_tree import members

READY_WITHIN = 30.0  # seconds
STOPPED_WITHIN = 15.0
KEY = "sk-load-test"


class NotReadyError(Exception):
    """A server that did not begin to answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """How to start a server, how to know it is up, and what to ask it for."""

    name: str
    model: str
    health: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


FLOOR = Target("floor", "none", "")


def ours(port: int, upstream: int, home: Path, workers: int, options: Sequence[str]) -> Target:
    """`deepreasoning serve` with a home of its own under `home`."""
    base = f"http://127.0.0.1:{upstream}"
    command = (sys.executable, "-m", "deepreasoning_cli", "serve", "--port", str(port))
    return Target(
        name="serve",
        model="deepreasoning",
        health="/health",
        command=(*command, "--workers", str(workers), *options),
        environment={
            "DEEPSEEK_API_KEY": KEY,
            "DEEPSEEK_BASE_URL": base,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": base,
            "HOME": str(home),
            "DEEPREASONING_DATA_DIR": str(home / "data"),
            "DEEPREASONING_CONFIG": str(home / "config.toml"),
        },
    )


def command(words: str, port: int, upstream: int, home: Path) -> Target:
    """Any server that is started by `words`; `{port}` and `{upstream}` stand for the ports."""
    ports = {"{port}": str(port), "{upstream}": str(upstream)}
    for name, number in ports.items():
        words = words.replace(name, number)
    like_ours = ours(port, upstream, home, 1, ())
    return Target("serve", "deepreasoning", "/health", shlex.split(words), like_ours.environment)


def deepclaude(folder: Path, port: int, upstream: int, workers: int) -> Target:
    """DeepClaude of ErlichLiu: `app.main:app` in `folder`, set up by its environment."""
    own = next(
        (path for name in (".venv", "venv") if (path := folder / name / "bin/python").exists()),
        Path(sys.executable),
    )
    base = f"http://127.0.0.1:{upstream}"
    asgi = ("-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", str(port))
    return Target(
        name="peer",
        model="deepclaude",
        health="/v1/models",
        command=(str(own), *asgi, "--workers", str(workers)),
        environment={
            "ALLOW_API_KEY": KEY,
            "ALLOW_ORIGINS": "*",
            "DEEPSEEK_API_KEY": KEY,
            "DEEPSEEK_API_URL": f"{base}/chat/completions",
            "DEEPSEEK_MODEL": "deepseek-reasoner",
            "IS_ORIGIN_REASONING": "true",
            "CLAUDE_API_KEY": KEY,
            "CLAUDE_API_URL": f"{base}/v1/messages",
            "CLAUDE_MODEL": "claude-sonnet-4-5-20250929",
            "CLAUDE_PROVIDER": "anthropic",
            "LOG_LEVEL": "INFO",
        },
        headers={"authorization": f"Bearer {KEY}"},
        folder=folder,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def started(target: Target, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server, once it answers; what it writes goes to `log`. Raises NotReadyError."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(log.parent)}
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                target.command,
                env={**environment, **target.environment},
                cwd=target.folder or log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
    except OSError as error:
        raise NotReadyError(str(error)) from error
    try:
        _await(process, target, port, log)
        yield process
    finally:
        _stop(process)


def _await(process: subprocess.Popen[bytes], target: Target, port: int, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and process.poll() is None:
        if _answers(port, target.health):
            return
        time.sleep(0.1)
    said = log.read_text(errors="replace")[-1000:]
    raise NotReadyError(f"{target.name} did not answer at {target.health}:\n{said}")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
