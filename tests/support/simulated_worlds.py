"""Worlds for an evaluation: arms that get questions right with accuracies of their own."""

from __future__ import annotations

import random
from collections.abc import Sequence


def draw_accuracies(draws: random.Random, world: int, others: Sequence[str]) -> dict[str, float]:
    """The accuracy of `alone`, and of the others; in every third world there is no difference."""
    base = draws.uniform(0.3, 0.85)
    accuracies = {"alone": base}
    for name in others:
        change = 0 if world % 3 == 0 else draws.uniform(-0.4, 0.4)
        accuracies[name] = min(0.98, max(0.02, base + change))
    return accuracies


def draw_right(
    draws: random.Random, accuracies: dict[str, float], questions: int, likeness: float
) -> dict[str, dict[str, bool]]:
    """Which questions each arm gets right: by its accuracy, and often the same ones.

    With the probability `likeness` a question is as hard for one arm as for all others. Questions
    are named by their numbers, from 0.
    """
    right: dict[str, dict[str, bool]] = {name: {} for name in accuracies}
    for question in range(questions):
        common = draws.random()
        for name, accuracy in accuracies.items():
            hard = common if draws.random() < likeness else draws.random()
            right[name][str(question)] = hard < accuracy
    return right


def is_true(outcome: str, difference: float, smallest: float | None) -> bool:
    """Whether what is said of an arm is true of its world; `difference` is that of accuracies.

    Where there is no difference none may be told. One may never be told with the wrong sign. And
    one that is half as large again as what the sample is said to show has to be told.
    """
    if outcome == "better":
        return difference > 0
    if outcome == "worse":
        return difference < 0
    return smallest is None or abs(difference) < 1.5 * smallest
