from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.wire.client.errors import error_text
from deepreasoning_cli.wire.client.payload import as_count, as_dict, as_dicts, as_text


@pytest.mark.parametrize(("value", "tokens"), [(0, 0), (7, 7), (7.0, 7), (10**9, 10**9)])
def test_a_believable_number_is_a_count(value: object, tokens: int) -> None:
    counted = as_count(value)
    assert (counted, type(counted)) == (tokens, int)


@pytest.mark.parametrize(
    "value", [-1, True, False, None, "7", 7.5, math.nan, math.inf, -math.inf, 1e300, 10**9 + 1, []]
)
def test_anything_else_is_no_count(value: object) -> None:
    assert as_count(value) is None


def test_wrong_shapes_are_empty() -> None:
    assert (as_dict([]), as_dicts({}), as_dicts([1, {"a": 1}, None]), as_text(7)) == (
        {},
        [],
        [{"a": 1}],
        "",
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "Overloaded", "code": "busy"}, "Overloaded"),
        ({"message": "two\n lines"}, "two lines"),
        ({"message": "", "code": "busy", "type": "x"}, "busy"),
        ({"message": 1, "code": 502, "type": "server_error"}, "server_error"),
        ("plain words", "plain words"),
        ("x" * 600, "x" * 500),
        ({}, "no reason given"),
        (True, "no reason given"),
        ([], "no reason given"),
    ],
)
def test_a_failure_is_told_in_the_vendors_words(error: object, said: str) -> None:
    assert error_text(error) == said


@given(st.floats() | st.integers())
def test_a_count_is_never_negative(value: float) -> None:
    counted = as_count(value)
    assert counted is None or counted >= 0
