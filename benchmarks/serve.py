"""Many streams at once through `deepreasoning serve`: what is lost, how late, how much memory.

    python benchmarks/serve.py [--streams 200] [--rate 50] [--seconds 60] [--peer FOLDER]

A generator asks for all the streams, an upstream that speaks as both vendors paces their tokens,
and each token carries the time at which it left. The same load is run without a proxy first (the
floor: what the tools themselves take), then through `serve`, then through the peer: a checkout of
ErlichLiu/DeepClaude with its dependencies in `venv` or `.venv`. All of it, the tools too, shares
two cores, and nothing leaves 127.0.0.1. Ends with 1 when `serve` misses a limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serve_targets import FLOOR, NotReadyError, Target, command, deepclaude, free_port, ours
from serve_targets import started as server
from serve_tree import Tree
from serve_wire import Load

HERE = Path(__file__).parent
CORES = 2
MB = 1_000_000
Report = dict[str, Any]  # what the tools print, as JSON
Make = Callable[[int, int, Path], Target]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a figure of each run, and the most it may be for `serve`."""

    title: str
    of: Callable[[Report], float | None]
    limit: float | None = None
    digits: int = 0
    ratio: bool = False


ROWS = (
    Row("streams cut", lambda run: run["cut"], limit=0),
    Row("streams without a finish reason", lambda run: run["unfinished"], limit=0),
    Row("tokens lost", lambda run: run["lost"], limit=0),
    Row("tokens twice, out of order or astray", lambda run: sum(run["wrong"].values()), limit=0),
    Row("token's way, median, ms", lambda run: run["age"].get("median"), 5, 2, ratio=True),
    Row("token's way, p95, ms", lambda run: run["age"].get("p95"), None, 2, ratio=True),
    Row("token's way, p99, ms", lambda run: run["age"].get("p99"), 50, 2, ratio=True),
    Row("token's way, max, ms", lambda run: run["age"].get("max"), None, 2, ratio=True),
    Row("first token's way, median, ms", lambda run: run["first"].get("median"), None, 2, True),
    Row("first token's way, max, ms", lambda run: run["first"].get("max"), 10, 2, ratio=True),
    Row("between the stages, median, ms", lambda run: run["handoff"].get("median"), None, 1, True),
    Row("between the stages, p99, ms", lambda run: run["handoff"].get("p99"), None, 1, True),
    Row("reasoner's needless tokens a stream", lambda run: run["needless"], None, 1),
    Row("reasonings bought a stream", lambda run: run.get("reasoned"), 1, 3),
    Row("server's peak memory, MB", lambda run: run.get("memory"), 300, 0, ratio=True),
    Row("server's processes", lambda run: run.get("processes")),
    Row("server's CPU, seconds", lambda run: run.get("server_cpu"), None, 1, ratio=True),
    Row("generator's CPU, seconds", lambda run: run["cpu"], None, 1),
    Row("upstream's CPU, seconds", lambda run: run["upstream_cpu"], None, 1),
    Row("upstream itself late, median, ms", lambda run: run["late"].get("median"), None, 2),
    Row("upstream itself late, p99, ms", lambda run: run["late"].get("p99"), None, 2),
    Row("upstream itself late, max, ms", lambda run: run["late"].get("max"), None, 2),
)


