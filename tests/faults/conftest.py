"""What all faults need: the program ready to be forked, and nobody who measures it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.forking import Forker


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs of lines that other tests cover: measuring them only takes time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    with Forker() as forker:
        yield forker
