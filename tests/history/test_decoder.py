"""Plain values become dataclasses, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from deepreasoning_cli.history.decoder import decode


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float
    name: str = "here"


@dataclass(frozen=True)
class Everything:
    text: str
    count: int
    flag: bool
    number: float
    price: Decimal
    when: datetime
    colour: Colour
    point: Point
    points: tuple[Point, ...]
    maybe: str | None
    maybe_point: Point | None = None


VALUES: dict[str, Any] = {
    "text": "a\ud83d",
    "count": 3,
    "flag": 1,
    "number": 2,
    "price": "1.50E-7",
    "when": "2026-11-23T14:00:00+02:00",
    "colour": "red",
    "point": {"x": 1.5, "other": "ignored"},
    "points": [{"x": 0, "name": "there"}],
    "maybe": None,
}
DECODED = Everything(
    text="a\ud83d",
    count=3,
    flag=True,
    number=2.0,
    price=Decimal("1.50E-7"),
    when=datetime(2026, 11, 23, 12, tzinfo=UTC),
    colour=Colour.RED,
    point=Point(1.5),
    points=(Point(0.0, "there"),),
    maybe=None,
)


def test_each_field_is_read_by_its_type() -> None:
    decoded = decode(Everything, VALUES)
    assert decoded == DECODED
    assert (str(decoded.price), decoded.flag) == ("1.50E-7", True)


def test_a_field_that_is_given_is_taken_as_it_is() -> None:
    assert decode(Point, {"x": "not read"}, x=3.5) == Point(3.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 7),
        ("text", None),
        ("maybe", b"bytes"),
        ("count", "3"),
        ("count", 3.5),
        ("flag", "true"),
        ("number", "inf"),
        ("number", float("nan")),
        ("price", "NaN"),
        ("price", "Infinity"),
        ("price", "dear"),
        ("when", "yesterday"),
        ("when", "0001-01-01T00:00:00+12:00"),
        ("colour", "blue"),
        ("point", {}),
        ("point", 7),
        ("point", "x"),
        ("points", [[1.5]]),
        ("points", 7),
        ("maybe_point", {"x": None}),
    ],
)
def test_damage_is_an_error(name: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError, ArithmeticError)):
        decode(Everything, VALUES | {name: value})


def test_a_field_without_a_default_has_to_be_there() -> None:
    with pytest.raises(TypeError):
        decode(Point, {"name": "nowhere"})
