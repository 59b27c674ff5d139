"""Run a comparison: its turns are kept, shown and summed up, and what failed can be resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deepreasoning_cli import paths
from deepreasoning_cli.cli.boundary import NO_ROOM, require_stdout, write_stderr
from deepreasoning_cli.cli.options import at_most_one
from deepreasoning_cli.cli.pager import print_json
from deepreasoning_cli.cli.picks import BEST, Pick, hidden_names, require_person
from deepreasoning_cli.errors import DeepReasoningError, Interrupted, UsageError, WriteError
from deepreasoning_cli.files import check_writable, format_size, write_atomically
from deepreasoning_cli.library.comparison_turns import ComparisonTurns
from deepreasoning_cli.pipeline.comparison import ArmStep, Comparison
from deepreasoning_cli.pipeline.events import REPLAY, Stage, TurnStarted, TurnWarning
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.answers import AnswerPanels, AnswerPrinter
from deepreasoning_cli.views.base import View
from deepreasoning_cli.views.comparison import (
    ComparedAnswer,
    ComparisonLines,
    arm_labels,
    comparison_object,
    comparison_table,
)
from deepreasoning_cli.views.notes import as_write_error
from deepreasoning_cli.views.plain import stream_writer

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.cli.unfinished_comparison import UnfinishedComparison
    from deepreasoning_cli.settings.models import Settings

NOTES: Final = {
    "demo": "demo: these are scripted replies, no model was called",
    REPLAY: "replay: these are recorded replies, no model was called",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOutput:
    """The parameters that choose how a comparison is shown."""

    json: bool = False
    jsonl: bool = False
    blind: bool = False
    columns: bool = False
    output: Path | None = None
    copy: bool = False
    plain: bool = False
    """Whether a terminal gets what a pipe would."""

    @property
    def structured(self) -> bool:
        """Whether stdout is for a program."""
        return self.json or self.jsonl

    @property
    def draws_panels(self) -> bool:
        """Whether a person looks at rows that move."""
        return not (self.structured or self.plain) and terminal.supports_cursor(sys.stdout)

    def check(self) -> None:
        """Raise UsageError for flags that contradict, or need a person where there is none, and
        WriteError where stdout is closed or a file cannot be written.
        """
        require_stdout()
        at_most_one({"--json": self.json, "--jsonl": self.jsonl})
        form = "--jsonl" if self.jsonl else "--json"
        for flag, is_set in (("--blind", self.blind), ("--copy", self.copy)):
            at_most_one({flag: is_set, form: self.structured})
            if is_set:
                require_person(flag)
        if self.blind and self.output:
            raise UsageError("--blind hides the names that -o writes", hint="leave one of them out")
        if self.output:
            check_writable(self.output)


def run_comparison(
    runner: TurnRunner,
    comparison: Comparison,
    *,
    settings: Settings,
    output: ComparisonOutput,
    kept: UnfinishedComparison | None = None,
) -> None:
    """Run and show the comparison, and ask which answer is best.

    `kept` is what there is of one that is finished now. Raises what the reasoner's stage raises,
    and IncompleteError where an answer failed after something was paid for.
    """
    opening, plans = comparison.opening, list(comparison.plans)
    with runner.answering_on_enter(plans[opening], panels=output.draws_panels) as plan:
        plans[opening] = plan
        shown = ShownComparison(
            runner,
            replace(comparison, plans=tuple(plans)),
            settings=settings,
            output=output,
            kept=kept,
        )
        with _full_disk_told(shown, shown.records[opening]):
            shown.run()
    with _full_disk_told(shown, shown.records[opening]):
        shown.sum_up()
    if failure := shown.failure:
        raise failure


@contextmanager
def _full_disk_told(shown: ShownComparison, record: TurnRecord) -> Iterator[None]:
    """Where stdout or the file takes no more, the error says how to come by the answers, if they
    are kept; else they are printed where it is still possible.
    """
    try:
        yield
    except (WriteError, OSError) as failure:
        is_full = isinstance(failure, WriteError) or failure.errno in NO_ROOM
        if is_full and not shown.is_saved:
            shown.print_unwritten(failure)
        if not (is_full and shown.is_saved):
            raise
        raise as_write_error(failure, record) from failure.__cause__


class ShownComparison:
    """A comparison on this process's streams: `run` it, then have it summed up."""

    def __init__(
        self,
        runner: TurnRunner,
        comparison: Comparison,
        *,
        settings: Settings,
        output: ComparisonOutput,
        kept: UnfinishedComparison | None = None,
    ) -> None:
        """`kept` is what there is of one that is finished now."""
        self._runner = runner
        self._settings = settings
        self._output = output
        labels = arm_labels(kept.arms if kept else comparison.arms)
        folder = paths.data_dir() if runner.saves else None
        self._turns = ComparisonTurns(comparison, labels, folder, runner.warn_once)
        self._compared = self._turns.compared
        if kept:
            _add_kept(self._turns, kept, labels)
        self._hidden = hidden_names(len(self._turns.answers)) if output.blind else None
        self._said: set[str] = set()

    @property
    def failure(self) -> BaseException | None:
        """What to raise once it has run; None where every answer is whole."""
        return self._turns.failure

    @property
    def is_saved(self) -> bool:
        """Whether all that came is on the disk."""
        return self._turns.resume_command is not None

    @property
    def records(self) -> list[TurnRecord]:
        """What has come of its turns."""
        return [answer.record for answer in self._turns.answers]

    @property
    def picked(self) -> TurnRecord | None:
        """The turn whose answer was picked."""
        return next((r for r in self.records if r.start.id == self._compared.picked), None)

    def run(self) -> None:
        """Show each step, which is kept by then; Ctrl-C ends all of them."""
        shown = self._choose_view()
        failure: BaseException | None = None
        try:
            with closing(self._turns.steps()) as steps:
                for step in steps:
                    if step:
                        self._note(step, shown)
                    if shown:
                        shown.take(step) if step else shown.tick()
            failure = self.failure
        except BaseException as stop:
            failure = stop
            raise
        finally:
            if shown and not isinstance(failure, OSError):
                shown.close(failure)
            self._write_file(whole=failure is None)
            if isinstance(failure, KeyboardInterrupt | Interrupted) and not self._output.jsonl:
                self._say_how_to_go_on()
        self._runner.remember(self._settings)

    def _say_how_to_go_on(self) -> None:
        if command := self._turns.resume_command:
            write_stderr(f"hint: `{command}` continues from here")

    def sum_up(self, question: Pick = BEST) -> None:
        """Print the object, or the table; ask which answer is best where a person can say it."""
        compared = self._compared
        if self._output.json and any(r.thoughts or r.texts for r in self.records):
            print_json(comparison_object(compared))
        if self._output.structured or not any(answer.stage for answer in compared.answers):
            return
        if self._hidden:
            hidden = {self._hidden[at]: each for at, each in enumerate(self._turns.answers)}
            self._pick(question, hidden)
        self._print_table()
        if not self._hidden:
            self._pick(question, {each.label: each for each in compared.answers})

    def print_unwritten(self, failure: WriteError | OSError) -> None:
        """Print the answers that are kept nowhere: on stdout, if it was a file that failed."""
        is_free = isinstance(failure, WriteError) and not self._output.structured
        if stream := sys.stdout if is_free else sys.stderr:
            sink = Sink.TERMINAL if terminal.is_terminal(stream) else Sink.PIPE
            with suppress(OSError):
                AnswerPrinter(self._compared.answers, stream_writer(stream), sink).close()

    def _choose_view(self) -> AnswerPrinter | AnswerPanels | ComparisonLines | None:
        """Panels on a terminal; text in a pipe, and where the log of requests stands between."""
        output, answers = self._output, self._turns.answers
        if output.json:
            return None
        if output.jsonl:
            write, turns = stream_writer(sys.stdout), self._turns
            return ComparisonLines(self._compared, answers, write, lambda: turns.resume_command)
        if output.draws_panels and not self._runner.global_options.debug:
            return self._panels()
        if output.output:
            return None
        sink = Sink.TERMINAL if terminal.is_terminal(sys.stdout) else Sink.PIPE
        return AnswerPrinter(answers, stream_writer(sys.stdout), sink)

    def _panels(self) -> AnswerPanels:
        from deepreasoning_cli.views.panel import PanelRenderer, PanelStyle

        settings, place = self._settings, self._settings.reasoning
        reasoning, none = frozenset({Stage.REASON}), frozenset[Stage]()
        style = PanelStyle(
            box=settings.panels == "box",
            color=terminal.uses_color(sys.stdout, self._runner.global_options.color),
            code_theme=settings.code_theme,
            demo=settings.backend == "demo",
            replayed=settings.is_replay,
            hidden_stages=reasoning if place == "hide" else none,
            folded_stages=reasoning if place == "tail" else none,
        )
        renderer = PanelRenderer(sys.stdout, style)

        def reasoning_view(key: terminal.SuspendKey) -> View:
            from deepreasoning_cli.views.panels import PanelsView

            return PanelsView(None, self._runner.progress, renderer, key)

        panels = AnswerPanels.on(sys.stdout, self._turns.answers, renderer, reasoning_view)
        panels.names = self._hidden or panels.names
        panels.blind, panels.side_by_side = self._output.blind, self._output.columns
        panels.only_progress = self._output.output is not None
        return panels

    def _note(
        self, step: ArmStep, shown: AnswerPrinter | AnswerPanels | ComparisonLines | None
    ) -> None:
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

    def _write_file(self, *, whole: bool) -> None:
        """Write what a pipe would get to the file that was named; what is not whole, beside it."""
        path = self._output.output
        if path is None:
            return
        pieces: list[str] = []
        AnswerPrinter(self._compared.answers, pieces.append, Sink.PIPE).close()
        text = "".join(pieces)
        if not text:
            return
        path = path if whole else path.with_name(f"{path.name}.partial")
        write_atomically(path, text, mode=None)
        if terminal.is_terminal(sys.stderr) and not self._runner.global_options.quiet:
            write_stderr(f"wrote {single_line(str(path), 500)} ({format_size(len(text.encode()))})")

    def _pick(self, question: Pick, shown: Mapping[str, ComparedAnswer]) -> None:
        """Ask which of the answers, by the names that they were shown under, is picked; keep it.

        From then on a hidden name stands beside the real one.
        """
        whole = {name: answer for name, answer in shown.items() if answer.is_complete}
        picked = question.ask(whole)
        if picked:
            self._compared.picked = picked.record.start.id
            if self._runner.saves:
                with self._runner.history() as store:
                    store.pick(self._compared.picked)
            if self._output.copy:
                self._copy(picked.record.answer)
        for name, answer in shown.items():
            if name != answer.label:
                answer.label = f"{name}: {answer.label}"

    def _copy(self, text: str) -> None:
        from deepreasoning_cli.views.clipboard import copy_text

        try:
            copy_text(text, way=self._settings.clipboard)
        except DeepReasoningError as error:
            self._runner.warn(error.message)
            write_stderr(f"hint: {error.hint}")

    def _print_table(self) -> None:
        """Print it below the answers; where those are in a pipe, on stderr."""
        on_terminal = terminal.is_terminal(sys.stdout)
        width = terminal.terminal_size()[0] if on_terminal else None
        text = "\n".join(comparison_table(self._compared, width))
        if on_terminal:
            stream_writer(sys.stdout)(f"\n{text}\n")
        elif not self._runner.global_options.quiet:
            write_stderr(text)


def _add_kept(
    turns: ComparisonTurns, kept: UnfinishedComparison, labels: Mapping[str, str]
) -> None:
    """Put the answers that are whole already among those that are to come."""
    whole = {arm.id: turn for arm, turn in kept.whole}
    running = {answer.arm.id: answer for answer in turns.answers}
    turns.compared.answers = [
        ComparedAnswer(arm=arm, record=whole[arm.id], label=labels[arm.id])
        if arm.id in whole
        else running[arm.id]
        for arm in kept.arms
    ]
    turns.compared.first, turns.compared.earlier_cost = kept.first, kept.earlier_cost
