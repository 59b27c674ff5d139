"""What can stand where: the words and files that complete an option or an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Catalog, Lifecycle
from deepreasoning_cli.cli.app import COMMANDS
from deepreasoning_cli.cli.help import TOPICS

PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")  # needs no quotes in any shell


@dataclass(frozen=True, slots=True)
class Value:
    """Words to choose from, and whether a file may stand there; neither is free text."""

    words: tuple[str, ...] = ()
    files: bool = False

    def __post_init__(self) -> None:
        wrong = [word for word in self.words if not PLAIN.fullmatch(word)]
        if wrong:
            raise ValueError(f"not fit for a shell script: {wrong}")


def option_value(parameter: Any) -> Value | None:
    """What the option takes: by its name, its choices, or its metavar such as `show|hide|FILE`."""
    if parameter.is_flag or parameter.count:
        return None
    match parameter.name:
        case "model":
            return Value(models())
        case "reasoner":
            return Value(reasoners())
    return _described(parameter)


def argument_value(path: tuple[str, ...], parameter: Any) -> Value:
    """What the argument of the command at `path` takes."""
    match path, parameter.name:
        case ("models", "show"), "name":
            return Value((*models(), *reasoners()))
        case ("models", "default"), "name":
            return Value(models())
        case ("help",), "topic":
            return Value((*COMMANDS, *TOPICS))
        case ("config", "set" | "unset" | "show"), "name":
            return Value(settings())
    return _described(parameter)


def _described(parameter: Any) -> Value:
    kind = parameter.type_descriptor
    if kind.is_choice:
        return Value(tuple(str(getattr(choice, "value", choice)) for choice in kind.choices))
    parts = (parameter.metavar or "").strip("[]….").split("|")
    words = tuple(part for part in parts if part.islower()) if len(parts) > 1 else ()
    return Value(words, kind.is_path or kind.is_file or "FILE" in parts)


@cache
def models() -> tuple[str, ...]:
    """Families and ids that were not retired on the day of the packaged catalog."""
    known = _packaged()
    day = date.fromisoformat(known.as_of)
    living = [each for each in known.claude_models if each.lifecycle(day) is not Lifecycle.RETIRED]
    families = dict.fromkeys(each.family for each in living if each.family)
    return (*families, *(each.id for each in living))


@cache
def reasoners() -> tuple[str, ...]:
    """The reasoners of the packaged catalog."""
    return tuple(each.name for each in _packaged().reasoners)


@cache
def settings() -> tuple[str, ...]:
    """The names that `config set` takes, as far as they are not the user's to choose."""
    from deepreasoning_cli.settings.models import GatewaySettings, Settings
    from deepreasoning_cli.settings.sources import key_names

    vendors = _packaged().vendors
    hosts = tuple(vendor.name for vendor in vendors)
    tables = {
        "keys": key_names(vendors),
        "base_urls": hosts,
        "gateway": tuple(GatewaySettings.model_fields),
    }
    names: list[str] = []
    for name in Settings.model_fields:
        if name != "reasoners":  # its tables are named by the user
            names += [f"{name}.{inner}" for inner in tables[name]] if name in tables else [name]
    return tuple(names)


@cache
def _packaged() -> Catalog:
    return load_catalog()
