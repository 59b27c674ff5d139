"""`/openapi.json`: what the routes take and answer, for people and their tools."""

from __future__ import annotations

import json
from importlib import resources

from starlette.types import Receive, Scope, Send

from deepreasoning_cli import __version__
from deepreasoning_cli.events import Payload
from deepreasoning_cli.server.answers import send_whole


def description() -> Payload:
    """The document that is packaged beside this module, with the version that runs."""
    source = resources.files("deepreasoning_cli.server").joinpath("openapi.json")
    document: Payload = json.loads(source.read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    return document


class Description:
    """Answers with the description, which is read once."""

    def __init__(self) -> None:
        self._body = json.dumps(description(), ensure_ascii=False).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all of it."""
        await send_whole(send, self._body, b"application/json")
