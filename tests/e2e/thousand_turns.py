"""A chat of a thousand questions in a process of its own, which says what it held on the way.

Its argument is the data folder. It prints JSON: the exit code, and of each look at the process its
memory in bytes, how many files were open, and which threads ran.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.chat.repl import run
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.runner import AskOptions
from deepreasoning_cli.providers import demo
from deepreasoning_cli.wiring import resources

TURNS: Final = 1_000
EARLY: Final = 100  # turns after which all that is loaded once is there
REASONING: Final = "thought " * 5_000
ANSWER: Final = "42"
DESCRIPTORS, MEMORY = Path("/proc/self/fd"), Path("/proc/self/statm")
PAGE = 4096  # bytes


def halves(text: str) -> list[str]:
    """Two pieces, so that what they are joined to is a text of its own in each turn."""
    return [half for half in (text[: len(text) // 2], text[len(text) // 2 :]) if half]


def lasting_threads() -> list[str]:
    """The names of the threads that do not end by themselves within ten seconds."""
    end = time.monotonic() + 10
    while len(names := {thread.name for thread in threading.enumerate()}) > 1:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return sorted(names)


class Questions:
    """A stdin of a thousand lines that looks at the process before some of them."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.asked = 0
        self.held: list[int] = []
        self.open: list[int] = []
        self.threads: list[list[str]] = []

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


def main(folder: str) -> None:
    """Chat to the end of the questions."""
    stdin, stdout = Questions(), sys.stdout
    # what takes time and holds nothing: a disk, pauses, and reading our own tables again
    os.environ["DEEPREASONING_DATA_DIR"] = folder
    changed: dict[tuple[Any, str], object] = {
        (demo, "choose_script"): lambda _: demo.Script("tiny", REASONING, "", ANSWER),
        (demo, "pieces"): halves,
        (demo.DemoProvider, "_wait"): lambda *_: None,
        (resources, "load_catalog"): cache(load_catalog),
    }
    for (owner, name), value in changed.items():
        setattr(owner, name, value)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdin, sys.stdout, sys.stderr = cast(Any, stdin), nowhere, nowhere
        code = run(GlobalOptions(), AskOptions(settings={"backend": "demo"}, session="long"))
    held = {"held": stdin.held, "open": stdin.open, "threads": stdin.threads}
    json.dump({"code": code, "asked": stdin.asked, **held}, stdout)
    stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
