"""A request and the names in the settings → the plan of one turn, made of live objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from deepreasoning_cli.catalog.models import (
    Catalog,
    ClaudeModel,
    Effort,
    Reasoner,
    Samplers,
    Vendor,
)
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Handoff, Message, Prompt
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.pipeline.stage import Provider
from deepreasoning_cli.prompt import check_fits
from deepreasoning_cli.providers.api import SamplerRequest, accept_samplers, limit_temperature
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.backend import (
    GATEWAY,
    GATEWAY_KEY,
    STARTS,
    BackendNeeds,
    choose_backend,
    reasoners_in_order,
    with_keys,
)
from deepreasoning_cli.wiring.resources import new_id

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.search import Search
    from deepreasoning_cli.providers.anthropic import ClaudeThinking
    from deepreasoning_cli.providers.gateway import GatewayProvider
    from deepreasoning_cli.transport import Transport
    from deepreasoning_cli.wiring.budget import ReadSpending


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """The input of one turn: the settings in force for it, the question, and its context.

    `reused` is reasoning to use again, `reasoning_from` the id of its turn; `earlier` are the
    messages of the session so far. `thinking_room` are tokens that Claude needs to think, known
    from a turn before. `answer_now` is called at each thought and tells whether the
    user wants the answer at once, `without_search` whether to go on where the search fails.
    """

    loaded: LoadedSettings
    question: str
    system: str | None = None
    reused: ReasonerOutput | None = None
    reasoning_from: str | None = None
    session: str | None = None
    earlier: tuple[Message, ...] = ()
    reasoning_only: bool = False
    allow_empty_reasoning: bool = False
    thinking_room: int = 0
    answer_now: Callable[[], bool] = lambda: False
    without_search: Callable[[DeepReasoningError], bool] = lambda _: False

    @property
    def continues(self) -> bool:
        """Whether another turn is likely to begin with what this one does."""
        return self.session is not None or bool(self.earlier)


def build_plan(
    request: TurnRequest,
    catalog: Catalog,
    connect: Callable[[], Transport],
    spending: ReadSpending,
    *,
    saves: bool,
    runtime: Runtime = BLOCKING,
) -> Plan:
    """The plan of a turn that fits into its models, under its caps. Nothing is sent.

    `connect` opens the connections, where the turn needs any; `spending` reads the history, and
    `saves` tells whether the turn will be in it. Raises ConfigError, RefusedError, and UsageError
    where a model cannot read so much.
    """
    plan = PlanBuilder(request, catalog, connect, runtime).build()
    for provider in (plan.reasoner, plan.answerer):
        if provider is not None:
            check_fits(plan.prompt.text, provider.context, provider.model)
    settings = request.loaded.settings
    if all(cap is None for cap in (settings.max_cost, settings.daily_cost, settings.monthly_cost)):
        return plan
    from deepreasoning_cli.wiring.budget import apply_budget

    return apply_budget(plan, settings, spending, saves=saves)


@dataclass(eq=False, repr=False)
class PlanBuilder:
    """Builds one turn's parts from its request and the catalog; `connect` opens the connections."""

    request: TurnRequest
    catalog: Catalog
    connect: Callable[[], Transport]
    runtime: Runtime = BLOCKING

    def __post_init__(self) -> None:
        self._loaded = loaded = self.request.loaded
        self._settings = settings = loaded.settings
        typed = frozenset(name for name in ("temperature", "top_p") if loaded.is_typed(name))
        self._samplers = SamplerRequest(settings.temperature, settings.top_p, typed)
        self._warnings: list[str] = []
        self._reasoner_name: str | None = None

    @cached_property
    def _transport(self) -> Transport:
        """Opened when the first provider needs it; the demo needs none."""
        return self.connect()

    def build(self) -> Plan:
        """The plan of the turn. Raises ConfigError and RefusedError."""
        request = self.request
        handoff = Handoff(self._settings.handoff)
        thinks = handoff is not Handoff.NONE and request.reused is None
        needs = BackendNeeds(
            thinks=thinks,
            answers=not request.reasoning_only,
            has_reasoning=request.reused is not None,
            handoff=handoff,
        )
        backend = choose_backend(self._loaded, self.catalog, needs)
        hosted = self._hosted() if backend == GATEWAY else None
        reasoner, answerer = self._providers(backend, hosted, thinks=thinks)
        search = self._search(backend)
        prompt = self._prompt([each for each in (reasoner, answerer) if each])
        return Plan(
            id=new_id(),
            backend=backend,
            question=request.question,
            prompt=prompt,
            reasoner=reasoner,
            answerer=answerer,
            handoff=handoff,
            reused=request.reused,
            allow_empty_reasoning=request.allow_empty_reasoning,
            session=request.session,
            warnings=tuple(self._warnings),
            reasoning_from=request.reasoning_from,
            reasoner_name=self._reasoner_name,
            answer_now=request.answer_now,
            hosted=hosted,
            search=search,
        )

    def _prompt(self, models: Sequence[Provider]) -> Prompt:
        """The question behind as much of the session as the smaller of the models reads."""
        request = self.request
        earlier, stable = self._session(models) if request.earlier else ((), 0)
        question = Message("user", request.question)
        return Prompt((*earlier, question), request.system, stable if request.continues else None)

    def _session(self, models: Sequence[Provider]) -> tuple[tuple[Message, ...], int]:
        """The earlier messages that fit, and how many of them the next turn begins with."""
        from deepreasoning_cli.pipeline.conversation import cacheable_prefix, fit_to_context

        request = self.request
        reused = request.reused
        context = min((model.context for model in models if model.context), default=None)
        notes = estimate_tokens(reused.reasoning + reused.answer) if reused else 0
        room = None if context is None else context - self._settings.max_tokens - notes
        question = (request.system or "") + request.question
        earlier, left_out = fit_to_context(request.earlier, question, room)
        if left_out:
            turns, are = ("turn does", "is") if left_out == 1 else ("turns do", "are")
            self._warnings.append(
                f"the {left_out} oldest {turns} not fit into {context:,} tokens and {are} not sent"
            )
        return earlier, cacheable_prefix(earlier, left_out)

    def _providers(
        self, backend: str, hosted: GatewayProvider | None, *, thinks: bool
    ) -> tuple[Provider | None, Provider | None]:
        """The reasoner and the answerer; `hosted` does both in one call."""
        answers = not self.request.reasoning_only
        if hosted:
            return (None, hosted) if answers else (hosted.as_reasoner(), None)
        reasoner: Callable[[], Provider] = self._reasoner
        answerer: Callable[[], Provider] = self._claude
        if backend == "demo":
            from deepreasoning_cli.providers.demo import DemoProvider

            sleep = self.runtime.sleep
            reasoner = partial(DemoProvider, "reasoner", sleep=sleep)
            answerer = partial(DemoProvider, "answerer", sleep=sleep)
        return reasoner() if thinks else None, answerer() if answers else None

    def _model(self, name: str, backend: str) -> ClaudeModel:
        choice = self.catalog.claude(name, backend, datetime.now(UTC).date())
        self._warnings += [choice.warning] if choice.warning else []
        return choice.model

    def _reasoner(self) -> Provider:
        from deepreasoning_cli.providers.openai_compatible import ReasonerProvider

        hosts = with_keys(self._loaded, reasoners_in_order(self._loaded, self.catalog))
        if not hosts:
            raise ConfigError("no key for a reasoner", kind="key_missing", hint=STARTS)
        preset = hosts[0]
        self._reasoner_name = preset.name
        preset = self._with_effort(preset)
        samplers = accept_samplers(self._samplers, preset.samplers, preset.model)
        self._warnings += samplers.warnings
        host = preset.key or preset.name
        vendor = self._vendor(host)
        return ReasonerProvider(
            preset=preset,
            base_url=self._settings.base_urls.get(host, preset.base_url),
            key=self._key(preset.key) if preset.key else None,
            samplers=samplers.values,
            transport=self._transport,
            top_up=vendor.page if vendor else None,
        )

    def _with_effort(self, preset: Reasoner) -> Reasoner:
        from deepreasoning_cli.providers.openai_compatible import with_effort

        think = self._settings.think
        if think in preset.efforts:
            return with_effort(preset, think)
        if think != "auto" and self._loaded.is_typed("think"):
            takes = ", ".join(preset.efforts) or "no effort"
            self._warnings.append(f"--think {think} is not sent: {preset.model} takes {takes}")
        return preset

    def _thinking(self, model: ClaudeModel) -> ClaudeThinking:
        """How much Claude thinks in this turn."""
        from deepreasoning_cli.providers.anthropic import ClaudeThinking, accept_effort

        settings = self._settings
        wanted = settings.effort if settings.effort in ("auto", "none") else Effort(settings.effort)
        accepted = accept_effort(wanted, model, typed=self._loaded.is_typed("effort"))
        self._warnings += accepted.warnings
        return ClaudeThinking(
            model=model,
            effort=accepted.value,
            tokens=self.catalog.efforts,
            alone=settings.handoff == "none",
            room=self.request.thinking_room,
        )

    def _claude(self) -> Provider:
        from deepreasoning_cli.providers.anthropic import ClaudeProvider

        model = self._model(self._settings.model or "sonnet", "direct")
        thinking = self._thinking(model)
        # a model that is asked to think takes no sampler (build-with-claude/extended-thinking)
        takes = Samplers.NONE if thinking.is_asked else model.samplers
        accepted = accept_samplers(self._samplers, takes, model.id)
        samplers = limit_temperature(accepted, model.id, self._samplers.typed)
        self._warnings += samplers.warnings
        vendor = self.catalog.vendor("anthropic")
        return ClaudeProvider(
            model=model.id,
            base_url=self._settings.base_urls.get("anthropic", vendor.base_url),
            key=self._key("anthropic"),
            max_tokens=self._max_tokens(model.max_output, model.id),
            samplers=samplers.values,
            transport=self._transport,
            rates=model.rates.get("direct"),
            context=model.context,
            top_up=vendor.page,
            cache_minimum=model.cache_minimum,
            thinking=thinking,
        )

    def _hosted(self) -> GatewayProvider:
        from deepreasoning_cli.providers.gateway import GatewayProvider, Parameters

        settings = self._settings
        model = self._model(settings.model or self.catalog.gateway_default, GATEWAY)
        for name in ("reasoner", "effort", "think"):
            if self._loaded.is_typed(name):
                self._warnings.append(f"--{name} is not sent: the gateway has its own")
        vendor = self.catalog.vendor(GATEWAY_KEY)
        return GatewayProvider(
            parameters=Parameters(
                anthropic_model=model.id,
                temperature=settings.temperature,
                top_p=settings.top_p,
                max_tokens=settings.max_tokens,
                web_search_linkup=settings.web_search_linkup,
                disable_formatting=settings.disable_formatting,
            ),
            endpoint=settings.gateway.endpoint,
            base_url=settings.base_urls.get(GATEWAY_KEY, vendor.base_url),
            key=self._key(GATEWAY_KEY),
            transport=self._transport,
            rates=model.rates.get(GATEWAY),
            context=model.context,
            top_up=vendor.page,
            search_price=self.catalog.search.gateway,
        )

    def _search(self, backend: str) -> Search | None:
        """The search that a turn of our own begins with; the gateway makes its own."""
        settings = self._settings
        if not settings.web_search_linkup or backend == GATEWAY:
            return None
        if backend == "demo":
            self._warnings.append("the demo does not search the web")
            return None
        from deepreasoning_cli.pipeline.search import Search
        from deepreasoning_cli.providers.linkup import LinkupProvider

        vendor, prices = self.catalog.vendor("linkup"), self.catalog.search
        searcher = LinkupProvider(
            base_url=settings.base_urls.get("linkup", vendor.base_url),
            key=self._key("linkup"),
            transport=self._transport,
            depth=settings.search.depth,
            price=prices.deep if settings.search.depth == "deep" else prices.standard,
            top_up=vendor.page,
        )
        return Search(
            searcher,
            self.request.question,
            self.request.without_search,
            lists=not settings.disable_formatting,
        )

    def _max_tokens(self, most: int | None, model: str) -> int:
        requested = self._settings.max_tokens
        if most is None or requested <= most:
            return requested
        if self._loaded.is_typed("max_tokens"):
            self._warnings.append(f"{model} writes at most {most:,} tokens, not {requested:,}")
        return most

    def _key(self, name: str) -> Key:
        key = self._loaded.key(name)
        if key is None:
            vendor = self._vendor(name)
            export = f"export {vendor.key_env}=…, or " if vendor and vendor.key_env else ""
            raise ConfigError(
                f"no key for {name}",
                kind="key_missing",
                hint=f"{export}`deepreasoning config set keys.{name}`",
            )
        return key

    def _vendor(self, name: str) -> Vendor | None:
        """The vendor of that name; None for a host of the user's own."""
        return next((vendor for vendor in self.catalog.vendors if vendor.name == name), None)
