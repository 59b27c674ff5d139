"""How soon the first request leaves, and what each token costs, beside thirty lines of httpx.

    python benchmarks/start.py [--rounds N] [--only TEXT]

Every measure is paired with its reference in one run: A B A B. Only the ratios mean anything; they
are medians of the rounds' own ratios, so that a machine that drifts does not matter. Prints a
Markdown table. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import trustme
from pty_run import run as run_on_terminal

HERE = Path(__file__).parent
OURS = (sys.executable, "-m", "deepreasoning_cli")
SCRIPT = (sys.executable, str(HERE / "min_httpx.py"))
BARE = (sys.executable, "-c", "pass")
TYPER = (sys.executable, str(HERE / "min_typer.py"))
SETUP = 0.1
"""Seconds of connection set-up: DNS, TCP and TLS over a real network."""
THINKS = 0.5
"""Seconds that the distant reasoner thinks: enough for a connection to be opened meanwhile."""


@dataclass(frozen=True)
class Run:
    """One process: moments in seconds of the monotonic clock, CPU in seconds, memory in kB."""

    began: float
    ended: float
    cpu: float
    peak_kb: int
    seen: Mapping[str, float]

    def until(self, moment: str) -> float:
        """Milliseconds from the start of the process."""
        return (self.seen[moment] - self.began) * 1000

    @property
    def took(self) -> float:
        """Milliseconds from start to end."""
        return (self.ended - self.began) * 1000


class Vendor:
    """A vendor's process, and the environment that leads to it."""

    def __init__(self, process: subprocess.Popen[str], urls: Sequence[str], bundle: str) -> None:
        self._process = process
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "DEEPSEEK_API_KEY": "sk-benchmark-1",
            "ANTHROPIC_API_KEY": "sk-benchmark-2",
            "DEEPSEEK_BASE_URL": urls[0],
            "ANTHROPIC_BASE_URL": urls[1],
            "SSL_CERT_FILE": bundle,
        }

    def seen(self) -> dict[str, float]:
        """The moments since the last call."""
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@contextmanager
def vendor(
    thoughts: int, words: int, *, setup: float = 0.0, pause: float = 0.0, tls: bool = False
) -> Iterator[Vendor]:
    """A vendor that thinks and answers at that length, behind a network of that latency."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        bundle, certificate = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(bundle)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        figures = [str(each) for each in (thoughts, words, setup, pause)]
        arguments = [*figures, *([str(certificate)] if tls else [])]
        with subprocess.Popen(
            [sys.executable, str(HERE / "start_vendor.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            ports = process.stdout.readline().split()
            scheme = "https" if tls else "http"
            urls = [f"{scheme}://127.0.0.1:{port}" for port in ports]
            try:
                yield Vendor(process, urls, str(bundle))
            finally:
                process.kill()


def ran(
    argv: Sequence[str], environment: Mapping[str, str], seen: Callable[[], dict] = dict
) -> Run:
    """Run to the end in a pipe that is drained as the text comes."""
    began = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment},
    )
    assert process.stdout
    assert process.stderr
    while os.read(process.stdout.fileno(), 1 << 16):
        pass
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(complaint.decode())
    return Run(began, ended, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, seen())


def ran_on_terminal(
    argv: Sequence[str], environment: Mapping[str, str], seen: Callable[[], dict]
) -> Run:
    began = time.monotonic()
    run = run_on_terminal(argv, environment)
    return Run(began, run.ended, run.cpu, run.peak_kb, seen())


@dataclass(frozen=True)
class Measure:
    """A row: its goal, and how a round takes ours and the reference's figure."""

    name: str
    goal: float
    unit: str
    round: Callable[[], tuple[float, float]]


def request_in_a_pipe(vendor: Vendor, home: Path, *flags: str) -> tuple[float, float]:
    environment = vendor.environment | {"HOME": str(home)}
    ours = ran((*OURS, "ask", *flags, "why?"), environment, vendor.seen)
    reference = ran((*SCRIPT, "why?"), environment, vendor.seen)
    return ours.until("reason_first_byte"), reference.until("reason_first_byte")


def first_run_in_a_pipe(vendor: Vendor) -> tuple[float, float]:
    """The same of a user whose last run, and its origin, nobody knows."""
    with tempfile.TemporaryDirectory() as home:
        return request_in_a_pipe(vendor, Path(home))


def request_on_a_terminal(vendor: Vendor, home: Path) -> tuple[float, float]:
    environment = vendor.environment | {"HOME": str(home)}
    ours = ran_on_terminal((*OURS, "ask", "why?"), environment, vendor.seen)
    reference = ran((*SCRIPT, "why?"), environment, vendor.seen)
    return ours.until("reason_first_byte"), reference.until("reason_first_byte")


def hand_off(vendor: Vendor, home: Path) -> tuple[float, float]:
    """From the reasoner's first own token to the whole request at the answerer."""

    def handed_over(run: Run) -> float:
        return (run.seen["answer_request"] - run.seen["first_own_answer"]) * 1000

    environment = vendor.environment | {"HOME": str(home)}
    ours = ran((*OURS, "ask", "why?"), environment, vendor.seen)
    reference = ran((*SCRIPT, "why?"), environment, vendor.seen)
    return handed_over(ours), handed_over(reference)


