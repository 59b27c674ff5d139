"""Made questions: each is solved again here from its words alone, in another way."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from fractions import Fraction
from io import BytesIO
from itertools import permutations, product
from typing import Any, Final

import pytest

from deepreasoning_cli.evaluation.made_questions import MONTHS, SUBJECTS, WEEKDAYS, make_rows
from deepreasoning_cli.evaluation.question_file import read_rows


def whole_numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def days(text: str) -> list[date]:
    found = re.findall(rf"({'|'.join(MONTHS)}) (\d+), (\d+)", text)
    return [date(int(year), MONTHS.index(month) + 1, int(day)) for month, day, year in found]


def walked(start: date, end: date) -> Iterator[date]:
    """Each day from one to the other, the first one left out."""
    while start < end:
        start += timedelta(1)
        yield start


def products(text: str) -> int:
    a, b, c, d, e = whole_numbers(text)
    return sum([a] * b) - sum([c] * d) + e


def power_remainder(text: str) -> int:
    base, exponent, modulus = whole_numbers(text)
    return int(base**exponent % modulus)


def counted_multiples(text: str) -> int:
    low, high, a, b, c = whole_numbers(text)
    either = {n for n in range(high + 1) if not n % a} | {n for n in range(high + 1) if not n % b}
    return len([n for n in either - set(range(0, high + 1, c)) if n >= low])


def reduced_fraction(text: str) -> int:
    a, b, c, d = whole_numbers(text)
    total = Fraction(a, b) + Fraction(c, d)
    return total.numerator + total.denominator


def weekday_after(text: str) -> str:
    [start] = days(text)
    count = whole_numbers(text)[0]
    return f"{start + timedelta(count):%A}"


def days_between(text: str) -> int:
    return sum(1 for _ in walked(*days(text)))


def nth_weekday(text: str) -> str:
    number, year = whole_numbers(text)
    name = next(name for name in WEEKDAYS if name in text)
    found = [
        day for day in walked(date(year - 1, 12, 31), date(year, 12, 31)) if f"{day:%A}" == name
    ]
    return str(found[number - 1])


def common_weekdays(text: str) -> int:
    first, last, day = whole_numbers(text)
    name = next(name for name in WEEKDAYS if name in text)
    every = walked(date(first - 1, 12, 31), date(last, 12, 31))
    return len([one for one in every if one.day == day and f"{one:%A}" == name])


def race(text: str) -> str:
    names = text.partition(" ran ")[0].split(", ")
    counts = {"No one": 0, "One runner": 1, "Two runners": 2, "Three runners": 3, "Four runners": 4}
    before = re.findall(r"(\w+) finished before (\w+)\.", text)
    before += [(b, a) for a, b in re.findall(r"(\w+) finished after (\w+)\.", text)]
    between = re.findall(r"(\w+ ?\w*) finished between (\w+) and (\w+)\.", text)
    [order] = [
        order
        for order in permutations(names)
        if all(order.index(a) < order.index(b) for a, b in before)
        and all(abs(order.index(a) - order.index(b)) == counts[n] + 1 for n, a, b in between)
    ]
    return order[whole_numbers(text)[-1] - 1]


def knights(text: str) -> str:
    said = re.findall(r"(\w+) says: “(.*?)”", text)
    names = [name for name, _ in said]

    def is_true(claim: str, kinds: dict[str, bool]) -> bool:
        if found := re.fullmatch(r"(\w+) is a knave\.", claim):
            return not kinds[found[1]]
        if found := re.fullmatch(r"(\w+) and (\w+) are of the same kind\.", claim):
            return kinds[found[1]] is kinds[found[2]]
        if found := re.fullmatch(r"Exactly (\d) of us (?:is a knight|are knights)\.", claim):
            return list(kinds.values()).count(True) == int(found[1])
        found = re.fullmatch(r"(\w+) is a knight or (\w+) is a knave, or both\.", claim)
        assert found
        return not (not kinds[found[1]] and kinds[found[2]])

    [kinds] = [
        kinds
        for values in product((True, False), repeat=len(names))
        for kinds in [dict(zip(names, values, strict=True))]
        if all(is_true(claim, kinds) is kinds[name] for name, claim in said)
    ]
    return ", ".join(sorted(name for name in names if not kinds[name])) or "none"


def cups(text: str) -> int:
    start = whole_numbers(text)[2]
    places = {place: place == start for place in range(1, 7)}
    for a, b in re.findall(r"(\d) and (\d)", text):
        places[int(a)], places[int(b)] = places[int(b)], places[int(a)]
    return next(place for place, ball in places.items() if ball)


def truth_table(text: str) -> int:
    conditions = text.partition("hold: ")[2].partition("?")[0].split("; ")
    patterns = {
        r"(\w) or (\w) or both": "{} or {}",
        r"if (\w) then (\w)": "{1} if {0} else True",
        r"exactly one of (\w) and (\w)": "({0} and not {1}) or ({1} and not {0})",
        r"not both (\w) and (\w)": "not {} or not {}",
    }
    code = []
    for condition in conditions:
        [(found, form)] = [
            (match, form)
            for pattern, form in patterns.items()
            if (match := re.fullmatch(pattern, condition))
        ]
        code.append(f"({form.format(*found.groups())})")
    source = " and ".join(code)
    cases = [dict(zip("ABCDE", values, strict=True)) for values in product((0, 1), repeat=5)]
    return sum(bool(eval(source, {}, dict(case))) for case in cases)


def reversed_consonants(text: str) -> str:
    return re.sub("[aeiou]", "", text.split("“")[1].split("”", maxsplit=1)[0])[::-1]


def counted_letters(text: str) -> int:
    letter = re.search(r"letter (\w) ", text)
    assert letter
    return len(re.findall(letter[1], text.split("\n\n")[1]))


def shifted_letters(text: str) -> str:
    first, second, step = whole_numbers(text)
    assert second - first == step
    letters = string.ascii_lowercase
    shifted = text.split("“")[1].split("”", maxsplit=1)[0]
    return "".join(
        letters[(letters.index(letter) - first - place * step) % 26]
        for place, letter in enumerate(shifted)
    )


def edited_list(text: str) -> str:
    listed = text.partition(": ")[2].partition(".")[0].split(", ")
    for edit in text.partition("another: ")[2].partition(". What")[0].split("; "):
        numbers = whole_numbers(edit)
        if edit == "reverse the list":
            listed = listed[::-1]
        elif edit.startswith("swap"):
            a, b = (listed[number - 1] for number in numbers)
            listed = [b if word == a else a if word == b else word for word in listed]
        elif edit.startswith("move the first"):
            for _ in range(numbers[0]):
                listed = [*listed[1:], listed[0]]
        else:
            word = listed[numbers[0] - 1]
            listed = [*(other for other in listed if other != word), word]
    return listed[whole_numbers(text)[-1] - 1]


SOLVERS: Final[dict[str, Callable[[str], int | str]]] = {
    solver.__name__: solver
    for solver in (
        products, power_remainder, counted_multiples, reduced_fraction,
        weekday_after, days_between, nth_weekday, common_weekdays,
        race, knights, cups, truth_table,
        reversed_consonants, counted_letters, shifted_letters, edited_list,
    )
}  # fmt: skip
ROWS: Final[list[dict[str, Any]]] = [json.loads(row) for row in make_rows(320, 18)]


def right_answer(row: dict[str, Any]) -> int | str:
    found: int | str = row["number"] if "number" in row else row["expect"]
    return found


@pytest.mark.parametrize("name", SOLVERS)
def test_the_answer_of_a_made_question_is_right(name: str) -> None:
    kinds = [maker.__name__ for makers in zip(*SUBJECTS.values(), strict=True) for maker in makers]
    rows = [row for place, row in enumerate(ROWS) if kinds[place % len(kinds)] == name]
    assert len(rows) == 20
    for row in rows:
        question = row["prompt"].partition("\n\nEnd with")[0]
        assert SOLVERS[name](question) == right_answer(row), question


def test_every_maker_is_solved_here() -> None:
    assert {maker.__name__ for makers in SUBJECTS.values() for maker in makers} == set(SOLVERS)


def test_no_question_comes_twice_and_no_answer_can_be_guessed() -> None:
    assert len({row["prompt"] for row in ROWS}) == len(ROWS)
    answers = [str(right_answer(row)) for row in ROWS]
    assert max(answers.count(answer) for answer in answers) < len(answers) / 10


def test_the_subjects_take_turns() -> None:
    assert [json.loads(row)["id"] for row in make_rows(6, 1)] == [
        "arithmetic-1", "dates-1", "logic-1", "strings-1", "arithmetic-2", "dates-2",
    ]  # fmt: skip


def test_a_seed_is_the_same_questions_everywhere() -> None:
    """What was measured on a seed can be measured again: a change of a maker has to be meant."""
    digest = hashlib.sha256("\n".join(make_rows(160, 1)).encode()).hexdigest()
    assert digest[:16] == "d9aac51026552ca4"
    assert list(make_rows(60, 1)) == list(make_rows(160, 1))[:60]
    assert list(make_rows(60, 1)) != list(make_rows(60, 2))


def test_made_rows_are_rows_that_can_be_read_and_their_answers_are_right() -> None:
    rows = read_rows(BytesIO("\n".join(make_rows(60, 5)).encode()), "made")
    for row, made in zip(rows, make_rows(60, 5), strict=True):
        right = right_answer(json.loads(made))
        assert row.checker.check(f"Let me see.\n\nAnswer: {right}").right  # type: ignore[union-attr]
        assert row.checker.check(f"**Answer:** {right}.").right  # type: ignore[union-attr]
        assert row.checker.check("Answer: x17y").right is False  # type: ignore[union-attr]
