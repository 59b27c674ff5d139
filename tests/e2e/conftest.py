"""The two vendors of every end-to-end test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from e2e.vendors import Vendors
from loopback import Loopback
from tmux import Tmux

MEASURED = 2  # one of so many tests


@pytest.fixture(autouse=True)
def _seldom_measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """To measure coverage takes a program half as long again, and most runs take the same lines."""
    if crc32(request.node.nodeid.encode()) % MEASURED:
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
