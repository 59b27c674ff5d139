"""The bars of `price --spent`."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.cli.price.spending import bar


@pytest.mark.parametrize(
    ("value", "unicode", "expected"),
    [
        ("8", True, "████████"),
        ("4", True, "████"),
        ("1", True, "█"),
        ("0.5", True, "▌"),
        ("1.125", True, "█▏"),
        ("0.0001", True, "▏"),
        ("0", True, ""),
        ("8", False, "########"),
        ("3.9", False, "###"),
        ("0.0001", False, "#"),
    ],
)
def test_a_bar_is_as_long_as_its_value(value: str, unicode: bool, expected: str) -> None:
    assert bar(Decimal(value), Decimal(8), 8, unicode=unicode) == expected


@given(
    st.decimals(0, 100, places=6), st.decimals(0, 100, places=6), st.integers(0, 60), st.booleans()
)
def test_a_bar_never_leaves_its_room(
    one: Decimal, other: Decimal, width: int, unicode: bool
) -> None:
    small, large = sorted((one, other))
    assert len(bar(small, large, width, unicode=unicode)) <= width
