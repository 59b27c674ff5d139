"""Run turns: plan, keep, show. What `ask`, `resume` and `chat` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from deepreasoning_cli import paths, pipeline
from deepreasoning_cli.cli.boundary import NO_ROOM, write_stderr
from deepreasoning_cli.cli.look import Look, Views
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.saying import say
from deepreasoning_cli.errors import IncompleteError, WriteError
from deepreasoning_cli.history.archive import Archive
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.pipeline import Plan
from deepreasoning_cli.record import Record
from deepreasoning_cli.settings import Settings
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.views.notes import can_be_resumed
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.show import Show
from deepreasoning_cli.views.status import Progress
from deepreasoning_cli.wiring.asked import Asked
from deepreasoning_cli.wiring.build import Wiring
from deepreasoning_cli.wiring.catalogs import catalog_for
from deepreasoning_cli.wiring.connect import connected
from deepreasoning_cli.wiring.planning import planned

if TYPE_CHECKING:
    from deepreasoning_cli.history.spending import Spending
    from deepreasoning_cli.history.store import Store
    from deepreasoning_cli.transport import Transport, Waiting


class Turns:
    """The turns of one process, on one pool of connections. Enter it with `with`.

    With `save` each turn is journaled and kept in the history, else nothing touches the disk.
    """

    def __init__(self, given: Globals, *, save: bool = True, tip: str = "") -> None:
        self._given = given
        self._save = save
        self._progress = Progress(tip=tip)
        self._stack = ExitStack()
        self._transport: Transport | None = None
        self._archive = Archive(paths.data_dir(), self._hear)
        self._said: set[str] = set()
        self._warned: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def load(self, flags: Mapping[str, object]) -> Loaded:
        """The settings with these flags; what is to be said of them is said."""
        loaded = Settings.load(self._given.config, flags)
        for note in loaded.notes:
            if note not in self._said:  # a chat loads them again for each turn
                self.say("note", note)
        self._said.update(loaded.notes)
        self._save = self._save and loaded.settings.history
        return loaded

    def plan(self, loaded: Loaded, asked: Asked) -> Plan:
        """The turn that is asked for; raises UsageError where a model cannot read so much."""

        def connect() -> Transport:
            if self._transport is None:
                opened = connected(loaded, self._pause, self._log)
                self._transport = self._stack.enter_context(opened)
            return self._transport

        wiring = Wiring(loaded, catalog_for(loaded), connect)
        return planned(wiring, asked, loaded.settings, self.spending, saves=self._save)

    def spending(self, since: datetime | None = None) -> list[Spending] | None:
        """What was paid for since then (aware; None: ever); None where nothing was ever kept."""
        return self._archive.spending(since, adopts=self._save)

    @property
    def saves(self) -> bool:
        """Whether turns are kept on disk."""
        return self._save

    def run(self, plan: Plan, loaded: Loaded, look: Look, record: Record | None = None) -> Record:
        """Run and show one turn; raises what the pipeline raises, with how to go on from there.

        `record` is what the turn is folded into, for those who want it also after a failure.
        """
        record = record or Record()
        views = Views(look, record, self._progress, self._given)
        journal = Journal(paths.data_dir(), record, self._warn) if self._save else None
        shown = views.all(loaded.settings, kept=lambda: journal is not None and journal.keeps)
        try:
            with closing(pipeline.run(plan)) as events, Show(record, shown, journal) as show:
                try:
                    for event in events:
                        show(event)
                except IncompleteError as error:
                    if journal is not None and journal.keeps:
                        _say_how_to_resume(error, plan.id)
                    raise
        except (WriteError, OSError) as failure:
            unwritten = _unwritten(failure)
            if unwritten is None or journal is None or not journal.keeps:
                raise
            _say_where_it_is(unwritten, record)
            raise unwritten from failure.__cause__
        return record

    def has_history(self) -> bool:
        """Whether anything was ever kept; to ask makes no file."""
        return self._archive.exists

    def history(self) -> AbstractContextManager[Store]:
        """The history, with the turns that dead processes left behind."""
        return self._archive.opened(adopts=self._save)

    def adopt_leftovers(self) -> None:
        """Take up what dead processes left behind, where there is any; never a reason to fail."""
        if self._save:
            self._archive.adopt_leftovers()

    def say(self, kind: str, text: str) -> None:
        """A line on stderr, unless the user wants it quiet."""
        say(self._given, kind, text)

    def _hear(self, kind: str, text: str) -> None:
        """What the history says; it warns of the same thing once."""
        (self._warn if kind == "warning" else partial(self.say, kind))(text)

    def _warn(self, text: str) -> None:
        """Say it, unless it is what was said before, with or without more words after it."""
        if not any(text.startswith(said) for said in self._warned):
            self._warned.append(text)
            self.say("warning", text)

    def _pause(self, waiting: Waiting) -> None:
        self._progress.pause(waiting.why, waiting.seconds)

    def _log(self, line: str) -> None:
        if self._given.debug:
            write_stderr(one_line(f"debug: {line}", 4000))


def _unwritten(failure: WriteError | OSError) -> WriteError | None:
    """The failure as one to write; None for a closed pipe and for all that is no writer's."""
    if isinstance(failure, WriteError):
        return failure
    if failure.errno in NO_ROOM:
        return WriteError(f"cannot write: {failure.strerror}", hint="make room")
    return None


def _say_where_it_is(failure: WriteError, record: Record) -> None:
    turn = record.opened.id
    if record.complete:
        failure.hint = f"{failure.hint}; `deepreasoning history show {turn}` has the text"
    elif can_be_resumed(record):
        failure.resume = f"deepreasoning resume {turn}"
        failure.hint = f"{failure.hint}; `{failure.resume}` goes on from what is kept"


def _say_how_to_resume(error: IncompleteError, turn: str) -> None:
    error.resume = f"deepreasoning resume {turn}"
    more = f"; or {error.hint}" if error.hint else ""
    error.hint = f"`{error.resume}` goes on from what is kept{more}"
