"""`config check`: call every configured vendor once and say what to do about those that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import typer

from deepreasoning_cli.catalog.models import Answerer, Catalog, Reasoner
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, as_called
from deepreasoning_cli.providers.account import ProbeResult, probe
from deepreasoning_cli.sanitize import dump_json, single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import Timeouts, Transport
from deepreasoning_cli.wiring.backend import STARTS
from deepreasoning_cli.wiring.resources import current_catalog

SILENCE: Final = 15.0  # seconds without a byte; a list of models is quickly written


@dataclass(frozen=True, slots=True)
class Target:
    """A vendor to call: its name, its address, and the name of its key, if it takes one.

    `key_check` is the path that answers only to a valid key, where the catalog has one.
    """

    name: str
    base_url: str
    key: str | None
    key_check: str | None = None


def run(loaded: LoadedSettings, *, as_json: bool, log: Callable[[str], None]) -> int:
    """Print one result for each vendor; return the exit code: 0, or that of the first failure.

    Raises ConfigError if no vendor is configured.
    """
    targets = _targets(loaded, current_catalog(loaded))
    if not targets:
        raise ConfigError("no vendor is configured", hint=STARTS, kind="key_missing")
    results: list[ProbeResult] = []
    with Transport(Timeouts.all_of(loaded.settings.timeout or SILENCE), log=log) as transport:
        for target in targets:
            results.append(_probe(loaded, target, transport))
            if not as_json:
                _print(results[-1])
    if as_json:
        typer.echo(dump_json([_as_object(result) for result in results]))
    return next((result.error.exit_code for result in results if result.error), 0)


def _targets(loaded: LoadedSettings, catalog: Catalog) -> list[Target]:
    """What the settings would call: every vendor with a key, and keyless hosts that are named."""
    settings = loaded.settings
    targets = {
        each.name: Target(
            each.name, each.base_url, each.name if each.key_env else None, each.key_check
        )
        for each in catalog.vendors
    }
    hosts: list[Reasoner | Answerer] = [*catalog.reasoners, *catalog.answerers]
    for host in hosts:
        if (host.key or host.name) not in {vendor.name for vendor in catalog.vendors}:
            targets[host.name] = Target(host.name, host.base_url, host.key)
    named = {*(settings.reasoner or ()), *(settings.answerer or ()), *(settings.fallback or ())}
    named |= {*settings.base_urls, *settings.reasoners, *settings.answerers}
    return [
        replace(target, base_url=settings.base_urls.get(name, target.base_url))
        for name, target in targets.items()
        if (loaded.has_key(target.key) if target.key else name in named)
    ]


def _probe(loaded: LoadedSettings, target: Target, transport: Transport) -> ProbeResult:
    """Call the vendor; a key that cannot be fetched is a failure of that vendor alone."""
    try:
        key = loaded.key(target.key) if target.key else None
    except DeepReasoningError as error:
        return ProbeResult(target.name, target.base_url, 0.0, error=error)
    return probe(transport, target.name, target.base_url, key, target.key_check)


def _print(result: ProbeResult) -> None:
    name = f"{single_line(result.vendor, 40):<12}"
    if not result.error:
        typer.echo(f"{name} works  {single_line(', '.join(_facts(result)), 1000)}")
        return
    typer.echo(f"{name} fails  {single_line(result.error.message, 1000)}")
    for hint in result.error.hints:
        typer.echo(f"{'':<12} hint:  {single_line(as_called(hint), 1000)}")


def _facts(result: ProbeResult) -> Iterator[str]:
    yield f"{result.seconds * 1000:.0f} ms"
    if result.balance:
        yield f"balance {result.balance}"
    if not result.key_tried:
        yield "it may answer this call without looking at the key"


def _as_object(result: ProbeResult) -> dict[str, Any]:
    return {
        "vendor": result.vendor,
        "base_url": result.base_url,
        "works": result.error is None,
        "milliseconds": round(result.seconds * 1000),
        "balance": result.balance,
        "key_tried": result.key_tried,
        "error": result.error.as_json()["error"] if result.error else None,
    }
