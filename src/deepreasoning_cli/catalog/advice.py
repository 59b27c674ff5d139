"""What is said of a model that is retired, deprecated or not offered."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from deepreasoning_cli.errors import RefusedError, alternatives

if TYPE_CHECKING:
    from deepreasoning_cli.catalog.models import Catalog, ClaudeModel

BACKENDS = ("direct", "gateway")


def retired(model: ClaudeModel) -> RefusedError:
    """The refusal of a model that Anthropic no longer serves."""
    return RefusedError(
        f"{model.id} was retired{f' on {model.ends}' if model.ends else ''}",
        hint=f"use {model.successor or 'sonnet'} instead",
        kind="model_retired",
        stage="answer",
    )


def not_offered(catalog: Catalog, name: str, family: str, place: str, today: date) -> RefusedError:
    """The refusal of a model, or of a family, that the place does not offer."""
    best = catalog.newest(family, place, today)
    names = [model.id for model in ([best] if best else catalog.alive(place, today))]
    who = f"the {place} backend" if place in BACKENDS else place
    return RefusedError(
        f"{who} does not offer {name}",
        hint=f"choose {alternatives(names)}" if names else "choose another host",
        kind="model_not_offered",
        stage="answer",
    )


def outlived(model: ClaudeModel) -> str:
    """The warning of a model that Anthropic has retired and the gateway still names."""
    since = f" since {model.ends}" if model.ends else ""
    return f"{model.id} is retired at Anthropic{since}; the gateway may refuse it"


def deprecation(catalog: Catalog, model: ClaudeModel, place: str) -> str:
    """The warning of a model that Anthropic will retire."""
    warning = f"{model.id} is deprecated{'' if place == 'direct' else ' at Anthropic'}"
    if model.ends:
        warning += f" and retires on {model.ends}"
    if any(model.successor == other.id for other in catalog.offered(place)):
        warning += f"; its successor is {model.successor}"
    return warning
