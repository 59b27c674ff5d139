"""A chat of a thousand turns through the real adapters takes what its answers take."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.chat.repl import run
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.runner import AskOptions
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.providers import demo
from deepreasoning_cli.wiring import resources

TURNS = 1_000
EARLY = 100  # turns after which all that is loaded once is there
DESCRIPTORS, MEMORY = Path("/proc/self/fd"), Path("/proc/self/statm")
SHARED = Path("/dev/shm")
PAGE = 4096  # bytes
REASONING = "thought " * 5_000
SMALL = 8_000  # bytes a turn: question, answer and their cost, and all noise; not its reasoning
TINY = demo.Script("tiny", REASONING, "", "42")


def halves(text: str) -> list[str]:
    """Two pieces, so that what they are joined to is a text of its own in each turn."""
    return [half for half in (text[: len(text) // 2], text[len(text) // 2 :]) if half]


def lasting_threads() -> set[str]:
    """The names of the threads that do not end by themselves within a second."""
    end = time.monotonic() + 1
    while len(names := {thread.name for thread in threading.enumerate()}) > 1:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return names


class Questions:
    """A stdin of a thousand lines that looks at the process before some of them."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.asked = 0
        self.held: list[int] = []
        self.open: list[int] = []
        self.threads: list[set[str]] = []

    @property
    def buffer(self) -> Questions:
        return self

    def isatty(self) -> bool:
        return False

    def readline(self, _limit: int) -> bytes:
        if self.asked in (EARLY, TURNS):
            gc.collect()
            self.held.append(int(MEMORY.read_text().split()[1]) * PAGE)
            self.open.append(len(list(DESCRIPTORS.iterdir())))
            self.threads.append(lasting_threads())
        self.asked += 1
        return b"6 x 7?\n" if self.asked <= TURNS else b""


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.no_cover  # the same lines a thousand times: only slower
@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="only Linux counts them there")
def test_a_thousand_turns_take_the_memory_of_their_answers(
    monkeypatch: pytest.MonkeyPatch, quick_folder: Path
) -> None:
    stdin = Questions()
    before = lasting_threads()
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(demo, "choose_script", lambda _: TINY)
    monkeypatch.setattr(demo, "pieces", halves)
    monkeypatch.setattr(demo.DemoProvider, "_wait", lambda *_: None)
    # what takes time and holds nothing: a disk, and reading our own tables again
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(quick_folder))
    monkeypatch.setattr(resources, "load_catalog", cache(load_catalog))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        monkeypatch.setattr(sys, "stderr", nowhere)
        options = AskOptions(settings={"backend": "demo"}, session="long")
        code = run(GlobalOptions(), options)
    assert (code, stdin.asked) == (0, TURNS + 1)
    assert (stdin.held[1] - stdin.held[0]) / (TURNS - EARLY) < SMALL
    assert stdin.open[0] == stdin.open[1]
    # threads of an earlier test may end meanwhile
    assert [now - before for now in (*stdin.threads, lasting_threads())] == [set()] * 3
    with Store.open(quick_folder, pytest.fail) as store:
        kept = store.session_turns("long")
    assert [(turn.reasoning, turn.answer) for turn in kept] == [(REASONING, "42")] * TURNS
