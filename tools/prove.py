"""Proves what docs/reliability.md promises: runs its tests at length, and counts what they tried.

`python -m tools.prove` proves everything, in about 25 minutes on two cores, and
`python -m tools.prove cuts kills` these two. It prints a table, and exits with 1 where a test fails
or tried less than was promised. `--write` puts the figures into docs/reliability.md.

A test says what it has tried by pytest's `record_property(NAME, COUNT)`, and asks tests/support how
often to try. A promise of which nobody records the name counts tests that pass.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"
HEAD: Final = "| promise | tried | at least | last figure | command |\n|---|---|---:|---:|---|\n"
NOT_RUN: Final = "not run"
LONGEST: Final = 1_500  # seconds that one test may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A line of the page: what holds, what of it is counted and how much at least, its tests."""

    name: str
    holds: str
    tried: str
    least: int
    tests: tuple[str, ...]

    def row(self, figure: str) -> str:
        """The line of the table."""
        command = f"`python -m tools.prove {self.name}`"
        return f"| {self.holds} | {self.tried} | {self.least:,} | {figure} | {command} |\n"


PROMISES: Final = (
    Promise(
        name="cuts",
        holds="Wherever a reply breaks off, all that it had said is shown and kept",
        tried="cuts",
        least=20_000,
        tests=("tests/e2e/test_every_byte.py",),
    ),
    Promise(
        name="kills",
        holds="What was shown is kept when the process is killed",
        tried="SIGKILLs",
        least=1_000,
        tests=("tests/history/test_survival.py",),
    ),
    Promise(
        name="calls",
        holds="Whichever call to the system fails, the answer is shown and the history opens",
        tried="failing calls",
        least=5_000,
        tests=("tests/history/test_survival.py", "tests/e2e/test_failing_disk.py"),
    ),
    Promise(
        name="faults",
        holds="Whatever breaks, its outcome is that of the table in `tests/faults`: nothing paid"
        " for is lost, or paid for twice, and no key is told",
        tried="cases",
        least=1_300,
        tests=("tests/faults/test_faults.py", "tests/faults/test_compound_faults.py"),
    ),
    Promise(
        name="damages",
        holds="Whatever file is damaged, every command works or says one clear error",
        tried="damages, 1,000 of each file",
        least=10_000,
        tests=("tests/e2e/test_damage.py",),
    ),
    Promise(
        name="streams",
        holds="Server-sent events are read as the standard says, however they are cut",
        tried="streams",
        least=100_000,
        tests=("tests/transport/test_sse.py",),
    ),
    Promise(
        name="replies",
        holds="Whatever bytes a vendor sends, there is text or one error, and no key in either",
        tried="mutated replies",
        least=20_000,
        tests=("tests/transport/test_any_reply.py",),
    ),
    Promise(
        name="doors",
        holds="Whatever is typed, piped or set, there is an outcome or one clear error",
        tried="naughty strings, by eleven doors",
        least=5_000,
        tests=("tests/e2e/test_input_doors.py",),
    ),
    Promise(
        name="hostile",
        holds="No text from outside drives the terminal",
        tried="hostile texts",
        least=100_000,
        tests=("tests/views/test_hostile.py",),
    ),
    Promise(
        name="signals",
        holds="A signal in any state ends or continues the command as it should: what was paid for"
        " is kept, and the terminal is as before",
        tried="signals on a terminal",
        least=73,
        tests=("tests/faults/test_signals_everywhere.py",),
    ),
    Promise(
        name="environments",
        holds="In any locale, with closed streams and low limits, each command does its work",
        tried="runs",
        least=200,
        tests=("tests/e2e/test_environments.py",),
    ),
)


@dataclass(slots=True)
class Proof:
    """A plugin of pytest that adds up what the tests tried."""

    counts: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test's end, or of one that failed before or after it."""
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when == "call" and report.passed:
            self.passed[report.nodeid.partition("::")[0]] += 1
        if report.when == "teardown":  # then fixtures have counted, too
            for name, count in report.user_properties:
                self.counts[name] += int(str(count))

    def figure(self, promise: Promise) -> int:
        """How much of it was tried."""
        tests = sum(self.passed[each] for each in promise.tests)
        return self.counts.get(promise.name, tests)


def tests_of(promises: Iterable[Promise]) -> list[str]:
    """Their files, each once."""
    return list(dict.fromkeys(test for promise in promises for test in promise.tests))


def last_figures(page: str) -> dict[str, str]:
    """What the page's table says was tried, by the promise's name."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"\| ([^|]+) \| `python -m tools\.prove ([\w-]+)` \|", table)
    return {name: figure for figure, name in rows}


def with_figures(page: str, figures: dict[str, str]) -> str:
    """The page with these figures in its table; a promise that has none keeps its last one."""
    known = last_figures(page) | figures
    rows = "".join(each.row(known.get(each.name, NOT_RUN)) for each in PROMISES)
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{HEAD}{rows}{END}{rest.partition(END)[2]}"


def prove(promises: Sequence[Promise]) -> Proof:
    """Run their tests at length."""
    os.environ["DEEPREASONING_PROVE"] = "1"  # for the workers, too
    proof = Proof()
    os.chdir(ROOT)
    pytest.main([*tests_of(promises), "-q", f"--timeout={LONGEST}"], plugins=[proof])
    return proof


def main() -> int:
    """Prove what is named, or all; the exit code."""
    words = sys.argv[1:]
    names = [word for word in words if word != "--write"]
    if strange := set(names) - {each.name for each in PROMISES}:
        print(f"no promise is named {', '.join(sorted(strange))}", file=sys.stderr)
        return 2
    promises = [each for each in PROMISES if each.name in names or not names]
    proof = prove(promises)
    figures = {each.name: f"{proof.figure(each):,}" for each in promises}
    missed = [each.name for each in promises if proof.figure(each) < each.least]
    print(f"{HEAD}{''.join(each.row(figures[each.name]) for each in promises)}", end="")
    for name in missed:
        print(f"error: {name} tried too little", file=sys.stderr)
    if proof.failed or missed:
        print(f"error: {len(proof.failed)} tests failed", file=sys.stderr)
        return 1
    if "--write" in words:
        PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
