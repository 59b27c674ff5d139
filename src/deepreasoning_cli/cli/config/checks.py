"""`config check`: call every configured vendor once and say what to do about those that fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from deepreasoning_cli.catalog.models import Catalog
    from deepreasoning_cli.providers.account import ProbeResult
    from deepreasoning_cli.settings.loaded import LoadedSettings
    from deepreasoning_cli.transport import Transport

PATIENCE = 15.0  # seconds without a sign of life; a list of models is quickly written


@dataclass(frozen=True, slots=True)
class Target:
    """A vendor to call: its name, address, the name of its key, if it takes one.

    `key_check` is the path that answers only to a valid key, where the catalog knows one.
    """

    name: str
    base_url: str
    key: str | None
    key_check: str | None = None


def run(loaded: LoadedSettings, *, as_json: bool, log: bool) -> int:
    """Print one outcome a vendor; return the exit code: 0, or that of the first failure.

    Raises ConfigError if no vendor is configured.
    """
    from deepreasoning_cli.errors import ConfigError
    from deepreasoning_cli.transport import Timeouts, Transport
    from deepreasoning_cli.transport.client import ignore
    from deepreasoning_cli.wiring.backend import STARTS
    from deepreasoning_cli.wiring.resources import current_catalog

    found = targets(loaded, current_catalog(loaded))
    if not found:
        raise ConfigError("no vendor is configured", hint=STARTS, kind="key_missing")
    clocks = Timeouts.all_of(loaded.settings.timeout or PATIENCE)
    with Transport(clocks, log=_say if log else ignore) as transport:
        outcomes = results(loaded, found, transport)
        shown = _show_json if as_json else _show_text
        return shown(outcomes)


def targets(loaded: LoadedSettings, catalog: Catalog) -> list[Target]:
    """Whom the settings would call: whoever has a key, and keyless hosts that are named."""
    settings = loaded.settings
    found = {
        vendor.name: Target(
            vendor.name,
            vendor.base_url,
            vendor.name if vendor.key_env else None,
            vendor.key_check,
        )
        for vendor in catalog.vendors
    }
    known = set(found)
    for reasoner in catalog.reasoners:
        if (reasoner.key or reasoner.name) not in known:
            found[reasoner.name] = Target(reasoner.name, reasoner.base_url, reasoner.key)
    named = {settings.reasoner, *settings.base_urls, *settings.reasoners}
    return [
        replace(target, base_url=settings.base_urls.get(name, target.base_url))
        for name, target in found.items()
        if (loaded.has_key(target.key) if target.key else name in named)
    ]


def results(
    loaded: LoadedSettings, found: Iterable[Target], transport: Transport
) -> Iterator[ProbeResult]:
    """Call one after the other; a key that cannot be had is that vendor's failure."""
    from deepreasoning_cli.errors import DeepReasoningError
    from deepreasoning_cli.providers.account import ProbeResult, probe

    for target in found:
        try:
            key = loaded.key(target.key) if target.key else None
        except DeepReasoningError as error:
            yield ProbeResult(target.name, target.base_url, 0.0, error=error)
        else:
            yield probe(transport, target.name, target.base_url, key, target.key_check)


def _show_text(outcomes: Iterable[ProbeResult]) -> int:
    from deepreasoning_cli.sanitize import single_line

    code = 0
    for outcome in outcomes:
        name = single_line(outcome.vendor, 40)
        if outcome.error:
            code = code or outcome.error.exit_code
            typer.echo(f"{name:<12} fails  {single_line(outcome.error.message, 1000)}")
            if outcome.error.hint:
                typer.echo(f"{'':<12} hint:  {single_line(outcome.error.hint, 1000)}")
        else:
            typer.echo(f"{name:<12} works  {single_line(', '.join(_facts(outcome)), 1000)}")
    return code


def _facts(outcome: ProbeResult) -> Iterator[str]:
    yield f"{outcome.seconds * 1000:.0f} ms"
    if outcome.balance:
        yield f"balance {outcome.balance}"
    if not outcome.key_tried:
        yield "it may answer this call without looking at the key"


def _show_json(outcomes: Iterable[ProbeResult]) -> int:
    from deepreasoning_cli.sanitize import dump_json

    all_of_them = list(outcomes)
    typer.echo(dump_json([_as_object(outcome) for outcome in all_of_them]))
    return next((outcome.error.exit_code for outcome in all_of_them if outcome.error), 0)


def _as_object(outcome: ProbeResult) -> dict[str, Any]:
    error = outcome.error
    return {
        "vendor": outcome.vendor,
        "base_url": outcome.base_url,
        "works": error is None,
        "milliseconds": round(outcome.seconds * 1000),
        "balance": outcome.balance,
        "key_tried": outcome.key_tried,
        "error": error.as_json()["error"] if error else None,
    }


def _say(line: str) -> None:
    from deepreasoning_cli.sanitize import single_line

    typer.echo(single_line(line, 2000), err=True)
