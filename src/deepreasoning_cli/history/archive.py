"""The history as one process uses it: opened when needed, what dead processes left taken up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deepreasoning_cli.errors import DeepReasoningError

if TYPE_CHECKING:
    from deepreasoning_cli.history.spending import Spending
    from deepreasoning_cli.history.store import Store


class HistoryAccess:
    """The history in one data folder.

    `say` is told `warning` and what was repaired or cannot be read, `note` and how many
    unfinished turns were taken up.
    """

    def __init__(self, folder: Path, say: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._say = say
        self._recovered = False

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept; to ask makes no file."""
        from deepreasoning_cli.history.adopt import orphaned_journals
        from deepreasoning_cli.history.database import NAME

        try:
            return (self._folder / NAME).exists() or bool(orphaned_journals(self._folder))
        except OSError:  # whoever opens it is told why it cannot be read
            return True

    @contextmanager
    def opened(self, *, recovers: bool = True) -> Iterator[Store]:
        """The store; orphaned journals are taken up once in a process. Raises as Store does."""
        from deepreasoning_cli.history.adopt import recover
        from deepreasoning_cli.history.store import Store

        with Store.open(self._folder, self._warn) as store:
            if recovers and not self._recovered:
                self._recovered = True
                self._tell(recover(self._folder, store, self._warn))
            yield store

    def spending(self, since: datetime | None = None, *, recovers: bool) -> list[Spending] | None:
        """What was paid for since then (aware; None: ever).

        None where nothing was ever kept: to ask does not make a history.
        """
        if not self.exists:
            return None
        with self.opened(recovers=recovers) as store:
            return store.spending(since)

    def recover_orphans(self) -> None:
        """Take up what dead processes left behind, where there is any; never a reason to fail."""
        from deepreasoning_cli.history.adopt import orphaned_journals

        if orphaned_journals(self._folder):
            try:
                with self.opened():
                    pass
            except DeepReasoningError as error:
                self._warn(error.message)

    def _tell(self, recovered: int) -> None:
        if recovered:
            turns = "turn" if recovered == 1 else "turns"
            self._say(
                "note", f"recovered {recovered} unfinished {turns}: `deepreasoning history list`"
            )

    def _warn(self, text: str) -> None:
        self._say("warning", text)
