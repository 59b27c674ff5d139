"""The turns that a chat goes on from: in memory, and in the history where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepreasoning_cli import wiring
from deepreasoning_cli.chat.ports import SessionRow
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.record import Record

if TYPE_CHECKING:
    from deepreasoning_cli.history.store import Store


class ChatArchive:
    """Sessions and their turns; what was read or asked once is not read again.

    A history that cannot be used costs a warning, not the conversation.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._known: dict[str, list[Record]] = {}

    def sessions(self) -> Sequence[SessionRow]:
        """All sessions, the one used last first."""
        if not self._turns.saves:
            return [_row(name, turns) for name, turns in self._known.items() if turns]
        with self._turns.history() as store:
            return [
                SessionRow(each.name, each.turns, each.last, _first_prompt(store, each.name))
                for each in store.sessions()
            ]

    def turns(self, session: str) -> Sequence[Record]:
        """The turns of a session in order."""
        if session not in self._known:
            self._known[session] = self._stored(session)
        return self._known[session]

    def add(self, session: str, record: Record, instead_of: Record | None) -> None:
        """Take up a turn that was just run, in the place of another if it has one."""
        turns = self._known.setdefault(session, self._stored(session))
        if instead_of is not None:
            self._forget(session, instead_of)
        if record.opened.id not in {turn.opened.id for turn in turns[-1:]}:
            turns.append(record)

    def drop_last(self, session: str) -> None:
        """Take the last turn out of the session."""
        if turns := self.turns(session):
            self._forget(session, turns[-1])

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""
        self._known[new] = list(self.turns(session)[:upto])
        if self._turns.saves:
            with self._turns.history() as store:
                store.branch(session, new, upto)

    def new_name(self) -> str:
        """A name that no session has."""
        return wiring.new_id()

    def _forget(self, session: str, record: Record) -> None:
        turns = self._known[session]
        self._known[session] = [turn for turn in turns if turn is not record]
        if self._turns.saves:
            with self._turns.history() as store:
                store.leave_session(record.opened.id)

    def _stored(self, session: str) -> list[Record]:
        if not self._turns.saves:
            return []
        try:
            with self._turns.history() as store:
                return store.session_turns(session)
        except DeepReasoningError as error:
            self._turns.say("warning", error.message)
            return []


def _first_prompt(store: Store, session: str) -> str:
    turns = store.session_turns(session)
    return turns[0].opened.prompt if turns else ""


def _row(name: str, turns: list[Record]) -> SessionRow:
    from datetime import UTC, datetime

    return SessionRow(name, len(turns), datetime.now(UTC), turns[0].opened.prompt)
