"""Files of rows: each answered once, whatever happens on the way."""

from __future__ import annotations

import json
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from support.loopback import Received
from support.replies import Reply, claude_stream, error_reply_anthropic
from support.row_vendors import (
    RowVendors,
    answer_to,
    answers_in,
    row_of,
    thought_about,
    write_rows,
)
from support.vendors import Vendors

LONG: Final = os.environ.get("DEEPREASONING_LONG_BATCH")
long_run = pytest.mark.skipif(not LONG, reason="DEEPREASONING_LONG_BATCH asks for it")
KILLED: Final = -9
MEGABYTE: Final = 1_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def check_answers(output: Path, count: int) -> None:
    """Each row is there once, with its own thoughts and its own answer."""
    answers = answers_in(output)
    assert sorted(each["id"] for each in answers) == sorted(f"row-{row}" for row in range(count))
    for each in answers:
        row = each["id"].removeprefix("row-")
        assert each["error"] is None, each
        assert each["answer"] == answer_to(row)
        assert set(each["reasoning"].split("; ")) == {thought_about(row).strip("; "), ""}


@pytest.mark.parametrize(
    ("rows", "at_once", "kills"),
    [(200, 20, 3), pytest.param(2_000, 50, 10, marks=long_run)],
)
def test_a_run_that_is_killed_again_and_again_answers_each_row_once(
    vendors: Vendors, source: Path, output: Path, rows: int, at_once: int, kills: int
) -> None:
    world = RowVendors(vendors)
    write_rows(source, rows)
    command = ["batch", str(source), "-o", str(output), "-j", str(at_once)]
    for number in range(1, kills + 1):
        goal = rows * number // (kills + 1)
        assert world.run(command, kill_at=goal) == KILLED
    assert world.run(command) == 0
    check_answers(output, rows)
    assert not output.with_name("out.jsonl.state").exists()
    answered: set[str] = set()
    for who, row in world.log:
        if who == "claude":
            answered.add(row)
        else:
            assert row not in answered, f"the reasoning of row {row} was paid for again"
    for who in ("reasoner", "claude"):
        asked = Counter(world.asked(who))
        assert len(asked) == rows
        assert sum(asked.values()) <= rows + kills * at_once  # those that ran when it was killed
    asked_before = len(world.log)
    assert world.run(command) == 0
    assert len(world.log) == asked_before
