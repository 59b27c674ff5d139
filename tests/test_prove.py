"""docs/reliability.md and tools/prove.py say the same, and what they name is there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

import pytest

from tools.prove import NOT_RUN, PAGE, PROMISES, ROOT, Promise, Proof, last_figures, with_figures

ODD = Promise(name="odd", holds="It holds", tried="tries", least=1_000, tests=("a.py", "b.py"))


def reports(
    test: str, outcome: Literal["passed", "failed"] = "passed", **tried: int
) -> Iterator[pytest.TestReport]:
    """What pytest reports of a test that said so at its end, and of what came after it."""
    rest: tuple[Any, ...] = ((), 0, 0, 0, list(tried.items()))
    yield pytest.TestReport(test, ("", 0, ""), {}, outcome, None, "call", *rest)
    yield pytest.TestReport(test, ("", 0, ""), {}, "passed", None, "teardown", *rest)


def test_the_page_has_each_promise_with_a_figure_that_is_enough() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_figures(page, {}) == page
    figures = last_figures(page)
    assert list(figures) == [promise.name for promise in PROMISES]
    for promise in PROMISES:
        figure = figures[promise.name]
        assert figure == NOT_RUN or int(figure.replace(",", "")) >= promise.least


def test_the_tests_of_each_promise_are_there() -> None:
    assert [test for each in PROMISES for test in each.tests if not (ROOT / test).exists()] == []


def test_what_was_tried_is_added_up() -> None:
    proof = Proof()
    for each in chain(
        reports("a.py::one", odd=400),
        reports("b.py::two", odd=600),
        reports("b.py::three", "failed"),
    ):
        proof.pytest_runtest_logreport(each)
    assert (proof.figure(ODD), proof.failed) == (1_000, ["b.py::three"])


def test_tests_are_counted_where_nobody_says_what_was_tried() -> None:
    proof = Proof()
    for each in chain(reports("a.py::one"), reports("b.py::two"), reports("c.py::three")):
        proof.pytest_runtest_logreport(each)
    assert proof.figure(ODD) == 2


def test_figures_are_written_over_the_last_ones() -> None:
    page = PAGE.read_text(encoding="utf-8")
    last = PROMISES[-1].name
    changed = with_figures(page, {last: "1,234,567"})
    assert last_figures(changed) == last_figures(page) | {last: "1,234,567"}
    assert with_figures(changed, last_figures(page)) == page
