"""Run a comparison: its turns are kept, shown and summed up, and what failed can be resumed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from deepreasoning_cli import paths
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.pager import print_json
from deepreasoning_cli.cli.picks import ask_for_pick, can_pick, hidden_names
from deepreasoning_cli.errors import Interrupted
from deepreasoning_cli.library.comparison_turns import ComparisonTurns
from deepreasoning_cli.pipeline.comparison import ArmStep, Comparison
from deepreasoning_cli.pipeline.events import REPLAY, TurnStarted, TurnWarning
from deepreasoning_cli.sanitize import Sink
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.answers import AnswerPanels, AnswerPrinter
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
    columns: bool = False,
    kept: UnfinishedComparison | None = None,
) -> None:
    """Run and show the comparison.

    `kept` is what there is of one that is finished now. Raises what the reasoner's stage raises,
    and IncompleteError where an answer failed after something was paid for.
    """
    arms = kept.arms if kept else comparison.arms
    labels = arm_labels(arms)
    folder = paths.data_dir() if runner.saves else None
    turns = ComparisonTurns(comparison, labels, folder, runner.warn_once)
    compared = turns.compared
    if kept:
        whole = {arm.id: turn for arm, turn in kept.whole}
        running = {answer.arm.id: answer for answer in turns.answers}
        compared.answers = [
            ComparedAnswer(arm=arm, record=whole[arm.id], label=labels[arm.id])
            if arm.id in whole
            else running[arm.id]
            for arm in arms
        ]
        compared.first, compared.earlier_cost = kept.first, kept.earlier_cost
    shown = None if as_json else _choose_view(turns.answers, settings, global_options)
    names = hidden_names(len(turns.answers)) if blind else None
    if isinstance(shown, AnswerPanels):
        shown.names, shown.blind, shown.side_by_side = names or shown.names, blind, columns
    _show(turns, shown, runner)
    if as_json and any(each.record.thoughts or each.record.texts for each in turns.answers):
        print_json(comparison_object(compared))
    elif shown and any(answer.stage for answer in compared.answers):
        if names:
            _pick(runner, compared, {names[n]: each for n, each in enumerate(turns.answers)})
        _print_table(compared, quiet=global_options.quiet)
        if not names:
            _pick(runner, compared, {each.label: each for each in compared.answers})
    if failure := turns.failure:
        raise failure


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


def _show(
    turns: ComparisonTurns, shown: AnswerPrinter | AnswerPanels | None, runner: TurnRunner
) -> None:
    """Show each step, which is kept by then; Ctrl-C ends all of them."""
    said: set[str] = set()
    try:
        with closing(turns.steps()) as steps:
            for step in steps:
                if step:
                    _note(step, shown, runner, said)
                if shown:
                    shown.take(step) if step else shown.tick()
    except (KeyboardInterrupt, Interrupted):
        if turns.is_saved:
            write_stderr(f"hint: `{turns.resume_command}` continues from here")
        raise
    finally:
        if isinstance(shown, AnswerPanels):
            shown.close()
    if isinstance(shown, AnswerPrinter):
        shown.close()


def _note(
    step: ArmStep,
    shown: AnswerPrinter | AnswerPanels | None,
    runner: TurnRunner,
    said: set[str],
) -> None:
    """Say what concerns all of them once."""
    match step.event:
        case TurnStarted(backend=backend) if backend in NOTES and backend not in said:
            said.add(backend)
            say = partial(write_stderr, NOTES[backend])
        case TurnWarning(message):
            say = partial(runner.warn_once, message)
        case _:
            return
    shown.print_above(say) if shown else say()


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
