"""Readers of values in the catalog's file; each names what it expects.

A row's readers follow from its dataclass: `READERS` has one for each type of field.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from deepreasoning_cli.errors import ConfigError, alternatives, did_you_mean
from deepreasoning_cli.pipeline.money import MILLION, THOUSAND

Table = dict[str, Any]
Row = TypeVar("Row")
PACKAGED = Path(__file__).with_name("catalog.toml")


class Place(NamedTuple):
    """Where a value stands: the file, and the path of tables and key in it."""

    file: Path
    path: tuple[str, ...] = ()

    def inside(self, name: str) -> Place:
        """The place of `name` in the table that stands here."""
        return Place(self.file, (*self.path, name))

    def wrong(self, expected: str, value: object) -> ConfigError:
        """The error that the key here holds `value` instead of what was expected."""
        *table, key = self.path
        return Place(self.file, tuple(table)).error(f"{key} must be {expected}, not {value!r}")

    def unknown(self, name: str, names: Iterable[str], what: str) -> ConfigError:
        """The error that there is no such name here, with the nearest that is."""
        return self.error(f"there is no {what} {name!r}", known_names(name, names))

    def missing(self, key: str) -> ConfigError:
        """The error that the table here lacks `key`."""
        return self.error(f"{key} is missing")

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        """The error that the table here cannot be used."""
        table = f"[{'.'.join(self.path)}] " if self.path else ""
        return ConfigError(f"{self.file}: {table}{message}", hint=hint, kind="catalog")


def known_names(name: str, names: Iterable[str]) -> str:
    """Advice for an unknown name: the closest names, or all where none is close."""
    names = list(names)
    hint = did_you_mean(name.lower(), names, most=2, likeness=0.5)
    return hint or f"choose {alternatives(names)}"


def read_tables(override: Path | None) -> tuple[Table, Place]:
    """The packaged tables, changed by those of `override`, before any check.

    The place names the file that causes the errors in them. An `override` that does not exist
    changes nothing; raises ConfigError for one that cannot be read.
    """
    changes = _parse(override) if override else {}
    if not override or not changes:
        return _packaged(), Place(PACKAGED)
    return _merge(_packaged(), changes, override, ()), Place(override)


@cache
def _packaged() -> Table:
    """Parsed once, for settings and catalog. Nobody changes it."""
    return _parse(PACKAGED)


def _parse(file: Path) -> Table:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Place(file).error(f"cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise Place(file).error(f"is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # the parser has no words for these
        raise Place(file).error("has too long a number, or too much in one another") from error


def _merge(base: Any, changes: Any, file: Path, path: tuple[str, ...]) -> Any:
    if not isinstance(changes, dict):
        return changes
    base = base if isinstance(base, dict) else {}
    has_rates = len(path) == 3 and (path[0] == "claude" or path[-1] == "rates")
    if path == ("search",) or has_rates:
        return _reprice(base, changes, file) if changes else base
    return base | {
        key: _merge(base.get(key), value, file, (*path, key)) for key, value in changes.items()
    }


def _reprice(base: Table, changes: Table, file: Path) -> Table:
    """The prices with the user's changes and file as source; a new unit drops the old prices."""
    unit = base.get("per", MILLION)
    same_unit = changes.get("per", unit) == unit
    kept = {"id"} if not same_unit else base.keys() - {"as_of"}
    old = {key: value for key, value in base.items() if key in kept}
    return {**old, "source": str(file), **changes}


Reader = Callable[[Any, Place], Any]
DEAREST = 1_000_000  # USD; beyond it, or with more than FINEST decimals, a figure is a slip
FINEST = 12


def reader(
    expected: str,
    accepts: Callable[[Any], bool],
    convert: Callable[[Any], Any] = lambda value: value,
    *,
    secret: bool = False,
) -> Reader:
    """Make a reader of the values that `accepts`; the error for a `secret` hides the value."""

    def read(value: Any, place: Place) -> Any:
        if not accepts(value):
            raise place.wrong(expected, "…" if secret else value)
        return convert(value)

    return read


def one_of(choices: type[StrEnum]) -> Reader:
    """Make a reader of the words of an enumeration."""
    words = [choice.value for choice in choices]
    return reader(f"one of {', '.join(words)}", lambda value: value in words, choices)


