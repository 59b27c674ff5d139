"""A request and the names in the settings → the plan of one turn, made of live objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    DIRECT,
    Answerer,
    AnswererFormat,
    Catalog,
    ClaudeModel,
    Effort,
    Host,
    Reasoner,
    Samplers,
)
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.pipeline.budget import NO_LIMIT, ReasoningLimit
from deepreasoning_cli.pipeline.events import SETTLED, Handoff, Message, Prompt, Stage
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.run import Plan, reasoner_prompt
from deepreasoning_cli.pipeline.stage import Provider
from deepreasoning_cli.prompt import check_fits
from deepreasoning_cli.providers.api import (
    IgnoredSamplers,
    SamplerRequest,
    accept_samplers,
    limit_temperature,
    sampler_warnings,
)
from deepreasoning_cli.wiring.backend import (
    GATEWAY,
    GATEWAY_KEY,
    STARTS,
    BackendNeeds,
    answerers_in_order,
    base_url_of,
    choose_backend,
    key_of,
    model_at,
    reasoners_in_order,
    typed_names,
    vendor_of,
    with_keys,
)
from deepreasoning_cli.wiring.resources import TurnRequest, name_at, new_id

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.search import Search
    from deepreasoning_cli.providers.anthropic import ClaudeThinking
    from deepreasoning_cli.providers.gateway import GatewayProvider
    from deepreasoning_cli.transport import DeferredTransport, Transport
    from deepreasoning_cli.wiring.budget import MakeLedger
    from deepreasoning_cli.wiring.cassette import Cassette


def build_plan(
    request: TurnRequest,
    catalog: Catalog,
    connect: Callable[[], Transport | DeferredTransport],
    make_ledger: MakeLedger,
    *,
    saves: bool,
    runtime: Runtime = BLOCKING,
    cassette: Cassette | None = None,
) -> Plan:
    """The plan of a turn that fits into its models, under its caps. Nothing is sent.

    `connect` opens the connections, where the turn needs any; a cap over time needs the ledger, and
    `saves` tells whether the turn will be in the history. All calls go through the `cassette`, if
    there is one; for a replay the request has the settings of `Cassette.with_keys`. Raises
    ConfigError, RefusedError, and UsageError where a model cannot read so much.
    """
    builder = PlanBuilder(request, catalog, connect, runtime)
    plan = builder.build()
    if request.loaded.settings.stop == SETTLED and runtime is BLOCKING:
        from deepreasoning_cli.wiring.services import with_probes

        plan = with_probes(plan, request.loaded, builder.answerer)
    if cassette:
        plan = cassette.apply_to(plan)
    for provider in (plan.reasoner, plan.answerer):
        if provider is not None:
            thinks = provider is not plan.answerer
            prompt = reasoner_prompt(plan, provider) if thinks else plan.prompt
            check_fits(prompt.tokens, provider.context, provider.model)
        if check_route := getattr(provider, "check_route", None):  # the demo calls nobody
            check_route()
    settings = request.loaded.settings
    if all(cap is None for cap in (settings.max_cost, settings.daily_cost, settings.monthly_cost)):
        return plan
    from deepreasoning_cli.wiring.budget import apply_budget

    return apply_budget(plan, settings, make_ledger, saves=saves, runtime=runtime)


@dataclass(eq=False, repr=False)
class PlanBuilder:
    """Builds one turn's parts from its request and the catalog; `connect` opens the connections."""

    request: TurnRequest
    catalog: Catalog
    connect: Callable[[], Transport | DeferredTransport]
    runtime: Runtime = BLOCKING

    def __post_init__(self) -> None:
        self._loaded = loaded = self.request.loaded
        self._settings = settings = loaded.settings
        typed = frozenset(name for name in ("temperature", "top_p") if loaded.is_typed(name))
        self._samplers = SamplerRequest(settings.temperature, settings.top_p, typed)
        self._warnings: list[str] = []
        self._ignored: list[IgnoredSamplers] = []
        self._daily_note: str | None = None
        self._reasoner_name: str | None = None
        self._answerer_name: str | None = None

    @cached_property
    def _transport(self) -> Transport | DeferredTransport:
        """Opened when the first provider needs it; the demo needs none."""
        return self.connect()

    def build(self) -> Plan:
        """The plan of the turn. Raises ConfigError and RefusedError."""
        request = self.request
        handoff, answers = Handoff(self._settings.handoff), not request.reasoning_only
        has_work = request.reused is not None or request.continued is not None
        thinks = handoff is not Handoff.NONE and not has_work
        needs = BackendNeeds(thinks, answers, has_reasoning=has_work, handoff=handoff)
        backend = choose_backend(self._loaded, self.catalog, needs)
        if backend == GATEWAY and not self._is_plain:
            raise RefusedError(
                "the gateway's model takes text alone: no tools, images or other formats",
                hint='set backend = "direct", or leave them out',
                kind="unsupported_parameter",
            )
        hosted = self._hosted() if backend == GATEWAY else None
        reasoners, answerers = self._providers(backend, hosted, thinks=thinks)
        search = self._search(backend)
        # a reasoner reads of more than text a description that fits
        readers = [*reasoners, *answerers] if self._is_plain else answerers
        prompt = self._prompt(readers)
        limit = self._settings.max_reasoning
        return Plan(
            id=new_id(),
            backend=backend,
            question=request.question,
            prompt=prompt,
            reasoner=next(iter(reasoners), None),
            answerer=next(iter(answerers), None),
            fallbacks={Stage.REASON: reasoners[1:], Stage.ANSWER: answerers[1:]},
            handoff=handoff,
            reused=request.reused,
            continued=request.continued,
            resumes=request.resumes,
            allow_empty_reasoning=request.allow_empty_reasoning,
            session=request.session,
            warnings=(*self._warnings, *sampler_warnings(self._ignored)),
            daily_note=self._daily_note,
            reasoning_from=request.reasoning_from,
            reasoner_name=self._reasoner_name,
            answerer_name=self._answerer_name,
            answer_now=request.answer_now,
            max_reasoning=ReasoningLimit.parse(limit) if limit else NO_LIMIT,
            hosted=hosted,
            search=search,
        )

    def _prompt(self, models: Sequence[Provider]) -> Prompt:
        """The question behind as much of the session as the smaller of the models reads."""
        request = self.request
        earlier, stable = self._session(models) if request.earlier else ((), 0)
        question = Message("user", request.question)
        kept = stable if request.continues else None
        if request.conversation is None:
            return Prompt((*earlier, question), request.system, kept)
        messages = (*earlier, request.conversation.messages[-1])
        # what comes back from tools is sent behind all that is sent now
        tools = request.options is not None and bool(request.options.tools)
        return replace(
            request.conversation, messages=messages, stable=len(messages) if tools else kept
        )

    @property
    def _today(self) -> date:
        """The day on which models are asked; those of a replay have not been retired yet."""
        return date.min if self._settings.is_replay else datetime.now(UTC).date()

    @property
    def _is_plain(self) -> bool:
        return self.request.conversation is None or self.request.conversation.is_plain

    def _session(self, models: Sequence[Provider]) -> tuple[tuple[Message, ...], int]:
        """The earlier messages that fit, and how many of them the next turn begins with."""
        from deepreasoning_cli.pipeline.conversation import cacheable_prefix, fit_to_context

        request, reused = self.request, self.request.reused
        context = min((model.context for model in models if model.context), default=None)
        notes = estimate_tokens(reused.reasoning + reused.answer) if reused else 0
        notes += estimate_tokens(request.continued.text) if request.continued else 0
        room = None if context is None else context - self._settings.max_tokens - notes
        question = (request.system or "") + request.question
        question += request.options.text if request.options else ""
        if room is not None and request.conversation:
            room -= request.conversation.messages[-1].media_tokens
        earlier, left_out = fit_to_context(request.earlier, question, room)
        if left_out:
            turns, are = ("turn does", "is") if left_out == 1 else ("turns do", "are")
            self._warnings.append(
                f"the {left_out} oldest {turns} not fit into {context:,} tokens and {are} not sent"
            )
        return earlier, cacheable_prefix(earlier, left_out)

    def _providers(
        self, backend: str, hosted: GatewayProvider | None, *, thinks: bool
    ) -> tuple[Sequence[Provider], Sequence[Provider]]:
        """The reasoners and the answerers, in the order in which they are asked, each only where
        the one before cannot be; `hosted` does both in one call.
        """
        answers = not self.request.reasoning_only
        if hosted:
            return ((), (hosted,)) if answers else ((hosted.as_reasoner(),), ())
        reasoners: Callable[[], Sequence[Provider]] = self._reasoners
        answerers: Callable[[], Sequence[Provider]] = self._answerers
        if backend == "demo":
            from deepreasoning_cli.providers.demo import DemoProvider

            demo = partial(DemoProvider, sleep=self.runtime.sleep)
            reasoners, answerers = lambda: [demo("reasoner")], lambda: [demo("answerer")]
        return reasoners() if thinks else (), answerers() if answers else ()

    def _reasoners(self) -> list[Provider]:
        hosts = self._usable(reasoners_in_order(self._loaded, self.catalog))
        if not hosts:
            raise ConfigError("no key for a reasoner", kind="key_missing", hint=STARTS)
        self._reasoner_name = hosts[0].name
        return [self._reasoner(host) for host in hosts]

    def _answerers(self) -> list[Provider]:
        """The answerers. One that lacks a model of that name can only be the first."""
        hosts = self._usable(answerers_in_order(self._loaded, self.catalog))
        hosts = hosts or [self.catalog.answerer(ANTHROPIC)]  # whose key is missing, as is said
        self._answerer_name = hosts[0].name
        providers = [self._answerer(hosts[0])]
        for host in hosts[1:]:
            try:
                providers.append(self._answerer(host))
            except (RefusedError, UsageError) as error:
                self._warnings.append(f"{host.name} cannot step in: {error.message}")
        return providers

    def answerer(self, values: Mapping[str, object]) -> Provider:
        """The first answerer, under these settings. Raises as `build` does."""
        loaded = self._loaded.with_values(values, "of a probe")
        request = replace(self.request, loaded=loaded, thinking_room=0)
        builder = PlanBuilder(request, self.catalog, self.connect, self.runtime)
        return builder._answerers()[0]

    def _usable(self, hosts: Sequence[Host]) -> Sequence[Host]:
        """Those that can be asked; those that lack a key are warned of."""
        usable = with_keys(self._loaded, hosts)
        self._warnings += [
            f"{host.name} skipped: no key {host.key}" for host in hosts if host not in usable
        ]
        return usable

    def _reasoner(self, preset: Reasoner) -> Provider:
        from deepreasoning_cli.providers.openai_compatible import ReasonerProvider

        preset = self._with_effort(preset)
        samplers = accept_samplers(self._samplers, preset.samplers, preset.model)
        self._ignored += samplers.ignored
        return ReasonerProvider(preset=preset, samplers=samplers.values, **self._account(preset))

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
        options = self.request.options
        thinking = ClaudeThinking(
            model=model,
            effort=accepted.value,
            tokens=self.catalog.efforts,
            alone=settings.handoff == "none",
            room=self.request.thinking_room,
            forced=options is not None and options.tool_choice.is_forced,
        )
        thinking.check_choice()
        return thinking

    def _answerer(self, host: Answerer) -> Provider:
        typed, today = self._loaded.is_typed("model"), self._today
        with typed_names(self._loaded, "model"):
            choice = model_at(host, self.catalog, self._settings.model, today, typed=typed)
        self._warnings += [choice.warning] if choice.warning else []
        model = choice.model
        thinking = self._thinking(model)
        # a model that is asked to think takes no sampler (build-with-claude/extended-thinking)
        takes = Samplers.NONE if thinking.is_asked else model.samplers
        options = self.request.options
        wanted = self._samplers.for_answer(options.top_k if options else None)
        accepted = accept_samplers(wanted, takes, model.id)
        samplers = limit_temperature(accepted, model.id, self._samplers.typed)
        self._warnings += samplers.warnings
        self._ignored += samplers.ignored
        fields: dict[str, Any] = {
            "model": model.id,
            "path": host.path,
            "auth": host.auth,
            "max_tokens": self._max_tokens(model.max_output, model.id),
            "samplers": samplers.values,
            "rates": model.rates.get(host.place),
            "context": model.context,
            "thinking": thinking,
        }
        if host.format is AnswererFormat.CHAT_COMPLETIONS:
            from deepreasoning_cli.providers.openai_compatible import ChatAnswerer

            return ChatAnswerer(**fields, **self._account(host))
        from deepreasoning_cli.providers.anthropic import ClaudeProvider

        return ClaudeProvider(
            cache_minimum=model.cache_minimum,
            adapts=host.place != DIRECT,
            **fields,
            **self._account(host),
        )

    def _account(self, host: Reasoner | Answerer) -> dict[str, Any]:
        """Where a host is called and with which key, and through what."""
        vendor = vendor_of(self.catalog, host.key or host.name)
        return {
            "host": host.name,
            "base_url": base_url_of(self._loaded, host),
            "key": key_of(self._loaded, self.catalog, host.key) if host.key else None,
            "transport": self._transport,
            "top_up": vendor.page if vendor else None,
            "vendor": name_at(vendor, base_url_of(self._loaded, host)) if vendor else None,
        }

    def _hosted(self) -> GatewayProvider:
        from deepreasoning_cli.wiring.services import choose_gateway

        key = key_of(self._loaded, self.catalog, GATEWAY_KEY)
        chosen = choose_gateway(self._loaded, self.catalog, key, self._transport, self._today)
        self._warnings += chosen.warnings
        self._daily_note = chosen.daily_note
        return chosen.provider

    def _search(self, backend: str) -> Search | None:
        """The search that a turn of our own begins with; the gateway makes its own.

        An answer is continued without: its beginning rests on the search of its own turn.
        """
        request, settings = self.request, self._settings
        searches = (settings.web_search_linkup or request.found) and not request.continued
        if not searches or backend == GATEWAY:
            return None
        if backend == "demo":
            self._warnings.append("the demo does not search the web")
            return None
        from deepreasoning_cli.pipeline.search import Search
        from deepreasoning_cli.wiring.services import open_search

        searcher = None
        if not request.found:
            key = key_of(self._loaded, self.catalog, "linkup")
            searcher = open_search(settings, self.catalog, key, self._transport)
        as_json = request.options is not None and request.options.output_format is not None
        lists, go_on = not (settings.disable_formatting or as_json), request.without_search
        return Search(searcher, request.question, go_on, lists=lists, found=request.found)

    def _max_tokens(self, most: int | None, model: str) -> int:
        requested = self._settings.max_tokens
        if most is None or requested <= most:
            return requested
        if self._loaded.is_typed("max_tokens"):
            self._warnings.append(f"{model} writes at most {most:,} tokens, not {requested:,}")
        return most
