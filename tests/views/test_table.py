from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.views.table import Column, Table, table
from deepreasoning_cli.views.terminal import cell_width, truncate

COLUMNS = (Column("name"), Column("what", drop_order=2), Column("$ in", right=True, drop_order=1))
ROWS = [["sonnet", "a model", "2.00"], ["claude-opus-5", "another", "12.00"]]


def test_columns_are_aligned_and_no_line_ends_in_a_blank() -> None:
    assert table((Column("name"), Column("n", right=True), Column("rest")), [["a", "1", ""]]) == (
        Table(("name  n", "a     1"))
    )


def test_a_pipe_gets_every_column_whole() -> None:
    assert table(COLUMNS, ROWS) == Table(
        (
            "name           what      $ in",
            "sonnet         a model   2.00",
            "claude-opus-5  another  12.00",
        )
    )


def test_a_narrow_terminal_loses_the_least_needed_column_first() -> None:
    assert table(COLUMNS, ROWS, 28) == Table(
        ("name            $ in", "sonnet          2.00", "claude-opus-5  12.00"), ("what",)
    )


def test_left_out_columns_are_named_in_their_order() -> None:
    assert table(COLUMNS, ROWS, 13) == Table(("name", "sonnet", "claude-opus-5"), ("what", "$ in"))


def test_a_column_that_stays_is_cut() -> None:
    assert table(COLUMNS, ROWS, 10).lines == ("name", "sonnet", "claude-op…")


def test_the_widest_column_gives_first() -> None:
    columns = (Column("a"), Column("b"))
    assert table(columns, [["x" * 20, "y" * 10]], 26).lines[1] == "x" * 13 + "…  " + "y" * 10


def test_a_column_with_a_least_width_is_cut_before_another_is_left_out() -> None:
    columns = (Column("a", drop_order=1), Column("b", min_width=4))
    rows = [["xxxx", "y" * 10]]
    assert table(columns, rows, 12) == Table(("a     b", "xxxx  yyyyy…"))
    assert table(columns, rows, 9) == Table(("b", "yyyyyyyy…"), ("a",))


def test_an_empty_column_is_not_shown() -> None:
    assert table((Column("a"), Column("b"), Column("c")), [["1", "", "3"]]).lines == (
        "a  c",
        "1  3",
    )


def test_wide_characters_count_two_cells() -> None:
    assert table((Column("name"), Column("n")), [["推理", "1"], ["e\u0301", "2"]]).lines == (
        "name  n",
        "推理  1",
        "e\u0301     2",
    )


def test_cells_cannot_touch_the_terminal_or_break_the_line() -> None:
    assert table((Column("a"),), [["x\x1b[31m\ny"]]).lines == ("a", "x␛[31m y")


@pytest.mark.parametrize(
    ("size", "expected"), [(0, ""), (1, "…"), (2, "…"), (3, "推…"), (4, "推理"), (9, "推理")]
)
def test_a_cut_never_splits_a_wide_character(size: int, expected: str) -> None:
    assert truncate("推理", size) == expected


@given(
    rows=st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), max_size=5),
    width=st.integers(min_value=1, max_value=90),
)
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    assert all(cell_width(line) <= width for line in table(COLUMNS, rows, width).lines)
