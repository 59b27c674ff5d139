"""The two vendors of every end-to-end test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.loopback import Loopback
from support.tmux import Tmux
from support.vendors import Vendors

UNMEASURED: Final = (
    "test_ask_faults.py",
    "test_ask_handoff_timing.py",
    "test_chat_memory.py",
    "test_environments.py",
    "test_long_runs.py",
    "test_serve_cancel.py",
    "test_serve_errors.py",
    "test_vendors.py",
)
"""Files whose runs take lines that the others take too, with other faults and at other times."""

assert all(Path(__file__).with_name(name).exists() for name in UNMEASURED)


@pytest.fixture(autouse=True)
def _only_some_are_measured(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To measure coverage takes a program half as long again; the gate has ten minutes."""
    if request.path.name in UNMEASURED:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)


@pytest.fixture
def vendors(clean_environment: None) -> Iterator[Vendors]:
    """A reasoner and a Claude without replies yet, and a home without files."""
    with Loopback() as reasoner, Loopback() as claude, Loopback() as novita:
        yield Vendors(reasoner, claude, novita, Path(os.environ["HOME"]))


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    if shutil.which("tmux") is None:  # CI installs it; the pty tests need nothing
        pytest.skip("tmux is not installed")
    terminal = Tmux()
    yield terminal
    terminal.run("kill-server")
