"""The settings in force as text and as JSON, each with its origin; keys are masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

from pydantic import SecretStr

from deepreasoning_cli.errors import UsageError, did_you_mean
from deepreasoning_cli.keys import Key, is_like_a_key
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings

Row = tuple[str, Any, str]
"""Name, value and origin of a setting."""


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


def as_text(rows: Sequence[Row]) -> str:
    """One line a setting: name, value, origin, in columns."""
    cells = [
        (single_line(name, 200), single_line(_as_word(value), 200), single_line(origin, 1000))
        for name, value, origin in rows
    ]
    names = max(len(name) for name, _, _ in cells)
    values = min(max(len(value) for _, value, _ in cells), 40)
    return "\n".join(
        f"{name:<{names}}  {value:<{values}}  {origin}" for name, value, origin in cells
    )


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


def _as_word(value: Any) -> str:
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)
