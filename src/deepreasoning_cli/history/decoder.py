"""Plain values → dataclass, by the types of its fields: for journal lines and database rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, partial
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_type_hints

Reader = Callable[[Any], Any]
DAMAGE: Final = (
    *(ValueError, TypeError, AttributeError),
    *(ArithmeticError, LookupError, RecursionError),
)
"""What reading a damaged value raises."""
MOST: Final = 10**15
"""No turn costs as many dollars, or takes as many seconds."""
T = TypeVar("T")


def decode(kind: Callable[..., T], values: Mapping[str, Any], /, **decoded: Any) -> T:
    """The dataclass `kind` from `values` by name; values without a field are ignored.

    `decoded` are fields that are taken as they are. A field that is absent has its default:
    earlier versions wrote fewer. Raises TypeError, ValueError or ArithmeticError for damage.
    """
    for name, hint in _field_types(kind).items():
        if name in values and name not in decoded:
            decoded[name] = reader_of(hint)(values[name])
    return kind(**decoded)


@cache
def _field_types(kind: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def reader_of(hint: Any) -> Reader:
    """What checks a value for a field of this type, and returns it."""
    if reader := READERS.get(hint):
        return reader
    match get_args(hint):
        case (inner, end) if end is NoneType:
            return partial(_optional, reader_of(inner))
        case (inner, end) if end is Ellipsis:
            return partial(_tuple, reader_of(inner))
    return hint if issubclass(hint, StrEnum) else partial(decode, hint)


def _optional(reader: Reader, value: Any) -> Any:
    return None if value is None else reader(value)


def _tuple(reader: Reader, values: Any) -> tuple[Any, ...]:
    return tuple(map(reader, values))


def _instance(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"not of the type {kind.__name__}")
    return value


def _bounded(kind: type[Any], value: Any) -> Any:
    """A number or an amount; one beyond all sense would make every sum it is in useless."""
    number = kind(value)
    if not -MOST < number < MOST:  # true of NaN, too
        raise ValueError("not a number that can be")
    return number


READERS: Final[Mapping[Any, Reader]] = {
    str: partial(_instance, str),
    int: partial(_instance, int),
    bool: lambda value: bool(_instance(int, value)),  # SQLite has no bool
    float: partial(_bounded, float),
    Decimal: partial(_bounded, Decimal),
    datetime: lambda text: datetime.fromisoformat(text).astimezone(UTC),
}
