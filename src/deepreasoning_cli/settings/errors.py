"""What is wrong with a setting, in our own words: pydantic's texts may hold the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError, did_you_mean
from deepreasoning_cli.settings.models import (
    KEY,
    CustomRates,
    CustomReasoner,
    GatewaySettings,
    KeyCommand,
    SearchSettings,
    ServeSettings,
)

UNKNOWN, MISSING = "extra_forbidden", "missing"
DEPTHS = {"keys": 3, "reasoners": 4, "base_urls": 2, "gateway": 2, "search": 2, "serve": 2}
"""How many parts a name inside these tables has at most."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting: its dotted name, what is wrong, what to do."""

    name: str
    words: str
    hint: str | None

    def error(self, origins: Mapping[str, str]) -> DeepReasoningError:
        """The error at the place that the value came from; a flag's is a usage error."""
        kind, _, place = _origin(self.name, origins).partition(" ")
        own = self.name in origins and kind != "file"  # a flag or variable names the setting
        message = f"{place} {self.words}" if own else f"{place}: {self.name} {self.words}"
        if kind == "flag":
            return UsageError(message, hint=self.hint)
        return ConfigError(message, hint=self.hint, kind="setting_wrong")


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """Where `name` was given; else where something inside it was, else the table around it."""
    prefix = f"{name}." if name else ""
    inside = [known for known in origins if f"{known}.".startswith(prefix)]
    if inside:
        return origins[min(inside, key=len)]
    return _origin(name.rpartition(".")[0], origins)


def first_problem(error: ValidationError, top: type[BaseModel]) -> Problem:
    """The problem to tell first: an unknown name before the gap that it leaves."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    detail = min(details, key=lambda one: one["type"] != UNKNOWN)
    path = _path(detail["loc"])
    name = ".".join(path)
    around, last = _model(path[:-1], top), path[-1]
    match detail["type"]:
        case "extra_forbidden":
            return Problem(name, "is not a setting", _advice(last, around, top))
        case "missing":
            return Problem(name, "is missing", None)
    return Problem(name, f"must be {_allowed(path, around)}", None)


def _path(loc: tuple[int | str, ...]) -> list[str]:
    """The dotted name's parts: pydantic adds the member of a union, or the number in a list."""
    parts = [str(part) for part in loc]
    if parts[0] == "keys" and len(parts) > 2:
        del parts[2]
    return parts[: DEPTHS.get(parts[0], 1)]


def _model(path: list[str], top: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the table at `path`; None where any name is allowed."""
    match path:
        case []:
            return top
        case ["gateway"]:
            return GatewaySettings
        case ["search"]:
            return SearchSettings
        case ["serve"]:
            return ServeSettings
        case ["keys", _]:
            return KeyCommand
        case ["reasoners", _]:
            return CustomReasoner
        case ["reasoners", _, "rates"]:
            return CustomRates
    return None


def _allowed(path: list[str], around: type[BaseModel] | None) -> str:
    match path:
        case ["keys", _]:
            return KEY
        case ["reasoners", _]:
            return "a table with base_url and model"
        case ["base_urls", _]:
            return str(CustomReasoner.model_fields["base_url"].description)
    field = around.model_fields.get(path[-1]) if around else None
    return str(field.description) if field else "something else"


def _advice(last: str, around: type[BaseModel] | None, top: type[BaseModel]) -> str:
    if around is not top and last in top.model_fields:
        return f"{last} belongs at the top of the file, above the first [table]"
    names: Mapping[str, Any] = around.model_fields if around else {}
    return did_you_mean(last, names) or "`deepreasoning config show` lists the settings"
