"""Readers of single values in the catalog's file; each says what it wanted instead."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from deepreasoning_cli.errors import ConfigError, did_you_mean
from deepreasoning_cli.pipeline.money import MILLION, THOUSAND

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
        return invalid_catalog(
            self.file, f"{_heading(table)}{key} must be {expected}, not {value!r}"
        )

    def unknown(self, name: str, known: Iterable[str], what: str) -> ConfigError:
        """The error that there is no such name here, with the nearest that is."""
        message = f"{_heading(self.path)}there is no {what} {name!r}"
        return invalid_catalog(self.file, message, known_names(name, known))

    def missing(self, key: str) -> ConfigError:
        """The error that the table here lacks `key`."""
        return invalid_catalog(self.file, f"{_heading(self.path)}{key} is missing")


def _heading(path: Iterable[str]) -> str:
    table = ".".join(path)
    return f"[{table}] " if table else ""


def invalid_catalog(file: Path, message: str, hint: str | None = None) -> ConfigError:
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
        raise invalid_catalog(file, f"cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise invalid_catalog(file, f"is not valid TOML: {error}") from error


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


Reader = Callable[[Any, Place], Any]
DEAREST = 1_000_000  # USD; beyond it, or with more than FINEST decimals, a figure is a slip
FINEST = 12
VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")


def read_text(value: Any, place: Place) -> str:
    """Read a string that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    raise place.wrong("a text", value)


def read_address(value: Any, place: Place) -> str:
    """Read the base URL of an API, without the slash at its end."""
    if isinstance(value, str) and value.startswith(("https://", "http://")):
        return value.rstrip("/")
    raise place.wrong("an address that begins with https:// or http://", value)


def read_variable(value: Any, place: Place) -> str:
    """Read the name of a variable; what may be a key put there by mistake is not shown."""
    if isinstance(value, str) and VARIABLE.fullmatch(value):
        return value
    raise place.wrong("the name of a variable such as ACME_API_KEY", "…")


def read_path(value: Any, place: Place) -> str:
    """Read a path below an address."""
    if isinstance(value, str) and value.startswith("/") and value.isprintable():
        return value
    raise place.wrong("a path that begins with /", value)


def read_count(value: Any, place: Place) -> int:
    """Read a number of tokens."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise place.wrong("a whole number above 0", value)


def read_unit(value: Any, place: Place) -> int:
    """Read the number of tokens that a rate is for."""
    if value in (THOUSAND, MILLION) and isinstance(value, int):
        return value
    raise place.wrong("1_000 or 1_000_000 (tokens)", value)


def read_flag(value: Any, place: Place) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise place.wrong("true or false", value)


def read_day(value: Any, place: Place) -> date:
    """Read a date without a time."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise place.wrong("a date such as 2026-11-30, without quotes", value)


def read_iso_day(value: Any, place: Place) -> str:
    """Read a date, as it is shown."""
    return read_day(value, place).isoformat()


def read_clock(value: Any, place: Place) -> time:
    """Read a time of day."""
    if isinstance(value, time):
        return value
    raise place.wrong("a time such as 01:00:00, without quotes", value)


def read_dollars(value: Any, place: Place) -> Decimal:
    """Read USD; a float counts as it is written."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            raise place.wrong("a number of USD", value) from None
        if amount.is_finite() and 0 <= amount <= DEAREST and _decimals(amount) <= FINEST:
            return amount
    raise place.wrong("a number of USD", value)


def _decimals(amount: Decimal) -> int:
    return -int(amount.as_tuple().exponent)


def read_body(value: Any, place: Place) -> Table:
    """Read fields that are added to a request's JSON."""
    fields = read_table(value, place)
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError):
        raise place.wrong("a table of JSON values", value) from None
    return fields


def read_table(value: Any, place: Place) -> Table:
    """Read a table whose keys are not known beforehand."""
    if isinstance(value, dict):
        return value
    raise place.wrong("a table", value)


def one_of(choices: type[StrEnum]) -> Reader:
    """Make a reader of the words of an enumeration."""

    def read(value: Any, place: Place) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            raise place.wrong(f"one of {', '.join(choices)}", value) from None

    return read


def array_of(reader: Reader) -> Reader:
    """Make a reader of an array whose items `reader` reads."""

    def read(value: Any, place: Place) -> tuple[Any, ...]:
        if isinstance(value, list):
            return tuple(reader(item, place) for item in value)
        raise place.wrong("an array", value)

    return read


def table_of(readers: Mapping[str, Reader], *required: str) -> Callable[[Any, Place], Table]:
    """Make a reader of a table that has these keys, no others, and the required ones for sure."""

    def read(value: Any, place: Place) -> Table:
        fields = read_table(value, place)
        for key in fields:
            if key not in readers:
                raise place.unknown(key, readers, "key")
        for key in required:
            if key not in fields:
                raise place.missing(key)
        return {key: readers[key](item, place.inside(key)) for key, item in fields.items()}

    return read
