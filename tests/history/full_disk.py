"""Turns on a disk that is full after so many bytes; print what became of each.

full_disk.py FOLDER STEP MOST → one JSON object. It limits its own files, so it is a program of
its own.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from support.sample_turns import THOUGHTS, answer_events, journal_turn, reason_events, turn_started


def main(root: Path, step: int, most: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    events = [turn_started(), *reason_events(THOUGHTS * 2000), *answer_events()]
    found = []
    for limit in range(0, most, step):
        folder = root / str(limit)
        said: list[str] = []
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        record = journal_turn(folder, events, warn=said.append)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        later: list[str] = []
        with Store.open(folder, later.append) as store:
            recover(folder, store, later.append)
            kept = [store.turn(row.id).answer for row in store.listing()]
        found.append([record.answer, kept, len(said), later])
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
