"""Run a comparison: its turns are kept, shown and summed up, and what failed can be resumed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from deepreasoning_cli import paths
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.pager import print_json
from deepreasoning_cli.cli.picks import ask_for_pick, can_pick, hidden_names
from deepreasoning_cli.errors import DeepReasoningError, IncompleteError, Interrupted
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.pipeline.comparison import ArmStep, Comparison, ComparisonRun
from deepreasoning_cli.pipeline.events import REPLAY, Stage, TurnStarted, TurnWarning
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.answers import AnswerPanels, AnswerPrinter
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.comparison import (
    ComparedAnswer,
    ComparedAnswers,
    arm_labels,
    comparison_object,
    comparison_table,
)
from deepreasoning_cli.views.plain import stream_writer

if TYPE_CHECKING:
    from deepreasoning_cli.cli.options import GlobalOptions
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.cli.unfinished_comparison import UnfinishedComparison
    from deepreasoning_cli.settings.models import Settings

NOTES: Final = {
    "demo": "demo: these are scripted replies, no model was called",
    REPLAY: "replay: these are recorded replies, no model was called",
}


def run_comparison(
    runner: TurnRunner,
    comparison: Comparison,
    *,
    settings: Settings,
    global_options: GlobalOptions,
    as_json: bool,
    blind: bool = False,
    kept: UnfinishedComparison | None = None,
) -> None:
    """Run and show the comparison.

    `kept` is what there is of one that is finished now. Raises what the reasoner's stage raises,
    and IncompleteError where an answer failed after something was paid for.
    """
    arms = kept.arms if kept else comparison.arms
    labels = arm_labels(arms)
    turns = ComparisonTurns(runner, comparison, labels)
    whole = kept.whole if kept else []
    answers = [ComparedAnswer(arm=arm, record=turn, label=labels[arm.id]) for arm, turn in whole]
    by_arm = {answer.arm.id: answer for answer in [*answers, *turns.answers]}
    compared = ComparedAnswers(
        id=comparison.id,
        answers=[by_arm[arm.id] for arm in arms],
        first=kept.first if kept else turns.answers[comparison.reasons or 0].record,
        earlier_cost=kept.earlier_cost if kept else Decimal(0),
    )
    shown = None if as_json else _choose_view(turns.answers, settings, global_options)
    names = hidden_names(len(turns.answers)) if blind else None
    if isinstance(shown, AnswerPanels) and names:
        shown.names, shown.blind = names, True
    began = time.monotonic()
    try:
        turns.run(shown)
    finally:
        compared.seconds = time.monotonic() - began
    if as_json and any(each.record.thoughts or each.record.texts for each in turns.answers):
        print_json(comparison_object(compared))
    elif shown and any(answer.stage for answer in compared.answers):
        if names:
            _pick(runner, compared, {names[n]: each for n, each in enumerate(turns.answers)})
        _print_table(compared, quiet=global_options.quiet)
        if not names:
            _pick(runner, compared, {each.label: each for each in compared.answers})
    failed = [answer for answer in turns.answers if not answer.is_complete]
    if failed:
        raise turns.failure(failed, compared)


def _choose_view(
    answers: Sequence[ComparedAnswer], settings: Settings, options: GlobalOptions
) -> AnswerPrinter | AnswerPanels:
    """Panels on a terminal; text in a pipe, and where the log of the requests stands between."""
    if not terminal.supports_cursor(sys.stdout) or options.debug:
        sink = Sink.TERMINAL if terminal.is_terminal(sys.stdout) else Sink.PIPE
        return AnswerPrinter(answers, stream_writer(sys.stdout), sink)
    from deepreasoning_cli.views.panel import PanelRenderer, PanelStyle

    style = PanelStyle(
        box=settings.panels == "box",
        color=terminal.uses_color(sys.stdout, options.color),
        code_theme=settings.code_theme,
        demo=settings.backend == "demo",
        replayed=settings.is_replay,
    )
    panels = AnswerPanels.on(sys.stdout, answers, PanelRenderer(sys.stdout, style))
    panels.shows_reasoning = settings.reasoning in (None, "show")
    return panels


def _pick(
    runner: TurnRunner, compared: ComparedAnswers, shown: Mapping[str, ComparedAnswer]
) -> None:
    """Ask which of the answers, by the names that they were shown under, is best; keep it.

    From then on a hidden name stands beside the real one.
    """
    whole = {name: answer for name, answer in shown.items() if answer.is_complete}
    if len(whole) > 1 and can_pick():
        picked = ask_for_pick(whole)
        if picked and runner.saves:
            compared.picked = picked.record.start.id
            with runner.history() as store:
                store.pick(compared.picked)
    for name, answer in shown.items():
        if name != answer.label:
            answer.label = f"{name}: {answer.label}"


def _print_table(compared: ComparedAnswers, *, quiet: bool) -> None:
    """Print it below the answers; where those are in a pipe, on stderr."""
    on_terminal = terminal.is_terminal(sys.stdout)
    width = terminal.terminal_size()[0] if on_terminal else None
    text = "\n".join(comparison_table(compared, width))
    if on_terminal:
        stream_writer(sys.stdout)(f"\n{text}\n")
    elif not quiet:
        write_stderr(text)


class ComparisonTurns:
    """The turns while they run, each with its record and its journal."""

    def __init__(
        self, runner: TurnRunner, comparison: Comparison, labels: Mapping[str, str]
    ) -> None:
        self._runner = runner
        self._comparison = comparison
        self.answers = [
            ComparedAnswer(arm=arm, record=TurnRecord(), label=labels[arm.id])
            for arm in comparison.arms
        ]
        self._journals = [
            Journal(paths.data_dir(), answer.record, runner.warn_once) if runner.saves else None
            for answer in self.answers
        ]
        self._groups = [
            ViewGroup(answer.record, (), journal)
            for answer, journal in zip(self.answers, self._journals, strict=True)
        ]
        self._open: set[int] = set()
        self._said: set[str] = set()

    def run(self, shown: AnswerPrinter | AnswerPanels | None) -> None:
        """Take every step: it is kept first, then shown."""
        run = ComparisonRun(self._comparison, [answer.record for answer in self.answers])
        try:
            for step in run:
                if step:
                    self._keep(step)
                    self._note(step, shown)
                if shown:
                    shown.take(step) if step else shown.tick()
        except BaseException as stop:
            self._stop(run, stop)
            if isinstance(shown, AnswerPanels):
                shown.close()
            raise
        finally:
            for answer, plan in zip(self.answers, self._comparison.plans, strict=True):
                plan.caps.release(answer.record.cost)
        if shown:
            shown.close()

    def _stop(self, run: ComparisonRun, stop: BaseException) -> None:
        """Keep what has come, and say how it goes on."""
        for step in run.stop():
            with suppress(OSError):
                self._keep(step)
        for place in sorted(self._open):
            self._end(place, stop)
        if isinstance(stop, KeyboardInterrupt | Interrupted) and self._is_saved:
            write_stderr(f"hint: `{self._resume_command}` continues from here")

    def failure(self, failed: Sequence[ComparedAnswer], compared: ComparedAnswers) -> Exception:
        """What to raise where answers failed: their own error where nothing was paid for."""
        errors = [answer.failure for answer in failed if answer.failure]
        first = errors[0]
        for answer in failed:
            if answer.failure and not isinstance(answer.failure, DeepReasoningError):
                first = answer.failure  # a bug
        is_paid = any(
            stage.usage or stage.complete
            for answer in compared.answers
            for stage in answer.record.stages.values()
        )
        if not isinstance(first, DeepReasoningError) or not is_paid:
            assert isinstance(first, Exception)
            return first
        reasoned = any(
            answer.record.reasoning.strip() or answer.record.reused_model
            for answer in compared.answers
        )
        words = [
            f"{answer.label}: {getattr(answer.failure, 'message', 'not asked')}"
            for answer in failed
        ]
        count = f"{len(failed)} of {len(compared.answers)} answers are missing"
        if not reasoned:
            count = "there is no answer"
            words = [first.message]
        error = IncompleteError(
            f"{count}: {'; '.join(words)}",
            kind=first.kind,
            stage=first.stage or Stage.ANSWER,
            hint=first.hints,
            status=first.status,
            request_id=first.request_id,
        )
        if self._is_saved:
            error.resume = self._resume_command
            error.advise(f"`{error.resume}` continues from what is kept", first=True)
        return error

    def _keep(self, step: ArmStep) -> None:
        if step.event is None:
            self._end(step.place, step.failure)
            return
        if isinstance(step.event, TurnStarted):
            self._open.add(step.place)
        self._groups[step.place](step.event)

    def _end(self, place: int, failure: BaseException | None) -> None:
        """Close the turn's journal: it is in the history from then on."""
        self.answers[place].failure = failure
        if place not in self._open:
            return
        self._open.discard(place)
        kind = type(failure) if failure else None
        self._groups[place].__exit__(kind, failure, None)
        self._comparison.plans[place].caps.release(self.answers[place].record.cost)

    def _note(self, step: ArmStep, shown: AnswerPrinter | AnswerPanels | None) -> None:
        """Say what concerns all of them once."""
        match step.event:
            case TurnStarted(backend=backend) if backend in NOTES and backend not in self._said:
                self._said.add(backend)
                say = partial(write_stderr, NOTES[backend])
            case TurnWarning(message):
                say = partial(self._runner.warn_once, message)
            case _:
                return
        shown.print_above(say) if shown else say()

    @property
    def _is_saved(self) -> bool:
        begun = [
            journal
            for journal, answer in zip(self._journals, self.answers, strict=True)
            if answer.record.start.id
        ]
        return bool(begun) and all(journal and journal.is_complete for journal in begun)

    @property
    def _resume_command(self) -> str:
        return f"deepreasoning resume {self._comparison.id}"
