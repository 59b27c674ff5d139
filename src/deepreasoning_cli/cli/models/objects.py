"""Models and reasoners as JSON: money as decimal strings, None where nobody says."""

from __future__ import annotations

from datetime import date
from typing import Any

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models.model_view import ModelView


def listing(known: ModelView, *, retired: bool) -> list[dict[str, Any]]:
    """One array: the Claude models of the backend, then the reasoners; `kind` tells them apart."""
    rows: list[ClaudeModel | Reasoner] = [*known.models(retired=retired), *known.reasoners()]
    return [one(known, row) for row in rows]


def one(known: ModelView, row: ClaudeModel | Reasoner) -> dict[str, Any]:
    """The object of one model or reasoner."""
    return _claude(known, row) if isinstance(row, ClaudeModel) else _reasoner(known, row)


def _claude(known: ModelView, model: ClaudeModel) -> dict[str, Any]:
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
        "rates": {b: card.as_json() if card else None for b, card in model.rates.items()},
    }


def _reasoner(known: ModelView, reasoner: Reasoner) -> dict[str, Any]:
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
        "rates": {"direct": reasoner.rates.as_json() if reasoner.rates else None},
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
