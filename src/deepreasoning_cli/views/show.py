"""Hand each event to the record and to every view; close them all, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from deepreasoning_cli.events import Event
from deepreasoning_cli.record import Record


class View(Protocol):
    """Shows events as they come; `close` is called once, with what ended the turn early."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def close(self, failure: BaseException | None) -> None:
        """Bring what is shown to its end."""


class Show:
    """The record and its views, as one thing to enter and to hand events to.

    An event reaches the views in their order, and in that order they are closed. The `keeper`
    has each event before any view, and is closed last: what is shown is kept already.
    """

    def __init__(self, record: Record, views: Sequence[View], keeper: View | None = None) -> None:
        self._record = record
        self._views = views
        self._keeper = keeper

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Record the event, then show it everywhere."""
        self._record.apply(event)
        if self._keeper:
            self._keeper(event)
        for view in self._views:
            view(event)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._record.close(complete=failure is None)
        with ExitStack() as closing:
            if self._keeper:
                closing.callback(self._keeper.close, failure)
            for view in reversed(self._views):  # the stack unwinds from its last callback
                closing.callback(view.close, failure)
