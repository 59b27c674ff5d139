"""Every fault of the table, in each phase and at each sink: the whole outcome."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from faults import serving
from faults.places import Places
from faults.runs import World, expected, observed
from faults.table import Case, cases, load_faults, sample
from support.forking import Forker
from support.loopback import Loopback
from support.often import AT_LENGTH
from support.vendors import Vendors

FAULTS: Final = load_faults()
CASES: Final = list(cases(FAULTS))
CHOSEN: Final = CASES if AT_LENGTH else sample(CASES)
COMMANDS: Final = [case for case in CHOSEN if case.sink != "serve"]
REQUESTS: Final = [case for case in CHOSEN if case.sink == "serve"]


@pytest.mark.parametrize("case", COMMANDS, ids=str)
def test_a_fault_has_its_outcome_for_a_command(
    case: Case, forker: Forker, clean_environment: None
) -> None:
    with Loopback() as reasoner, Loopback() as claude, Loopback() as search, Places() as places:
        vendors = Vendors(reasoner, claude, search, Path(os.environ["HOME"]))
        found = observed(World(case, vendors, places, forker), thoroughly=AT_LENGTH)
    assert found == expected(case)


FIRST: Final = {case.fault.name: case for case in reversed(CASES) if case.sink != "serve"}
STARTED: Final = list(FIRST.values()) if AT_LENGTH else []
"""One case of each fault, as a process of its own from the beginning."""


@pytest.mark.parametrize("case", STARTED, ids=str)
def test_a_fault_has_its_outcome_for_a_user(
    case: Case, forker: Forker, clean_environment: None
) -> None:
    real = replace(case, fault=replace(case.fault, real=True))
    with Loopback() as reasoner, Loopback() as claude, Loopback() as search, Places() as places:
        vendors = Vendors(reasoner, claude, search, Path(os.environ["HOME"]))
        found = observed(World(real, vendors, places, forker), thoroughly=True)
    assert found == expected(case)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Door]:
    door = serving.Door(tmp_path_factory.mktemp("door"))
    yield door
    door.close()


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_a_fault_has_its_outcome_for_a_client_of_serve(
    case: Case, door: serving.Door, forker: Forker
) -> None:
    with Places() as places:
        found = serving.served(case, door.server(case.fault.timeout), places, forker)
    assert found == serving.expected(case)
