"""The server with scripted models behind it, and a caller that can stay, listen or leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from deepreasoning_cli.greenlets import await_only
from deepreasoning_cli.history.journal import DISK, Disk
from deepreasoning_cli.pipeline.events import Chunk, End, Prompt, Text, Thought
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.server.app import application
from deepreasoning_cli.server.handler import SHUTDOWN_SECONDS
from deepreasoning_cli.server.observe import log_to_stderr
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wiring.plan import PlanBuilder
from support.asgi_calls import Answer, call, pieces, scope

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PATHS = (CHAT, RESPONSES, MESSAGES)
RATES = RateCard(Rates(Decimal(1), Decimal(10)), source="a test")
Step = Chunk | BaseException | asyncio.Event | float


@dataclass
class Scripted:
    """A model that says its steps: it raises errors, and waits for events and seconds."""

    model: str
    steps: Iterable[Step]
    rates: RateCard | None = RATES
    context: int | None = None
    host: str | None = None
    prompts: list[Prompt] = field(default_factory=list)
    begun: int = 0
    closed: int = 0

    def preconnect(self, *, once: bool = False) -> None:
        """There is no connection to open."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        self.prompts.append(prompt)
        self.begun += 1
        when_sent()
        try:
            for step in self.steps:
                match step:
                    case BaseException():
                        raise step
                    case asyncio.Event():
                        await_only(step.wait())
                    case float():
                        await_only(asyncio.sleep(step))
                    case _:
                        yield step
        finally:
            self.closed += 1


def scripted_reasoner(*more: Step) -> Scripted:
    steps = more or (Thought("Six "), Thought("sevens."), Usage(10, 20, 15), End("stop"))
    return Scripted("reasoner-1", steps)


def scripted_answerer(*more: Step) -> Scripted:
    steps = more or (Text("Forty-"), Text("two."), Usage(30, 5), End("end_turn"))
    return Scripted("claude-1", steps)


@dataclass
class LiveServer:
    """The app with all that is behind it."""

    app: ASGIApp
    service: Service
    reasoner: Scripted
    answerer: Scripted

    def ask(self, path: str = CHAT, headers: Any = (), **more: Any) -> Answer:
        """The answer to a question, whole."""
        return call(self.app, post_scope(path, headers), pieces(question(path, **more)))

    def log(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """The access log's only line."""
        [line] = capsys.readouterr().err.splitlines()
        logged: dict[str, Any] = json.loads(line)
        return logged


Serve = Callable[..., LiveServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Makes the server: of a reasoner, an answerer and settings. Its log goes to stderr."""

    def start(
        reasoner: Scripted | None = None,
        answerer: Scripted | None = None,
        *,
        debug: bool = False,
        disk: Disk = DISK,
        shutdown_seconds: float = SHUTDOWN_SECONDS,
        **settings: Any,
    ) -> LiveServer:
        pair = reasoner or scripted_reasoner(), answerer or scripted_answerer()
        monkeypatch.setattr(
            PlanBuilder,
            "_providers",
            lambda *_, thinks: (pair[:1] if thinks else (), pair[1:]),
        )
        flags = {"backend": "demo", "history": False, "serve.log": "json"} | {
            name.replace("__", "."): value for name, value in settings.items()
        }
        service = Service(load_settings(None, flags), debug=debug, disk=disk)
        return LiveServer(application(service, shutdown_seconds=shutdown_seconds), service, *pair)

    with log_to_stderr("json"):
        yield start


def post_scope(path: str, headers: Any = ()) -> dict[str, Any]:
    return scope(path, "POST", [("content-type", "application/json"), *headers])


def question(path: str, text: str = "What is six times seven?", **more: Any) -> bytes:
    place = "input" if path == RESPONSES else "messages"
    fields: dict[str, Any] = {"model": "deepreasoning", place: [{"role": "user", "content": text}]}
    if path == MESSAGES:
        fields["max_tokens"] = 100
    return json.dumps(fields | more).encode()


@dataclass
class Caller:
    """A caller on a connection: `messages` is what the server has sent so far."""

    task: asyncio.Task[None] = field(init=False)
    messages: list[Message] = field(default_factory=list)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    body: bytes = b""

    @classmethod
    def of(cls, app: ASGIApp, path: str = CHAT, headers: Any = (), **more: Any) -> Caller:
        """A caller whose request has been sent."""
        caller = cls()
        caller.takes.set()
        for message in pieces(question(path, **more)):
            caller.inbox.put_nowait(message)

        async def run() -> None:
            await app(post_scope(path, headers), caller.inbox.get, caller.take)

        caller.task = asyncio.create_task(run())
        return caller

    async def take(self, message: Message) -> None:
        await self.takes.wait()
        self.messages.append(message)
        self.body += message.get("body", b"")

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait for it, at most five seconds."""
        async with asyncio.timeout(5):
            while not happened():
                await asyncio.sleep(0.001)

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int:
        """The status, 0 where nothing came."""
        statuses = [message["status"] for message in self.messages if "status" in message]
        assert len(statuses) <= 1, "a second response"
        return sum(statuses)

    @property
    def is_over(self) -> bool:
        """Whether the response was ended as HTTP wants it."""
        ends = [not m.get("more_body", False) for m in self.messages if "body" in m]
        return ends.count(True) == 1 and ends[-1]
