"""Hand each event to the record and to every view; close them all, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final, Protocol, Self

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import Continued, Event, StageFinished, StageStarted, Text
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import single_line


class View(Protocol):
    """Shows events as they come; `close` is called once, with what ended the turn early."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def close(self, failure: BaseException | None) -> None:
        """Bring what is shown to its end."""


class RecordView:
    """A view that reads the record, when the turn is over; `write` takes what it shows."""

    def __init__(self, record: TurnRecord, write: Callable[[str], None]) -> None:
        self._record = record
        self._write = write

    def __call__(self, event: Event) -> None:
        """The record keeps it."""


PLAIN_HOSTS = ("anthropic", "empiriolabs")
"""Hosts whose models bear their own names: Anthropic, and the gateway, which is the backend."""


def model_label(model: str, host: str | None) -> str:
    """`qwen3 at ollama`; without the host where that says nothing new, as of `deepseek-flash`."""
    is_plain = host in (None, *PLAIN_HOSTS) or model.startswith(str(host))
    return model if is_plain else f"{model} at {host}"


class ViewGroup:
    """The record and its views, as one thing to enter and to hand events to.

    An event reaches the views in their order, and in that order they are closed. The `keeper`
    has each event before any view, and is closed last: what is shown is kept already.

    A bug in one view does not end the turn while another shows it: the view is handed no more
    events, and the bug is raised when all is closed.
    """

    def __init__(
        self, record: TurnRecord, views: Sequence[View], keeper: View | None = None
    ) -> None:
        self._record = record
        self._views = views
        self._keeper = keeper
        self._bugs: dict[int, Exception] = {}  # by the place of the view that failed

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Record the event, then show it everywhere."""
        self._record.apply(event)
        if self._keeper:
            self._keeper(event)
        for place, view in enumerate(self._views):
            if self._bugs and place in self._bugs:
                continue
            try:
                view(event)
            except (DeepReasoningError, OSError):  # no bug: it ends the turn
                raise
            except Exception as bug:
                if len(self._bugs) + 1 == len(self._views):  # nobody is left to show the turn
                    raise
                self._bugs[place] = bug

    def __exit__(self, kind: object, failure: BaseException | None, traceback: object) -> None:
        self._record.close(complete=failure is None)
        with ExitStack() as closing:
            if self._keeper:
                closing.callback(self._keeper.close, failure)
            for place, view in reversed(list(enumerate(self._views))):  # the last is called first
                closing.callback(view.close, self._bugs.get(place, failure))
        raise_bug(next(iter(self._bugs.values()), None), failure)


def raise_bug(bug: Exception | None, failure: BaseException | None) -> None:
    """Raise the bug of a view, if it has one; a failure of the turn itself only mentions it."""
    if bug is None:
        return
    if failure is None:
        raise bug
    if failure is not bug:
        failure.add_note(f"the turn was not shown as it should be: {type(bug).__name__}")


class WholeAnswerView:
    """Shows the beginning of an answer that is continued, too; by itself a view shows the rest."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._kept: str | None = None

    def __call__(self, event: Event) -> None:
        """Show the event; the beginning comes with the first new text, or the end of the stage."""
        if isinstance(event, Continued):
            self._kept = event.text
            return
        if self._kept and isinstance(event, Text | StageFinished):
            kept, self._kept = self._kept, None
            self._view(Text(kept))
        self._view(event)

    def close(self, failure: BaseException | None) -> None:
        """Close the view."""
        self._view.close(failure)


class DeferredView:
    """Holds the events back until the turn ends, however it ends."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep it."""
        self._events.append(event)

    def close(self, failure: BaseException | None) -> None:
        """Show all of it, then its end."""
        try:
            for event in self._events:
                self._view(event)
        except BaseException as exc:
            self._view.close(exc)
            raise
        self._view.close(failure)


CONNECTING: Final = 0.1
"""Seconds after which the user sees who is called, though the request is not out."""


class LazyView:
    """A view that `make` makes in a thread, once the first request is out: it takes long to import.

    The start of the first stage is shown then; what comes after it waits until the view is there.
    `request_sent` is set by whoever sends. A turn that begins no stage has nothing to show.
    """

    def __init__(self, make: Callable[[], View], request_sent: threading.Event) -> None:
        self._make = make
        self._request_sent = request_sent
        self._opening: list[Event] = []
        self._view: View | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._open, name="view", daemon=True)
        self._opened = threading.Event()  # a join that a signal ends takes the thread for ended

    def __call__(self, event: Event) -> None:
        """Show the event, or keep it until there is a view."""
        if self._thread.ident is None:
            self._opening.append(event)
            if isinstance(event, StageStarted):
                self._thread.start()
            return
        self._wait()
        if self._fault:
            raise self._fault
        if self._view:
            self._view(event)

    def close(self, failure: BaseException | None) -> None:
        """Close the view, if there is one."""
        if self._thread.ident is None:
            return
        self._wait()
        if self._view:
            self._view.close(self._fault or failure)
        raise_bug(self._fault, failure)

    def _wait(self) -> None:
        if not self._opened.is_set():
            self._request_sent.set()
            self._opened.wait()

    def _open(self) -> None:
        self._request_sent.wait(CONNECTING)
        try:
            self._view = view = self._make()
            for event in self._opening:
                view(event)
        except Exception as exc:  # noqa: BLE001 (raised where the next event is handed in)
            self._fault = exc
        finally:
            self._opened.set()


MAX_ERROR_LINE = 1000  # characters of a line


def error_lines(error: DeepReasoningError) -> list[str]:
    """What a person is told of `error`: what happened, and what to do, one hint a line."""
    stage = f"{error.stage}: " if error.stage else ""
    lines = [f"error: {single_line(stage + error.message, MAX_ERROR_LINE)}"]
    return lines + [f"hint: {single_line(hint, MAX_ERROR_LINE)}" for hint in error.hints]


def wrap_lines(text: str, columns: int) -> str:
    """The lines, those that are too long for a terminal broken between words."""
    if all(len(line) <= columns for line in text.splitlines()):
        return text
    from textwrap import TextWrapper

    wrapper = TextWrapper(
        max(columns, 1),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return "\n".join(row for line in text.splitlines() for row in wrapper.wrap(line) or [line])
