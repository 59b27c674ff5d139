"""Questions that have one right answer, which code works out: `eval --make`.

They are made from a seed, the same for the same seed on every machine and version of Python, so
that whoever takes a new one has questions that no model was trained on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import permutations, product
from math import gcd
from typing import Final, TypeVar

ENDING: Final = 'End with a line "Answer: " and the {what} alone.'
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class MadeQuestion:
    """A question, its right answer, and what that is: a number, a name, a date."""

    prompt: str
    answer: int | str
    what: str = "number"

    def as_row(self, identifier: str) -> str:
        """The row of an evaluation file, without a line break."""
        checker = "number" if isinstance(self.answer, int) else "expect"
        prompt = f"{self.prompt}\n\n{ENDING.format(what=self.what)}"
        row = {"id": identifier, "prompt": prompt, checker: self.answer}
        return json.dumps(row, ensure_ascii=False)


class Draws:
    """Random choices from a seed: of `random`, only `random()` is the same in each version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - questions, not secrets

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def one_of(self, values: Sequence[Value]) -> Value:
        """One of the values."""
        return values[self.whole(0, len(values) - 1)]

    def some_of(self, values: Sequence[Value], count: int) -> list[Value]:
        """So many different ones, in an order of chance."""
        left = list(values)
        return [left.pop(self.whole(0, len(left) - 1)) for _ in range(count)]

    def day(self, first: int, last: int) -> date:
        """A day of these years."""
        return date(self.whole(first, last), 1, 1) + timedelta(self.whole(0, 364))


Maker = Callable[[Draws], MadeQuestion]
NAMES: Final = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
WORDS: Final = (
    "lantern", "harbor", "violet", "meadow", "copper", "thunder", "saffron", "quarry", "ember",
    "glacier", "orchard", "pebble", "walnut", "marble", "cinder", "juniper", "ripple", "tundra",
)  # fmt: skip


