"""Composition root: names in settings → live objects."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from deepreasoning_cli import catalog as catalogs
from deepreasoning_cli import paths
from deepreasoning_cli.catalog import Catalog, Reasoner, Vendor
from deepreasoning_cli.conversation import fitted
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.events import Handoff, Message, Prompt
from deepreasoning_cli.keys import Key
from deepreasoning_cli.money import RateCard, Rates, estimate_tokens
from deepreasoning_cli.pipeline import Plan, Work
from deepreasoning_cli.providers.samplers import Wish, cooled, granted
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.settings.parts import CustomReasoner
from deepreasoning_cli.stage import Provider

if TYPE_CHECKING:
    from deepreasoning_cli.transport import Transport, Waiting

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letter that is read as another
STARTS = (
    "three ways to start: a reasoner's key and one for Claude"
    " (export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…), `deepreasoning config init`,"
    " or --backend demo, which calls no model"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What this call asks for beyond the settings.

    `kept` is reasoning to use again, `reasoning_from` the id of its turn; `earlier` are the
    messages of the session so far.
    """

    question: str
    system: str | None = None
    kept: Work | None = None
    reasoning_from: str | None = None
    session: str | None = None
    earlier: tuple[Message, ...] = ()
    reasoning_only: bool = False
    allow_empty_reasoning: bool = False
    enough: Callable[[], bool] = lambda: False


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time of birth."""
    number = time.time_ns() // 1_000_000 << 32 | secrets.randbits(32)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def connected(
    loaded: Loaded, notify: Callable[[Waiting], None], log: Callable[[str], None]
) -> Transport:
    """The transport of this run, with the user's patience. Raises ConfigError."""
    from deepreasoning_cli.transport import Clocks, Transport

    patience = loaded.settings.timeout
    clocks = Clocks.all_of(patience) if patience else Clocks()
    return Transport(clocks, notify=notify, log=log)


def catalog_for(loaded: Loaded) -> Catalog:
    """The catalog with the user's own rows and reasoners. Raises ConfigError."""
    own = [_own_reasoner(*item) for item in loaded.settings.reasoners.items()]
    override = paths.catalog_override()
    return catalogs.load(override if override.exists() else None).with_reasoners(own)


def _own_reasoner(name: str, fields: CustomReasoner) -> Reasoner:
    own = fields.rates
    rates = RateCard(Rates(own.input, own.output), source="config.toml") if own else None
    return Reasoner(
        name,
        name,
        fields.base_url,
        fields.model,
        fields.key,
        fields.context,
        opens_thinking=fields.opens_thinking,
        rates=rates,
    )


class Wiring:
    """Builds a turn's parts from settings and catalog; nothing is sent."""

    def __init__(self, loaded: Loaded, catalog: Catalog, connect: Callable[[], Transport]) -> None:
        self._loaded = loaded
        self._settings = loaded.settings
        self._catalog = catalog
        self._connect = connect
        typed = frozenset(name for name in ("temperature", "top_p") if loaded.is_typed(name))
        self._wish = Wish(loaded.settings.temperature, loaded.settings.top_p, typed)
        self._warnings: list[str] = []

    @cached_property
    def _transport(self) -> Transport:
        """Opened when the first provider needs it; the demo needs none."""
        return self._connect()

    def plan(self, asked: Asked) -> Plan:
        """The turn that is asked for. Raises ConfigError and RefusedError."""
        handoff = Handoff(self._settings.handoff)
        thinks = handoff is not Handoff.NONE and asked.kept is None
        backend = self._backend(thinks=thinks, answers=not asked.reasoning_only)
        build_reasoner, build_answerer = self._pair(backend)
        reasoner = build_reasoner() if thinks else None
        answerer = None if asked.reasoning_only else build_answerer()
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
            asked.enough,
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
        return Prompt((*earlier, Message("user", asked.question)), asked.system)

    def _backend(self, *, thinks: bool, answers: bool) -> str:
        """What `auto` stands for, given which stages will run."""
        chosen = self._settings.backend
        if chosen == "gateway":
            raise ConfigError(
                "the gateway backend is not part of this version",
                kind="backend",
                hint="--backend direct uses your own two keys; --backend demo needs none",
            )
        if chosen != "auto":
            return chosen
        reasons = (
            not thinks
            or self._settings.reasoner
            or self._catalog.default_reasoner(self._loaded.has_key)
        )
        if reasons and (not answers or self._loaded.has_key("anthropic")):
            return "direct"
        raise ConfigError(self._missing(thinks=thinks), kind="key_missing", hint=STARTS)

    def _missing(self, *, thinks: bool) -> str:
        has = self._loaded.has_key
        if thinks and not self._catalog.default_reasoner(has):
            return "no key for a reasoner" if has("anthropic") else "no keys are set"
        return "no key for Claude: set ANTHROPIC_API_KEY"

    def _pair(self, backend: str) -> tuple[Callable[[], Provider], Callable[[], Provider]]:
        if backend != "demo":
            return self._reasoner, self._claude
        from deepreasoning_cli.providers.demo import Scripted

        return lambda: Scripted("reasoner"), lambda: Scripted("answerer")

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
