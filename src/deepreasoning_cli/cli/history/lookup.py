"""Names that users give: a turn's id, its beginning, `last`, or a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.record import Record
from deepreasoning_cli.text import well_formed

LAST = "last"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be exported: turns in order, and the name they have together."""

    name: str
    turns: Sequence[Record]


def find_turn(store: Store, name: str) -> Record:
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
    if well_formed(name) in _sessions(store) or store.session_turns(name):
        return
    near = _nearest(store, name)
    hint = f"the nearest is {near}" if near else "no turn belongs to a session"
    raise UsageError(f"no session {name} in the history", kind="unknown_session", hint=hint)


def _nearest(store: Store, name: str) -> str | None:
    return next(iter(nearest(name, _sessions(store), likeness=0.0)), None)


def _sessions(store: Store) -> list[str]:
    return [session.name for session in store.sessions()]
