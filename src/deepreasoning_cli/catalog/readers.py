"""Readers of single values in the catalog's file; each says what it wanted instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from deepreasoning_cli.catalog.file import Place, Table
from deepreasoning_cli.money import MILLION, THOUSAND

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
