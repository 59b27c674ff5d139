"""Ask the rows that are left, add their answers to the file, say what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.batch.check import RowCheck, RowsEstimate, show_dry_run
from deepreasoning_cli.cli.boundary import require_stdout
from deepreasoning_cli.cli.messages import debug_log, print_unwritten_line, run_reporter
from deepreasoning_cli.cli.pager import print_json
from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    Interrupted,
    RefusedError,
    UnavailableError,
    UsageError,
    WriteError,
)
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.cheap import AskRow, CheapAnswers, off_peak
from deepreasoning_cli.library.many import NOTHING, STOPPED, AtOnce, ManyTurns
from deepreasoning_cli.library.question_rows import Row, RowFormat, read_rows
from deepreasoning_cli.library.row_turns import RowOutcome, RowTurns
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.money import RateCard, decimal_usd, format_usd
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.views.run_progress import Reporter, RunProgress, format_duration

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
    cheap: bool = False
    by: datetime | None = None
    dry_run: bool = False

    def answer(self, file: BinaryIO, form: RowFormat, output: Path) -> None:
        """Check all rows, then ask those that are not in the output.

        Raises UsageError before anything is paid, IncompleteError where rows failed, RefusedError
        where a cap ended it, and what keeps all rows from being asked. A dry run only says what it
        would do.
        """
        if self.as_json:
            require_stdout()
        reporter = run_reporter(self.global_options)
        with (
            AnswersFile(output, writes=not self.dry_run, rescue=print_unwritten_line) as answers,
            ManyTurns(
                self.loaded,
                at_once=self.at_once,
                max_cost=self.max_cost,
                saves=self.saves,
                report=reporter,
                log=debug_log(self.global_options),
            ) as turns,
        ):
            if self.cheap and not (turns.saves or self.dry_run):
                hint = "leave --no-save out, or --cheap"
                raise UsageError("--cheap keeps the reasoning in the history", hint=hint)
            if self.cheap and self.loaded.settings.cassette:
                hint = "leave --cheap out, or --record and --replay"
                raise UsageError("--cheap sends batches, which no cassette holds", hint=hint)
            row_turns = RowTurns(turns, self._load, self.system)
            checked = RowCheck(row_turns, answers, batched=self.cheap or answers.waits)
            for row in read_rows(file, form):
                checked.add(row)
            checked.report(self.global_options, skip_bad=self.skip_bad)
            if self.dry_run:
                estimate = RowsEstimate.of(checked.plans.values(), turns)
                show_dry_run(checked, estimate, cheaply=self.cheap, as_json=self.as_json)
                return
            progress = reporter.begin(checked.count, checked.answered)

            def rows() -> Iterator[Row]:
                file.seek(0)
                return checked.left(read_rows(file, form))

            run = RowRun(
                turns=turns,
                row_turns=row_turns,
                answers=answers,
                checked=checked,
                rows=rows,
                progress=progress,
                tell=reporter.tell,
                at_once=self.at_once,
            )
            self._finish(run, partial(self._ask, run, reporter), reporter)

    def _load(self, values: Any) -> LoadedSettings:
        return load_settings(self.global_options.config, {**self.settings, **values})

    def _ask(self, run: RowRun, reporter: Reporter) -> None:
        if run.answers.waits:
            run.collect()
        if not self.cheap:
            run.ask_all(run.row_turns.answer)
            return
        estimate = RowsEstimate.of(run.checked.plans.values(), run.turns)
        reporter.tell(estimate.words(cheaply=True))
        run.reason_all(self.by)
        if not run.end.error:
            run.send()
            run.collect()

    def _finish(self, run: RowRun, ask: Callable[[], None], reporter: Reporter) -> None:
        """Do it, and say what it came to, however it ends."""
        failure: BaseException | None = None
        try:
            ask()
        except (DeepReasoningError, KeyboardInterrupt, Interrupted) as exc:
            failure = exc
        progress = run.progress
        progress.erase()
        if not (progress.left or progress.failed):
            run.answers.forget_turns()
        if self.as_json:
            print_json(run.receipt())
        reporter.tell(run.summary())
        if isinstance(failure, KeyboardInterrupt | Interrupted) and progress.left + progress.failed:
            reporter.tell("run it again to go on")
        if failure:
            raise failure
        run.end.raise_error(progress)


class RunEnd:
    """What ends a run before its last row: the first failure that all other rows would meet."""

    def __init__(self) -> None:
        self.error: DeepReasoningError | None = None
        self._reached_cap = False
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
        if outcome.batched:  # each row of a batch has what became of it, the others too
            return False
        is_away = outcome.error is not None and outcome.error.is_at_heart(UnavailableError)
        self._unreachable = self._unreachable + 1 if is_away else 0
        if outcome.ends_the_run or self._unreachable >= OUTAGE:
            self.error = self.error or outcome.error
            self._reached_cap = self._reached_cap or outcome.reached_cap
        return self.error is not None

    def raise_error(self, progress: RunProgress) -> None:
        """Raise what ended the run, or that rows failed."""
        left = f"{progress.left:,} rows are left"
        if self._reached_cap and self.error:
            raise RefusedError(
                f"{left}: {self.error.message}",
                kind=self.error.kind,
                hint="run it again with a higher cap: what was paid for is kept",
            )
        if self.error:
            self.error.of_the_whole_run(f"{left}: run it again to go on")
            raise self.error
        if progress.failed:
            raise IncompleteError(
                f"{progress.failed:,} of {progress.total:,} rows failed",
                kind="rows_failed",
                hint="run it again: it asks those alone",
            )


@dataclass(slots=True, kw_only=True)
class RowRun:
    """The rows that are asked, and what became of them. `rows` begins anew at the first left."""

    turns: ManyTurns
    row_turns: RowTurns
    answers: AnswersFile
    checked: RowCheck
    rows: Callable[[], Iterator[Row]]
    progress: RunProgress
    tell: Callable[[str], None]
    at_once: int
    end: RunEnd = field(default_factory=RunEnd)
    is_ending: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    list_cost: Decimal = NOTHING
    """USD that the same had cost without `--cheap`."""

    def take(self, outcome: RowOutcome) -> None:
        """A row is over: add its line."""
        self.list_cost += list_price(outcome)
        if self.end.is_unsent(outcome):
            self.progress.cost += outcome.cost
            return
        try:
            self.answers.append(outcome.answer, is_kept=outcome.is_kept)
        except WriteError as failure:
            self.end.error = self.end.error or failure  # those that run are waited for
            self.progress.cost += outcome.cost
            return
        self.checked.over.add(outcome.row.key)
        self.progress.count(outcome.cost, failed=outcome.error is not None)

    def ask_all(self, ask: AskRow, rows: Iterator[Row] | None = None) -> None:
        """Ask many at once. The first Ctrl-C lets those that run end, the second stops them."""

        def work(row: Row) -> RowOutcome | None:
            earlier = tuple(self.answers.turns.get(row.key, ()))
            return ask(row, earlier, partial(self._begin_turn, row.key))

        work_left = AtOnce(
            work,
            rows or self.rows(),
            self.at_once,
            self.progress.tick,
            is_last=lambda row: row is not None and row.ends_the_run and not row.batched,
        )
        interrupted: KeyboardInterrupt | None = None
        while True:
            try:
                for outcome in work_left:
                    if outcome is not None:
                        self._take_or_count(outcome)
                        if self.end.note(outcome):
                            work_left.end()
                break
            except KeyboardInterrupt as exc:
                self.progress.erase()
                if interrupted:
                    self.turns.stop()
                else:
                    self.tell("finishing the rows that run; Ctrl-C again stops them")
                interrupted, self.is_ending = exc, True
                work_left.end()
        if interrupted:
            raise interrupted

    def _begin_turn(self, key: str, turn: str) -> None:
        self.answers.begin_turn(key, turn)
        self.answers.turns[key].append(turn)

    def _take_or_count(self, outcome: RowOutcome) -> None:
        """A row that has only been reasoned about is not over."""
        record = outcome.record
        if outcome.error is None and record is not None and not record.answers:
            self.progress.cost += outcome.cost
            self.list_cost += list_price(
                outcome, self.checked.reasoner_rates(outcome.row), self.began
            )
        else:
            self.take(outcome)

    def reason_all(self, by: datetime | None) -> None:
        """Have every row reasoned about, out of the peak hours of its reasoner."""
        rows = off_peak(
            self.rows(),
            self.checked.reasoner_rates,
            by,
            goes_on=lambda: not self.is_ending,
            show=self.progress.wait_for,
        )
        self.ask_all(self.row_turns.reason, rows)
        self.progress.wait_for("")

    def _cheap(self) -> CheapAnswers:
        if self.checked.claude is None:
            raise UsageError(
                "a batch was sent for these rows, and no row has Anthropic answer now",
                hint="run it with the settings that the batch was sent with",
            )
        return CheapAnswers(
            self.turns,
            self.row_turns,
            self.answers,
            self.checked.claude,
            self.rows,
            self.take,
            self.ask_all,
            show=self.progress.wait_for,
        )

    def send(self) -> None:
        """Send what is to be answered, in batches."""
        self._cheap().send()

    def collect(self) -> None:
        """Wait for all batches, and take what they have."""
        self._cheap().collect()
        self.progress.wait_for("")

    def receipt(self) -> dict[str, Any]:
        """What the run came to, for programs."""
        progress = self.progress
        return {
            "rows": progress.total,
            "answered": progress.answered,
            "failed": progress.failed,
            "left": progress.left,
            "list_usd": decimal_usd(self.list_cost),
            "cost_usd": decimal_usd(progress.cost),
            "seconds": round(progress.seconds, 3),
            "output": str(self.answers.path),
        }

    def summary(self) -> str:
        """The same for people."""
        progress = self.progress
        counts = f"{progress.answered:,} of {progress.total:,} rows"
        parts = [f"{counts} are answered in {self.answers.path}"]
        if progress.failed:
            parts.append(f"{progress.failed:,} failed")
        paid = format_usd(progress.cost)
        saved = self.list_cost > progress.cost
        parts.append(f"list {format_usd(self.list_cost)}, paid {paid}" if saved else paid)
        return " · ".join([*parts, format_duration(progress.seconds)])


def list_price(
    outcome: RowOutcome, reasoner: RateCard | None = None, began: datetime | None = None
) -> Decimal:
    """USD of the row's turn in this run without `--cheap`: an answer in a batch costs half.

    The `reasoner` of a row that has waited for cheaper hours is priced at when the run `began`.
    """
    stages = outcome.record.stages if outcome.record and outcome.cost else {}
    answer, thought = stages.get(Stage.ANSWER), stages.get(Stage.REASON)
    cost = outcome.cost
    if outcome.batched and answer:
        cost += answer.cost or NOTHING
    if reasoner and began and thought and thought.usage and thought.cost is not None:
        cost += max(reasoner.cost(thought.usage, began) - thought.cost, NOTHING)
    return cost
