"""The two vendors of every end-to-end test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.vendors import Vendors
from loopback import Loopback
from tmux import Tmux


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
