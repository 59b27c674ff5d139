"""`/v1/models` and `/v1/models/{id}`."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.server.answers import send_failure, send_json
from deepreasoning_cli.server.offers import Offers
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.wire.listing import model_list, model_object
from deepreasoning_cli.wire.refusal import ApiError


class Models:
    """Answers the list, and one model where the route has put its `id` into the scope."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as of now: rates and lifecycle change by the day and the hour."""
        offers = Offers.of(self._service.loaded, self._service.catalog)
        name: str | None = scope.get("path_params", {}).get("id")
        try:
            told = model_list(offers.listed()) if name is None else model_object(offers.find(name))
        except DeepReasoningError as error:
            unknown = ApiError(404, "model_not_found", error.message, "model")
            await send_failure(scope, send, unknown)
        else:
            await send_json(send, told)
