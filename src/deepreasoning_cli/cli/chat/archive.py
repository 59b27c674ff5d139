"""The turns that a chat goes on from: in memory, and in the history where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from deepreasoning_cli.chat.ports import SessionRow
from deepreasoning_cli.cli.one_turn import claimed
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.record import Record
from deepreasoning_cli.wiring.ids import new_id

if TYPE_CHECKING:
    from deepreasoning_cli.history.store import Store


class ChatArchive:
    """Sessions and their turns. Enter it with `with`: `claim` holds the session until then.

    What the next request needs stays in memory: questions and answers, and all of the last turn.
    The older reasoning is read from the history where it is asked for; without a history it stays
    too. A history that cannot be used costs a warning, not the conversation.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._known: dict[str, list[Record]] = {}
        self._own = ""  # the session that is claimed
        self.claim = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.claim.close()

    def begin(self, session: str, turns: Sequence[Record]) -> None:
        """Take up a session whose turns were read, and that was claimed, elsewhere."""
        self._own = session if turns else ""
        self._known[session] = self._lightened(turns)

    def enter(self, session: str) -> str:
        """Claim the session in the place of the one before; the name to go on with."""
        self.claim.close()
        names = [session]
        if self._turns.saves:
            self._stored(
                lambda store: names.append(claimed(self._turns, store, session, self.claim))
            )
        self._own = names[-1]
        return self._own

    def sessions(self) -> Sequence[SessionRow]:
        """All sessions, the one used last first."""
        if not self._turns.saves:
            return [_row(name, turns) for name, turns in self._known.items() if turns]
        with self._turns.history() as store:
            return [
                SessionRow(each.name, each.turns, each.last, each.first_prompt)
                for each in store.sessions()
            ]

    def turns(self, session: str) -> Sequence[Record]:
        """The turns of a session in order, all that is known of each."""
        known = self.remembered(session)
        whole = {turn.opened.id: turn for turn in self._read(session)} if known else {}
        return [whole.get(turn.opened.id, turn) for turn in known]

    def remembered(self, session: str) -> Sequence[Record]:
        """The same turns; of the older ones the questions and answers are enough."""
        if session not in self._known:
            self._known[session] = self._lightened(self._read(session))
        return self._known[session]

    def add(self, session: str, record: Record, instead_of: Record | None) -> None:
        """Take up a turn that was just run, in the place of another if it has one."""
        if instead_of is not None:
            self._forget(session, instead_of)
        before = self.remembered(session)
        self._known[session] = [*before[:-1], *map(self._light, before[-1:]), _joined(record)]
        if self._own != session:  # a new one: nobody had heard of it until now
            self.enter(session)

    def drop_last(self, session: str) -> None:
        """Take the last turn out of the session."""
        if turns := self.remembered(session):
            self._forget(session, turns[-1])

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""
        self._known[new] = list(self.turns(session)[:upto])
        if self._turns.saves:
            self._stored(lambda store: store.branch(session, new, upto))

    def new_name(self) -> str:
        """A name that no session has."""
        return new_id()

    def _forget(self, session: str, record: Record) -> None:
        turn = record.opened.id
        self._known[session] = [each for each in self._known[session] if each.opened.id != turn]
        if self._turns.saves:
            self._stored(lambda store: store.leave_session(turn, session))

    def _lightened(self, turns: Sequence[Record]) -> list[Record]:
        return [*map(self._light, turns[:-1]), *turns[-1:]]

    def _light(self, turn: Record) -> Record:
        """The turn without what the history can give back."""
        return replace(turn, thoughts=[], drafts=[]) if self._turns.saves else turn

    def _read(self, session: str) -> list[Record]:
        found: list[Record] = []
        if self._turns.saves:
            self._stored(lambda store: found.extend(store.session_turns(session)))
        return found

    def _stored(self, use: Callable[[Store], object]) -> None:
        try:
            with self._turns.history() as store:
                use(store)
        except DeepReasoningError as error:
            self._turns.say("warning", error.message)


def _joined(turn: Record) -> Record:
    """The turn with each text in one piece."""
    reasoning, draft, answer = (
        [text] * bool(text) for text in (turn.reasoning, turn.draft, turn.answer)
    )
    return replace(turn, thoughts=reasoning, drafts=draft, texts=answer)


def _row(name: str, turns: list[Record]) -> SessionRow:
    from datetime import UTC, datetime

    return SessionRow(name, len(turns), datetime.now(UTC), turns[0].opened.prompt)
