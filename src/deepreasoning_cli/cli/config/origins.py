"""The settings in force as text and as JSON, with their origins; no key is whole in it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepreasoning_cli.settings.loaded import LoadedSettings

NOT_SET = "not set"


def as_text(loaded: LoadedSettings) -> str:
    """One line a setting: name, value, origin, in columns."""
    from deepreasoning_cli.sanitize import single_line

    rows = [
        (name, single_line(_written(value), 200), single_line(origin, 1000))
        for name, value, origin in _rows(loaded)
    ]
    names = max(len(name) for name, _, _ in rows)
    values = min(max(len(value) for _, value, _ in rows), 40)
    return "\n".join(
        f"{name:<{names}}  {value:<{values}}  {origin}" for name, value, origin in rows
    )


def as_json(loaded: LoadedSettings) -> dict[str, object]:
    """One object: the file, whether it exists, and for each setting value and origin."""
    return {
        "file": str(loaded.path),
        "exists": loaded.path.exists(),
        "settings": {
            name: {"value": value, "origin": origin} for name, value, origin in _rows(loaded)
        },
    }


def _rows(loaded: LoadedSettings) -> Iterator[tuple[str, Any, str]]:
    values = loaded.settings.model_dump(exclude={"keys"})
    for name in loaded.origins:
        if not name.startswith("keys."):
            yield name, _plain(_at(values, name)), loaded.origins[name]
    for name, shown in masked_keys(loaded):
        origin = next(o for n, o in loaded.origins.items() if f"{n}.".startswith(f"keys.{name}."))
        yield f"keys.{name}", shown, origin


def masked_keys(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Name and last four characters of every key, or the program that prints it."""
    from pydantic import SecretStr

    from deepreasoning_cli.keys import Key

    for name, entry in sorted(loaded.settings.keys.items()):
        if isinstance(entry, SecretStr):
            yield name, Key(name, entry.get_secret_value().strip(), "").masked
        else:
            yield name, entry.masked


def _at(tree: Any, name: str) -> Any:
    for part in name.split("."):
        tree = tree[part]
    return tree


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _written(value: Any) -> str:
    match value:
        case None:
            return NOT_SET
        case bool():
            return str(value).lower()
    return str(value)
