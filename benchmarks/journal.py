"""What the journal costs for each delta, beside a plain write of the same bytes.

    python benchmarks/journal.py [DELTAS]

Both write to the same folder in the same run, so that the ratio holds on any machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.history.journal_format import delta_line
from deepreasoning_cli.pipeline.events import Handoff, Text, Thought, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord

ROUNDS = 7
LIMIT = 10.0
DELTAS = [" the", " answer", " is", "\n\n", " 42", " because", " 6 × 7", ' "so"']


def time_plain_writes(folder: Path, count: int) -> float:
    """Microseconds for one os.write of a line that was made beforehand."""
    lines = [delta_line(Thought(DELTAS[each % len(DELTAS)]), each / 100) for each in range(count)]
    descriptor = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    began = time.perf_counter()
    for line in lines:
        os.write(descriptor, line)
    took = time.perf_counter() - began
    os.close(descriptor)
    return took / count * 1e6


def time_journal(folder: Path, count: int) -> float:
    """Microseconds for one delta handed to the journal."""
    deltas = [Thought(DELTAS[each % len(DELTAS)]) for each in range(count)]
    journal = Journal(folder, TurnRecord(), print)
    journal(TurnStarted("bench", "demo", "?", Handoff.REASONING))
    began = time.perf_counter()
    for delta in deltas:
        journal(delta)
    took = time.perf_counter() - began
    journal(Text("over"))
    journal.close(None)
    return took / count * 1e6


def measure(work: Callable[[Path, int], float], count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return work(Path(folder), count)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    pairs = [
        (measure(time_plain_writes, count), measure(time_journal, count)) for _ in range(ROUNDS)
    ]
    write, journal = (median(column) for column in zip(*pairs, strict=True))
    print(f"plain write   {write:6.2f} µs a delta")
    print(f"journal       {journal:6.2f} µs a delta, {journal / write:.1f} × a plain write")
    print(f"limit         {LIMIT:6.2f} µs: {'kept' if journal < LIMIT else 'BROKEN'}")
    return int(journal >= LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
