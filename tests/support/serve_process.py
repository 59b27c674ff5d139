"""`deepreasoning serve` in a process of its own, official clients for it, and what it leaves."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx2
import openai
import pytest

from deepreasoning_cli.history.store import Store
from deepreasoning_cli.views.json import turn_object
from support.loopback import Loopback
from support.replies import (
    Cut,
    Gate,
    Reply,
    claude_stream,
    error_reply_anthropic,
    reasoner_stream,
)
from support.runner import PROGRAM, CompletedRun, environment, homes
from support.sample_turns import no_warning
from support.vendors import HEEDING_SIGNALS, OWN_ANSWER, TEXTS, THOUGHTS, Vendors

PATIENCE: Final = 30.0  # seconds for what takes one on a machine that does nothing else
PROMPTLY: Final = 20.0  # seconds in which a vendor's connection is closed: its silence lasts 30
SERVE: Final = (*PROGRAM, "serve", "--port", "0")
SERVING: Final = r"serving on (http://\S+)"
ASKED: Final[Any] = [{"role": "user", "content": "6 x 7?"}]
ID_HEADERS: Final = ("request-id", "x-request-id")
MODEL: Final = "deepreasoning"
SOON: Final = {"retry-after-ms": "10"}
FAILURES: Final[Mapping[str, Reply]] = {
    "overloaded": error_reply_anthropic(529, "overloaded_error", "Overloaded", headers=SOON),
    "broken": error_reply_anthropic(500, "api_error", "Internal server error", headers=SOON),
    "limited": error_reply_anthropic(429, "rate_limit_error", "Slow down", headers=SOON),
    "rejected": error_reply_anthropic(401, "authentication_error", "invalid x-api-key"),
    "cut": claude_stream(TEXTS).failing(4, Cut()),
}
"""How Claude can fail; each would ask again soon."""
CALLERS: Final = itertools.count()
"""Numbers callers: what failed for one of them is not kept for the next."""


@contextmanager
def vendors_at(home: Path) -> Iterator[Vendors]:
    """Vendors and keys for the program with that home."""
    home.mkdir(exist_ok=True)
    with Loopback() as reasoner, Loopback() as claude, Loopback() as novita:
        yield Vendors(reasoner, claude, novita, home)


def eventually(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until it is true; fails if that does not come."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.01)


def gated(reply: Reply, after: int, gate: threading.Event) -> Reply:
    """The reply, which stops after so many pieces until the gate is set."""
    return reply.failing(after, Gate(gate), *reply.body[after:])


def thinking(after: int, gate: threading.Event, thoughts: Sequence[str] = THOUGHTS) -> Reply:
    """A reasoner that stops after so many thoughts until the gate is set."""
    return gated(reasoner_stream(thoughts, OWN_ANSWER), after + 1, gate)


def answering(after: int, gate: threading.Event, texts: Sequence[str] = TEXTS) -> Reply:
    """A Claude that stops after so many texts until the gate is set."""
    return gated(claude_stream(texts), after + 3, gate)


class Tap(httpx2.HTTPTransport):
    """Keeps every byte of the responses, and the ids in their headers."""

    def __init__(self, response_bytes: list[bytes], ids: list[str]) -> None:
        super().__init__()
        self._response_bytes = response_bytes
        self._ids = ids

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        self._response_bytes.append(b"\n".join(b": ".join(pair) for pair in response.headers.raw))
        self._ids.extend(filter(None, map(response.headers.get, ID_HEADERS)))
        assert isinstance(response.stream, httpx2.SyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=Tapped(response.stream, self._response_bytes),
            extensions=response.extensions,
        )


class Tapped(httpx2.SyncByteStream):
    """A response's body that is kept while it is read."""

    def __init__(self, stream: httpx2.SyncByteStream, response_bytes: list[bytes]) -> None:
        self._stream = stream
        self._response_bytes = response_bytes

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._response_bytes.append(piece)
            yield piece

    def close(self) -> None:
        self._stream.close()


