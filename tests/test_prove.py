"""docs/reliability.md and tools/prove.py say the same, and what they name is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pytest

from tools import prove as tool
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
        assert figure == NOT_RUN or int(figure.split()[0].replace(",", "")) >= promise.least


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


@pytest.fixture
def tries(tmp_path: Path) -> Promise:
    """A promise whose test tries enough; beside it are one that fails and one that hangs."""
    file = tmp_path / "test_tries.py"
    file.write_text(
        "import pathlib, subprocess, sys, time\n"
        "def test_tries(record_property): record_property('odd', 1_000)\n"
        "def test_breaks(): assert not 'broken'\n"
        "def test_hangs():\n"
        "    sleeper = [sys.executable, '-c', 'import time; time.sleep(1_000)']\n"
        "    started = subprocess.Popen(sleeper, start_new_session=True)\n"
        "    place = pathlib.Path(__file__).parent\n"
        "    (place / 'new').write_text(str(started.pid))\n"
        "    (place / 'new').rename(place / 'pid')\n"
        "    time.sleep(1_000)\n"
    )
    return replace(ODD, tests=(f"{file}::test_tries",))


def also(promise: Promise, test: str) -> Promise:
    """The promise with another test of the same file."""
    file = promise.tests[0].partition("::")[0]
    return replace(promise, tests=(*promise.tests, f"{file}::{test}"))


def test_a_promise_is_proved_in_a_process_of_its_own(tries: Promise) -> None:
    proof, problem = tool.prove(tries, "0")
    assert (proof.figure(tries), proof.failed, problem) == (1_000, [], "")
    proof, problem = tool.prove(replace(tries, least=1_001), "0")
    assert (proof.figure(tries), problem) == (1_000, "tried too little")


def test_what_fails_is_named(tries: Promise, capfd: pytest.CaptureFixture[str]) -> None:
    broken = also(tries, "test_breaks")
    proof, problem = tool.prove(broken, "0")
    assert (proof.figure(broken), problem) == (1_000, "1 tests failed")
    assert [name.partition("::")[2] for name in proof.failed] == ["test_breaks"]
    assert f"FAILED {proof.failed[0]}\n" in capfd.readouterr().out


def test_a_promise_that_takes_too_long_is_ended(
    tries: Promise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "ONE_PROMISE", 1)
    _, problem = tool.prove(also(tries, "test_hangs"), "0")
    assert problem == "is longer than its limit"


def wait_for_end(pid: int) -> None:
    """Until there is no such process, or nobody has asked yet how it ended."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(600):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.1)
                continue
        return
    raise AssertionError("it still runs")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells who started whom")
def test_nothing_that_a_promise_has_started_outlives_it(tries: Promise, tmp_path: Path) -> None:
    """A server has a session of its own; SIGTERM is what `kill` sends."""
    file = tries.tests[0].partition("::")[0]
    code = (
        "from dataclasses import replace\n"
        "from tools import prove\n"
        f"prove.PROMISES = (replace(prove.PROMISES[0], tests=({file + '::test_hangs'!r},)),)\n"
        "prove.main()\n"
    )
    proof = subprocess.Popen([sys.executable, "-c", code, "-n", "0"], cwd=ROOT)
    try:
        for _ in range(600):
            if (tmp_path / "pid").exists():
                break
            time.sleep(0.1)
        started = int((tmp_path / "pid").read_text())
        proof.send_signal(signal.SIGTERM)
        assert proof.wait(60) == 143
    finally:
        proof.kill()
        proof.wait(10)
    wait_for_end(started)


def test_figures_are_written_over_the_last_ones() -> None:
    page = PAGE.read_text(encoding="utf-8")
    last = PROMISES[-1].name
    changed = with_figures(page, {last: "1,234,567"})
    assert last_figures(changed) == last_figures(page) | {last: "1,234,567"}
    assert with_figures(changed, last_figures(page)) == page