@contextmanager
def upstream(load: Load, report: Report) -> Iterator[int]:
    """The vendors' port; at the end their own figures are put into `report`."""
    argv = [sys.executable, str(HERE / "serve_upstream.py"), *load.words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        said, _ = process.communicate()
    figures = json.loads(said)
    report.update(late=figures["late"], upstream_cpu=figures["cpu"])
    report.update(needless=figures["needless"] / load.streams)
    report.update(reasoned=figures["reasoned"] / load.streams)


def generate(load: Load, target: Target, port: int, tree: Tree | None) -> Report:
    """Put the load on a port, looking at the server's processes each second."""
    argv = [sys.executable, str(HERE / "serve_load.py"), *load.words]
    plan = {
        "port": port,
        "path": "/v1/chat/completions",
        "model": target.model,
        "headers": dict(target.headers),
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True)
    words: str | None = json.dumps(plan)
    while True:
        try:
            said, _ = process.communicate(words, timeout=1)
            break
        except subprocess.TimeoutExpired:
            words = None
            if tree:
                tree.sample()
    report: Report = json.loads(said)
    return report


def run_load(load: Load, target: Target, port: int, log: Path) -> Report:
    """Start the server, put the load on it, stop it; its memory and CPU beside the figures."""
    with server(target, port, log) as process:
        tree = Tree(process.pid)
        tree.sample()
        before = tree.cpu
        report = generate(load, target, port, tree)
        tree.sample()
    report.update(memory=tree.peak / MB, processes=tree.processes, server_cpu=tree.cpu - before)
    return report


def run(load: Load, make: Make, home: Path) -> Report:
    """One run with an upstream of its own; a server that does not start is reported as such."""
    report: Report = {}
    home.mkdir()
    with upstream(load, report) as vendors:
        port = free_port()
        target = make(port, vendors, home)
        try:
            of_run = (
                run_load(load, target, port, home / "log")
                if target.command
                else generate(load, target, vendors, None)
            )
        except NotReadyError as error:
            of_run = {"failed": str(error)}
    return {**report, **of_run}


def shown(row: Row, report: Report) -> str:
    value = row.of(report)
    return "-" if value is None else f"{value:.{row.digits}f}"


def compared(row: Row, runs: dict[str, Report]) -> str:
    """The peer's figure over that of `serve`."""
    both = [runs[name] for name in ("peer", "serve") if name in runs]
    values = [row.of(report) for report in both if row.ratio]
    match values:
        case [float() | int() as theirs, float() | int() as own] if own:
            return f"{theirs / own:.2f}"
    return ""


def table(runs: dict[str, Report]) -> None:
    """Every figure in rows, every run in columns."""
    if not runs:
        return
    names = [*runs, *(["peer/serve"] if {"peer", "serve"} <= set(runs) else []), "limit"]
    print("| " + " | ".join(["", *names]) + " |")
    print("|---" + "|--:" * len(names) + "|")
    for row in ROWS:
        cells = [shown(row, report) for report in runs.values()]
        if "peer/serve" in names:
            cells.append(compared(row, runs))
        limit = "" if row.limit is None else f"{row.limit:g}"
        print("| " + " | ".join([row.title, *cells, limit]) + " |")


def notes(runs: dict[str, Report]) -> None:
    """What a figure does not tell: refusals, faults, what a server said."""
    for name, report in runs.items():
        if failed := report.get("failed"):
            print(f"{name}: {failed}")
            continue
        for status, count in report["refused"].items():
            print(f"{name}: {count} streams got status {status}")
        for fault, count in {**report["wrong"], **report["broken"]}.items():
            print(f"{name}: {count} x {fault}")
        if report["lossy"]:
            print(f"{name}: tokens are missing in {report['lossy']} streams")
        if report["complaint"]:
            print(f"{name} said: {report['complaint']}")


def missed(report: Report) -> list[str]:
    """The limits that `serve` did not keep."""
    if "failed" in report:
        return ["it did not start"]
    misses = []
    for row in ROWS:
        value = row.of(report)
        if row.limit is not None and (value is None or value > row.limit):
            misses.append(f"{row.title}: {shown(row, report)}, limit {row.limit:g}")
    return misses


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50, help="tokens a second in each stream")
    parser.add_argument("--seconds", type=float, default=60, help="how long each stream lasts")
    parser.add_argument("--reasoning", type=float, help="seconds of it that are reasoning (1/3)")
    parser.add_argument("--plain", action="store_true", help="no loops of calls, and no JSON")
    parser.add_argument("--workers", type=int, default=2, help="of serve and of the peer")
    parser.add_argument("--peer", type=Path, help="a checkout of ErlichLiu/DeepClaude")
    parser.add_argument("--only", action="append", choices=["floor", "serve", "peer"])
    parser.add_argument("--option", action="append", default=[], help="one more word for serve")
    parser.add_argument(
        "--command", help="start this instead of serve; {port} and {upstream} stand for ports"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp"), help="for the journals: a real disk"
    )
    wanted = parser.parse_args()
    wanted.reasoning = wanted.reasoning or wanted.seconds / 3
    if not 0 < wanted.reasoning < wanted.seconds:
        parser.error("--reasoning must be less than --seconds")
    return wanted


def makers(wanted: argparse.Namespace) -> dict[str, Make]:
    """How each run makes its target, of a port, the upstream's port and a home."""

    def serve(port: int, vendors: int, home: Path) -> Target:
        if wanted.command:
            return command(wanted.command, port, vendors, home)
        return ours(port, vendors, home, wanted.workers, wanted.option)

    def peer(port: int, vendors: int, _: Path) -> Target:
        return deepclaude(wanted.peer.resolve(), port, vendors, wanted.workers)

    makers: dict[str, Make] = {"floor": lambda *_: FLOOR, "serve": serve}
    if wanted.peer:
        makers["peer"] = peer
    return {name: make for name, make in makers.items() if name in (wanted.only or makers)}


def main() -> None:
    wanted = arguments()
    load = Load(wanted.streams, wanted.rate, wanted.seconds, wanted.reasoning, not wanted.plain)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    print(
        f"{load.streams} streams at {load.rate:g} tokens a second for {load.seconds:g} s,"
        f" the first {load.reasoning:.3g} s reasoning; {wanted.workers} workers;"
        f" {len(os.sched_getaffinity(0))} cores\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=wanted.folder, prefix="serve-load-") as folder:
        runs = {  # no other proxy takes calls, nor does the upstream itself
            name: run(replace(load, mixed=load.mixed and name == "serve"), make, Path(folder, name))
            for name, make in makers(wanted).items()
        }
    table({name: report for name, report in runs.items() if "failed" not in report})
    print()
    notes(runs)
    misses = missed(runs["serve"]) if "serve" in runs else []
    sys.exit("\n".join(f"serve missed {miss}" for miss in misses) or None)


if __name__ == "__main__":
    main()
