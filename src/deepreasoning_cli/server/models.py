"""The models that a request may name, with our defaults, and the route that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property

from starlette.requests import Request
from starlette.responses import Response

from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    Answerer,
    Catalog,
    ClaudeModel,
    Lifecycle,
    Reasoner,
)
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.server.asgi import failure_response, json_response
from deepreasoning_cli.server.errors import Rejected
from deepreasoning_cli.server.handler import read_json
from deepreasoning_cli.server.service import MODEL, Service, is_pair
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.model_list import (
    ModelListing,
    StageModel,
    model_list,
    model_object,
)
from deepreasoning_cli.wire.server.ollama import (
    OLLAMA_VERSION,
    read_shown_model,
    show_object,
    tags_object,
)
from deepreasoning_cli.wire.server.request import BadRequest, RequestParameters
from deepreasoning_cli.wiring.backend import (
    GATEWAY,
    BackendNeeds,
    answerers_in_order,
    choose_backend,
    means_claude,
    model_at,
    reasoners_in_order,
    with_keys,
)


@dataclass(frozen=True)
class ModelList:
    """What `backend` offers at `now` (aware). The demo offers what `direct` does, for free."""

    loaded: LoadedSettings
    catalog: Catalog
    backend: str
    now: datetime

    @classmethod
    def of(cls, loaded: LoadedSettings, catalog: Catalog) -> ModelList:
        """The models of now. Missing keys count as present."""
        return cls(loaded, catalog, _backend(loaded, catalog), datetime.now(UTC))

    def listed(self) -> list[ModelListing]:
        """The pair in the settings, if it is available, then one pair for each Claude model, and
        at last each of these alone, where it can be asked so.
        """
        models = self._current()
        listings = [self._listing(f"{MODEL}/{model.id}", model) for model in models]
        with suppress(RefusedError):
            listings.insert(0, self.find(MODEL))
        if self.backend == GATEWAY:
            return listings
        return [*listings, *(self._listing(model.id, model, alone=True) for model in models)]

    def find(self, name: str) -> ModelListing:
        """The model with that id; an alias or a family may stand for a Claude model's.

        Raises RefusedError for a model that is retired, unknown or not offered.
        """
        alone = not is_pair(name)
        if alone and (self.backend == GATEWAY or not means_claude(self.catalog, name)):
            raise RefusedError(f"there is no model {name}")
        _, slash, claude = ("", "", name) if alone else name.partition("/")
        if slash and not claude.strip():
            raise RefusedError(f"there is no model {name}")
        model = self._claude(claude or None)
        if claude and model.status is Lifecycle.UNKNOWN:
            raise RefusedError(f"there is no model {name}")
        pair = f"{MODEL}/{model.id}" if claude else MODEL
        return self._listing(model.id if alone else pair, model, alone=alone)

    @cached_property
    def _answerer(self) -> Answerer:
        """The host that answers; Anthropic, where the settings name one that does not exist."""
        with suppress(ConfigError):
            for host in () if self.loaded.settings.serve.byok else self._answerers():
                return host
        return self.catalog.answerer(ANTHROPIC)

    def _answerers(self) -> Sequence[Answerer]:
        return with_keys(self.loaded, answerers_in_order(self.loaded, self.catalog))

    @property
    def _rated(self) -> str:
        """The place whose rates and models apply."""
        return GATEWAY if self.backend == GATEWAY else self._answerer.place

    def _claude(self, name: str | None) -> ClaudeModel:
        """The model of that name; without one, that of the settings."""
        own, today = self.loaded.settings.model, self.now.date()
        if self.backend == GATEWAY:
            name = name or own or self.catalog.gateway_default
            return self.catalog.claude(name, GATEWAY, today).model
        typed = name is not None or self.loaded.is_typed("model")
        return model_at(self._answerer, self.catalog, name or own, today, typed=typed).model

    def _current(self) -> tuple[ClaudeModel, ...]:
        """The models that the host is known to offer and that are not retired."""
        return self.catalog.alive(self._rated, self.now.date())

    def _listing(self, name: str, model: ClaudeModel, *, alone: bool = False) -> ModelListing:
        settings, prices = self.loaded.settings, self.catalog.search
        direct_price = prices.deep if settings.search.depth == "deep" else prices.standard
        reasoner = None if alone else self._reasoner()
        limits = [each.context for each in (reasoner, model) if each and each.context]
        listing = ModelListing(
            id=name,
            name=f"{reasoner.label} + {model.name}" if reasoner else model.name,
            created=_unix(model.released),
            defaults=RequestParameters(
                anthropic_model=model.id,
                temperature=settings.temperature,
                top_p=settings.top_p,
                max_tokens=min(settings.max_tokens, model.max_output or settings.max_tokens),
                web_search_linkup=settings.web_search_linkup,
                disable_formatting=settings.disable_formatting,
            ),
            answerer=self._priced(model.id, model.rates.get(self._rated)),
            reasoner=self._priced(reasoner.model, reasoner.rates) if reasoner else None,
            search=prices.gateway if self.backend == GATEWAY else direct_price,
            claude_models=tuple(each.id for each in self._current()),
            context=min(limits, default=None),
            max_output=model.max_output,
            lifecycle=model.lifecycle(self.now.date()).value,
        )
        if self.backend != "demo":
            return listing
        return replace(
            listing,
            name=f"{model.name} (demo: no model is called)",
            answerer=self._priced("demo-answerer", DemoProvider("answerer").rates),
            reasoner=None if alone else self._demo_reasoner(),
            search=Decimal(0),
        )

    def _demo_reasoner(self) -> StageModel:
        return self._priced("demo-reasoner", DemoProvider("reasoner").rates)

    def _priced(self, model: str, card: RateCard | None) -> StageModel:
        return StageModel(model, card.at(self.now) if card else None)

    def _reasoner(self) -> Reasoner | None:
        """The reasoner; None on the gateway, which has its own, and where Claude answers alone."""
        settings = self.loaded.settings
        if self.backend != "direct" or Handoff(settings.handoff) is Handoff.NONE:
            return None
        if settings.serve.byok:
            return self.catalog.reasoner("deepseek")
        try:
            return next(iter(reasoners_in_order(self.loaded, self.catalog)), None)
        except ConfigError:
            return None  # the settings name one that does not exist


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
        return _unknown(request, error)
    return json_response(payload)


def _unknown(request: Request, error: DeepReasoningError) -> Response:
    unknown = ApiError(404, "model_not_found", error.message, "model")
    return failure_response(request.scope, unknown)


async def tags_response(service: Service, _: Request) -> Response:
    """The same list, as Ollama's clients read it."""
    return json_response(tags_object(ModelList.of(service.loaded, service.catalog).listed()))


async def show_response(service: Service, request: Request) -> Response:
    """One model, as Ollama's clients ask for it: its name is in the body."""
    limit = service.loaded.settings.serve.body_limit
    try:
        name = read_shown_model(await read_json(request.scope, request.receive, limit))
        payload = show_object(ModelList.of(service.loaded, service.catalog).find(name))
    except Rejected as rejected:
        return failure_response(request.scope, rejected.failure, headers=rejected.headers)
    except BadRequest as bad:
        failure = ApiError(400, bad.kind, bad.message, bad.field)
        return failure_response(request.scope, failure)
    except DeepReasoningError as error:
        return _unknown(request, error)
    return json_response(payload)


async def ollama_version_response(_: Request) -> Response:
    """The version of Ollama's API that is spoken here."""
    return json_response({"version": OLLAMA_VERSION})
