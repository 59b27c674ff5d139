"""The history for one command: opened, what was left behind taken up, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message, warn
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.history.adopt import orphaned_journals, recover
from deepreasoning_cli.history.archive import HistoryAccess
from deepreasoning_cli.history.journal import SUFFIX
from deepreasoning_cli.history.listing import Row
from deepreasoning_cli.history.store import Store


def history(given: Globals) -> AbstractContextManager[Store]:
    """The history, with the turns that dead processes left behind. Raises as Store does."""
    return HistoryAccess(paths.data_dir(), partial(message, given)).opened()


def recovered(given: Globals) -> tuple[list[Row], int]:
    """Take up what was left behind: those turns, and how many journals are left all the same."""
    with _opened(given) as store:
        before = _waiting()
        _recover(store, given)
        after = _waiting()
        return list(_found(store, before - after)), len(after)


def counted(count: int) -> str:
    """`1 turn`, `2,000 turns`."""
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _opened(given: Globals) -> Store:
    return Store.open(paths.data_dir(), lambda text: warn(given, text))


def _recover(store: Store, given: Globals) -> int:
    return recover(paths.data_dir(), store, lambda text: warn(given, text))


def _waiting() -> set[str]:
    """The ids of the turns that have a journal."""
    return {path.name.removesuffix(SUFFIX) for path in orphaned_journals(paths.data_dir())}


def _found(store: Store, ids: set[str]) -> Iterator[Row]:
    """The rows of these turns, the newest first."""
    missing = set(ids)
    for row in store.listing() if missing else ():
        if row.id in missing:
            missing.remove(row.id)
            yield row
        if not missing:
            return
