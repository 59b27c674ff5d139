"""The view that comes first: each event is in a file before anyone sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.history.journal_file import FOLDER, SUFFIX, JournalFile, Warn
from deepreasoning_cli.history.journal_format import (
    TurnClosed,
    TurnOutcome,
    delta_line,
    event_line,
    outcome_of,
)
from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord


def _call(action: Callable[[], None]) -> None:
    action()


class Journal:
    """Keeps a turn while it runs, and folds it into the store when it ends.

    It goes first among the views of a `Show`, with that show's record. `folder` is the data
    folder. A fault costs the journal, never the answer: `warn` is told once, and the turn goes on
    in memory.

    What may wait for a disk goes through two functions, which call it and return when it has
    ended: `runtime.run_blocking` opens and closes, `run_append` adds a line.
    """

    def __init__(
        self,
        folder: Path,
        record: TurnRecord,
        warn: Warn,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        runtime: Runtime = BLOCKING,
        open_file: Callable[[Path], JournalFile] = JournalFile,
        run_append: Callable[[Callable[[], None]], None] = _call,
    ) -> None:
        self._folder = folder
        self._record = record
        self._warn = warn
        self._clock = clock
        self._now = now
        self._runtime = runtime
        self._open_file = open_file
        self._run_append = run_append
        self._file: JournalFile | None = None
        self._whole = False
        self._saved = False
        self._began_at = 0.0
        self._began: datetime | None = None
        self._starts: list[StageStarted] = []
        self._finished: list[StageFinished] = []

    @property
    def keeps(self) -> bool:
        """Whether all that came is on the disk, in the journal or already in the store."""
        return self._whole or self._saved

    def __call__(self, event: Event) -> None:
        """Write the event's line."""
        if isinstance(event, TurnStarted):
            self._runtime.run_blocking(partial(self._open, event))
        elif isinstance(event, StageStarted):
            self._starts.append(event)
        elif isinstance(event, StageFinished):
            self._finished.append(event)
        if not self._whole or self._file is None:
            return
        try:
            if isinstance(event, Thought | Draft | Text):
                line_of_delta = delta_line(event, self._clock() - self._began_at)
                self._run_append(partial(self._file.append, line_of_delta))
            elif not isinstance(event, TurnStarted):
                self._run_append(partial(self._file.append, self._line(event)))
                if isinstance(event, StageStarted | StageFinished):
                    self._file.sync_soon()
        except OSError as exc:
            self._go_silent(exc)

    def close(self, failure: BaseException | None) -> None:
        """Fold the turn into the store and remove the file; where that fails, the file stays."""
        if self._began is not None:
            self._runtime.run_blocking(partial(self._close, failure, self._began))

    def _close(self, failure: BaseException | None, began: datetime) -> None:
        outcome = outcome_of(self._record, failure)
        self._write_end(outcome)
        try:
            self._save(outcome, began)
        except DeepReasoningError as exc:
            if self._file:  # else it was said at the start
                self._warn(f"{exc.message}; this turn is in {self._place(self._file)}")
            self._release(remove=False)
        except BaseException:  # interrupted: the file is whole, and free for the next start
            self._release(remove=False)
            raise
        else:
            self._saved = True
            self._release(remove=True)

    def _open(self, event: TurnStarted) -> None:
        self._began_at = self._clock()
        self._began = self._now()
        try:
            self._file = self._open_file(self._folder / FOLDER / f"{event.id}{SUFFIX}")
            self._whole = True
            self._file.append(event_line(event, 0.0, self._began))
            self._file.sync()
            self._file.sync_name()
        except OSError as exc:
            self._go_silent(exc)

    def _line(self, event: Event | TurnClosed) -> bytes:
        return event_line(event, self._clock() - self._began_at)

    def _go_silent(self, fault: OSError) -> None:
        self._whole = False
        until = "until it is in the history " if self._file else ""
        self._warn(
            f"cannot write the journal in {self._folder}: {fault.strerror or fault};"
            f" {until}this turn is in memory only"
        )

    def _write_end(self, outcome: TurnOutcome) -> None:
        """All that the record knows, so that a turn folded later is the same as one folded now."""
        if not self._whole or self._file is None:
            return
        record = self._record
        events: list[Event | TurnClosed] = [
            stage for stage in record.stages.values() if stage not in self._finished
        ]
        closed = TurnClosed(
            ending=outcome,
            complete=record.complete,
            first_reasoning=record.first_reasoning,
            first_answer=record.first_answer,
            total=record.total,
        )
        try:
            for event in [*events, closed]:
                self._file.append(self._line(event))
            self._file.sync()
        except OSError as exc:
            self._go_silent(exc)

    def _save(self, outcome: TurnOutcome, began: datetime) -> None:
        from deepreasoning_cli.history.store import Store

        with Store.open(self._folder, self._warn) as store:
            store.save(self._record, began=began, outcome=outcome, starts=self._starts)

    def _place(self, file: JournalFile) -> str:
        return f"{file.path}{'' if self._whole else ', as far as it could be written'}"

    def _release(self, *, remove: bool) -> None:
        if self._file:
            with suppress(OSError):  # a file that stays is recovered later, with the same content
                self._file.close(remove=remove)
