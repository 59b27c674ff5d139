"""Kill a process that streams turns, again and again; print what became of what it had shown.

One half of the processes is killed at a random moment, the other at a random call to the disk.

kill_loop.py FOLDER KILLS SEED → one JSON object. Forks, so it is a program of its own.
"""

from __future__ import annotations

import errno
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import Event, Text, Thought
from failing_calls import NthCallFails
from support.sample_turns import answer_events, journalled_with, reason_events, turn_started

KILLS_PER_FOLDER = 25  # the database is made anew, and killed while it is made
KILLS_PER_LOOK = 5  # the dead's journals are recovered by processes that are killed too
LONGEST = 0.08


class Shown:
    """The view behind the journal: what it is given has been shown."""

    def __init__(self, turn: str, pipe: int) -> None:
        self._turn = turn
        self._pipe = pipe

    def __call__(self, event: Event) -> None:
        if isinstance(event, Thought | Text):
            kind = "thought" if isinstance(event, Thought) else "text"
            os.write(self._pipe, f"{json.dumps([self._turn, kind, event.text])}\n".encode())

    def close(self, failure: BaseException | None) -> None:
        pass


class KilledAtCall(NthCallFails):
    """The Nth of all calls kills the process before it does anything."""

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        counted = super().wrapped(call)

        def kills(*given: Any, **options: Any) -> Any:
            try:
                return counted(*given, **options)
            except OSError:
                if self.struck:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise

        return kills


def stream(folder: Path, life: int, pipe: int) -> None:
    """One life of the program: recover, then turn after turn until it is killed."""
    chance = random.Random(life)
    if life % 2:
        fatal = KilledAtCall(chance.randrange(1, 120), errno.EIO, for_ever=False)
        for name in ("open", "fsync", "rename", "unlink", "mkdir", "replace", "write"):
            setattr(os, name, fatal.wrapped(getattr(os, name)))
    with Store.open(folder, lambda _: None) as store:
        recover(folder, store, lambda _: None)
    for number in count():
        turn = f"{life:04}-{number:04}"
        thoughts = [f"{each} " for each in range(chance.randrange(60))]
        texts = [f"{each} " * 20 for each in range(chance.randrange(60))]
        events = [turn_started(turn), *reason_events(thoughts), *answer_events(texts)]
        journalled_with(folder, events, Shown(turn, pipe))


def lived_and_died(folder: Path, life: int, seconds: float) -> bytes:
    """What a process had shown when it was killed after so many seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            stream(folder, life, writer)
        finally:
            os._exit(1)  # it never ends by itself
    os.close(writer)
    shown = b""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            if not (data := os.read(reader, 1 << 20)):
                break  # it was killed
            shown += data
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise AssertionError("the process ended by itself")
    while data := os.read(reader, 1 << 20):
        shown += data
    os.close(reader)
    return shown


def missing(folder: Path, shown: dict[tuple[str, str], str], said: list[str]) -> list[str]:
    """The turns of which something that was shown is not kept."""
    with Store.open(folder, said.append) as store:
        recover(folder, store, said.append)
        lost = []
        for (turn, kind), text in shown.items():
            record = store.turn(turn)
            kept = record.reasoning if kind == "thought" else record.answer
            if not kept.startswith(text):
                lost.append(turn)
    with closing(sqlite3.connect(folder / "history.db")) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            said.append("the database is damaged")
    return lost


def main(root: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    shown: dict[tuple[str, str], str] = defaultdict(str)
    deltas = 0
    lost: list[str] = []
    said: list[str] = []
    for life in range(kills):
        folder = root / str(life // KILLS_PER_FOLDER)
        for each in lived_and_died(folder, life, chance.uniform(0, LONGEST)).splitlines():
            turn, kind, text = json.loads(each)
            shown[turn, kind] += text
            deltas += 1
        if (life + 1) % KILLS_PER_LOOK == 0:
            lost += missing(folder, shown, said)
        if (life + 1) % KILLS_PER_FOLDER == 0:
            shown.clear()
    print(json.dumps({"kills": kills, "deltas": deltas, "lost": lost, "said": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
