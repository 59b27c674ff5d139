"""Which backend a turn runs on: what the settings name, or what the keys allow."""

from __future__ import annotations

from dataclasses import dataclass

from deepreasoning_cli.catalog.models import Catalog
from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.settings.loaded import LoadedSettings

GATEWAY = "gateway"
GATEWAY_KEY = "empiriolabs"
STARTS = (
    "three ways to start: a reasoner's key and one for Claude"
    " (export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…), one key for the gateway"
    " (export EMPIRIOLABS_API_KEY=…), or --backend demo, which calls no model;"
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
        return _instead_of_the_gateway(loaded, needs)
    if named != "auto":
        return named
    reasons = (
        not needs.thinks or loaded.settings.reasoner or catalog.default_reasoner(loaded.has_key)
    )
    if reasons and (not needs.answers or loaded.has_key("anthropic")):
        return "direct"
    if needs.is_hosted and loaded.has_key(GATEWAY_KEY):
        return GATEWAY
    raise ConfigError(_missing(loaded, catalog, needs), kind="key_missing", hint=STARTS)


def _instead_of_the_gateway(loaded: LoadedSettings, needs: BackendNeeds) -> str:
    if not needs.has_reasoning:
        raise UsageError(
            f"the gateway does all stages in one call: --handoff {needs.handoff} is not its to do",
            hint="leave --handoff out, or use --backend direct",
        )
    if not loaded.has_key("anthropic"):
        raise ConfigError(
            "the gateway takes no reasoning that is there already, and there is no key for Claude",
            kind="key_missing",
            hint="set ANTHROPIC_API_KEY, and Claude is asked directly",
        )
    return "direct"


def _missing(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    has = loaded.has_key
    if needs.thinks and not catalog.default_reasoner(has):
        return "no key for a reasoner" if has("anthropic") else "no keys are set"
    return "no key for Claude: set ANTHROPIC_API_KEY"
