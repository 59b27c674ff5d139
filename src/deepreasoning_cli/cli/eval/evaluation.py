"""Ask the questions of an evaluation, keep the answers, and show what they came to."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.boundary import require_stdout
from deepreasoning_cli.cli.messages import (
    ask_to_confirm,
    debug_log,
    message,
    print_unwritten_line,
    run_reporter,
)
from deepreasoning_cli.cli.pager import print_json
from deepreasoning_cli.cli.price.estimate import TYPICAL, UsageForecast
from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    Interrupted,
    RefusedError,
    UnavailableError,
    UsageError,
    WriteError,
)
from deepreasoning_cli.evaluation.arms import EvaluationArm, make_arms
from deepreasoning_cli.evaluation.checkers import JudgeCriterion
from deepreasoning_cli.evaluation.question_file import EvaluationRow, read_rows
from deepreasoning_cli.evaluation.report import EvaluationReport
from deepreasoning_cli.evaluation.turns import LINE_FIELDS, EvaluationTurns, QuestionOutcome
from deepreasoning_cli.files import check_writable, write_atomically
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.many import NOTHING, AtOnce, ManyTurns
from deepreasoning_cli.pipeline.money import Usage, decimal_usd, format_usd
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.notes import UNCALLED
from deepreasoning_cli.views.plain import stream_writer
from deepreasoning_cli.views.run_progress import RunProgress, format_duration

OUTAGE: Final = 10  # questions in a row that say that nobody can be reached
GO_ON: Final = "run it again to go on"
USUAL_MODEL: Final = "sonnet"
TOKENS_PER_SECOND: Final = {"reason": 40, "answer": 60}
"""About how fast a model writes, for an estimate of the time before anything is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """What one call of `eval` was told; `evaluate` does it."""

    global_options: o.GlobalOptions
    settings: dict[str, object]
    loaded: LoadedSettings
    kinds: Sequence[str]
    models: Sequence[str]
    efforts: Sequence[str]
    judge: str | None
    at_once: int
    max_cost: str | None
    saves: bool
    confirmed: bool
    as_json: bool
    html: Path | None

    def evaluate(self, source: Path, output: Path | None, *, allow_run: bool) -> None:
        """Ask what has not been asked; print the report.

        Raises UsageError and WriteError before anything is paid, IncompleteError where answers are
        missing, RefusedError where a cap ended it, and what keeps all questions from being asked.
        """
        require_stdout()
        rows = _read(source, allow_run=allow_run)
        models = self.models or [self.loaded.settings.model or USUAL_MODEL]
        arms = make_arms(self.kinds, models, self.efforts)
        limit = self._load({"max_cost": self.max_cost}).settings.max_cost if self.max_cost else None
        if self.html:
            check_writable(self.html)
        report = run_reporter(self.global_options)
        kept = output or source.with_name(f"{source.stem}.answers.jsonl")
        check_ours(kept)
        with (
            AnswersFile(kept, rescue=print_unwritten_line) as answers,
            ManyTurns(
                self.loaded,
                at_once=self.at_once,
                max_cost=limit,
                saves=self.saves,
                report=report,
                log=debug_log(self.global_options),
            ) as turns,
        ):
            lines = read_lines(kept)
            judge = {"model": self.judge or models[0]}
            asking = EvaluationTurns(turns, answers, lines, arms, self._load, judge)
            if not self._begins(OpenCalls(rows, asking), turns):
                return
            progress = report.begin(len(rows), 0)
            QuestionsRun(self, turns, asking, answers, progress).ask(rows, arms)

    def _load(self, values: Mapping[str, object]) -> LoadedSettings:
        return load_settings(self.global_options.config, {**self.settings, **values})

    def _begins(self, calls: OpenCalls, turns: ManyTurns) -> bool:
        """Say what it will come to, and ask; True where nothing is paid, or nobody is to be asked.

        Raises UsageError where nobody can be asked, and what `build_plan` does.
        """
        if not calls.total:
            return True
        plans = calls.plans()
        if note := UNCALLED.get(next(iter(plans.values())).backend):
            message(self.global_options, "", note)
            return True
        text = calls.words(plans, UsageForecast.of(turns.spending()), self.at_once)
        if self.confirmed:
            message(self.global_options, "", text)
            return True
        if not (sys.stdin and sys.stdin.isatty()):
            hint = "add --yes to begin without asking"
            raise UsageError(f"refusing to begin: {text}", kind="unconfirmed", hint=hint)
        return ask_to_confirm(f"{text}. Begin?")

    def show(self, report: EvaluationReport, progress: RunProgress) -> None:
        """Print the report, and write the page."""
        spent = {"paid_usd": decimal_usd(progress.cost), "seconds": round(progress.seconds, 3)}
        if self.html:
            from deepreasoning_cli.evaluation.page import report_page

            write_atomically(self.html, report_page(report), mode=None)
        if self.as_json:
            print_json(report.as_json() | spent)
            return
        on_terminal = terminal.is_terminal(sys.stdout)
        width = terminal.terminal_size()[0] if on_terminal else None
        stream_writer(sys.stdout)("".join(f"{line}\n" for line in report.lines(width)))
        paid = f"paid {format_usd(progress.cost)} in {format_duration(progress.seconds)}"
        message(self.global_options, "", paid)


