"""Money that running turns set aside, among processes and threads."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from deepreasoning_cli.history.ledger import FOLDER, LOCK, SUFFIX, Ledger
from deepreasoning_cli.history.queries import StageCost

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOLD = """
import sys, pathlib, decimal
from deepreasoning_cli.history.ledger import Ledger
ledger = Ledger(pathlib.Path(sys.argv[1]), lambda since: None, saves=True)
ledger.reserve("theirs", lambda others: decimal.Decimal(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def no_history(_since: datetime) -> None:
    return None


def of(folder: Path, *, saves: bool = True) -> Ledger:
    return Ledger(folder, no_history, saves=saves)


def reserve(ledger: Ledger, turn: str, amount: str) -> Decimal:
    """Set it aside; what the others hold."""
    told: list[Decimal] = []

    def decide(others: Decimal) -> Decimal:
        told.append(others)
        return Decimal(amount)

    ledger.reserve(turn, decide)
    return told[0]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("saves", [True, False])
def test_each_turn_is_told_what_all_others_hold(folder: Path, saves: bool) -> None:
    ledger = of(folder, saves=saves)
    assert reserve(ledger, "a", "0.5") == 0
    assert reserve(ledger, "b", "0.25") == Decimal("0.5")
    assert reserve(ledger, "a", "1.5") == Decimal("0.25")
    assert reserve(ledger, "c", "1") == Decimal("1.75")
    ledger.release("a", Decimal(1))
    ledger.release("a", Decimal(1))
    assert reserve(ledger, "c", "1") == Decimal("0.25")


def test_a_reservation_is_a_file_of_the_owners_alone_and_goes(folder: Path) -> None:
    ledger = of(folder)
    reserve(ledger, "a", "0.5")
    assert files(folder) == sorted([FOLDER, LOCK, f"a{SUFFIX}"])
    modes = [stat.S_IMODE((folder / FOLDER / name).stat().st_mode) for name in (LOCK, "a.usd")]
    assert modes == [0o600, 0o600]
    ledger.release("a", None)
    assert files(folder) == sorted([FOLDER, LOCK])


def test_another_process_counts_until_it_dies(folder: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(folder), "0.75"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        mine, unsaved = of(folder), of(folder, saves=False)
        assert reserve(mine, "a", "1") == Decimal("0.75")
        assert reserve(unsaved, "b", "1") == Decimal("1.75")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert reserve(unsaved, "b", "1") == 1
    assert f"theirs{SUFFIX}" in files(folder)  # who writes nothing removes nothing
    assert reserve(mine, "a", "1") == 0
    assert f"theirs{SUFFIX}" not in files(folder)


def test_where_nothing_is_to_be_written_nothing_is_and_costs_count_here(folder: Path) -> None:
    ledger = of(folder, saves=False)
    began = datetime.now(UTC)
    reserve(ledger, "a", "1")
    ledger.release("a", Decimal("0.5"))
    reserve(ledger, "b", "1")
    ledger.release("b", None)
    assert ledger.spent([began, datetime.now(UTC) + timedelta(1)]) == [Decimal("0.5"), 0]
    assert files(folder) == []


def test_a_turn_that_is_saved_is_counted_by_the_history_alone(folder: Path) -> None:
    ledger = of(folder)
    reserve(ledger, "a", "1")
    ledger.release("a", Decimal("0.5"))
    assert ledger.spent([NOON]) == [0]


@pytest.mark.skipif(os.name != "posix", reason="modes of folders")
@pytest.mark.parametrize("fault", ["a file in the way", "a device in the way", "no space"])
def test_what_cannot_be_written_is_kept_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder.mkdir()
    if fault == "a file in the way":
        (folder / FOLDER).touch()
    elif fault == "a device in the way":
        (folder / FOLDER).symlink_to("/dev/null")
    else:
        monkeypatch.setattr(os, "write", lambda *_: os.close(-1))
    ledger = of(folder)
    assert reserve(ledger, "a", "1") == 0
    assert reserve(ledger, "b", "1") == 1
    ledger.release("a", Decimal("0.25"))
    assert reserve(ledger, "b", "1") == 0
    assert ledger.spent([NOON - timedelta(days=9)]) == [Decimal("0.25")]


@pytest.mark.parametrize(
    "text", [b"", b"much", b"\xff\xfe", b"NaN", b"-5", b"9" * 60 + b"\n" + b"x" * 999]
)
def test_a_damaged_reservation_stops_nobody(folder: Path, text: bytes) -> None:
    mine, other = of(folder), of(folder)
    reserve(other, "a", "1")
    (folder / FOLDER / f"a{SUFFIX}").write_bytes(text)
    reserve(mine, "b", "1")
    (folder / FOLDER / f"c{SUFFIX}").write_bytes(text)  # of nobody alive
    assert reserve(mine, "b", "2") >= 0
    assert f"c{SUFFIX}" not in files(folder)


def test_threads_and_ledgers_together_never_reserve_more_than_there_is(folder: Path) -> None:
    ledgers = [of(folder), of(folder)]
    granted: list[Decimal] = []

    def take(number: int) -> None:
        def decide(others: Decimal) -> Decimal:
            amount = min(Decimal("0.3"), max(1 - others, Decimal(0)))
            granted.append(amount)
            return amount

        ledgers[number % 2].reserve(str(number), decide)

    threads = [threading.Thread(target=take, args=(number,), daemon=True) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(granted) == 1


def test_the_history_is_read_from_the_earliest_time_once() -> None:
    asked: list[datetime] = []

    def read(since: datetime) -> Sequence[StageCost]:
        asked.append(since)
        return []

    early, late = NOON - timedelta(days=20), NOON
    assert Ledger(Path("nowhere"), read, saves=False).spent([late, early]) == [0, 0]
    assert asked == [early]
