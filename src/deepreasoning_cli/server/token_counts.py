"""How many tokens a request has, before anything is paid for: nothing is asked but the count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.greenlets import greenlet_spawn
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.asgi import failure_response, json_response, path_of
from deepreasoning_cli.server.errors import to_failure
from deepreasoning_cli.server.formats import BY_PATH, MESSAGES, RESPONSES
from deepreasoning_cli.server.handler import TurnHandler, caller_keys
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wiring.resources import new_id

COUNT_SECONDS: Final = 10.0
"""How long Anthropic's count is waited for; then there is an estimate."""
COUNTS: Final[dict[str, tuple[str, Payload]]] = {
    f"{MESSAGES}/count_tokens": (MESSAGES, {}),
    f"{RESPONSES}/input_tokens": (RESPONSES, {"object": "response.input_tokens"}),
}
"""The paths, the format of their requests, and what is in the reply beside the count."""


class TokenCounter:
    """Answers requests for the tokens of what Claude would read; reasoning comes on top."""

    def __init__(self, service: Service, handler: TurnHandler) -> None:
        self._service = service
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Rejected for one that no turn would take either."""
        turns_path, fields = COUNTS[path_of(scope)]
        byok = self._service.loaded.settings.serve.byok
        keys = caller_keys(scope, ("anthropic",)) if byok else None
        request, _ = await self._handler.read(BY_PATH[turns_path], scope, receive)
        try:
            count = self._service.count(request, keys)
        except (ConfigError, UsageError):  # Claude cannot be asked alone, but there is a number
            count = None
        except DeepReasoningError as error:
            failure = to_failure(error, new_id(), byok=keys is not None)
            await failure_response(scope, failure)(scope, receive, send)
            return
        reply = fields | await self._count(request, count)
        await json_response(reply)(scope, receive, send)

    async def _count(self, request: ChatRequest, count: Callable[[], int] | None) -> Payload:
        """The count, and whether it is an estimate."""
        if count is not None:
            try:
                async with asyncio.timeout(COUNT_SECONDS):
                    return {"input_tokens": await greenlet_spawn(count), "estimated": False}
            except (DeepReasoningError, TimeoutError) as error:
                self._service.warn(f"tokens are estimated: {error}")
        return {"input_tokens": request.prompt.tokens, "estimated": True}
