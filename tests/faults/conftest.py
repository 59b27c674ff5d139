"""What all faults need: the program ready to be forked, and nobody who measures it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults.places import Places
from faults.runs import World
from faults.table import NOTHING, Case
from support.forking import Forker
from support.loopback import Loopback
from support.vendors import Vendors


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs of lines that other tests cover: measuring them only takes time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    with Forker() as forker:
        yield forker


@pytest.fixture
def world(forker: Forker, clean_environment: None) -> Iterator[World]:
    """Vendors without replies yet, of which none fails by itself."""
    with ExitStack() as open_:
        reasoner, claude, search = (open_.enter_context(Loopback()) for _ in range(3))
        vendors = Vendors(reasoner, claude, search, Path(os.environ["HOME"]))
        places = open_.enter_context(Places())
        (vendors.home / "tmp").mkdir()
        yield World(Case(NOTHING, "call", "pipe"), vendors, places, forker)