def make_rows(count: int, seed: int) -> Iterator[str]:
    """So many rows, the subjects in turn; no prompt comes twice."""
    draws = Draws(seed)
    made: set[str] = set()
    subjects = list(SUBJECTS)
    for number in range(count):
        subject = subjects[number % len(subjects)]
        makers = SUBJECTS[subject]
        maker = makers[number // len(subjects) % len(makers)]
        question = maker(draws)
        while question.prompt in made:
            question = maker(draws)
        made.add(question.prompt)
        yield question.as_row(f"{subject}-{number // len(subjects) + 1}")


def products(draws: Draws) -> MadeQuestion:
    """Two products of three digits each, and a sum."""
    a, b, c, d = (draws.whole(102, 989) for _ in range(4))
    e = draws.whole(1_001, 9_899)
    return MadeQuestion(f"What is {a} × {b} − {c} × {d} + {e}?", a * b - c * d + e)


def power_remainder(draws: Draws) -> MadeQuestion:
    """The remainder of a power."""
    base, exponent, modulus = draws.whole(3, 29), draws.whole(21, 199), draws.whole(31, 199)
    prompt = f"What is the remainder when {base}^{exponent} is divided by {modulus}?"
    return MadeQuestion(prompt, pow(base, exponent, modulus))


def counted_multiples(draws: Draws) -> MadeQuestion:
    """Multiples of one of two numbers, and not of a third."""
    low, (a, b, c) = draws.whole(100, 499), draws.some_of((3, 4, 5, 6, 7, 8, 9, 11), 3)
    high = low + draws.whole(200, 900)
    count = sum((n % a == 0 or n % b == 0) and n % c != 0 for n in range(low, high + 1))
    prompt = (
        f"How many whole numbers from {low} to {high}, both included, are divisible by {a} or by"
        f" {b}, but not by {c}?"
    )
    return MadeQuestion(prompt, count)


def reduced_fraction(draws: Draws) -> MadeQuestion:
    """A sum of fractions in lowest terms."""
    (a, b), (c, d) = ((draws.whole(5, 60), draws.whole(61, 140)) for _ in range(2))
    above, below = a * d + c * b, b * d
    divisor = gcd(above, below)
    prompt = (
        f"Write {a}/{b} + {c}/{d} as one fraction in lowest terms. What is the sum of its"
        " numerator and its denominator?"
    )
    return MadeQuestion(prompt, (above + below) // divisor)


def weekday_after(draws: Draws) -> MadeQuestion:
    """The weekday of a day that is far away."""
    start, days = draws.day(1905, 2095), draws.whole(500, 9_999)
    prompt = f"Which day of the week is {days} days after {_long_date(start)}?"
    return MadeQuestion(prompt, WEEKDAYS[(start + timedelta(days)).weekday()], "day of the week")


def days_between(draws: Draws) -> MadeQuestion:
    """The number of days from one day to another."""
    start = draws.day(1905, 2060)
    end = start + timedelta(draws.whole(400, 12_000))
    prompt = (
        f"How many days are there from {_long_date(start)} to {_long_date(end)}, the first day"
        " not counted and the last day counted?"
    )
    return MadeQuestion(prompt, (end - start).days)


def nth_weekday(draws: Draws) -> MadeQuestion:
    """A date in the Gregorian calendar, so many Fridays into a year."""
    year, weekday, number = draws.whole(1905, 2095), draws.whole(0, 6), draws.whole(7, 51)
    first = date(year, 1, 1)
    day = first + timedelta((weekday - first.weekday()) % 7 + 7 * (number - 1))
    prompt = f"What is the date of {WEEKDAYS[weekday]} number {number} of the year {year}?"
    return MadeQuestion(prompt, day.isoformat(), "date as YYYY-MM-DD")


def common_weekdays(draws: Draws) -> MadeQuestion:
    """How often a day of the month falls on a weekday."""
    day, weekday, first = draws.whole(2, 28), draws.whole(0, 6), draws.whole(1905, 2085)
    last = first + draws.whole(2, 6)
    count = sum(
        date(year, month, day).weekday() == weekday
        for year in range(first, last + 1)
        for month in range(1, 13)
    )
    prompt = (
        f"From January {first} to December {last}, how many months have their day {day} on a"
        f" {WEEKDAYS[weekday]}?"
    )
    return MadeQuestion(prompt, count)


def race(draws: Draws) -> MadeQuestion:
    """An order that the clues leave only one of."""
    runners = draws.some_of(NAMES, 6)
    orders = [dict(zip(order, range(6), strict=True)) for order in permutations(sorted(runners))]
    clues: list[str] = []
    while len(orders) > 1:
        a, b = draws.some_of(runners, 2)
        clue, holds = _race_clue(draws, a, b, runners)
        left = [order for order in orders if holds(order)]
        if len(left) < len(orders):
            clues.append(clue)
            orders = left
    place = draws.whole(1, 6)
    winner = next(name for name, at in orders[0].items() if at == place - 1)
    prompt = (
        f"{', '.join(sorted(runners))} ran a race; no two of them finished together."
        f" {' '.join(clues)} Who finished in place {place}?"
    )
    return MadeQuestion(prompt, winner, "name")


def _race_clue(
    draws: Draws, a: str, b: str, order: Sequence[str]
) -> tuple[str, Callable[[dict[str, int]], bool]]:
    """A clue that is true of the order, and whether it is of another one."""
    first, second = order.index(a), order.index(b)
    apart = abs(first - second)
    if draws.whole(0, 1):
        between = ("No one", "One runner", "Two runners", "Three runners", "Four runners")[
            apart - 1
        ]
        return (
            f"{between} finished between {a} and {b}.",
            lambda other: abs(other[a] - other[b]) == apart,
        )
    if first < second:
        return f"{a} finished before {b}.", lambda other: other[a] < other[b]
    return f"{a} finished after {b}.", lambda other: other[a] > other[b]


BETWEEN: Final = ("No one", "One runner", "Two runners", "Three runners", "Four runners")


def knights(draws: Draws) -> MadeQuestion:
    """Knights tell the truth, knaves lie: statements that only one assignment fits."""
    people = draws.some_of(NAMES, 5)
    while True:
        claims = [_claim(draws, people, speaker) for speaker in people]
        fitting = [
            dict(zip(people, kinds, strict=True))
            for kinds in product((True, False), repeat=len(people))
            if all(
                kind == holds(dict(zip(people, kinds, strict=True)))
                for kind, (_, holds) in zip(kinds, claims, strict=True)
            )
        ]
        if len(fitting) == 1:
            break
    said = " ".join(
        f"{name} says: “{claim}”" for name, (claim, _) in zip(people, claims, strict=True)
    )
    liars = sorted(name for name, is_knight in fitting[0].items() if not is_knight)
    prompt = (
        "On an island, knights always tell the truth and knaves always lie."
        f" {', '.join(people)} live there. {said} Which of them are knaves? Answer with their names"
        " in alphabetical order, with a comma and a blank between them, or with “none”."
    )
    return MadeQuestion(prompt, ", ".join(liars) or "none", "names")


def _claim(
    draws: Draws, people: Sequence[str], speaker: str
) -> tuple[str, Callable[[dict[str, bool]], bool]]:
    a, b = draws.some_of([name for name in people if name != speaker], 2)
    match draws.whole(0, 3):
        case 0:
            return f"{a} is a knave.", lambda kinds: not kinds[a]
        case 1:
            return f"{a} and {b} are of the same kind.", lambda kinds: kinds[a] == kinds[b]
        case 2:
            number = draws.whole(1, len(people) - 1)
            return (
                f"Exactly {number} of us {'is a knight' if number == 1 else 'are knights'}.",
                lambda kinds: sum(kinds.values()) == number,
            )
        case _:
            return (
                f"{a} is a knight or {b} is a knave, or both.",
                lambda kinds: kinds[a] or not kinds[b],
            )


def cups(draws: Draws) -> MadeQuestion:
    """A ball under one of several cups, which change places."""
    ball = start = draws.whole(1, 6)
    swaps = []
    for _ in range(draws.whole(14, 22)):
        a, b = draws.some_of(range(1, 7), 2)
        ball = b if ball == a else a if ball == b else ball
        swaps.append(f"{a} and {b}")
    prompt = (
        f"Six cups stand in places 1 to 6, with a ball under the cup in place {start}. The cups in"
        f" these places are swapped, one pair after another: {'; '.join(swaps)}. In which place is"
        " the ball?"
    )
    return MadeQuestion(prompt, ball)


def truth_table(draws: Draws) -> MadeQuestion:
    """How many assignments make all conditions true."""
    conditions = [(draws.one_of(tuple(CONDITIONS)), draws.some_of("ABCDE", 2)) for _ in range(4)]
    count = 0
    for values in product((True, False), repeat=5):
        value = dict(zip("ABCDE", values, strict=True))
        count += all(CONDITIONS[words](value[a], value[b]) for words, (a, b) in conditions)
    told = "; ".join(words.format(a, b) for words, (a, b) in conditions)
    prompt = (
        "A, B, C, D and E are each true or false. In how many of the 32 cases do all of these hold:"
        f" {told}?"
    )
    return MadeQuestion(prompt, count)


CONDITIONS: Final[dict[str, Callable[[bool, bool], bool]]] = {
    "{} or {} or both": lambda a, b: a or b,
    "if {} then {}": lambda a, b: not a or b,
    "exactly one of {} and {}": lambda a, b: a != b,
    "not both {} and {}": lambda a, b: not (a and b),
}


def reversed_consonants(draws: Draws) -> MadeQuestion:
    """Words without their vowels, backwards."""
    text = " ".join(draws.some_of(WORDS, 4)).replace(" ", "")
    prompt = (
        f"Remove every a, e, i, o and u from “{text}”, then write what is left backwards. What is"
        " the result?"
    )
    return MadeQuestion(prompt, "".join(c for c in reversed(text) if c not in "aeiou"), "text")


def counted_letters(draws: Draws) -> MadeQuestion:
    """How often a letter is in a line of words."""
    words = [draws.one_of(WORDS) for _ in range(14)]
    letter = draws.one_of("aelnrtu")
    prompt = f"How many times is the letter {letter} in this line?\n\n{' '.join(words)}"
    return MadeQuestion(prompt, "".join(words).count(letter))


def shifted_letters(draws: Draws) -> MadeQuestion:
    """A word in a cipher whose shift grows from letter to letter."""
    word, first, step = "".join(draws.some_of(WORDS, 2)), draws.whole(1, 25), draws.whole(1, 5)
    shifted = "".join(
        chr((ord(letter) - ord("a") + first + step * place) % 26 + ord("a"))
        for place, letter in enumerate(word)
    )
    prompt = (
        f"In the text “{shifted}” the first letter was moved forward in the alphabet by {first},"
        f" the next one by {first + step}, and each further one by {step} more than the one before;"
        " behind z comes a again. What was the text before?"
    )
    return MadeQuestion(prompt, word, "text")


def edited_list(draws: Draws) -> MadeQuestion:
    """A list of words after a number of edits."""
    words = draws.some_of(WORDS, 5)
    told = ", ".join(words)
    edits: list[str] = []
    for _ in range(draws.whole(8, 12)):
        place = draws.whole(2, len(words) - 1)
        match draws.whole(0, 3):
            case 0:
                words = words[place:] + words[:place]
                edits.append(f"move the first {place} to the end, in their order")
            case 1:
                a, b = draws.some_of(range(len(words)), 2)
                words[a], words[b] = words[b], words[a]
                edits.append(f"swap number {a + 1} and number {b + 1}")
            case 2:
                words.reverse()
                edits.append("reverse the list")
            case _:
                words.append(words.pop(place - 1))
                edits.append(f"move number {place} to the end")
    place = draws.whole(1, len(words))
    prompt = (
        f"This is a list: {told}. Do the following, one after another: {'; '.join(edits)}. What is"
        f" number {place} of the list then?"
    )
    return MadeQuestion(prompt, words[place - 1], "word")


def _long_date(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


SUBJECTS: Final[dict[str, tuple[Maker, ...]]] = {
    "arithmetic": (products, power_remainder, counted_multiples, reduced_fraction),
    "dates": (weekday_after, days_between, nth_weekday, common_weekdays),
    "logic": (race, knights, cups, truth_table),
    "strings": (reversed_consonants, counted_letters, shifted_letters, edited_list),
}
"""What questions are about, and who makes them."""
