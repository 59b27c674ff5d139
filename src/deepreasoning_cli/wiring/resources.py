"""What a run has besides its settings: its connections, and the ids of its turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepreasoning_cli import paths
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
    while_waiting: Callable[[], None] = lambda: None,
) -> Transport:
    """The transport of this run, with the user's timeout. Raises ConfigError."""
    from deepreasoning_cli.transport import Timeouts, Transport

    seconds = loaded.settings.timeout
    timeouts = Timeouts.all_of(seconds) if seconds else Timeouts()
    return Transport(
        timeouts,
        notify=notify,
        log=log,
        sleep=runtime.sleep,
        while_waiting=while_waiting,
        wrap_backend=wrap_backend,
    )


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time."""
    number = time.time_ns() // 1_000_000 << 32 | int.from_bytes(os.urandom(4))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def current_catalog(loaded: LoadedSettings) -> Catalog:
    """The written catalog under the vendors' last lists. Raises ConfigError."""
    catalog, cache = written_catalog(loaded), paths.live_models()
    if not cache.exists():
        return catalog
    from deepreasoning_cli.catalog.live import apply_cache

    return apply_cache(catalog, cache)


def written_catalog(loaded: LoadedSettings) -> Catalog:
    """The catalog with the user's own rows and reasoners. Raises ConfigError."""
    own = [_own_reasoner(*item) for item in loaded.settings.reasoners.items()]
    override = paths.catalog_override()
    return load_catalog(override if override.exists() else None).with_reasoners(own)


def _own_reasoner(name: str, fields: CustomReasoner) -> Reasoner:
    own = fields.rates
    rates = RateCard(Rates(own.input, own.output), source="config.toml") if own else None
    return Reasoner(name=name, label=name, rates=rates, **fields.model_dump(exclude={"rates"}))
