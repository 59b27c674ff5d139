"""Proves what docs/reliability.md promises: runs its tests at length, and counts what they tried.

`python -m tools.prove` proves everything, one promise after another, and `python -m tools.prove
cuts kills` these two. Each runs in a process of its own, which is ended at its limit. What fails is
named at once; the last line says what is proved, and the exit code is 1 where something is not.

`--write` puts each figure into docs/reliability.md as soon as there is one, and `--rest` leaves out
what that page has of today, to go on where a run was stopped. `-n 1` takes so many processes, in
place of one for each core and one more.

A test says what it has tried by pytest's `record_property(NAME, COUNT)`, and asks tests/support how
often to try. A promise of which nobody records the name counts tests that pass.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"
HEAD: Final = "| promise | tried | at least | last figure | command |\n|---|---|---:|---|---|\n"
NOT_RUN: Final = "not run"
ONE_TEST: Final = 600  # seconds that one test may take
ONE_PROMISE: Final = 1_800  # seconds for all its tests


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
        tests=(
            "tests/faults/test_faults.py",
            "tests/faults/test_faults_of_many.py",
            "tests/faults/test_compound_faults.py",
        ),
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
        name="markdown",
        holds="Markdown is the same on the screen however it is cut, and loses no character",
        tried="documents",
        least=12_000,
        tests=("tests/views/test_markdown.py", "tests/views/test_markdown_text.py"),
    ),
    Promise(
        name="config",
        holds="Whatever `config.toml` says, it is settings or one clear error, and no key in it",
        tried="texts and values",
        least=20_000,
        tests=("tests/settings/test_any_config.py",),
    ),
    Promise(
        name="journals",
        holds="Whatever a journal holds, its turn is recovered or left out with a warning, and"
        " no other turn is lost",
        tried="mutated journals",
        least=10_000,
        tests=("tests/history/test_any_journal.py",),
    ),
    Promise(
        name="cassettes",
        holds="Whatever a cassette holds, it is played or refused with advice",
        tried="damaged cassettes",
        least=2_500,
        tests=("tests/providers/test_damaged_cassettes.py",),
    ),
    Promise(
        name="rows",
        holds="Whatever a file of rows, answers or its state holds, a line is read or named, and"
        " what is answered is not asked again",
        tried="mutated files",
        least=40_000,
        tests=("tests/library/test_any_rows.py",),
    ),
    Promise(
        name="requests",
        holds="Whatever a caller of `serve` sends, there is a turn or a refusal in the words of"
        " its API",
        tried="mutated bodies",
        least=10_000,
        tests=("tests/server/test_any_request.py",),
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
        least=99,
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

AROUND: Final = ("PYTEST_", "COVERAGE_", "COV_CORE_")


@dataclass(slots=True)
class Proof:
    """A plugin of pytest that adds up what the tests tried, and names each that fails."""

    counts: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test's end, or of one that failed before or after it."""
        if report.failed:
            self.failed.append(report.nodeid)
            print(f"\nFAILED {report.nodeid}", flush=True)
        if report.when == "call" and report.passed:
            self.passed[report.nodeid.partition("::")[0]] += 1
        if report.when == "teardown":  # then fixtures have counted, too
            for name, count in report.user_properties:
                self.counts[name] += int(str(count))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Leave what came of it where `prove` looks."""
        said = {"counts": self.counts, "passed": self.passed, "failed": self.failed}
        Path(os.environ["DEEPREASONING_PROVE"]).write_text(json.dumps(said), encoding="utf-8")

    def figure(self, promise: Promise) -> int:
        """How much of it was tried."""
        tests = sum(self.passed[each] for each in promise.tests)
        return self.counts.get(promise.name, tests)


def pytest_configure(config: pytest.Config) -> None:
    """`pytest -p tools.prove`: count in the process that hears of all tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Proof())


def last_figures(page: str) -> dict[str, str]:
    """What the page's table says was tried, by the promise's name."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"\| ([^|]+) \| `python -m tools\.prove ([\w-]+)` \|", table)
    return {name: figure for figure, name in rows}


def with_figures(page: str, figures: Mapping[str, str]) -> str:
    """The page with these figures in its table; a promise that has none keeps its last one."""
    known = last_figures(page) | dict(figures)
    rows = "".join(each.row(known.get(each.name, NOT_RUN)) for each in PROMISES)
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{HEAD}{rows}{END}{rest.partition(END)[2]}"


def prove(promise: Promise, processes: str) -> tuple[Proof, str]:
    """Run its tests at length: what they tried, and why it is not proved, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proof.json"
        code = _run(
            [*promise.tests, "-q", "-n", processes, "-p", "tools.prove", f"--timeout={ONE_TEST}"],
            {"DEEPREASONING_PROVE": str(file)},  # the workers see it, too
        )
        if not file.exists():
            return Proof(), "ended too early" if code else "is longer than its limit"
        said = json.loads(file.read_text(encoding="utf-8"))
    proof = Proof(Counter(said["counts"]), Counter(said["passed"]), said["failed"])
    if proof.failed or code:
        return proof, f"{len(proof.failed)} tests failed"
    return proof, "" if proof.figure(promise) >= promise.least else "tried too little"


def _run(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run pytest, and end all of it at the limit; the exit code, 0 for the limit."""
    # What the settings say of a test that hangs is shorter than a test may take here.
    patience = ["-o", f"faulthandler_timeout={ONE_TEST + 60}"]
    # Options of tests around it are none of its own: a second --cov erases what the first measured.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(AROUND)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments, *patience],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**kept, **env},
        process_group=0,
    )
    try:
        return process.wait(ONE_PROMISE)
    except subprocess.TimeoutExpired:
        return 0
    finally:
        if process.poll() is None:
            for pid in _family(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(10)


def _family(pid: int) -> list[int]:
    """The process and all that it has started: some have groups and sessions of their own.

    Where the system does not tell (it is Linux's /proc), the process alone.
    """
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int(file.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(file.parent.name))
    family = [pid]
    for each in family:
        family += children.get(each, [])
    return family


def main() -> int:
    """Prove what is named, or all; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended on the way out
    wanted = _arguments()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    known = last_figures(PAGE.read_text(encoding="utf-8")) if wanted.rest else {}
    promises = [
        each
        for each in PROMISES
        if (each.name in wanted.names or not wanted.names) and today not in known.get(each.name, "")
    ]
    rows: list[str] = []
    missed: list[str] = []
    begun = time.monotonic()
    for promise in promises:
        print(f"+ {promise.name}: {promise.holds.lower()}", flush=True)
        began = time.monotonic()
        proof, problem = prove(promise, wanted.processes)
        took = time.monotonic() - began
        figure = f"{proof.figure(promise):,} ({today}, {_minutes(took)})"
        rows.append(promise.row(figure))
        if problem:
            missed.append(f"{promise.name} ({problem})")
        elif wanted.write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(with_figures(page, {promise.name: figure}), encoding="utf-8")
    print(f"\n{HEAD}{''.join(rows)}", end="")
    if missed:
        print(f"not proved: {', '.join(missed)}")
        return 1
    took = time.monotonic() - begun
    print(f"proved: {len(promises)} of {len(PROMISES)} promises in {_minutes(took)}")
    return 0


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.prove")
    names = [each.name for each in PROMISES]
    parser.add_argument("names", nargs="*", choices=[*names, []], metavar="NAME")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    parser.add_argument("--rest", action="store_true", help="what has no figure of today yet")
    parser.add_argument("-n", dest="processes", default=str((os.cpu_count() or 1) + 1))
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
