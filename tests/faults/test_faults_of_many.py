"""The faults of the table where a call asks many: each part ends as `ask` does, others go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from faults.many import Many, expected, many_cases, observed
from faults.places import Places
from faults.runs import World
from faults.table import load_faults
from support.forking import Forker
from support.loopback import Loopback
from support.often import AT_LENGTH
from support.vendors import Vendors

CASES: Final = list(many_cases(load_faults()))
BRIEFLY: Final = CASES[::5]


@pytest.mark.parametrize("many", CASES if AT_LENGTH else BRIEFLY, ids=str)
def test_a_fault_strikes_its_part_alone(
    many: Many, forker: Forker, clean_environment: None
) -> None:
    with Loopback() as reasoner, Loopback() as claude, Loopback() as search, Places() as places:
        vendors = Vendors(reasoner, claude, search, Path(os.environ["HOME"]))
        found = observed(World(many.case, vendors, places, forker), many)
    assert found == expected(many)
