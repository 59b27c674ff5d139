"""Where questions come in: read, checked, given to a turn of their own while there is room."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.keys import validate
from deepreasoning_cli.server.answers import Rejected
from deepreasoning_cli.server.body import read_json
from deepreasoning_cli.server.exchange import TURN
from deepreasoning_cli.server.failures import BUSY
from deepreasoning_cli.server.formats import BY_PATH
from deepreasoning_cli.server.reply import Reply
from deepreasoning_cli.server.scopes import header, path_of
from deepreasoning_cli.server.service import MODEL, CallersKeys, Service
from deepreasoning_cli.server.turn import Turn
from deepreasoning_cli.wire.asked import BadRequest, ChatRequest
from deepreasoning_cli.wire.refusal import ApiError
from deepreasoning_cli.wiring.resources import new_id

BUSY_SECONDS = 5.0
LAST_WORDS = 3.0  # seconds that turns get to be kept when the server ends
CALLERS_KEYS = {"deepseek": "x-deepseek-api-token", "anthropic": "x-anthropic-api-token"}


class Desk:
    """Answers the three formats' paths."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._serve = service.loaded.settings.serve
        self._running: set[Turn] = set()

    @property
    def streams(self) -> int:
        """How many turns run now."""
        return len(self._running)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One question, from its body to its last byte. Raises Rejected before a turn begins."""
        turn_id = new_id()
        try:
            turn = await self._begun(turn_id, scope, receive)
        except Rejected as rejected:
            rejected.failure = replace(rejected.failure, request_id=turn_id)
            raise
        scope[TURN] = turn
        self._running.add(turn)
        try:
            await Reply(turn, self._serve.keep_alive)(scope, receive, send)
        finally:
            self._running.discard(turn)

    async def _begun(self, turn_id: str, scope: Scope, receive: Receive) -> Turn:
        keys = self._callers_keys(scope)
        spoken = BY_PATH[path_of(scope)]
        try:
            asked = spoken.read(await read_json(scope, receive, self._serve.body_limit))
        except BadRequest as refused:
            raise Rejected(ApiError.of(refused)) from None
        _demand_known(asked)
        if len(self._running) >= self._serve.streams:
            raise Rejected(BUSY, retry_after=BUSY_SECONDS)
        return Turn(turn_id, asked, spoken, self._service, keys)

    async def close(self) -> None:
        """Wait until the turns that were told to end have been kept."""
        deadline = asyncio.get_running_loop().time() + LAST_WORDS
        while self._running and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)

    def _callers_keys(self, scope: Scope) -> CallersKeys | None:
        """The keys that came with the request, where callers bring their own."""
        if not self._serve.byok:
            return None
        found = {}
        for name, wanted in CALLERS_KEYS.items():
            try:
                found[name] = validate(name, header(scope, wanted) or "", f"the header {wanted}")
            except ConfigError as error:
                what = f"{error.message}; callers bring their own keys here"
                raise Rejected(ApiError(401, error.kind, what)) from None
        return CallersKeys(**found)


def _demand_known(asked: ChatRequest) -> None:
    name, _, _ = asked.model.partition("/")
    if name != MODEL:
        raise Rejected(
            ApiError(
                404,
                "model_not_found",
                f"there is no model {asked.model}; ask {MODEL} or {MODEL}/<a Claude model>",
                "model",
            )
        )
