"""`models --live`: ask every vendor whose key is there, and keep what they said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.live import Live, read
from deepreasoning_cli.catalog.models import Catalog
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, WriteError
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.keys import Key
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import Timeouts, Transport
from deepreasoning_cli.transport.client import ignore
from deepreasoning_cli.wiring.backend import STARTS
from deepreasoning_cli.wiring.resources import written_catalog

PATIENCE: Final = 15.0  # seconds without a sign of life; a list of models is quickly written
T = TypeVar("T")


def ask(loaded: LoadedSettings, warn: Callable[[str], None], *, log: bool) -> Live:
    """What the vendors say now, kept for later runs; one that does not answer is a warning.

    What a vendor said before stays where it does not answer now. Raises ConfigError where no key
    is set, or where none of the vendors answered.
    """
    catalog = written_catalog(loaded)
    hosts = [vendor.name for vendor in catalog.vendors if vendor.lists_models]
    if not any(loaded.has_key(name) for name in ("anthropic", *hosts, "empiriolabs")):
        raise ConfigError("no vendor can be asked", hint=STARTS, kind="key_missing")
    clocks = Timeouts.all_of(loaded.settings.timeout or PATIENCE)
    with Transport(clocks, log=_log if log else ignore) as transport:
        said = _Asking(loaded, catalog, transport, warn).all(hosts)
    _keep(said, warn)
    return said


class _Asking:
    """The calls, one after the other."""

    def __init__(
        self,
        loaded: LoadedSettings,
        catalog: Catalog,
        transport: Transport,
        warn: Callable[[str], None],
    ) -> None:
        self._loaded = loaded
        self._catalog = catalog
        self._transport = transport
        self._warn = warn

    def all(self, hosts: Iterable[str]) -> Live:
        from deepreasoning_cli.providers.account import claude_models, gateway_models, model_ids

        before = read(paths.live_models()) or Live(datetime.now(UTC))
        claude = self._said("anthropic", claude_models)
        paired = self._said("empiriolabs", gateway_models)
        listed = {name: self._said(name, model_ids) for name in hosts}
        answered = {name: ids for name, ids in listed.items() if ids is not None}
        if claude is None and paired is None and not answered:
            raise ConfigError(
                "no vendor answered",
                hint="`deepreasoning config check` says what to do",
                kind="unreachable",
            )
        return Live(
            datetime.now(UTC),
            before.anthropic if claude is None else claude,
            {**before.hosts, **answered},
            before.gateway if paired is None else paired,
        )

    def _said(self, name: str, call: Callable[[Transport, str, Key], T]) -> T | None:
        """What the vendor says; None where it has no key or does not answer."""
        try:
            key = self._loaded.key(name)
            if key is None:
                return None
            base = self._loaded.settings.base_urls.get(name, self._catalog.vendor(name).base_url)
            return call(self._transport, base, key)
        except DeepReasoningError as error:
            self._warn(f"{name} was not asked: {error.message}")
            return None


def _keep(said: Live, warn: Callable[[str], None]) -> None:
    path = paths.live_models()
    try:
        write_atomically(path, said.write())
    except WriteError as error:
        warn(f"what the vendors said is not kept: {error.message}")


def _log(line: str) -> None:
    write_stderr(single_line(f"debug: {line}", 4000))
