"""What the REPL is given: how to ask, where turns are kept, which names and costs there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from deepreasoning_cli.events import Handoff
from deepreasoning_cli.record import Record

STOPPED = 130
"""The code of a turn that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class State:
    """What the slash commands change; replaced, never mutated.

    `session` is the session's name, `files` are paths that go with the next question; None
    stands for the default.
    """

    session: str
    model: str | None = None
    reasoner: str | None = None
    system: str | None = None
    reasoning: Literal["show", "hide"] = "show"
    handoff: Handoff = Handoff.REASONING
    web: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A turn that is over: what came of it, and the exit code that `ask` would have had."""

    record: Record
    code: int = 0


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of `/sessions`: `last` (aware) is when its last turn began."""

    name: str
    turns: int
    last: datetime
    first_prompt: str


class Turns(Protocol):
    """Runs and shows turns, and keeps them.

    A turn that Ctrl-C stopped or that failed half-way is an Outcome with its code; it has been
    explained to the user by then. What failed before a turn began is raised as
    DeepReasoningError, and the REPL prints it.
    """

    def ask(self, prompt: str, state: State, instead_of: Record | None = None) -> Outcome:
        """Ask; the prompt holds attached files already.

        The turn takes the place of `instead_of` in the conversation that later turns send; both
        stay in the history.
        """

    def answer_again(self, of: Record, state: State) -> Outcome:
        """Claude again, on the reasoning of `of`, in whose place the new turn stands.

        Where no text came, `of` keeps its place.
        """


class Archive(Protocol):
    """The turns of this session and of earlier ones; without a history, those of this run."""

    def sessions(self) -> Sequence[SessionRow]:
        """All sessions, the one used last first."""

    def turns(self, session: str) -> Sequence[Record]:
        """The turns of a session in order; none for a name that is new."""

    def enter(self, session: str) -> str:
        """Make the session this chat's own, and no longer the one before.

        Returns the name to go on with: that of a fork where another process is in the session.
        """

    def drop_last(self, session: str) -> None:
        """Take the last turn out of the session; the history keeps it."""

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""

    def new_name(self) -> str:
        """A name that no session has."""


class Names(Protocol):
    """The models and reasoners that can be chosen."""

    def models(self) -> Sequence[str]:
        """Names of Claude models, the usual ones first."""

    def reasoners(self) -> Sequence[str]:
        """Names of reasoners, the usual ones first."""

    def describe_model(self, name: str) -> str:
        """One line on a model. Raises DeepReasoningError for one that cannot be asked."""

    def describe_reasoner(self, name: str) -> str:
        """One line on a reasoner. Raises DeepReasoningError for one that cannot be asked."""


class Estimates(Protocol):
    """What a turn would cost."""

    def price(self, prompt: str, state: State) -> str:
        """The estimate for the next turn in words, with what the conversation adds to it."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them."""

    turns: Turns
    archive: Archive
    names: Names
    estimates: Estimates
