"""What the user should know besides the answer: lines on stderr."""

from __future__ import annotations

import re
from collections.abc import Callable

from deepreasoning_cli.errors import Interrupted
from deepreasoning_cli.events import Event, Finished, Opened, Warned
from deepreasoning_cli.record import Record
from deepreasoning_cli.views.footer import turn_line
from deepreasoning_cli.views.safe import one_line

ADDED = re.compile(r"([-@:](\d{4}-\d{2}-\d{2}|\d{4,8}|latest|free))*")
"""What hosts add to a model's id without meaning another model: a date, a tag."""

DEMO = "demo: these are scripted replies, no model was called"


class Notes:
    """Warnings as they come; at the end what was changed, and the bill where it is wanted."""

    def __init__(
        self,
        record: Record,
        write: Callable[[str], None],
        neutralised: Callable[[], int],
        *,
        quiet: bool,
        bill: bool,
        kept: Callable[[], bool] = lambda: False,
    ) -> None:
        self._record = record
        self._write = write
        self._neutralised = neutralised
        self._quiet = quiet
        self._bill = bill
        self._kept = kept

    def __call__(self, event: Event) -> None:
        """Say it, if it is worth a line."""
        match event:
            case Opened(backend="demo"):
                self._write(DEMO)  # also with --quiet: nobody is to take it for an answer
            case Warned(message) if not self._quiet:
                self._line("warning", message)
            case Finished(model=asked, served_model=str(served)) if not self._quiet:
                if served and not _is_same(asked, served):
                    self._line("note", f"{asked} was asked, {served} answered")

    def close(self, failure: BaseException | None) -> None:
        """The last notes."""
        if self._quiet or isinstance(failure, BrokenPipeError):
            return
        if count := self._neutralised():
            characters = "character was" if count == 1 else "characters were"
            self._write(f"note: {count} control {characters} made visible")
        if self._bill and self._record.stages:
            self._write(one_line(turn_line(self._record), 200))
        if _is_signal(failure) and can_be_resumed(self._record) and self._kept():
            self._write(f"hint: `deepreasoning resume {self._record.opened.id}` goes on from here")

    def _line(self, kind: str, message: str) -> None:
        self._write(f"{kind}: {one_line(message, 500)}")


def can_be_resumed(record: Record) -> bool:
    """Whether anything came, or was taken from another turn, that one can go on from."""
    return bool(record.reasoning or record.draft or record.answer)


def _is_signal(failure: BaseException | None) -> bool:
    return isinstance(failure, KeyboardInterrupt | Interrupted)


def _is_same(asked: str, served: str) -> bool:
    """Hosts add or leave out a vendor's prefix and a date; that is no other model."""
    names = (name.lower().rpartition("/")[2] for name in (asked, served))
    short, long = sorted(names, key=len)
    return long.startswith(short) and ADDED.fullmatch(long[len(short) :]) is not None
