"""What a long chat holds: the text of its answers, and nothing else that grows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.history.store import Store
from e2e import thousand_turns
from e2e.thousand_turns import ANSWER, DESCRIPTORS, EARLY, REASONING, TURNS
from support.runner import environment

SHARED: Final = Path("/dev/shm")
SMALL: Final = 8_000  # bytes a turn: question, answer and their cost, and all noise; no reasoning


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="only Linux counts them there")
def test_a_thousand_turns_take_the_memory_of_their_answers(quick_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, thousand_turns.__file__, str(quick_folder)],
        capture_output=True,
        env=environment({}),
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    held = json.loads(done.stdout)
    assert (held["code"], held["asked"]) == (0, TURNS + 1)
    early, late = held["held"]
    assert (late - early) / (TURNS - EARLY) < SMALL
    early, late = held["open"]
    assert early == late
    assert held["threads"] == [["MainThread"]] * 2
    with Store.open(quick_folder, pytest.fail) as store:
        kept = store.session_turns("long")
    assert [(turn.reasoning, turn.answer) for turn in kept] == [(REASONING, ANSWER)] * TURNS
