"""`models --live`: ask every vendor whose key is set, and store what they say for later runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.live import LiveModels, read
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, WriteError
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.account import claude_models, gateway_models, model_ids
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import Timeouts, Transport
from deepreasoning_cli.wiring.backend import STARTS
from deepreasoning_cli.wiring.resources import written_catalog

SILENCE: Final = 15.0  # seconds without a byte; a list of models is quickly written
T = TypeVar("T")


def ask(
    loaded: LoadedSettings, warn: Callable[[str], None], log: Callable[[str], None]
) -> LiveModels:
    """What the vendors say now, stored for later runs; one that does not answer is a warning.

    What a vendor said before stays where it does not answer now. Raises ConfigError where no key
    is set, or where none of the vendors answered.
    """
    hosts = [vendor.name for vendor in written_catalog(loaded).vendors if vendor.lists_models]
    if not any(loaded.has_key(name) for name in ("anthropic", *hosts, "empiriolabs")):
        raise ConfigError("no vendor can be asked", hint=STARTS, kind="key_missing")
    with Transport(Timeouts.all_of(loaded.settings.timeout or SILENCE), log=log) as transport:
        answers = _ask_all(loaded, hosts, transport, warn)
    try:
        write_atomically(paths.live_models(), answers.write())
    except WriteError as error:
        warn(f"the vendors' lists could not be saved: {error.message}")
    return answers


def _ask_all(
    loaded: LoadedSettings, hosts: Sequence[str], transport: Transport, warn: Callable[[str], None]
) -> LiveModels:
    catalog = written_catalog(loaded)

    def ask_vendor(name: str, call: Callable[[Transport, str, Key], T]) -> T | None:
        """What the vendor says; None where it has no key or does not answer."""
        try:
            key = loaded.key(name)
            if key is None:
                return None
            base_url = loaded.settings.base_urls.get(name, catalog.vendor(name).base_url)
            return call(transport, base_url, key)
        except DeepReasoningError as error:
            warn(f"{name} was not asked: {error.message}")
            return None

    before = read(paths.live_models()) or LiveModels(datetime.now(UTC))
    claude = ask_vendor("anthropic", claude_models)
    paired = ask_vendor("empiriolabs", gateway_models)
    answers = {name: ask_vendor(name, model_ids) for name in hosts}
    listed = {name: ids for name, ids in answers.items() if ids is not None}
    if claude is None and paired is None and not listed:
        raise ConfigError(
            "no vendor answered",
            hint="`deepreasoning config check` says what to do",
            kind="unreachable",
        )
    return LiveModels(
        datetime.now(UTC),
        before.anthropic if claude is None else claude,
        {**before.hosts, **listed},
        before.gateway if paired is None else paired,
    )
