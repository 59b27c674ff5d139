"""What a run has besides its settings: its connections, and the ids of its turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepreasoning_cli import paths
from deepreasoning_cli.catalog import live
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Catalog, Reasoner
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.settings.models import CustomReasoner

if TYPE_CHECKING:
    from deepreasoning_cli.transport import RetryNotice, Transport
    from deepreasoning_cli.transport.client import WrapBackend

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letter that is read as another


def open_transport(
    loaded: LoadedSettings,
    notify: Callable[[RetryNotice], None],
    log: Callable[[str], None],
    runtime: Runtime = BLOCKING,
    wrap_backend: WrapBackend | None = None,
) -> Transport:
    """The transport of this run, with the user's patience; `wrap_backend` as Transport takes it.

    Raises ConfigError.
    """
    from deepreasoning_cli.transport import Timeouts, Transport

    patience = loaded.settings.timeout
    clocks = Timeouts.all_of(patience) if patience else Timeouts()
    return Transport(clocks, notify=notify, log=log, sleep=runtime.sleep, wrap_backend=wrap_backend)


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time of birth."""
    number = time.time_ns() // 1_000_000 << 32 | int.from_bytes(os.urandom(4))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def current_catalog(loaded: LoadedSettings) -> Catalog:
    """The written catalog with what the vendors said last. Raises ConfigError."""
    return live.laid_over(written_catalog(loaded), paths.data_dir())


def written_catalog(loaded: LoadedSettings) -> Catalog:
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