class QuestionsRun:
    """The questions while they are asked, and what ends that early."""

    def __init__(
        self,
        run: EvaluationRun,
        turns: ManyTurns,
        asking: EvaluationTurns,
        answers: AnswersFile,
        progress: RunProgress,
    ) -> None:
        self._run = run
        self._turns = turns
        self._asking = asking
        self._answers = answers
        self._progress = progress
        self._unreachable = 0
        self._error: DeepReasoningError | None = None

    def ask(self, rows: Sequence[EvaluationRow], arms: Sequence[EvaluationArm]) -> None:
        """Ask all, show the report of what there is. Raises what ended it early."""
        work = AtOnce(
            self._asking.answer,
            rows,
            self._run.at_once,
            self._progress.tick,
            is_last=lambda outcome: outcome.ends_the_run,
        )
        outcomes: list[QuestionOutcome] = []
        interrupted: BaseException | None = None
        while True:
            try:
                for outcome in work:
                    outcomes.append(outcome)
                    self._progress.count(outcome.paid, failed=outcome.error is not None)
                    if self._note(outcome):
                        work.end()
                break
            except KeyboardInterrupt as exc:
                self._progress.erase()
                if interrupted:
                    raise  # a call that says nothing is not waited for; its journal is adopted
                self._tell("stopping; Ctrl-C again does not wait for the calls that run")
                interrupted = exc
                self._turns.stop()
                work.end()
            except Interrupted:
                self._progress.erase()
                self._tell(GO_ON)
                raise
        self._progress.erase()
        place = {row.id: number for number, row in enumerate(rows)}
        outcomes.sort(key=lambda outcome: place[outcome.row.id])
        report = EvaluationReport(arms, outcomes)
        if not (report.failed or self._progress.left):
            self._answers.forget_turns()
        if report.unchecked or any(arm.asked for arm in report.results):
            self._run.show(report, self._progress)
        if interrupted:
            self._tell(GO_ON)
            raise interrupted
        self._raise_error(report)

    def _tell(self, text: str) -> None:
        message(self._run.global_options, "", text)

    def _note(self, outcome: QuestionOutcome) -> bool:
        """Whether no more are to be asked after this one."""
        is_away = outcome.error is not None and outcome.error.is_at_heart(UnavailableError)
        self._unreachable = self._unreachable + 1 if is_away else 0
        if outcome.ends_the_run or self._unreachable >= OUTAGE:
            self._error = self._error or outcome.error
        return self._error is not None

    def _raise_error(self, report: EvaluationReport) -> None:
        if error := self._error:
            if isinstance(error, WriteError):  # it says what to do itself
                error.resume = None
            else:
                error.of_the_whole_run(f"{GO_ON}: nothing is paid for twice")
            if isinstance(error, IncompleteError) and error.kind == "cost_cap":
                raise RefusedError(error.message, kind=error.kind, hint=error.hints)
            raise error
        if report.failed:
            raise IncompleteError(
                f"{report.missing}: {report.failed[0].failure}",
                kind="rows_failed",
                hint="run it again: it asks for those alone",
            )


