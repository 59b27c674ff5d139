"""The models that may be asked for, with our defaults, and their routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from deepreasoning_cli.catalog.models import Catalog, ClaudeModel, Lifecycle, Reasoner
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.server.asgi import failure_response, json_response
from deepreasoning_cli.server.service import MODEL, Service
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.model_list import (
    ModelListing,
    StageModel,
    model_list,
    model_object,
)
from deepreasoning_cli.wire.server.request import RequestParameters
from deepreasoning_cli.wiring.backend import GATEWAY, BackendNeeds, choose_backend

DEMO = "demo"


@dataclass(frozen=True, slots=True)
class ModelList:
    """What `backend` offers at the moment `now` (aware); the demo, what `direct` does, for free."""

    loaded: LoadedSettings
    catalog: Catalog
    backend: str
    now: datetime

    @classmethod
    def of(cls, loaded: LoadedSettings, catalog: Catalog) -> ModelList:
        """What is offered now. Where keys are missing it is what there would be with them."""
        return cls(loaded, catalog, _backend(loaded, catalog), datetime.now(UTC))

    def listed(self) -> list[ModelListing]:
        """The pair that the settings name, if it can be had, then each model in its place."""
        every = [self._listed(f"{MODEL}/{model.id}", model) for model in self._living()]
        try:
            return [self.find(MODEL), *every]
        except RefusedError:
            return every

    def find(self, name: str) -> ModelListing:
        """The model of that id; what follows the slash may be an alias or a family too.

        Raises RefusedError for one that is not offered, retired or unknown.
        """
        pair, slash, wanted = name.partition("/")
        if pair != MODEL or (slash and not wanted.strip()):
            raise RefusedError(f"there is no model {name}")
        model = self._claude(wanted or self._default)
        if wanted and model.status is Lifecycle.UNKNOWN:
            raise RefusedError(f"there is no model {name}")
        return self._listed(f"{MODEL}/{model.id}" if wanted else MODEL, model)

    @property
    def _default(self) -> str:
        gateway = self.backend == GATEWAY
        return self.loaded.settings.model or (self.catalog.gateway_default if gateway else "sonnet")

    @property
    def _rated(self) -> str:
        """The backend whose rates and models hold."""
        return GATEWAY if self.backend == GATEWAY else "direct"

    def _claude(self, name: str) -> ClaudeModel:
        return self.catalog.claude(name, self._rated, self.now.date()).model

    def _living(self) -> list[ClaudeModel]:
        today, offered = self.now.date(), self.catalog.offered(self._rated)
        return [model for model in offered if model.lifecycle(today) is not Lifecycle.RETIRED]

    def _listed(self, name: str, model: ClaudeModel) -> ModelListing:
        thinks = self._reasoner()
        reads = [each.context for each in (thinks, model) if each and each.context]
        return ModelListing(
            name,
            self._named(thinks, model),
            _unix(model.released),
            self._defaults(model),
            self._answerer(model),
            self._thinker(thinks),
            self._search(),
            tuple(each.id for each in self._living()),
            min(reads, default=None),
            model.max_output,
            model.lifecycle(self.now.date()).value,
        )

    def _named(self, thinks: Reasoner | None, model: ClaudeModel) -> str:
        if self.backend == DEMO:
            return f"{model.name} (demo: no model is called)"
        return f"{thinks.label} + {model.name}" if thinks else model.name

    def _defaults(self, model: ClaudeModel) -> RequestParameters:
        settings = self.loaded.settings
        return RequestParameters(
            model.id,
            settings.temperature,
            settings.top_p,
            min(settings.max_tokens, model.max_output or settings.max_tokens),
            settings.web_search_linkup,
            settings.disable_formatting,
        )

    def _answerer(self, model: ClaudeModel) -> StageModel:
        if self.backend == DEMO:
            return self._priced("demo-answerer", DemoProvider("answerer").rates)
        return self._priced(model.id, model.rates.get(self._rated))

    def _thinker(self, reasoner: Reasoner | None) -> StageModel | None:
        if self.backend == DEMO:
            return self._priced("demo-reasoner", DemoProvider("reasoner").rates)
        return self._priced(reasoner.model, reasoner.rates) if reasoner else None

    def _priced(self, model: str, card: RateCard | None) -> StageModel:
        return StageModel(model, card.at(self.now) if card else None)

    def _reasoner(self) -> Reasoner | None:
        """Who thinks; nobody of our own on the gateway, or where Claude is asked alone."""
        settings = self.loaded.settings
        if self.backend != "direct" or Handoff(settings.handoff) is Handoff.NONE:
            return None
        name = "deepseek" if settings.serve.byok else settings.reasoner
        try:
            by_name = self.catalog.reasoner(name) if name else None
        except ConfigError:
            return None  # the settings name one that there is not
        return by_name or self.catalog.default_reasoner(self.loaded.has_key)

    def _search(self) -> Decimal:
        prices = self.catalog.search
        match self.backend:
            case "gateway":
                return prices.gateway
            case "demo":
                return Decimal(0)
            case _:
                deep = self.loaded.settings.search.depth == "deep"
                return prices.deep if deep else prices.standard


def _backend(loaded: LoadedSettings, catalog: Catalog) -> str:
    if loaded.settings.serve.byok:
        return "direct"  # callers' keys are for DeepSeek and Anthropic
    handoff = Handoff(loaded.settings.handoff)
    try:
        return choose_backend(
            loaded, catalog, BackendNeeds(handoff is not Handoff.NONE, True, False, handoff)
        )
    except (ConfigError, UsageError):
        return "direct"


def _unix(day: date | None) -> int:
    """Seconds; 0, as Anthropic has it, where the day is unknown."""
    return int(datetime.combine(day, time(), UTC).timestamp()) if day else 0


async def models_response(service: Service, request: Request) -> Response:
    """The list, or the model whose `id` is in the path, as of now: rates change by the hour."""
    models = ModelList.of(service.loaded, service.catalog)
    name: str | None = request.path_params.get("id")
    try:
        payload = model_list(models.listed()) if name is None else model_object(models.find(name))
    except DeepReasoningError as error:
        unknown = ApiError(404, "model_not_found", error.message, "model")
        return failure_response(request.scope, unknown)
    return json_response(payload)