def end(vendor: Vendor, home: Path) -> tuple[float, float]:
    """From the last token to the end of the process, the turn being kept."""

    def gone(run: Run) -> float:
        return (run.ended - run.seen["last_word"]) * 1000

    environment = vendor.environment | {"HOME": str(home)}
    ours = ran((*OURS, "ask", "why?"), environment, vendor.seen)
    reference = ran((*SCRIPT, "why?"), environment, vendor.seen)
    return gone(ours), gone(reference)


def memory(vendor: Vendor, home: Path) -> tuple[float, float]:
    environment = vendor.environment | {"HOME": str(home)}
    ours = ran((*OURS, "ask", "why?"), environment, vendor.seen)
    reference = ran((*SCRIPT, "why?"), environment, vendor.seen)
    return ours.peak_kb / 1024, reference.peak_kb / 1024


def per_token(
    long: Vendor, short: Vendor, tokens: int, home: Path, take: Callable[..., Run] = ran
) -> tuple[float, float]:
    """Microseconds of CPU a token beyond a run of one token."""

    def cost(argv: Sequence[str], take: Callable[..., Run]) -> float:
        runs = [
            take(argv, each.environment | {"HOME": str(home)}, each.seen) for each in (long, short)
        ]
        return (runs[0].cpu - runs[1].cpu) / tokens * 1e6

    return cost((*OURS, "ask", "why?"), take), cost((*SCRIPT, "why?"), take)


def whole(ours: Sequence[str], reference: Sequence[str], home: Path) -> tuple[float, float]:
    """From start to end, without a network."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    return ran(ours, environment).took, ran(reference, environment).took


@contextmanager
def measures(home: Path) -> Iterator[list[Measure]]:
    """All rows of the table."""
    with (
        vendor(1, 1) as plain,
        vendor(1, 1, setup=SETUP, pause=THINKS, tls=True) as far,
        vendor(8192, 8192) as middle,
        vendor(32768, 32768) as long,
    ):
        warm = Path(home, "known")
        warm.mkdir()
        yield [
            Measure(
                "start → first request, pipe, plain loopback",
                1.9,
                "ms",
                lambda: request_in_a_pipe(plain, home, "--no-save"),
            ),
            Measure(
                "the same on a terminal", 2.0, "ms", lambda: request_on_a_terminal(plain, home)
            ),
            Measure(
                "the same in a pipe, TLS and 100 ms of set-up",
                1.15,
                "ms",
                lambda: first_run_in_a_pipe(far),
            ),
            Measure(
                "the same, the origin known from the last run",
                0.9,
                "ms",
                lambda: request_in_a_pipe(far, warm),
            ),
            Measure(
                "`--version` / bare Python",
                1.5,
                "ms",
                lambda: whole((*OURS, "--version"), BARE, home),
            ),
            Measure(
                "`--help` / a minimal Typer program",
                1.0,
                "ms",
                lambda: whole((*OURS, "--help"), (*TYPER, "--help"), home),
            ),
            Measure(
                "CPU a token, pipe, 16k", 1.4, "µs", lambda: per_token(middle, plain, 16384, home)
            ),
            Measure(
                "CPU a token, pipe, 64k", 1.4, "µs", lambda: per_token(long, plain, 65536, home)
            ),
            Measure(
                "CPU a token, terminal, 64k / raw text",
                2.3,
                "µs",
                lambda: per_token(long, plain, 65536, home, ran_on_terminal),
            ),
            Measure("hand-off, TLS and 100 ms of set-up", 0.03, "ms", lambda: hand_off(far, home)),
            Measure("last token → process gone, kept", 0.6, "ms", lambda: end(plain, home)),
            Measure("peak memory, `ask` in a pipe", 1.5, "MB", lambda: memory(plain, home)),
        ]


def peer(home: Path, rounds: int) -> str | None:
    """`llm`'s start, where it is installed: how long it takes to print its version."""
    program = shutil.which("llm")
    if program is None:
        return None
    rows = [whole((program, "--version"), BARE, home) for _ in range(rounds)]
    return f"`llm --version` / bare Python: {median(ours / bare for ours, bare in rows):.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", metavar="TEXT", help="only the rows that hold TEXT")
    options = parser.parse_args()
    missed = 0
    versions = (
        f"{name} {importlib.metadata.version(name)}" for name in ("typer", "httpx", "pydantic")
    )
    print(f"CPython {sys.version.split()[0]}, {', '.join(versions)}; {options.rounds} rounds\n")
    print("| measure | ours | reference | ratio | goal | |")
    print("|---|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as home, measures(Path(home)) as rows:
        for row in (row for row in rows if options.only in row.name):
            row.round()  # compiles what is not compiled yet, and remembers the origin
            taken = [row.round() for _ in range(options.rounds)]
            ratio = median(ours / reference for ours, reference in taken)
            ours, reference = (median(column) for column in zip(*taken, strict=True))
            missed += ratio > row.goal
            verdict = "" if ratio <= row.goal else "missed"
            print(
                f"| {row.name} | {ours:.1f} {row.unit} | {reference:.1f} {row.unit}"
                f" | {ratio:.2f} | ≤ {row.goal} | {verdict} |",
                flush=True,
            )
        if line := peer(Path(home), options.rounds):
            print(f"\n{line}")
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
