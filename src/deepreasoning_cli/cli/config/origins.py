"""The settings in force as text and as JSON, each with its origin; keys are masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from pydantic import SecretStr

from deepreasoning_cli.catalog.models import ANTHROPIC, Answerer, Catalog, Host, Reasoner
from deepreasoning_cli.errors import DeepReasoningError, UsageError, as_called, did_you_mean
from deepreasoning_cli.keys import Key, is_like_a_key
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.backend import (
    GATEWAY,
    BackendNeeds,
    answerers_in_order,
    choose_backend,
    model_at,
    reasoners_in_order,
    with_keys,
)
from deepreasoning_cli.wiring.resources import current_catalog

Row = tuple[str, Any, str]
"""Name, value and origin of a setting."""
UNSET: Final = {
    "fallback": "none",
    "reasoning": "show (tail in chat)",
    "timeout": "automatic",
    "cassette": "none",
    "replay_pace": "1 on a terminal, 0 in a pipe",
    **dict.fromkeys(("max_reasoning", "max_cost", "daily_cost", "monthly_cost"), "no limit"),
}
"""What holds where a setting is not set."""


def rows(loaded: LoadedSettings, name: str | None = None) -> list[Row]:
    """The settings in force, or one of them, or those of one table.

    Raises UsageError where nothing has that name.
    """
    every = list(_rows(loaded))
    found = [row for row in every if name is None or f"{row[0]}.".startswith(f"{name}.")]
    if not found and name is not None:
        known = {part for row, *_ in every for part in (row, row.partition(".")[0])}
        near = did_you_mean(name, sorted(known))
        hint = near or "`deepreasoning config show` lists them"
        raise UsageError(f"there is no setting '{name}'", hint=hint)
    return found


def as_text(loaded: LoadedSettings, rows: Sequence[Row], *, everything: bool) -> str:
    """One line a setting: name, value in force, origin, in columns; all of them below their file.

    Unless `everything` is wanted, the settings of `serve` are one row where nobody set any.
    """
    is_whole = len(rows) > 1 and len({name.partition(".")[0] for name, *_ in rows}) > 1
    words = _in_force(loaded)
    cells = [(name, words.get(name) or _as_word(value), origin) for name, value, origin in rows]
    if is_whole:
        here = f"file {loaded.path}:"
        cells = [(n, value, origin.replace(here, "file, line ")) for n, value, origin in cells]
        if not everything:
            cells = list(_without_serve(cells))
    table = [(single_line(a, 200), single_line(b, 200), single_line(c, 1000)) for a, b, c in cells]
    names = max(len(name) for name, *_ in table)
    values = min(max(len(value) for _, value, _ in table), 44)
    lines = [f"{name:<{names}}  {value:<{values}}  {origin}" for name, value, origin in table]
    return "\n".join([*(_heading(loaded) if is_whole else ()), *lines])


def _heading(loaded: LoadedSettings) -> list[str]:
    absent = "" if loaded.path.exists() else " (not there yet: `deepreasoning config init`)"
    return [as_called(f"file: {single_line(str(loaded.path), 1000)}{absent}"), ""]


def _without_serve(cells: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """The rows, those of `serve` that hold by default put together where the first of them is."""
    is_named = False
    for name, value, origin in cells:
        if not (name.startswith("serve.") and origin == "default"):
            yield name, value, origin
        elif not is_named:
            is_named = True
            yield "serve.*", "--all lists them", "default"


def as_json(loaded: LoadedSettings, rows: Sequence[Row]) -> dict[str, object]:
    """One object: the file, whether it exists, and value and origin of each setting."""
    return {
        "file": str(loaded.path),
        "exists": loaded.path.exists(),
        "settings": {name: {"value": value, "origin": origin} for name, value, origin in rows},
    }


def _rows(loaded: LoadedSettings) -> Iterator[Row]:
    """Name, value and origin; of a key its last four characters, or the program that prints it."""
    tree: Any = loaded.settings.model_dump(exclude={"keys"})
    for name, origin in loaded.origins.items():
        if not name.startswith("keys."):
            value = reduce(lambda table, part: table[part], name.split("."), tree)
            yield name, f"{value:f}" if isinstance(value, Decimal) else value, origin
    for name, entry in sorted(loaded.settings.keys.items()):
        origin = next(o for n, o in loaded.origins.items() if f"{n}.".startswith(f"keys.{name}."))
        if is_like_a_key(name):  # a key was pasted where its name belongs
            yield f"keys.{Key('', name, '').masked}", "a key in the place of its name", origin
        elif isinstance(entry, SecretStr):
            yield f"keys.{name}", Key(name, entry.get_secret_value().strip(), "").masked, origin
        else:
            yield f"keys.{name}", entry.masked, origin


def _in_force(loaded: LoadedSettings) -> dict[str, str]:
    """What a setting comes to where its value does not say: who would be called, and no limit."""
    settings = loaded.settings
    words = {name: word for name, word in UNSET.items() if getattr(settings, name) is None}
    try:
        catalog = current_catalog(loaded)
    except DeepReasoningError:  # `config check` and every question say so
        return words
    try:
        needs = BackendNeeds(True, True, False, Handoff(settings.handoff))
        backend = choose_backend(loaded, catalog, needs)
    except DeepReasoningError:
        backend = "direct"
        words["backend"] = f"{settings.backend} (no key is set)"
    else:
        words["backend"] = f"auto ({backend})" if settings.backend == "auto" else backend
    if backend == "demo":
        return words | dict.fromkeys(("model", "reasoner", "answerer"), "the demo's script")
    if backend == GATEWAY:
        words |= dict.fromkeys(("reasoner", "answerer"), "the gateway's")
    else:
        words["reasoner"] = _in_order(loaded, lambda: reasoners_in_order(loaded, catalog))
        words["answerer"] = _in_order(loaded, lambda: answerers_in_order(loaded, catalog))
    words["model"] = _model(loaded, catalog, backend)
    return {name: word for name, word in words.items() if word}


def _in_order(loaded: LoadedSettings, find: Callable[[], Sequence[Host]]) -> str:
    """The host that would be asked with its model, then its fallbacks; "" for a wrong name."""
    hosts: Sequence[Reasoner | Answerer]
    try:
        hosts = with_keys(loaded, find())
    except DeepReasoningError:
        return ""
    if not hosts:
        return "none: no key is set"
    first = hosts[0]
    described = f"{first.name} ({first.model})" if first.model else first.name
    return ", then ".join((described, *(host.name for host in hosts[1:])))


def _model(loaded: LoadedSettings, catalog: Catalog, backend: str) -> str:
    """The name that is set and the id that would be sent; "" where it means none."""
    name, today = loaded.settings.model, datetime.now(UTC).date()
    try:
        if backend == GATEWAY:
            id_ = catalog.claude(name or catalog.gateway_default, GATEWAY, today).model.id
        else:
            hosts = with_keys(loaded, answerers_in_order(loaded, catalog))
            host = next(iter(hosts), None) or catalog.answerer(ANTHROPIC)
            typed = loaded.is_typed("model")
            id_ = model_at(host, catalog, name, today, typed=typed).model.id
    except DeepReasoningError:
        return ""
    return f"{name} ({id_})" if name and name != id_ else id_


def _as_word(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping | tuple | list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
