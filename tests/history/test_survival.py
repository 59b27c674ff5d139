"""What is kept through SIGKILL, full disks, failing calls and many processes at once."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from failing_calls import CALLS, NthCallFails
from support.mutations import CanaryKey
from support.often import AT_LENGTH, RecordProperty
from support.sample_turns import WHEN, fill_store, journal_turn, turn_events, turn_started

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks, kills and limits its files")

HERE = Path(__file__).parent


@pytest.fixture
def folder(folder_in_memory: Path) -> Path:
    """What is tested here is not the disk's speed."""
    return folder_in_memory


def unmeasured() -> dict[str, str]:
    """The environment without coverage: a process that is killed writes half a file of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def output(script: str, *arguments: object) -> Any:
    """What a program of this folder printed, read as JSON."""
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        env=unmeasured() | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", range(8 if AT_LENGTH else 4))
def test_no_shown_delta_is_lost_in_125_kills(
    folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch, record_property: RecordProperty
) -> None:
    key = CanaryKey()
    monkeypatch.setenv("DEEPSEEK_API_KEY", key.value)  # the processes that die have it, too
    result = output("kill_loop.py", folder, 125, seed)
    key.check(json.dumps(result), below=folder)
    assert result.pop("deltas") > 1000
    assert result == {"kills": 125, "lost": [], "said": []}
    record_property("kills", 125)


def test_50_processes_with_40_turns_each_lose_none(folder: Path) -> None:
    result = output("many_processes.py", folder, 50, 40)
    expected = {"kept": 2000, "in_sessions": 2000, "said": "", "left": 0, "codes": [0]}
    assert result == expected


def test_a_full_disk_costs_history_and_never_the_answer(folder: Path) -> None:
    results = output("full_disk.py", folder, 30_000, 900_000)
    assert {answer for answer, *_ in results} == {"Forty-two."}
    assert [later for *_, later in results] == [[]] * len(results)
    assert all(said >= 1 for _, kept, said, _ in results if kept != ["Forty-two."])
    assert results[-1] == ["Forty-two.", ["Forty-two."], 0, []]
    assert results[0][1:3] == [[], 2]


def fresh(folder: Path) -> None:
    """Nothing is there."""


def in_use(folder: Path) -> None:
    """A history, and the journal of a dead process."""
    shutil.copytree(one_turn(folder.parent), folder)
    path = folder / "journal/dead.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(
        event_line(turn_started("dead"), 0.0, WHEN) + event_line(turn_events()[3], 0.1)
    )


def one_turn(root: Path) -> Path:
    """A history of one turn, made once for all who copy it."""
    folder = root / "template"
    if not folder.exists():
        fill_store(folder, 1)
    return folder


def broken(folder: Path) -> None:
    """A database to set aside, with a log beside it."""
    folder.mkdir()
    (folder / "history.db").write_text("no database")
    (folder / "history.db-wal").write_text("no log")


def one_run(folder: Path, said: list[str]) -> str:
    """The answer that the program shows, having begun as it always does."""
    try:
        with Store.open(folder, said.append) as store:
            recover(folder, store, said.append)
    except DeepReasoningError as exc:
        said.append(exc.message)
    return journal_turn(folder, turn_events("now"), warn=said.append).answer


def ids_afterwards(folder: Path) -> list[str]:
    with Store.open(folder, lambda _: None) as store:
        recover(folder, store, lambda _: None)
        return sorted(row.id for row in store.listing())


@pytest.mark.parametrize("prepare", [fresh, in_use, broken])
@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_whichever_call_fails_the_answer_is_shown_and_the_store_opens(
    folder: Path,
    code: int,
    for_ever: bool,
    prepare: Callable[[Path], None],
    record_property: RecordProperty,
) -> None:
    gc.disable()  # what is left to it is not closed
    for nth in range(1, 200):
        data = folder / f"data{nth}"
        prepare(data)
        fault = NthCallFails(nth, code, for_ever=for_ever)
        said: list[str] = []
        with fault.at(CALLS):
            assert one_run(data, said) == "Forty-two."
        found = ids_afterwards(data)
        if not for_ever:
            assert "now" in found
        assert prepare is not in_use or {"dead", "turn0001"} <= set(found)
        if not fault.struck:
            break
    record_property("calls", nth - 1)
    assert (nth > 15, fault.struck, open_below(folder)) == (True, False, [])


def open_below(folder: Path) -> list[str]:
    """The files of the folder that this process has open, where the system tells."""
    links = []
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # it may be another thread's, closed meanwhile
            links.append(str(link.readlink()))
    return [link for link in links if link.startswith(f"{folder}/")]


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The garbage collector is at work again after each test."""
    yield
    gc.enable()
