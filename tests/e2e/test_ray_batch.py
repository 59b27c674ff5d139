"""examples/batch/ray_batch.py on a Ray of its own: where Ray Data is installed, else skipped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from deepreasoning_cli.history.locks import try_lock_path
from support.row_vendors import RowVendors, answers_in, has_lines, write_rows
from support.runner import environment
from support.vendors import Vendors

pytest.importorskip("ray")
pytest.importorskip("ray.data", exc_type=ImportError)  # it needs more than Ray itself does

EXAMPLE: Final = Path(__file__).parents[2] / "examples/batch/ray_batch.py"
PATIENCE: Final = 180.0  # seconds; Ray starts half a dozen processes
ROWS: Final = 24
HOST: Final = """
reasoner = "steady"
[reasoners.steady]
base_url = "{url}"
model = "thinker"
key = "deepseek"
rates = {{ input = 1, output = 2 }}
"""
"""A reasoner without peak hours: what it costs does not depend on when a test runs."""


@contextmanager
def on_ray(vendors: Vendors, source: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The example while it runs, with two workers that ask two rows at once."""
    told = [str(source), str(output), "--workers", "2", "--at-once", "2"]
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), *told],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**vendors.environment, "RAY_USAGE_STATS_ENABLED": "0"}),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def answer_on_ray(vendors: Vendors, source: Path, output: Path) -> tuple[int, str]:
    """The exit code of the example, and the last line that it prints."""
    with on_ray(vendors, source, output) as process:
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert stdout, stderr.decode(errors="replace")
        return process.returncode, stdout.decode().splitlines()[-1]


def eventually(what: Callable[[], object]) -> None:
    """Wait until it is true; fails if that does not come."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"not within {PATIENCE} seconds"
        time.sleep(0.05)


def is_free(output: Path) -> bool:
    """Whether no run writes it any more."""
    held = try_lock_path(output.with_name(output.name + ".state"))
    if held is not None:
        os.close(held)
    return held is not None


def sorted_lines(output: Path) -> list[dict[str, Any]]:
    """The answers by their ids, without what is another each time: ids of turns, and seconds."""
    answers = sorted(answers_in(output), key=lambda answer: str(answer["id"]))
    for answer in answers:
        del answer["turn"], answer["seconds"]
        for stage in (answer["reasoner"], answer["answerer"]):
            del stage["seconds"]
    return answers


@pytest.mark.timeout(600)
def test_ray_writes_the_lines_that_the_command_writes(vendors: Vendors, tmp_path: Path) -> None:
    world = RowVendors(vendors)
    vendors.config(HOST.format(url=vendors.reasoner.url))
    source, plain, output = (tmp_path / name for name in ("in.jsonl", "plain.jsonl", "out.jsonl"))
    write_rows(source, ROWS)
    assert vendors.run("batch", str(source), "-o", str(plain)).code == 0
    world.log.clear()

    code, said = answer_on_ray(vendors, source, output)
    assert (code, said.partition(" in ")[0]) == (0, f"{ROWS} of {ROWS} rows are answered")
    assert sorted_lines(output) == sorted_lines(plain)
    assert set(Counter(world.log).values()) == {1}
    assert not output.with_name("out.jsonl.state").exists()

    world.log.clear()
    assert answer_on_ray(vendors, source, output)[0] == 0
    assert (world.log, len(answers_in(output))) == ([], ROWS)


@pytest.mark.timeout(600)
def test_a_run_on_ray_that_is_killed_goes_on(vendors: Vendors, tmp_path: Path) -> None:
    world = RowVendors(vendors)
    vendors.config(HOST.format(url=vendors.reasoner.url))
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_rows(source, ROWS)
    world.most_answers = ROWS // 2
    with on_ray(vendors, source, output) as process:
        eventually(lambda: process.poll() is not None or has_lines(output, ROWS // 4))
        process.kill()
        assert process.wait(PATIENCE) == -9
    eventually(lambda: is_free(output))  # its other processes end with it
    before = {answer["id"].removeprefix("row-") for answer in answers_in(output)}
    assert ROWS // 4 <= len(before) <= ROWS // 2
    world.most_answers = None
    world.log.clear()

    assert answer_on_ray(vendors, source, output)[0] == 0
    answers = sorted_lines(output)
    assert [answer["id"] for answer in answers] == sorted(f"row-{row}" for row in range(ROWS))
    assert all(answer["error"] is None for answer in answers)
    assert before.isdisjoint(row for _, row in world.log)
    assert set(Counter(world.asked("claude"))) == {str(row) for row in range(ROWS)} - before
