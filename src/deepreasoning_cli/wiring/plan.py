"""A turn's parts, built from settings and catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from deepreasoning_cli.backends import GATEWAY, GATEWAY_KEY, STARTS, Wanted, chosen
from deepreasoning_cli.catalog import Catalog, Vendor
from deepreasoning_cli.conversation import fitted, steady
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.events import Handoff, Message, Prompt
from deepreasoning_cli.keys import Key
from deepreasoning_cli.money import estimate_tokens
from deepreasoning_cli.pipeline import Plan
from deepreasoning_cli.providers.samplers import Wish, cooled, granted
from deepreasoning_cli.searching import Search
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.stage import Provider
from deepreasoning_cli.waits import BLOCKING, Waits
from deepreasoning_cli.wiring.asked import Asked
from deepreasoning_cli.wiring.ids import new_id

if TYPE_CHECKING:
    from deepreasoning_cli.providers.gateway import GatewayProvider
    from deepreasoning_cli.transport import Transport


class Wiring:
    """Builds a turn's parts from settings and catalog; nothing is sent."""

    def __init__(
        self,
        loaded: Loaded,
        catalog: Catalog,
        connect: Callable[[], Transport],
        waits: Waits = BLOCKING,
    ) -> None:
        self._loaded = loaded
        self._settings = loaded.settings
        self._catalog = catalog
        self._connect = connect
        self._waits = waits
        typed = frozenset(name for name in ("temperature", "top_p") if loaded.is_typed(name))
        self._wish = Wish(loaded.settings.temperature, loaded.settings.top_p, typed)
        self._warnings: list[str] = []
        self._chosen_reasoner: str | None = None

    @cached_property
    def _transport(self) -> Transport:
        """Opened when the first provider needs it; the demo needs none."""
        return self._connect()

    def plan(self, asked: Asked) -> Plan:
        """The turn that is asked for. Raises ConfigError and RefusedError."""
        handoff = Handoff(self._settings.handoff)
        thinks = handoff is not Handoff.NONE and asked.kept is None
        wanted = Wanted(thinks, not asked.reasoning_only, asked.kept is not None, handoff)
        backend = chosen(self._loaded, self._catalog, wanted)
        hosted = self._hosted() if backend == GATEWAY else None
        build_reasoner, build_answerer = self._pair(backend, hosted)
        reasoner = build_reasoner() if thinks else None
        answerer = None if asked.reasoning_only else build_answerer()
        if hosted and answerer:
            reasoner = None  # one call does both
        search = self._search(backend, asked)
        return Plan(
            new_id(),
            backend,
            asked.question,
            self._prompt(asked, [each for each in (reasoner, answerer) if each]),
            reasoner,
            answerer,
            handoff,
            asked.kept,
            asked.allow_empty_reasoning,
            asked.session,
            tuple(self._warnings),
            asked.reasoning_from,
            self._chosen_reasoner,
            asked.enough,
            hosted=hosted,
            search=search,
        )

    def _prompt(self, asked: Asked, models: Sequence[Provider]) -> Prompt:
        """The question behind as much of the session as the smaller of the models reads."""
        reads = min((model.context for model in models if model.context), default=None)
        kept = estimate_tokens(asked.kept.reasoning + asked.kept.answer) if asked.kept else 0
        room = None if reads is None else reads - self._settings.max_tokens - kept
        earlier, left_out = fitted(asked.earlier, (asked.system or "") + asked.question, room)
        if left_out:
            turns = "turn does" if left_out == 1 else "turns do"
            self._warnings.append(
                f"the {left_out} oldest {turns} not fit into {reads:,} tokens and"
                f" {'is' if left_out == 1 else 'are'} not sent"
            )
        stable = steady(earlier, left_out) if asked.goes_on else None
        return Prompt((*earlier, Message("user", asked.question)), asked.system, stable)

    def _pair(
        self, backend: str, hosted: GatewayProvider | None
    ) -> tuple[Callable[[], Provider], Callable[[], Provider]]:
        if hosted:
            return hosted.as_reasoner, lambda: hosted
        if backend != "demo":
            return self._reasoner, self._claude
        from deepreasoning_cli.providers.demo import Scripted

        sleep = self._waits.sleep
        return lambda: Scripted("reasoner", sleep=sleep), lambda: Scripted("answerer", sleep=sleep)

    def _reasoner(self) -> Provider:
        from deepreasoning_cli.providers.reasoner import ReasonerProvider

        name = self._settings.reasoner
        preset = (
            self._catalog.reasoner(name)
            if name
            else self._catalog.default_reasoner(self._loaded.has_key)
        )
        if preset is None:
            raise ConfigError("no key for a reasoner", kind="key_missing", hint=STARTS)
        self._chosen_reasoner = preset.name
        samplers = granted(self._wish, preset.samplers, preset.model)
        self._warnings += samplers.warnings
        host = preset.key or preset.name
        return ReasonerProvider(
            preset,
            self._settings.base_urls.get(host, preset.base_url),
            self._key(preset.key) if preset.key else None,
            samplers.values,
            self._transport,
            self._top_up(host),
        )

    def _claude(self) -> Provider:
        from deepreasoning_cli.providers.claude import ClaudeProvider

        today = datetime.now(UTC).date()
        choice = self._catalog.claude(self._settings.model or "sonnet", "direct", today)
        model = choice.model
        typed = self._wish.typed
        samplers = cooled(granted(self._wish, model.samplers, model.id), model.id, typed)
        self._warnings += [*([choice.warning] if choice.warning else []), *samplers.warnings]
        vendor = self._catalog.vendor("anthropic")
        return ClaudeProvider(
            model.id,
            self._settings.base_urls.get("anthropic", vendor.base_url),
            self._key("anthropic"),
            self._max_tokens(model.max_output, model.id),
            samplers.values,
            self._transport,
            model.rates.get("direct"),
            model.context,
            vendor.page,
            model.cache_minimum,
        )

    def _hosted(self) -> GatewayProvider:
        from deepreasoning_cli.providers.gateway import GatewayProvider, Parameters

        settings, today = self._settings, datetime.now(UTC).date()
        name = settings.model or self._catalog.gateway_default
        choice = self._catalog.claude(name, GATEWAY, today)
        self._warnings += [choice.warning] if choice.warning else []
        if self._loaded.is_typed("reasoner"):
            self._warnings.append("--reasoner is not sent: the gateway has its own")
        vendor = self._catalog.vendor(GATEWAY_KEY)
        return GatewayProvider(
            Parameters(
                choice.model.id,
                settings.temperature,
                settings.top_p,
                settings.max_tokens,
                settings.web_search_linkup,
                settings.disable_formatting,
            ),
            settings.gateway.endpoint,
            settings.base_urls.get(GATEWAY_KEY, vendor.base_url),
            self._key(GATEWAY_KEY),
            self._transport,
            choice.model.rates.get(GATEWAY),
            choice.model.context,
            vendor.page,
            self._catalog.search.gateway,
        )

    def _search(self, backend: str, asked: Asked) -> Search | None:
        """The search that a turn of our own begins with; the gateway makes its own."""
        settings = self._settings
        if not settings.web_search_linkup or backend == GATEWAY:
            return None
        if backend == "demo":
            self._warnings.append("the demo does not search the web")
            return None
        from deepreasoning_cli.providers.linkup import LinkupProvider

        vendor, prices = self._catalog.vendor("linkup"), self._catalog.search
        searcher = LinkupProvider(
            settings.base_urls.get("linkup", vendor.base_url),
            self._key("linkup"),
            self._transport,
            settings.search.depth,
            prices.deep if settings.search.depth == "deep" else prices.standard,
            vendor.page,
        )
        return Search(
            searcher, asked.question, asked.without_search, lists=not settings.disable_formatting
        )

    def _max_tokens(self, most: int | None, model: str) -> int:
        wanted = self._settings.max_tokens
        if most is None or wanted <= most:
            return wanted
        if self._loaded.is_typed("max_tokens"):
            self._warnings.append(f"{model} writes at most {most:,} tokens, not {wanted:,}")
        return most

    def _key(self, name: str) -> Key:
        key = self._loaded.key(name)
        if key is None:
            variable = next((vendor.key_env for vendor in self._vendors(name)), None)
            by_variable = f"export {variable}=…, or " if variable else ""
            raise ConfigError(
                f"no key for {name}",
                kind="key_missing",
                hint=f"{by_variable}`deepreasoning config set keys.{name}`",
            )
        return key

    def _top_up(self, host: str) -> str | None:
        return next((vendor.page for vendor in self._vendors(host)), None)

    def _vendors(self, name: str) -> Iterator[Vendor]:
        """The vendor of that name; none for a host of the user's own."""
        return (vendor for vendor in self._catalog.vendors if vendor.name == name)