class OpenCalls:
    """The calls that rows still need, counted by their names, and what they may come to."""

    def __init__(self, rows: Sequence[EvaluationRow], asking: EvaluationTurns) -> None:
        missing = [(row, calls) for row in rows if (calls := asking.missing(row))]
        self._asking = asking
        self._rows = [row for row, _ in missing]
        self._counts = Counter(name for _, calls in missing for name in calls)
        self.total = self._counts.total()

    def plans(self) -> dict[str, Plan]:
        """The plans of one row, by the names of the calls: of one with a judge, if there is any."""
        judged = (row for row in self._rows if isinstance(row.checker, JudgeCriterion))
        return self._asking.plans(next(judged, self._rows[0]))

    def words(self, plans: Mapping[str, Plan], forecast: UsageForecast, at_once: int) -> str:
        """`60 questions: 180 calls, about $0.41, about 8 min`; no USD without all rates."""
        asked = "1 question" if len(self._rows) == 1 else f"{len(self._rows):,} questions"
        made = "1 call" if self.total == 1 else f"{self.total:,} calls"
        cost: Decimal | None = NOTHING
        seconds = 0.0
        for name, count in self._counts.items():
            usd, took = estimate(plans[name], forecast)
            cost = None if cost is None or usd is None else cost + count * usd
            seconds += count * took
        parts = [made, *([f"about {format_usd(cost)}"] if cost is not None else [])]
        return f"{asked}: {', '.join([*parts, f'about {format_duration(seconds / at_once)}'])}"


def estimate(plan: Plan, forecast: UsageForecast) -> tuple[Decimal | None, float]:
    """USD and seconds of a call, by what the user's turns come to; no USD without its rates."""
    thought, written = forecast.reasoning[TYPICAL], forecast.answer[TYPICAL]
    read = plan.prompt.tokens + (thought if plan.reused else 0)
    provider = plan.answerer
    if provider is None:
        provider = plan.reasoner
        written = thought + (written if plan.drafts else 0)
    elif isinstance(provider, ClaudeProvider) and provider.thinking:
        own = forecast.thinking.get(provider.model)
        prompt = replace(plan.prompt, has_reasoning=plan.reused is not None)
        written += (own or provider.thinking.expected_tokens(prompt))[TYPICAL]
    assert provider is not None
    rates = provider.rates
    usd = rates.cost(Usage(read, written), datetime.now(UTC)) if rates else None
    return usd, written / TOKENS_PER_SECOND["answer" if plan.answerer else "reason"]


def check_ours(path: Path) -> None:
    """Raise UsageError where another command has written the file, `batch` for instance."""
    try:
        with path.open("rb") as file:
            first = file.readline()
    except (OSError, ValueError):
        return  # it is new, or opening it to write says what is wrong
    if first.endswith(b"\n") and _read_line(first) is None:
        raise UsageError(
            f"{path} has no answers of an evaluation",
            kind="file_not_ours",
            hint="name another file with -o; this one is left as it is",
        )


def read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """The calls that earlier runs have written down, by their ids."""
    if not path.exists():
        return {}
    lines = map(_read_line, path.read_bytes().splitlines())
    return {str(line["id"]): line for line in lines if line}


def _read_line(text: bytes) -> dict[str, Any] | None:
    """The line of a call; None for anything else."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(line, dict) and line.keys() >= LINE_FIELDS
    return line if is_ours else None


def _read(source: Path, *, allow_run: bool) -> list[EvaluationRow]:
    try:
        with source.open("rb") as file:
            return read_rows(file, str(source), allow_run=allow_run)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "the name is not usable"
        raise UsageError(
            f"cannot read {source}: {reason}",
            kind="unreadable_file",
            hint="name a file of questions; --make 60 prints some",
        ) from None
