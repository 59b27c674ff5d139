"""Models and reasoners as JSON: money as decimal strings, None where nobody says."""

from __future__ import annotations

from datetime import date
from typing import Any

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.known import Known
from deepreasoning_cli.money import Hours, RateCard, Rates, usd

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def listing(known: Known, *, retired: bool) -> list[dict[str, Any]]:
    """One array: the Claude models of the backend, then the reasoners; `kind` tells them apart."""
    rows: list[ClaudeModel | Reasoner] = [*known.models(retired=retired), *known.reasoners()]
    return [one(known, row) for row in rows]


def one(known: Known, row: ClaudeModel | Reasoner) -> dict[str, Any]:
    """The object of one model or reasoner."""
    return _claude(known, row) if isinstance(row, ClaudeModel) else _reasoner(known, row)


def _claude(known: Known, model: ClaudeModel) -> dict[str, Any]:
    return {
        "kind": "claude",
        "id": model.id,
        "name": model.name,
        "family": model.family or None,
        "aliases": list(known.names(model)),
        "status": model.lifecycle(known.today).value,
        "released": _iso(model.released),
        "ends": _iso(model.ends),
        "successor": model.successor,
        "context": model.context,
        "max_output": model.max_output,
        "samplers": model.samplers.value,
        "default": model == known.default,
        "rates": {backend: card_object(card) for backend, card in model.rates.items()},
    }


def _reasoner(known: Known, reasoner: Reasoner) -> dict[str, Any]:
    has_key = known.loaded.has_key
    return {
        "kind": "reasoner",
        "id": reasoner.name,
        "name": reasoner.label,
        "model": reasoner.model,
        "base_url": known.base_url(reasoner),
        "key": reasoner.key and {"name": reasoner.key, "set": has_key(reasoner.key)},
        "context": reasoner.context,
        "max_output": reasoner.max_output,
        "samplers": reasoner.samplers.value,
        "default": reasoner == known.default_reasoner,
        "rates": {"direct": card_object(reasoner.rates)},
    }


def card_object(card: RateCard | None) -> dict[str, Any] | None:
    """USD per million tokens; a cache rate of None is billed as plain input."""
    if card is None:
        return None
    return {
        **_rates(card.base),
        "bands": [{"above": above, **_rates(rates)} for above, rates in card.bands],
        "peak": _rates(card.peak) if card.peak else None,
        "peak_hours": _hours(card.peak_hours) if card.peak_hours else None,
        "as_of": card.as_of or None,
        "source": card.source or None,
    }


def _rates(rates: Rates) -> dict[str, str | None]:
    return {
        "input": usd(rates.input),
        "output": usd(rates.output),
        "cache_read": usd(rates.cache_read),
        "cache_write": usd(rates.cache_write),
    }


def _hours(hours: Hours) -> dict[str, Any]:
    return {
        "weekdays": [WEEKDAYS[day] for day in sorted(hours.weekdays)],
        "spans_utc": [[f"{start:%H:%M}", f"{end:%H:%M}"] for start, end in hours.spans],
        "holidays": [day.isoformat() for day in sorted(hours.holidays)],
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
