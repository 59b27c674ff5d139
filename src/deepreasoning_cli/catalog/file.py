"""The catalog's file: open it, lay the user's over it, and say where a mistake in it stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deepreasoning_cli.errors import ConfigError, did_you_mean
from deepreasoning_cli.money import MILLION

Table = dict[str, Any]
PACKAGED = Path(__file__).with_name("catalog.toml")
RATE_TABLES = ("direct", "gateway", "rates")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the file, and the names of tables and key that lead to it."""

    file: Path
    path: tuple[str, ...] = ()

    def inside(self, name: str) -> Place:
        """The place of `name` in the table that stands here."""
        return Place(self.file, (*self.path, name))

    def wrong(self, expected: str, value: object) -> ConfigError:
        """The error that the key here holds `value` instead of what was expected."""
        *table, key = self.path
        return broken(self.file, f"{_heading(table)}{key} must be {expected}, not {value!r}")

    def unknown(self, name: str, known: Iterable[str], what: str) -> ConfigError:
        """The error that there is no such name here, with the nearest that is."""
        message = f"{_heading(self.path)}there is no {what} {name!r}"
        return broken(self.file, message, known_names(name, known))

    def missing(self, key: str) -> ConfigError:
        """The error that the table here lacks `key`."""
        return broken(self.file, f"{_heading(self.path)}{key} is missing")


def _heading(path: Iterable[str]) -> str:
    table = ".".join(path)
    return f"[{table}] " if table else ""


def broken(file: Path, message: str, hint: str | None = None) -> ConfigError:
    """The error that `file` cannot be used as a catalog."""
    return ConfigError(f"{file}: {message}", hint=hint, kind="catalog")


def known_names(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not known: the closest ones, or all where none is close."""
    names = list(known)
    hint = did_you_mean(name.lower(), names, most=2, likeness=0.5)
    return hint or f"known: {', '.join(names)}"


def read_tables(override: Path | None) -> tuple[Table, Place]:
    """The packaged tables with those of `override` laid over them, not checked yet.

    The place names the file that is to blame for what is wrong in them. An `override` that does
    not exist changes nothing; raises ConfigError for one that cannot be read.
    """
    tables = _packaged()
    changes = _parse(override) if override else {}
    if not override or not changes:
        return tables, Place(PACKAGED)
    return _merge(tables, changes, override, ()), Place(override)


@cache
def _packaged() -> Table:
    """Parsed once: settings and catalog both begin with it. Nobody changes it."""
    return _parse(PACKAGED)


def _parse(file: Path) -> Table:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise broken(file, f"cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise broken(file, f"is not valid TOML: {error}") from error


def _merge(base: Any, changes: Any, file: Path, path: tuple[str, ...]) -> Any:
    if not isinstance(changes, dict):
        return changes
    base = base if isinstance(base, dict) else {}
    if path == ("search",) or (len(path) == 3 and path[-1] in RATE_TABLES):
        return _reprice(base, changes, file) if changes else base
    return base | {
        key: _merge(base.get(key), value, file, (*path, key)) for key, value in changes.items()
    }


def _reprice(base: Table, changes: Table, file: Path) -> Table:
    """Prices that have the user's file for a source; another unit leaves nothing of the old."""
    unit = base.get("per", MILLION)
    kept = base if changes.get("per", unit) == unit else {}
    undated = {key: value for key, value in kept.items() if key != "as_of"}
    return {**undated, "source": str(file), **changes}
