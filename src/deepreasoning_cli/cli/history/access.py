"""The history for one command: opened, orphaned journals recovered, turns looked up by name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message, warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.history.journal_format import SUFFIX, orphaned_journals
from deepreasoning_cli.history.queries import TurnSummary
from deepreasoning_cli.history.recovery import HistoryAccess, recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import repair_surrogates


def open_history(options: GlobalOptions) -> AbstractContextManager[Store]:
    """The history, with the turns that dead processes left behind. Raises as Store does."""
    return HistoryAccess(paths.data_dir(), partial(message, options)).open()


def recover_turns(options: GlobalOptions) -> tuple[list[TurnSummary], int]:
    """Store what dead processes left behind: those turns, and how many journals still remain."""
    folder, print_warning = paths.data_dir(), partial(warn, options)
    with Store.open(folder, print_warning) as store:
        before = _journals()
        recover(folder, store, print_warning)
        left = _journals()
        recovered = before - left
        rows = (row for row in store.listing() if row.id in recovered)
        return list(islice(rows, len(recovered))), len(left)


def _journals() -> set[str]:
    """The ids of the turns that have a journal."""
    return {path.name.removesuffix(SUFFIX) for path in orphaned_journals(paths.data_dir())}


def count_turns(count: int) -> str:
    """`1 turn`, `2,000 turns`."""
    return f"{count:,} turn{'' if count == 1 else 's'}"


def find_turns(store: Store, name: str) -> tuple[str, Sequence[TurnRecord]]:
    """The turns of the session, else the one turn, after the name that they have together.

    A session may bear the name of its first turn, which the beginning of its id still names.
    Raises UsageError for a name that is neither a session's nor a turn's.
    """
    if turns := store.session_turns(name):
        return name, turns
    try:
        turn = store.turn(name)
    except UsageError as error:
        near = _nearest_session(store, name)
        if error.kind == "unknown_turn" and near:
            message = f"there is no turn or session {name!r}"
            hints = (f"did you mean session {near}?", *error.hints)
            raise UsageError(message, kind=error.kind, hint=hints) from error
        raise
    return turn.start.id, [turn]


def require_session(store: Store, name: str) -> None:
    """Raise UsageError, with the nearest, for a session that has no turns."""
    names = {session.name for session in store.sessions()}
    if repair_surrogates(name) in names or store.session_turns(name):
        return
    near = _nearest_session(store, name)
    hint = f"did you mean {near}?" if near else "there are no sessions"
    raise UsageError(f"there is no session {name!r}", kind="unknown_session", hint=hint)


def _nearest_session(store: Store, name: str) -> str | None:
    names = [session.name for session in store.sessions()]
    return next(iter(nearest(name, names, likeness=0.0)), None)
