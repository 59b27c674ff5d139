"""The history for one command: opened, what was left behind taken up, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message, warn
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.history.journal_file import SUFFIX, orphaned_journals
from deepreasoning_cli.history.queries import TurnSummary
from deepreasoning_cli.history.recovery import HistoryAccess, recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import repair_surrogates


def open_history(given: Globals) -> AbstractContextManager[Store]:
    """The history, with the turns that dead processes left behind. Raises as Store does."""
    return HistoryAccess(paths.data_dir(), partial(message, given)).opened()


def recover_turns(given: Globals) -> tuple[list[TurnSummary], int]:
    """Take up what was left behind: those turns, and how many journals are left all the same."""
    with _opened(given) as store:
        before = _waiting()
        _recover(store, given)
        after = _waiting()
        return list(_found(store, before - after)), len(after)


def count_turns(count: int) -> str:
    """`1 turn`, `2,000 turns`."""
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _opened(given: Globals) -> Store:
    return Store.open(paths.data_dir(), lambda text: warn(given, text))


def _recover(store: Store, given: Globals) -> int:
    return recover(paths.data_dir(), store, lambda text: warn(given, text))


def _waiting() -> set[str]:
    """The ids of the turns that have a journal."""
    return {path.name.removesuffix(SUFFIX) for path in orphaned_journals(paths.data_dir())}


def _found(store: Store, ids: set[str]) -> Iterator[TurnSummary]:
    """The rows of these turns, the newest first."""
    missing = set(ids)
    for row in store.listing() if missing else ():
        if row.id in missing:
            missing.remove(row.id)
            yield row
        if not missing:
            return


LAST = "last"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be exported: turns in order, and the name they have together."""

    name: str
    turns: Sequence[TurnRecord]


def find_turn(store: Store, name: str) -> TurnRecord:
    """The turn of that id or beginning, or the newest. Raises UsageError."""
    if name != LAST:
        return store.turn(name)
    newest = store.last()
    if newest is None:
        raise UsageError("there is no last turn", kind="unknown_turn", hint="the history is empty")
    return newest


def find_turns(store: Store, name: str) -> Selection:
    """The turns of the session, else the one turn; raises UsageError where it is neither.

    A session may bear the name of its first turn, which the beginning of its id still names.
    """
    if of_session := store.session_turns(name):
        return Selection(name, of_session)
    try:
        found = find_turn(store, name)
    except UsageError as error:
        near = _nearest(store, name)
        if error.kind == "unknown_turn" and near:
            message = f"no turn and no session {name} in the history"
            hint = f"the nearest session is {near}; of turns, {error.hint}"
            raise UsageError(message, kind=error.kind, hint=hint) from error
        raise
    return Selection(found.opened.id, [found])


def require_session(store: Store, name: str) -> None:
    """Raise UsageError, with the nearest, for a session that has no turns."""
    if repair_surrogates(name) in _sessions(store) or store.session_turns(name):
        return
    near = _nearest(store, name)
    hint = f"the nearest is {near}" if near else "no turn belongs to a session"
    raise UsageError(f"no session {name} in the history", kind="unknown_session", hint=hint)


def _nearest(store: Store, name: str) -> str | None:
    return next(iter(nearest(name, _sessions(store), likeness=0.0)), None)


def _sessions(store: Store) -> list[str]:
    return [session.name for session in store.sessions()]
