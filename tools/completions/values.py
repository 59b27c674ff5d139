"""What can stand where: the words and files that complete an option or an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Catalog, Lifecycle
from deepreasoning_cli.cli.app import COMMANDS
from deepreasoning_cli.cli.help import TOPICS
from deepreasoning_cli.settings.models import Settings

KEPT: Final = r"""
# What the program keeps for the shells: lines of a word, a tab and what is said of it.
_deepreasoning_kept() {
    local kind=$1 folder=${DEEPREASONING_DATA_DIR:-} file=own-hosts first second third seen=$'\n'
    if [[ -z $folder ]]; then
        folder=${XDG_DATA_HOME:-$HOME/.local/share}/deepreasoning
        [[ -d $folder ]] || folder="$HOME/Library/Application Support/deepreasoning"
    fi
    [[ $folder == '~'/* ]] && folder=$HOME/${folder:2}
    [[ $kind == turn || $kind == session ]] && file=recent
    [[ -r $folder/$file ]] || return 0
    while IFS= read -r first; do
        third=${first##*$'\t'} second=${first#*$'\t'} first=${first%%$'\t'*}
        case $kind in
        turn) printf '%s\t%s\n' "$first" "${second%$'\t'*}" ;;
        session)
            [[ -z $third || $seen == *$'\n'"$third"$'\n'* ]] && continue
            printf '%s\t%s\n' "$third" "${second%$'\t'*}"
            seen+=$third$'\n'
            ;;
        *) [[ $first != "$kind" ]] || printf '%s\t\n' "$second" ;;
        esac
    done <"$folder/$file"
}
"""
"""A function for bash and zsh; see `deepreasoning_cli.history.recent`."""
PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")  # needs no quotes in any shell


@dataclass(frozen=True, slots=True)
class Value:
    """Words to choose from, and whether a file may stand there; neither is free text.

    `kept` names what the program keeps for the shells: turn, session, reasoner, answerer.
    """

    words: tuple[str, ...] = ()
    files: bool = False
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [word for word in self.words if not PLAIN.fullmatch(word)]
        if wrong:
            raise ValueError(f"not fit for a shell script: {wrong}")


def option_value(parameter: Any) -> Value | None:
    """What the option takes: by its name, its choices, or its metavar such as `show|hide|FILE`."""
    if parameter.is_flag or parameter.count:
        return None
    return NAMED.get(parameter.name, _described)(parameter)


def argument_value(path: tuple[str, ...], parameter: Any) -> Value:
    """What the argument of the command at `path` takes."""
    match path, parameter.name:
        case ("models", "show"), "name":
            return Value((*models(), *reasoners()), kept=("reasoner",))
        case ("models", "default"), "name":
            return Value(models())
        case ("help",), "topic":
            return Value((*COMMANDS, *TOPICS))
        case ("config", "set" | "unset" | "show"), "name":
            return Value(settings())
        case ("resume",) | ("history", "show" | "delete"), "turn" | "turns":
            return Value(("last",), kept=("turn",))
        case ("history", "export"), "name":
            return Value(("last",), kept=("turn", "session"))
        case ("history", "rename"), "session":
            return Value(kept=("session",))
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
def answerers() -> tuple[str, ...]:
    """The answerers of the packaged catalog."""
    return tuple(each.name for each in _packaged().answerers)


@cache
def descriptions() -> Mapping[str, str]:
    """What tells the words of a long list apart: the name of a model or of a host."""
    known = _packaged()
    day = date.fromisoformat(known.as_of)
    hosts = {each.name: each.label for each in known.answerers}
    hosts |= {each.name: each.label for each in known.reasoners}
    every = {each.id: each.name for each in known.claude_models}
    newest = {name: known.newest(name, "direct", day) for name in known.families}
    return hosts | every | {name: f"{m.name}, the newest" for name, m in newest.items() if m}


@cache
def settings() -> tuple[str, ...]:
    """The names that `config set` takes, as far as they are not the user's to choose."""
    vendors = [vendor.name for vendor in _packaged().vendors]
    keys = dict.fromkeys(
        [*vendors, *(each.key for each in _packaged().reasoners if each.key), "serve"]
    )
    named = {"keys": keys, "base_urls": vendors, "reasoners": (), "answerers": ()}
    return tuple(
        inner
        for name, field in Settings.model_fields.items()
        for inner in (
            [f"{name}.{each}" for each in named[name]]
            if name in named
            else [f"{name}.{each}" for each in _fields_of(field.annotation)] or [name]
        )
    )


@cache
def setting_values() -> Mapping[str, Value]:
    """What `config set NAME` takes, for the settings whose values can be told."""
    found: dict[str, Value] = {}
    for name in settings():
        owner: Any = Settings
        for part in name.split("."):
            field = getattr(owner, "model_fields", {}).get(part)
            owner = field.annotation if field else None
        if name in NAMED:
            found[name] = NAMED[name](None)
        elif words := _choices(owner):
            found[name] = Value(words)
    return found


def _choices(annotation: Any) -> tuple[str, ...]:
    """The words of a Literal, of a switch or of an enumeration, inside other types too."""
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(each.value) for each in annotation)
    return tuple(word for inner in get_args(annotation) for word in _choices(inner))


def _fields_of(annotation: Any) -> tuple[str, ...]:
    return tuple(getattr(annotation, "model_fields", ()))


@cache
def _packaged() -> Catalog:
    return load_catalog()


NAMED: Final[Mapping[str, Callable[[Any], Value]]] = {
    "model": lambda _: Value(models()),
    "reasoner": lambda _: Value(reasoners(), kept=("reasoner",)),
    "answerer": lambda _: Value(answerers(), kept=("answerer",)),
    "fallback": lambda _: Value(
        tuple(dict.fromkeys((*reasoners(), *answerers()))), kept=("reasoner", "answerer")
    ),
    "session": lambda _: Value(kept=("session",)),
    "reasoning_from": lambda _: Value(("last",), files=True, kept=("turn",)),
}
"""What options take, by the names of their parameters and of settings."""