@dataclass(slots=True)
class Server:
    """A server that runs, between vendors on this machine."""

    vendors: Vendors
    process: subprocess.Popen[bytes]
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    response_bytes: list[bytes] = field(default_factory=list)
    """All that its clients were sent."""
    ids: list[str] = field(default_factory=list)
    """The ids of all requests, in the order of the responses' beginnings."""
    outcome: CompletedRun | None = None
    _lines: list[bytes] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)
    _stdout: list[bytes] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)

    def read(self) -> None:
        """Begin to read what it says."""
        for work in (self._read_stderr, self._read_stdout):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._readers.append(thread)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        self._stdout.append(self.process.stdout.read())

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return b"".join(self._lines).decode()

    def said(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """The lines that match, as soon as there are so many."""

        def found() -> list[re.Match[str]]:
            lines = (line.decode().rstrip("\n") for line in self._lines)
            return [match for line in lines if (match := re.search(pattern, line))]

        with self._changed:
            came = self._changed.wait_for(lambda: len(found()) >= count, PATIENCE)
            assert came, f"not {count} of {pattern!r}: {self.stderr}"
            return found()

    def client(self) -> httpx2.Client:
        """A plain client."""
        tap = Tap(self.response_bytes, self.ids)
        client = httpx2.Client(base_url=self.url, transport=tap, timeout=PATIENCE)
        return self._open.enter_context(client)

    def openai(self, key: str | None = None, **headers: str) -> openai.OpenAI:
        """OpenAI's client, of another caller each time; it does not ask again."""
        return openai.OpenAI(
            api_key=key or f"sk-callers-{next(CALLERS)}",
            base_url=f"{self.url}/v1",
            http_client=self.client(),
            max_retries=0,
            default_headers=headers,
        )

    def anthropic(self, key: str | None = None, **headers: str) -> anthropic.Anthropic:
        """The same of Anthropic's."""
        return anthropic.Anthropic(
            api_key=key or f"sk-ant-callers-{next(CALLERS)}",
            base_url=self.url,
            http_client=self.client(),
            max_retries=0,
            default_headers=headers,
        )

    def streams(self) -> int:
        """How many turns run now, as /health says."""
        with httpx2.Client(base_url=self.url, timeout=PATIENCE) as client:
            found: int = client.get("/health").json()["streams"]
        return found

    def run(self, *args: str) -> CompletedRun:
        """Run the program beside the server, for the same user."""
        return self.vendors.run(*args, env=self.env)

    def history(self) -> list[dict[str, Any]]:
        """What is kept, newest first."""
        listed = self.run("history", "list", "--json")
        assert listed.code == 0, listed.stderr
        rows: list[dict[str, Any]] = json.loads(listed.stdout)
        return rows

    def kept(self, turn: str) -> dict[str, Any]:
        """What is kept of one turn, as `history show --json` has it, as soon as it is there."""
        folder = self.vendors.home / ".local/share/deepreasoning"
        with Store.open(folder, no_warning) as store:
            eventually(lambda: any(row.id == turn for row in store.listing()))
            return turn_object(store.turn(turn))

    def forget(self) -> None:
        """Begin anew with the vendors."""
        for vendor in (self.vendors.reasoner, self.vendors.claude, self.vendors.novita):
            vendor.forget()

    def workers(self) -> dict[int, int]:
        """The workers by their process ids, and how many turns each runs."""
        with httpx2.Client(base_url=self.url, timeout=PATIENCE) as client:
            text = client.get("/metrics").text
        lines = re.findall(
            r'^deepreasoning_streams\{worker="(\d+)"\} (\d+)\.0$', text, re.MULTILINE
        )
        return {int(worker): int(count) for worker, count in lines}

    def tell(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send it, to all its processes as a terminal would or to the first alone."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> CompletedRun:
        """Send the signal and wait for the end."""
        self.tell(number, group=group)
        return self.end()

    def end(self) -> CompletedRun:
        """Wait for its end; fails where a key, a traceback or a bug shows in what it left."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        self._open.close()
        self.outcome = CompletedRun(code, b"".join(self._stdout), b"".join(self._lines))
        self.vendors.look_for_keys(b"".join(self.response_bytes), "a response")
        assert b"unexpected" not in self.outcome.stderr, self.stderr
        return self.vendors.check_for_keys(self.outcome)

    def abandon(self) -> None:
        """End all its processes, whatever they do."""
        with self._open, suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)


@contextmanager
def started(
    vendors: Vendors,
    *args: str,
    env: Mapping[str, str] | None = None,
    program: Sequence[str] = SERVE,
) -> Iterator[Server]:
    """The program, of which it is not known whether it serves."""
    own = homes(vendors.home)
    process = subprocess.Popen(
        [*HEEDING_SIGNALS, *program, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**vendors.environment, **own, **(env or {})}),
        start_new_session=True,
    )
    server = Server(vendors, process, env=own)
    with process:
        server.read()
        try:
            yield server
            if server.outcome is None:
                assert server.stop().code == 128 + signal.SIGTERM, server.stderr
        finally:
            server.abandon()


@contextmanager
def serving(vendors: Vendors, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that answers; one that the test has not stopped is stopped."""
    with started(vendors, *args, env=env) as server:
        (line,) = server.said(f"^{SERVING}$")
        server.url = line[1]
        yield server


@contextmanager
def serving_at(home: Path, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The same, for the tests of a module to share."""
    with vendors_at(home) as vendors, serving(vendors, *args, env=env) as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a module that import it."""
    with serving_at(tmp_path_factory.mktemp("house")) as server:
        yield server


def refused(vendors: Vendors, *args: str, env: Mapping[str, str] | None = None) -> CompletedRun:
    """How the program ends that does not begin to serve."""
    everything = {**homes(vendors.home), **(env or {})}
    return vendors.run("serve", "--port", "0", *args, env=everything)


def is_closed(server: Server) -> bool:
    """Whether it takes no new connection."""
    try:
        httpx2.get(f"{server.url}/health", timeout=0.5)
    except httpx2.ConnectError:
        return True
    except httpx2.TransportError:  # taken up by the system, or cut while it closed
        return False
    return False


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin the work; the function returned waits for what it returns or raises."""
    outcome: list[Callable[[], Any]] = []

    def run() -> None:
        try:
            outcome.append(partial(_same, work()))
        except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
            outcome.append(partial(_raise, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(PATIENCE)
        assert outcome, f"not done within {PATIENCE} seconds"
        return outcome[0]()

    return result


def _same(value: Any) -> Any:
    return value


def _raise(error: BaseException) -> None:
    raise error
