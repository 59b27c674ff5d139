"""Which text and which number an answer comes to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.final_answer import (
    boxed,
    final_number,
    final_texts,
    folded,
    last_line,
    last_number,
    normalise,
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("42", "42"),
        ("It is 42.", "42"),
        ("First 3, then 4, so **12**.", "12"),
        ("That makes 1,234,567 in all", "1234567"),
        ("$1,200.50", "1200.50"),
        ("-$5", "-5"),
        ("$-5$", "-5"),
        ("a loss of €-1.234.567,89", "-1234567.89"),
        ("1.234,56 €", "1234.56"),
        ("1 234 567", "1234567"),
        ("1\u202f234,5", "1234.5"),
        ("1'234'567", "1234567"),
        ("1_000_000", "1000000"),
        ("3,14", "3.14"),
        ("0,125", "0.125"),
        ("1,234", "1234"),
        ("1234,567", "1234.567"),
        ("x = −7", "-7"),
        ("x = –7", "-7"),
        ("10-5", "5"),
        ("between 5–7", "7"),
        ("(-3)", "-3"),
        (".5", "0.5"),
        ("45 %", "45"),
        (r"45\%", "45"),
        ("25 cm²", "25"),
        ("25 cm^2", "25"),
        (r"25 \text{ cm}^{2}", "25"),
        ("42nd", "42"),
        ("12 of H2O", "12"),
        ("答えは42です", "42"),
        (r"The result is \boxed{42}, of 100", "42"),
        (r"\boxed{\frac{3}{4}}", "0.75"),
        (r"\boxed{\text{about } 1{,}250}", "1250"),
        (r"$12\,500$", "12500"),
        ("3/4", "0.75"),
        ("1 3/4 cups", "1.75"),
        ("on 12/05/2026", "2026"),
        ("6.02e23", "6.02e23"),
        ("6.02 × 10^23", "6.02e23"),
        (r"1.5 \times 10^{-3}", "0.0015"),
        ("3·10⁸ m/s", "3e8"),
        ("2^10", "1024"),
        ("10⁶", "1000000"),
        ("Answer: 42 (of 100)\nSee page 7.", "42"),
        ("**Answer:** 3 × 14 = 42", "42"),
        ("The answer is (12)", "12"),
        ("Final answer:\n\n17 apples", "17"),
        ("the answers are 1 and 2; the answer is 3.\n\n4 remarks", "3"),
        ("1. Count them.\n2. There are 9.", "9"),
        ("v2.0.1 has 3", "3"),
        ("no number", None),
        ("", None),
        ("2^9999999", "2"),
    ],
)
def test_the_number_of_an_answer(answer: str, expected: str | None) -> None:
    assert final_number(answer) == (None if expected is None else Decimal(expected))


@given(
    st.decimals(-(10**12), 10**12, places=3),
    st.sampled_from(["{}", "{:,}", "so {} kg.", "$$\\boxed{{{:,}}}$$"]),
)
def test_a_number_is_read_as_it_was_written(value: Decimal, form: str) -> None:
    assert final_number(form.format(value)) == value


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    final_number(text)
    final_texts(text)
    normalise(text)


@given(st.text(alphabet="0123456789.,/^{}-+ e×\\⁵$%'boxed", max_size=60))
def test_any_mess_of_digits_and_signs_is_read_without_an_error(text: str) -> None:
    final_number(text)


@pytest.mark.parametrize(
    "unit", ["1", "1,", "1 ", "1^", "(", "\\boxed{", "answer ", "1/", "{", "1e", "-"]
)
def test_a_long_answer_is_read_in_time_that_grows_with_it(unit: str) -> None:
    """What took the square of its length would run into the time limit of the test."""
    final_number(unit * 200_000)
    final_texts(unit * 200_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{a{b}c} end", "a{b}c"),
        (r"\boxed{1} then \fbox{2}", "2"),
        (r"\boxed{open", "open"),
        ("none", None),
    ],
)
def test_a_box_is_read_with_its_braces(text: str, expected: str | None) -> None:
    assert boxed(text) == expected


def test_the_last_line_is_one_with_words_in_it() -> None:
    assert last_line("one\ntwo\n\n---\n**\n") == "two"
    assert last_line("") == ""


@pytest.mark.parametrize(
    "written", ["**Paris.**", "paris", "“Paris”", " PARIS ", "`Paris`", "Ｐaris"]
)
def test_case_and_emphasis_make_no_difference(written: str) -> None:
    assert normalise(written) == "paris"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("It is **42**.", "it is 42", True),
        ("$1,234", "1234", True),
        ("x^2 + 1", "x^3 + 1", False),
        ("-5", "5", False),
        ("− 5 −", "5", True),
        ("−5", "-5", True),
        ("8-5", "8 - 5", True),
        ("3.5", "35", False),
        ("Ada, then Ben", "Ben, then Ada", False),
    ],
)
def test_lines_are_alike_by_their_words_and_numbers(one: str, other: str, alike: bool) -> None:
    assert (folded(one) == folded(other)) is alike


@pytest.mark.parametrize(
    ("line", "number"),
    [("so -1,200.50 it is", "-1200.50"), ("7 of 9", "9"), ("8-5", "5"), ("", "")],
)
def test_the_last_number_of_a_line_is_read_as_it_is_written(line: str, number: str) -> None:
    assert last_number(line) == number
