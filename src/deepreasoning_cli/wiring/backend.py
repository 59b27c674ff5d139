"""Who is called: the backend, the reasoner and the answerer, and those that step in for them.

They are what the settings name, or what the keys allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepreasoning_cli.catalog.fields import known_names
from deepreasoning_cli.catalog.models import Answerer, Catalog, Host, Reasoner
from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.settings.loaded import LoadedSettings

GATEWAY = "gateway"
GATEWAY_KEY = "empiriolabs"
STARTS = (
    "three ways to start: a reasoner's key and one for Claude"
    " (export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…, or OPENROUTER_API_KEY=… for both), one key"
    " for the gateway (export EMPIRIOLABS_API_KEY=…), or --backend demo, which calls no model;"
    " `deepreasoning config init` asks for them"
)


@dataclass(frozen=True, slots=True)
class BackendNeeds:
    """What a turn needs of its backend; `has_reasoning` where it reuses some."""

    thinks: bool
    answers: bool
    has_reasoning: bool
    handoff: Handoff

    @property
    def is_hosted(self) -> bool:
        """Whether the gateway, which does all stages in one call, can do it."""
        return self.thinks and self.handoff is Handoff.REASONING


def choose_backend(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    """`direct`, `gateway` or `demo`: what is named, or for `auto` what the keys allow.

    Reused reasoning goes to Claude directly, whatever is named, since the gateway takes none.
    Raises ConfigError where keys are missing, UsageError for what the gateway cannot do.
    """
    named = loaded.settings.backend
    if named == GATEWAY and not needs.is_hosted:
        return _instead_of_the_gateway(loaded, catalog, needs)
    if named != "auto":
        return named
    if (not needs.thinks or reasoners_in_order(loaded, catalog)) and (
        not needs.answers or answerers_in_order(loaded, catalog)
    ):
        return "direct"
    if needs.is_hosted and loaded.has_key(GATEWAY_KEY):
        return GATEWAY
    raise ConfigError(_missing(loaded, catalog, needs), kind="key_missing", hint=STARTS)


def reasoners_in_order(loaded: LoadedSettings, catalog: Catalog) -> tuple[Reasoner, ...]:
    """The reasoner, and those that are asked instead where it cannot be; none without any key.

    Raises ConfigError for a name that the catalog lacks.
    """
    named = [catalog.reasoner(name) for name in loaded.settings.reasoner or ()]
    default = catalog.default_reasoner(loaded.has_key)
    return tuple(_in_order(loaded, catalog, named, default, catalog.reasoners))


def answerers_in_order(loaded: LoadedSettings, catalog: Catalog) -> tuple[Answerer, ...]:
    """The same for the answerer."""
    named = [catalog.answerer(name) for name in loaded.settings.answerer or ()]
    default = catalog.default_answerer(loaded.has_key)
    return tuple(_in_order(loaded, catalog, named, default, catalog.answerers))


def _in_order(
    loaded: LoadedSettings,
    catalog: Catalog,
    named: Sequence[Host],
    default: Host | None,
    rows: Sequence[Host],
) -> Iterator[Host]:
    """The named hosts or the default one, then those of `fallback`; each of them once."""
    first = named or ([default] if default else [])
    yield from first
    for name in map(str.lower, loaded.settings.fallback or ()):
        both = [row.name for row in catalog.reasoners]
        both += [row.name for row in catalog.answerers]
        if name not in map(str.lower, both):
            raise ConfigError(
                f"there is no reasoner or answerer {name!r}",
                hint=known_names(name, dict.fromkeys(both)),
                kind="fallback_unknown",
            )
        yield from (row for row in rows if row.name.lower() == name and row not in first)


def with_keys(loaded: LoadedSettings, hosts: Sequence[Host]) -> tuple[Host, ...]:
    """Those that can be asked: their key is set, or they need none; the first if there is none."""
    able = tuple(host for host in hosts if host.key is None or loaded.has_key(host.key))
    return able or tuple(hosts[:1])


def _instead_of_the_gateway(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    if not needs.has_reasoning:
        raise UsageError(
            f"the gateway does all stages in one call: --handoff {needs.handoff} is not its to do",
            hint="leave --handoff out, or use --backend direct",
        )
    if not answerers_in_order(loaded, catalog):
        raise ConfigError(
            "the gateway takes no reasoning that is there already, and there is no key for Claude",
            kind="key_missing",
            hint="set ANTHROPIC_API_KEY, and Claude is asked directly",
        )
    return "direct"


def _missing(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    if needs.thinks and not reasoners_in_order(loaded, catalog):
        answers = answerers_in_order(loaded, catalog)
        return "no key for a reasoner" if answers else "no keys are set"
    return "no key for Claude: set ANTHROPIC_API_KEY"
