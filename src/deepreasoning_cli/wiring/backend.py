"""Who is called: the backend, the reasoner and the answerer, and those that step in for them.

They are what the settings name, or what the keys allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from deepreasoning_cli.catalog.fields import known_names
from deepreasoning_cli.catalog.models import (
    DIRECT,
    Answerer,
    Catalog,
    Choice,
    ClaudeModel,
    Host,
    Lifecycle,
    Reasoner,
    Vendor,
    normal_name,
)
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError
from deepreasoning_cli.settings.loaded import LoadedSettings

if TYPE_CHECKING:
    from deepreasoning_cli.connect import HttpOrigin
    from deepreasoning_cli.keys import Key
    from deepreasoning_cli.pipeline.events import Handoff

GATEWAY = "gateway"
GATEWAY_KEY = "empiriolabs"
STARTS: Final = (
    "`deepreasoning config init` asks for your keys and stores them",
    "or export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…, or OPENROUTER_API_KEY=…,"
    " or EMPIRIOLABS_API_KEY=…",
    "no key yet? --backend demo shows how it works, without calling a model",
)
"""What to do where no key is set: each way to start is there."""


class GatewaysModel(NamedTuple):
    """The Claude model of the gateway's pairing; `daily_note` is worth saying once a day."""

    model: ClaudeModel
    warnings: list[str]
    daily_note: str | None = None


def gateways_model(catalog: Catalog, name: str | None, today: date) -> GatewaysModel:
    """The model of that name, else the gateway's default, of which nobody knows whether it is
    served once Anthropic has retired it (api-facts.md, section 4.3). Raises RefusedError.
    """
    choice = catalog.claude(name or catalog.gateway_default, GATEWAY, today)
    if name or choice.model.lifecycle(today) is not Lifecycle.RETIRED:
        return GatewaysModel(choice.model, [choice.warning] if choice.warning else [])
    return GatewaysModel(
        choice.model,
        [],
        f"Anthropic has retired {choice.model.id}, the gateway's default, on {choice.model.ends};"
        " the gateway may no longer serve it",
    )


class BackendNeeds(NamedTuple):
    """What a turn needs of its backend; `has_reasoning` where it reuses some."""

    thinks: bool
    answers: bool
    has_reasoning: bool
    handoff: Handoff

    @property
    def is_hosted(self) -> bool:
        """Whether the gateway, which does all stages in one call, can do it."""
        return self.thinks and self.handoff == "reasoning"


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
    named = _named(loaded, "reasoner", catalog.reasoner)
    default = catalog.default_reasoner(loaded.has_key)
    return tuple(_in_order(loaded, catalog, named, default, catalog.reasoners))


def answerers_in_order(loaded: LoadedSettings, catalog: Catalog) -> tuple[Answerer, ...]:
    """The same for the answerer."""
    named = _named(loaded, "answerer", catalog.answerer)
    default = catalog.default_answerer(loaded.has_key)
    return tuple(_in_order(loaded, catalog, named, default, catalog.answerers))


def _named(loaded: LoadedSettings, setting: str, find: Callable[[str], Host]) -> list[Host]:
    """The hosts that a setting names."""
    with typed_names(loaded, setting):
        return [find(name) for name in getattr(loaded.settings, setting) or ()]


@contextmanager
def typed_names(loaded: LoadedSettings, setting: str) -> Iterator[None]:
    """Raise UsageError for an unknown name where a flag of the call gave this setting."""
    try:
        yield
    except (ConfigError, RefusedError) as error:
        if not error.kind.endswith("_unknown") or not loaded.is_typed(setting):
            raise
        raise UsageError(
            error.message, hint=error.hints, kind=error.kind, stage=error.stage
        ) from None


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
            with typed_names(loaded, "fallback"):
                raise ConfigError(
                    f"there is no reasoner or answerer {name!r}",
                    hint=known_names(name, dict.fromkeys(both)),
                    kind="fallback_unknown",
                )
        yield from (row for row in rows if row.name.lower() == name and row not in first)


def model_at(
    answerer: Answerer, catalog: Catalog, name: str | None, today: date, *, typed: bool
) -> Choice:
    """The model that `name` means at the answerer, under the host's own id, at the host's rates.

    Without a name it is the host's own, else the newest Sonnet. A name that is not `typed` gives
    way where the host has a model of its own. Raises RefusedError for a name that means nothing
    there, and as Catalog.claude does.
    """
    own = answerer.model
    offers = answerer.place == DIRECT or bool(catalog.offered(answerer.place))
    if name is None or (own and not typed and not offers and means_claude(catalog, name)):
        name = own or "sonnet"
    if offers:
        choice = catalog.claude(name, answerer.place, today)
        id_ = choice.model.ids.get(answerer.place, choice.model.id)
        return choice._replace(model=replace(choice.model, id=id_))
    if name != own and means_claude(catalog, name) and not _is_id(catalog, name):
        raise RefusedError(
            f"{answerer.name} has no model called {name!r}",
            hint=f"use -m {own}, or the id of another model that it has"
            if own
            else f"use -m with the id it has there, or set answerers.{answerer.name}.model",
            kind="model_not_offered",
            stage="answer",
        )
    return Choice(_foreign_model(answerer, catalog, name))


