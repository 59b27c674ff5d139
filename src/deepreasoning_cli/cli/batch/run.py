"""Ask the rows that are left, add their answers to the file, say what it came to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.batch.check import RowCheck
from deepreasoning_cli.cli.messages import debug_log, message
from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.many import NOTHING, STOPPED, AtOnce, ManyTurns
from deepreasoning_cli.library.row_turns import RowOutcome, RowTurns
from deepreasoning_cli.library.rows import Row, RowFormat, read_rows
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.sanitize import dump_json
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.views.run_progress import RunProgress, format_duration
from deepreasoning_cli.views.terminal import supports_cursor, terminal_size

OUTAGE: Final = 20  # failures in a row that say that nobody can be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """What one call of `batch` was told; `answer` does it."""

    global_options: o.GlobalOptions
    settings: dict[str, object]
    loaded: LoadedSettings
    at_once: int
    max_cost: Decimal | None
    system: str | None
    saves: bool
    skip_bad: bool
    as_json: bool

    def answer(self, file: BinaryIO, form: RowFormat, output: Path) -> None:
        """Check all rows, then ask those that are not in the output.

        Raises UsageError before anything is paid, IncompleteError where rows failed, RefusedError
        where a cap ended it, and what keeps all rows from being asked.
        """
        with AnswersFile(output) as answers, ExitStack() as run:
            report = Reporter(self.global_options)
            turns = run.enter_context(
                ManyTurns(
                    self.loaded,
                    at_once=self.at_once,
                    max_cost=self.max_cost,
                    saves=self.saves,
                    report=report,
                    log=report.log,
                )
            )
            row_turns = RowTurns(turns, self._load, self.system)
            checked = RowCheck(row_turns, answers)
            for row in read_rows(file, form):
                checked.add(row)
            checked.report(self.global_options, skip_bad=self.skip_bad)
            progress = report.begin(checked.count, checked.answered)
            file.seek(0)
            rows = checked.left(read_rows(file, form))
            self._ask(rows, row_turns, turns, answers, progress)

    def _load(self, values: Any) -> LoadedSettings:
        return load_settings(self.global_options.config, {**self.settings, **values})

    def _ask(
        self,
        rows: Iterator[Row],
        row_turns: RowTurns,
        turns: ManyTurns,
        answers: AnswersFile,
        progress: RunProgress,
    ) -> None:
        def ask(row: Row) -> RowOutcome:
            earlier = answers.turns.get(row.key, ())
            return row_turns.answer(row, earlier, partial(answers.begin_turn, row.key))

        work = AtOnce(ask, rows, self.at_once, progress.tick)
        end = RunEnd()
        interrupted: BaseException | None = None
        while True:
            try:
                for outcome in work:
                    if not end.is_unsent(outcome):
                        answers.append(outcome.answer)
                        progress.count(outcome.cost, failed=outcome.error is not None)
                    if end.note(outcome):
                        work.end()
                break
            except KeyboardInterrupt as exc:
                progress.erase()
                if interrupted:
                    turns.stop()
                else:
                    self._say("finishing the rows that run; Ctrl-C again stops them")
                interrupted = exc
                work.end()
        progress.erase()
        if not (progress.left or progress.failed):
            answers.forget_turns()
        self._finish(progress, answers.path, end, interrupted)

    def _say(self, text: str) -> None:

        message(self.global_options, "", text)

    def _finish(
        self,
        progress: RunProgress,
        output: Path,
        end: RunEnd,
        interrupted: BaseException | None,
    ) -> None:
        """Say what the run came to; raise what kept it from more."""
        if self.as_json:
            receipt = {
                "rows": progress.total,
                "answered": progress.answered,
                "failed": progress.failed,
                "left": progress.left,
                "cost_usd": decimal_usd(progress.cost),
                "seconds": round(progress.seconds, 3),
                "output": str(output),
            }
            typer.echo(dump_json(receipt))
        parts = [f"{progress.answered:,} of {progress.total:,} rows are answered in {output}"]
        if progress.failed:
            parts.append(f"{progress.failed:,} failed")
        parts += [format_usd(progress.cost), format_duration(progress.seconds)]
        self._say(" · ".join(parts))
        if interrupted:
            self._say("run it again to go on")
            raise interrupted
        end.raise_error(progress)


class RunEnd:
    """What ends a run before its last row: the first failure that all other rows would meet."""

    def __init__(self) -> None:
        self.error: DeepReasoningError | None = None
        self._capped = False
        self._unreachable = 0

    def is_unsent(self, outcome: RowOutcome) -> bool:
        """Whether the row was kept from being asked, by a cap, say: it is left, and no failure."""
        error = outcome.error
        if error and error.kind == STOPPED and error.resume:
            return True  # it is kept, and the next run goes on from it
        ends = outcome.ends_the_run or (error is not None and error.kind == STOPPED)
        return ends and outcome.cost == NOTHING

    def note(self, outcome: RowOutcome) -> bool:
        """Whether no more rows are to be asked after this one."""
        is_away = isinstance(outcome.error, UnavailableError)
        self._unreachable = self._unreachable + 1 if is_away else 0
        if outcome.ends_the_run or self._unreachable >= OUTAGE:
            self.error = self.error or outcome.error
            self._capped = self._capped or outcome.capped
        return self.error is not None

    def raise_error(self, progress: RunProgress) -> None:
        """Raise what ended the run, or that rows failed."""
        left = f"{progress.left:,} rows are left"
        if self._capped and self.error:
            raise RefusedError(
                f"{left}: {self.error.message}",
                kind=self.error.kind,
                hint="run it again with more: it goes on from here",
            )
        if self.error:
            self.error.resume = None
            self.error.advise(f"{left}: run it again to go on")
            raise self.error
        if progress.failed:
            raise IncompleteError(
                f"{progress.failed:,} of {progress.total:,} rows failed",
                kind="rows_failed",
                hint="run it again: it asks those alone",
            )


class Reporter:
    """What is told while rows are asked: lines on stderr, above the progress."""

    def __init__(self, options: o.GlobalOptions) -> None:
        self._options = options
        self._progress: RunProgress | None = None
        self._debug = debug_log(options)

    def begin(self, total: int, before: int) -> RunProgress:
        """The progress of the rows, drawn where a person looks at a terminal."""
        write = None
        if supports_cursor(sys.stderr) and not (self._options.quiet or self._options.debug):
            write = _write_stderr
        columns = terminal_size(sys.stderr)[0] if write else 80
        self._progress = RunProgress(total, before, write=write, columns=columns)
        return self._progress

    def __call__(self, kind: str, text: str) -> None:
        """Print a warning or a note."""

        if self._progress:
            self._progress.erase()
        message(self._options, kind, text)

    def log(self, line: str) -> None:
        """Print a line of the request log."""
        self._debug(line)


def _write_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
