"""Rows of an evaluation: what is read from them, and how a wrong one is named."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.evaluation.checkers import (
    CheckCommand,
    Checker,
    ExpectedNumber,
    ExpectedPattern,
    ExpectedText,
    ExpectedWords,
    JudgeCriterion,
)
from deepreasoning_cli.evaluation.question_file import read_row, read_rows
from deepreasoning_cli.library.question_rows import RowError


def checker(**fields: Any) -> Checker:
    row = json.dumps({"prompt": "?", **fields})
    return read_row(row, 1, allow_run=True).checker


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"expect": "Paris"}, ExpectedText("Paris")),
        ({"regex": "^a+$"}, ExpectedPattern("^a+$")),
        ({"number": 42}, ExpectedNumber(Decimal(42))),
        ({"number": "0.1", "tolerance": 0.05}, ExpectedNumber(Decimal("0.1"), Decimal("0.05"))),
        ({"contains": "a"}, ExpectedWords(("a",))),
        ({"contains": ["a", "b"]}, ExpectedWords(("a", "b"))),
        ({"run": "grep 42"}, CheckCommand("grep 42")),
        ({"run": ["grep", "42"]}, CheckCommand(("grep", "42"))),
        ({"judge": "It is polite."}, JudgeCriterion("It is polite.")),
    ],
)
def test_each_kind_of_checker_is_read(fields: dict[str, Any], expected: Checker) -> None:
    assert checker(**fields) == expected


def test_a_number_is_read_to_the_digit() -> None:
    row = read_row('{"prompt": "?", "number": 0.1234567890123456789}', 1)
    assert row.checker == ExpectedNumber(Decimal("0.1234567890123456789"))


def test_rows_keep_their_order_their_lines_and_their_ids() -> None:
    data = (
        '\ufeff{"prompt": "one?", "number": 1}\r\n\n'
        '{"id": 7, "prompt": "two?", "number": 2, "system": "Be brief."}\n'
        '{"id": "c", "prompt": "drei?", "number": 3}'
    ).encode()
    rows = read_rows(BytesIO(data), "q.jsonl")
    assert [(row.id, row.line, row.prompt, row.system) for row in rows] == [
        ("1", 1, "one?", None),
        ("7", 3, "two?", "Be brief."),
        ("c", 4, "drei?", None),
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[1]", "is not a JSON object"),
        ('{"prompt": "?", "number": NaN}', "is not JSON that can be read"),
        ("[" * 100_000, "is not JSON that can be read"),
        ('{"number": 1}', "has no prompt"),
        ('{"prompt": " ", "number": 1}', "has no prompt"),
        ('{"prompt": 1, "number": 1}', "has a prompt that is no text"),
        ('{"prompt": "?", "system": 1, "number": 1}', "has a system that is no text"),
        ('{"prompt": "?", "nunber": 1}', "has an unknown field 'nunber'; did you mean number?"),
        (
            '{"prompt": "?"}',
            "needs one of expect, regex, number, contains, run, judge; it has none of them",
        ),
        (
            '{"prompt": "?", "number": 1, "expect": "1"}',
            "needs one of expect, regex, number, contains, run, judge; it has expect and number",
        ),
        (
            '{"prompt": "?", "id": [], "number": 1}',
            "has an id that is neither text nor a whole number",
        ),
        (
            '{"prompt": "?", "id": true, "number": 1}',
            "has an id that is neither text nor a whole number",
        ),
        (
            '{"prompt": "?", "expect": 1}',
            "has a value of expect that is no text; number is the field for one",
        ),
        ('{"prompt": "?", "expect": ""}', "has a value of expect that is no text"),
        ('{"prompt": "?", "number": "many"}', "has a value of number that is no number"),
        ('{"prompt": "?", "number": true}', "has a value of number that is no number"),
        ('{"prompt": "?", "number": "Infinity"}', "has a value of number that is no number"),
        ('{"prompt": "?", "number": 1, "tolerance": -1}', "has a tolerance below 0"),
        (
            '{"prompt": "?", "expect": "a", "tolerance": 1}',
            "has a tolerance, which only a number can have",
        ),
        ('{"prompt": "?", "contains": []}', "has an empty contains"),
        (
            '{"prompt": "?", "regex": "("}',
            "has a regex that is none: missing ), unterminated subpattern at position 0",
        ),
        ('{"prompt": "?", "run": "true"}', "runs a command, which --allow-run has to allow"),
    ],
)
def test_a_wrong_row_is_told_in_words(text: str, mistake: str) -> None:
    with pytest.raises(RowError) as caught:
        read_row(text, 1)
    assert str(caught.value) == mistake


def test_a_row_that_is_not_utf_8_or_too_long_is_told() -> None:
    long = b'{"prompt": "' + b"a" * 10_000_000
    with pytest.raises(UsageError) as caught:
        read_rows(BytesIO(b'{"prompt": "\xff"}\n' + long), "q.jsonl")
    assert caught.value.hints == ("line 1: is not UTF-8", "line 2: is longer than 8.0 MB")


def test_every_wrong_line_is_named_at_once() -> None:
    data = b'{"prompt": "?", "number": 1}\n{\n\n{"prompt": "?", "number": 1, "id": 1}\n[]'
    with pytest.raises(UsageError) as caught:
        read_rows(BytesIO(data), "q.jsonl")
    assert caught.value.message == "q.jsonl: 3 rows cannot be used; nothing was sent"
    assert [hint.partition(" ")[2][:10] for hint in caught.value.hints] == [
        "2: is not ",
        "4: has the",
        "5: is not ",
    ]
    assert caught.value.hints[1] == "line 4: has the id '1', as line 1 has"


def test_of_many_wrong_lines_the_first_ten_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        read_rows(BytesIO(b"[]\n" * 40), "q.jsonl")
    assert len(caught.value.hints) == 11
    assert caught.value.hints[-1] == "and 30 more"


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(UsageError, match="has no rows"):
        read_rows(BytesIO(b"\n\n"), "q.jsonl")


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_usage_error(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        assert read_rows(BytesIO(data), "q.jsonl")