def array_of(item: Reader, collection: Callable[[Iterable[Any]], Any] = tuple) -> Reader:
    """Make a reader of an array whose items `item` reads."""
    read_list = reader("an array", lambda value: isinstance(value, list))
    return lambda value, place: collection(item(each, place) for each in read_list(value, place))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_amount(value: Any) -> bool:
    """Whether it is an amount of USD; a float counts as it is written."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return False
    return (
        amount.is_finite() and 0 <= amount <= DEAREST and -int(amount.as_tuple().exponent) <= FINEST
    )


def _is_day(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_json(value: Table) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


DAY = "a date such as 2026-11-30, without quotes"
read_day = reader(DAY, _is_day)
read_iso_day = reader(DAY, _is_day, date.isoformat)
read_text = reader("a text", _is_text)
read_table = reader("a table", lambda value: isinstance(value, dict))
read_json = reader("a table of JSON values", _is_json)
read_time = reader("a time such as 01:00:00, without quotes", lambda value: isinstance(value, time))
read_count = reader("a whole number above 0", lambda value: type(value) is int and value > 0)
read_number = reader("a whole number, 0 or more", lambda value: type(value) is int and value >= 0)
read_unit = reader(
    "1_000 or 1_000_000 (tokens)",
    lambda value: isinstance(value, int) and value in (THOUSAND, MILLION),
)

READERS: Mapping[str, Reader] = {
    "str": read_text,
    "int": read_count,
    "bool": reader("true or false", lambda value: isinstance(value, bool)),
    "date": read_day,
    "Decimal": reader("a number of USD", _is_amount, lambda value: Decimal(str(value))),
    "tuple[str, ...]": array_of(read_text),
    "Mapping[str, Any]": lambda value, place: read_json(read_table(value, place), place),
    "BaseUrl": reader(
        "an address that begins with https:// or http://",
        lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
        lambda value: value.rstrip("/"),
    ),
    "UrlPath": reader(
        "a path that begins with /",
        lambda value: isinstance(value, str) and value.startswith("/") and value.isprintable(),
    ),
    "EnvName": reader(  # what may be a key that was put there by mistake stays hidden
        "the name of a variable such as ACME_API_KEY",
        lambda value: (
            isinstance(value, str) and re.fullmatch("[A-Z_][A-Z0-9_]*", value) is not None
        ),
        secret=True,
    ),
}
"""A reader for each type of field in `models` and `money`, by its name; `| None` is left out."""


def readers_of(row: Any, **own: Reader) -> dict[str, Reader]:
    """A reader for each field of the dataclass `row`; `own` ones replace or add to these.

    A field whose type has no reader needs one of its `own`; without it the file cannot set it.
    """
    kinds = {each.name: str(each.type).removesuffix(" | None") for each in fields(row)}
    return {name: READERS[kind] for name, kind in kinds.items() if kind in READERS} | own


def table_of(readers: Mapping[str, Reader], *required: str) -> Callable[[Any, Place], Table]:
    """Make a reader of a table that has the `required` keys and no others than `readers`."""

    def read(value: Any, place: Place) -> Table:
        table = read_table(value, place)
        for key in table:
            if key not in readers:
                raise place.unknown(key, readers, "key")
        for key in required:
            if key not in table:
                raise place.missing(key)
        return {key: readers[key](item, place.inside(key)) for key, item in table.items()}

    return read


def row_of(row: type[Row], **own: Reader) -> Callable[[Any, Place], Row]:
    """Make a reader of a table that holds one `row`, a dataclass; see `readers_of`."""
    read = table_of(readers_of(row, **own), *_required(row))
    return lambda value, place: row(**read(value, place))


def rows_of(
    row: type[Row],
    identity: str,
    title: str,
    make: Callable[..., Row] | None = None,
    **own: Reader,
) -> Callable[[Any, Place], tuple[Row, ...]]:
    """Make a reader of a table of `row`s: the name of each is its `identity`.

    The name is its `title` as well where the file gives no other. `make` makes a row of fields
    that are not those of its class. See `readers_of`.
    """
    readers = readers_of(row, **own)
    del readers[identity]
    read = table_of(readers, *(name for name in _required(row) if name not in (identity, title)))

    def read_rows(value: Any, place: Place) -> tuple[Row, ...]:
        return tuple(
            (make or row)(**{identity: name, title: name, **read(item, place.inside(name))})
            for name, item in read_table(value, place).items()
        )

    return read_rows


def _required(row: Any) -> list[str]:
    return [
        each.name
        for each in fields(row)
        if each.default is MISSING and each.default_factory is MISSING
    ]
