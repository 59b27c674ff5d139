"""The catalog in force: what is written, the user's own rows, what the vendors said last."""

from __future__ import annotations

from deepreasoning_cli import paths
from deepreasoning_cli.catalog import Catalog, Reasoner, live
from deepreasoning_cli.catalog.tables import load_catalog
from deepreasoning_cli.money import RateCard, Rates
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.settings.parts import CustomReasoner


def catalog_for(loaded: Loaded) -> Catalog:
    """The written catalog with what the vendors said last. Raises ConfigError."""
    return live.laid_over(written_catalog(loaded), paths.data_dir())


def written_catalog(loaded: Loaded) -> Catalog:
    """The catalog with the user's own rows and reasoners. Raises ConfigError."""
    own = [_own_reasoner(*item) for item in loaded.settings.reasoners.items()]
    override = paths.catalog_override()
    return load_catalog(override if override.exists() else None).with_reasoners(own)


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
