"""The gateway, the search of the web and probes, which few turns need: settings → who is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.models import Catalog, ClaudeModel
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UsageError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.probes import LONGEST_PROBE, Probing
from deepreasoning_cli.providers.gateway import GatewayProvider, Parameters
from deepreasoning_cli.providers.linkup import LinkupProvider
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.transport import DeferredTransport, Transport
from deepreasoning_cli.wiring.backend import gateways_model, typed_names
from deepreasoning_cli.wiring.resources import name_at

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost
    from deepreasoning_cli.pipeline.run import Plan
    from deepreasoning_cli.pipeline.stage import Provider

IGNORED = ("reasoner", "answerer", "fallback", "effort", "think", "max_reasoning", "stop")
"""Settings that have no effect at the gateway."""


class ChosenGateway(NamedTuple):
    """The hosted model, and what the user is told of it; `daily_note` once a day."""

    provider: GatewayProvider
    warnings: list[str]
    daily_note: str | None


def choose_gateway(
    loaded: LoadedSettings,
    catalog: Catalog,
    key: Key,
    transport: Transport | DeferredTransport,
    today: date,
) -> ChosenGateway:
    """The gateway with the Claude model that the settings name. Raises RefusedError."""
    settings = loaded.settings
    with typed_names(loaded, "model"):
        model, warnings, daily_note = gateways_model(catalog, settings.model, today)
    for name in filter(loaded.is_typed, IGNORED):
        warnings.append(f"--{name} ignored: the gateway decides".replace("_", "-"))
    provider = open_gateway(settings, catalog, model, key, transport)
    return ChosenGateway(provider, warnings, daily_note)


def open_search(
    settings: Settings, catalog: Catalog, key: Key, transport: Transport | DeferredTransport
) -> LinkupProvider:
    """The search of the web, as deep as the settings say, with its price."""
    vendor, prices, depth = catalog.vendor("linkup"), catalog.search, settings.search.depth
    return LinkupProvider(
        base_url=(url := settings.base_urls.get("linkup", vendor.base_url)),
        key=key,
        transport=transport,
        depth=depth,
        price=prices.deep if depth == "deep" else prices.standard,
        top_up=vendor.page,
        vendor=name_at(vendor, url),
    )


def open_gateway(
    settings: Settings,
    catalog: Catalog,
    model: ClaudeModel,
    key: Key,
    transport: Transport | DeferredTransport,
) -> GatewayProvider:
    """The hosted model, paired with this Claude model."""
    vendor = catalog.vendor(key.name)
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
        base_url=(url := settings.base_urls.get(key.name, vendor.base_url)),
        key=key,
        transport=transport,
        rates=model.rates.get("gateway"),
        context=model.context,
        top_up=vendor.page,
        vendor=name_at(vendor, url),
        search_price=catalog.search.gateway,
        host=vendor.name,
    )


RECENT: Final = timedelta(days=90)
"""How old a turn may be that tells how long the reasoner thinks."""


def with_probes(
    plan: Plan, loaded: LoadedSettings, answerer: Callable[[Mapping[str, object]], Provider]
) -> Plan:
    """The plan, whose reasoner is stopped once it has settled, if that can save anything.

    `answerer` returns the first answerer under other settings. Raises UsageError where the option
    contradicts the hand-off; what the config file says gives way instead.
    """
    is_typed, settings = loaded.is_typed("stop"), loaded.settings
    if plan.handoff is not Handoff.REASONING and is_typed and plan.reused is None:
        raise UsageError(
            f"--stop settled has no meaning with --handoff {plan.handoff}",
            hint="leave one of them out: it ends reasoning that Claude answers from",
        )
    reasoner = plan.reasoner
    if reasoner is None or plan.handoff is not Handoff.REASONING or plan.backend != "direct":
        return plan
    if not plan.prompt.is_plain:
        return plan
    asks = {"model": settings.probe_model, "effort": "none", "max_tokens": LONGEST_PROBE}
    try:
        provider: Any = answerer({**asks, "temperature": 0.0})
        reader = (plan.answerer or answerer({})).rates
    except (ConfigError, RefusedError, UsageError) as error:
        return _without_probes(plan, error.message, is_typed=is_typed)
    provider = replace(provider, is_optional=True)
    for name, rates in (
        (reasoner.model, reasoner.rates),
        (provider.model, provider.rates),
        ("Claude", reader),
    ):
        if rates is None:
            return _without_probes(plan, f"the cost of {name} is unknown", is_typed=is_typed)
    assert reader is not None
    lengths = partial(_thought_lengths, reasoner.model)
    return replace(plan, probing=Probing(provider=provider, reader=reader, lengths=lengths))


def _without_probes(plan: Plan, reason: str, *, is_typed: bool) -> Plan:
    warnings = (f"--stop settled has no effect: {reason}",) if is_typed else ()
    return replace(plan, warnings=(*plan.warnings, *warnings))


def _thought_lengths(model: str) -> Sequence[int]:
    """How long that reasoner has thought in turns of the last weeks."""
    from deepreasoning_cli.history.queries import thought_lengths
    from deepreasoning_cli.history.recovery import HistoryAccess

    rows: Sequence[StageCost] | None = None
    access = HistoryAccess(paths.data_dir(), lambda _kind, _text: None)
    with suppress(DeepReasoningError):  # whoever saves the turn tells of a damaged history
        rows = access.spending(datetime.now(UTC) - RECENT, recover_orphaned=False)
    return thought_lengths(rows or (), model)
