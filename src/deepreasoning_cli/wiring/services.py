"""The gateway and the search of the web, which few turns need: settings → what is called."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from deepreasoning_cli.catalog.models import Catalog, ClaudeModel
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.gateway import GatewayProvider, Parameters
from deepreasoning_cli.providers.linkup import LinkupProvider
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.transport import DeferredTransport, Transport
from deepreasoning_cli.wiring.backend import gateways_model, typed_names
from deepreasoning_cli.wiring.resources import name_at

IGNORED = ("reasoner", "answerer", "fallback", "effort", "think", "max_reasoning")
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