def means_claude(catalog: Catalog, name: str) -> bool:
    """Whether the name is one of a Claude model, alive or not, or of a family of them."""
    family = normal_name(name).removeprefix("claude-")
    return catalog.named(name) is not None or family in catalog.families


def _is_id(catalog: Catalog, name: str) -> bool:
    """Whether the name is an id as some host may have it, and not an alias of ours."""
    model = catalog.named(name)
    return model is not None and ("/" in name or name.strip().lower() == model.id)


def _foreign_model(answerer: Answerer, catalog: Catalog, name: str) -> ClaudeModel:
    """A model at a host that lists none: what is known of it is known from its name, its row as a
    reasoner, or what the answerer says.

    The rates are those of the answerer's own model, and of all models where they are nothing.
    """
    rows = (row for row in catalog.reasoners if row.key and row.key == answerer.key)
    thinks = next((row for row in rows if row.model == name), None)
    claude, is_own = catalog.named(name), answerer.model in (None, name)
    is_free = answerer.rates is not None and not answerer.rates.base.output
    samplers = thinks.samplers if thinks else answerer.samplers
    model = claude or ClaudeModel(id=name, name=name, samplers=samplers)
    limits = answerer if is_own else thinks or model
    card = answerer.rates if is_own or is_free else thinks.rates if thinks else None
    return replace(
        model,
        id=name,
        ids={},
        rates={answerer.place: card},
        context=limits.context or model.context,
        max_output=limits.max_output or model.max_output,
        efforts=answerer.efforts or model.efforts,
    )


def with_keys(loaded: LoadedSettings, hosts: Sequence[Host]) -> tuple[Host, ...]:
    """Those that can be asked: their key is set, or they need none; the first if there is none."""
    able = tuple(host for host in hosts if host.key is None or loaded.has_key(host.key))
    return able or tuple(hosts[:1])


def base_url_of(loaded: LoadedSettings, host: Reasoner | Answerer) -> str:
    """Where a host is called: what its vendor's setting says, else its own address."""
    return loaded.settings.base_urls.get(host.key or host.name, host.base_url)


def vendor_of(catalog: Catalog, name: str) -> Vendor | None:
    """The vendor of that name; None for a host of the user's own."""
    return next((vendor for vendor in catalog.vendors if vendor.name == name), None)


def key_of(loaded: LoadedSettings, catalog: Catalog, name: str) -> Key:
    """The key of that name; its command may run. Raises ConfigError where there is none."""
    key = loaded.key(name)
    if key is None:
        vendor = vendor_of(catalog, name)
        export = f"export {vendor.key_env}=…, or " if vendor and vendor.key_env else ""
        raise ConfigError(
            f"no key for {name}",
            kind="key_missing",
            hint=f"{export}`deepreasoning config set keys.{name}`",
        )
    return key


def likely_origin(loaded: LoadedSettings, catalog: Catalog) -> HttpOrigin | None:
    """Where a turn's first request plainly goes, by the settings alone; None where that depends.

    Raises ConfigError and UsageError as choose_backend does.
    """
    from deepreasoning_cli.connect import HttpOrigin

    settings = loaded.settings
    caps = (settings.max_cost, settings.daily_cost, settings.monthly_cost)
    is_plain = settings.backend in ("auto", "direct") and settings.handoff != "none"
    if not (settings.connect_ahead and is_plain and caps == (None, None, None)):
        return None
    if settings.web_search_linkup or not answerers_in_order(loaded, catalog):
        return None
    reasoners = with_keys(loaded, reasoners_in_order(loaded, catalog))
    return HttpOrigin.of(base_url_of(loaded, reasoners[0])) if reasoners else None


def _instead_of_the_gateway(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    if not needs.has_reasoning:
        raise UsageError(
            f"the gateway does all stages in one call, without --handoff {needs.handoff}",
            hint="leave --handoff out, or use --backend direct",
        )
    if not answerers_in_order(loaded, catalog):
        raise ConfigError(
            "the gateway cannot reuse reasoning, and there is no key for Claude",
            kind="key_missing",
            hint="set ANTHROPIC_API_KEY to ask Claude directly",
        )
    return "direct"


def _missing(loaded: LoadedSettings, catalog: Catalog, needs: BackendNeeds) -> str:
    if needs.thinks and not reasoners_in_order(loaded, catalog):
        answers = answerers_in_order(loaded, catalog)
        return "no key for a reasoner" if answers else "no keys are set"
    return "no key for Claude: set ANTHROPIC_API_KEY"
