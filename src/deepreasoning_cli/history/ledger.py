"""What the turns that run may still cost: set aside, so that together they keep to a cap.

A turn has a file whose lock says that its process is alive, as its journal has.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from deepreasoning_cli.files import make_private_folder
from deepreasoning_cli.history.locks import close_and_remove, hold, try_lock_path
from deepreasoning_cli.history.queries import StageCost

FOLDER: Final = "reserved"
LOCK: Final = "lock"
SUFFIX: Final = ".usd"
LONGEST: Final = 64  # bytes of an amount
PATIENCE: Final = 10.0  # seconds for other turns that read the history before they begin
NOTHING: Final = Decimal(0)
ReadSpending = Callable[[datetime], Sequence[StageCost] | None]
"""The stages that were paid for since a time; None where there is no history."""


class _Held(NamedTuple):
    """The locked file of a turn of ours."""

    descriptor: int
    path: Path


class Ledger:
    """The reservations of this process' turns, among those of others; any thread may use it.

    `read_history` reads what was spent. With `folder`, the data folder, turns are saved there and
    reserve there, for all processes to see. Without, as where nothing is to be written or cannot
    be, they reserve in memory, and what they cost counts for this process alone.
    """

    def __init__(self, folder: Path, read_history: ReadSpending, *, saves: bool) -> None:
        self._folder = folder / FOLDER
        self._read_history = read_history
        self._saves = saves
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._in_memory: dict[str, Decimal] = {}
        self._settled: list[tuple[datetime, Decimal]] = []

    def spent(self, since: Sequence[datetime]) -> list[Decimal]:
        """USD since each of the times (aware); a cost that nobody knows cannot be counted."""
        rows = self._read_history(min(since)) or ()
        known = [(row.started, row.cost) for row in rows if row.cost] + self._settled
        return [sum((cost for at, cost in known if at >= start), NOTHING) for start in since]

    def reserve(self, turn: str, decide: Callable[[Decimal], Decimal]) -> None:
        """Set aside for the turn what `decide` says, who is told what all other turns hold.

        Nobody else reserves meanwhile, and a turn that ends is in the history before its
        reservation goes: what `decide` reads there misses no cost.
        """
        with self._lock, ExitStack() as locks:
            writes = self._saves
            if writes:
                try:
                    make_private_folder(self._folder)
                    locks.enter_context(self._all_locked())
                except OSError:  # a full or read-only disk, or one without locks
                    writes = False
            amount = decide(self._of_others(turn))
            if writes:
                with suppress(OSError):
                    self._write(turn, amount)
                    return
            self._in_memory[turn] = amount

    def release(self, turn: str, cost: Decimal | None) -> None:
        """The turn is over, and saved if it could be: nothing is set aside for it any more."""
        with self._lock:
            if self._in_memory.pop(turn, None) is not None and cost:
                self._settled.append((datetime.now(UTC), cost))
            if held := self._held.pop(turn, None):
                with suppress(OSError):  # whoever meets the file finds nobody alive behind it
                    close_and_remove(held.descriptor, held.path)

    def _all_locked(self) -> AbstractContextManager[None]:
        return hold(self._folder / LOCK, PATIENCE)

    def _write(self, turn: str, amount: Decimal) -> None:
        held = self._held.get(turn)
        if held is None:
            path = self._folder / f"{turn}{SUFFIX}"
            descriptor = try_lock_path(path)
            if descriptor is None:
                raise BlockingIOError
            held = self._held[turn] = _Held(descriptor, path)
        os.lseek(held.descriptor, 0, os.SEEK_SET)
        os.write(held.descriptor, f"{amount:f}".ljust(LONGEST).encode("ascii"))

    def _of_others(self, turn: str) -> Decimal:
        memory = sum((usd for name, usd in self._in_memory.items() if name != turn), NOTHING)
        return sum(self._in_files(turn), memory)

    def _in_files(self, turn: str) -> Iterator[Decimal]:
        """What the files of other turns say; that of a dead process is removed."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path.stem == turn:
                continue
            with suppress(OSError, InvalidOperation, UnicodeError):
                if path.stem in self._held or self._is_alive(path):
                    amount = Decimal(path.read_text("ascii")[:LONGEST].strip())
                    if amount.is_finite() and amount > 0:
                        yield amount

    def _is_alive(self, path: Path) -> bool:
        descriptor = try_lock_path(path, create=False)
        if descriptor is None:
            return True
        if self._saves:
            close_and_remove(descriptor, path)
        else:
            os.close(descriptor)
        return False
