"""An ASGI app called by hand: what it is sent, piece by piece, and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
GONE: Message = {"type": "http.disconnect"}
WHOLE: Message = {"type": "http.request", "body": b"", "more_body": False}


@dataclass
class Answer:
    """What came back; `status` is 0 where nothing did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert self.status == 0, "a second response"
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


def scope(
    path: str = "/", method: str = "GET", headers: Headers = (), **more: Any
) -> dict[str, Any]:
    """A request that a browser on this machine could have sent."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if not any(name == "host" for name, _ in pairs):
        pairs.append(("host", "localhost:1337"))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        "server": ("127.0.0.1", 1337),
        "client": ("127.0.0.1", 50000),
        **more,
    }


def pieces(*bodies: bytes) -> list[Message]:
    """The messages of a body that comes in these pieces."""
    return [
        {"type": "http.request", "body": body, "more_body": number < len(bodies)}
        for number, body in enumerate(bodies, start=1)
    ]


def receiving(messages: Iterable[Message]) -> Receive:
    """`receive` that gives `messages`, and then nothing for ever."""
    waiting = iter(messages)

    async def receive() -> Message:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    return receive


def call(app: ASGIApp, request_scope: Scope, messages: Iterable[Message] = (WHOLE,)) -> Answer:
    """The answer to one request."""
    answer = Answer()
    asyncio.run(_run(app, request_scope, receiving(messages), answer.take))
    return answer


async def _run(app: ASGIApp, request_scope: Scope, receive: Receive, send: Send) -> None:
    await app(request_scope, receive, send)
