"""`deepreasoning eval`: does the pair beat one model, on the user's own questions.

`evaluation.py` asks the questions and shows what they came to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.errors import UsageError

AT_ONCE: Final = 4
MOST_MADE: Final = 10_000


def eval(  # noqa: A001 - what the command is called
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Questions: JSON Lines with a prompt and a checker."),
    ] = None,
    make: Annotated[
        int | None,
        o.input_option(
            "--make",
            metavar="N",
            min=1,
            max=MOST_MADE,
            help="Print N questions that have one right answer, and ask nothing.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        o.input_option("--seed", metavar="N", min=0, help="Seed of --make; 1 if left out."),
    ] = None,
    allow_run: Annotated[
        bool, o.input_option("--allow-run", help="Let rows with `run` run their commands.")
    ] = False,
    arms: Annotated[
        list[str] | None,
        o.models_option(
            "--arm",
            metavar="ARM",
            help="What to compare with Claude alone: reasoner, or a hand-off: reasoning (the"
            " default), answer, both. Repeatable.",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        o.models_option(
            "--model", "-m", metavar="MODEL", help="Claude model: sonnet, haiku, opus. Repeatable."
        ),
    ] = None,
    efforts: Annotated[
        list[str] | None,
        o.models_option(
            "--effort",
            metavar="LEVEL",
            help="How much Claude thinks: auto, none, low … Repeatable.",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        o.models_option(
            "--judge",
            metavar="MODEL",
            help="Claude model for rows with `judge`; else the first -m.",
        ),
    ] = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    backend: o.BackendOption = None,
    think: o.ThinkOption = None,
    temperature: o.TemperatureOption = None,
    max_reasoning: o.MaxReasoningOption = None,
    stop: o.StopOption = None,
    max_tokens: o.MaxTokensOption = None,
    at_once: Annotated[
        int, o.limits_option("-j", metavar="N", min=1, max=200, help="Ask this many at once.")
    ] = AT_ONCE,
    max_cost: Annotated[
        str | None,
        o.limits_option("--max-cost", metavar="USD", help="Stop at this cost of all questions."),
    ] = None,
    timeout: o.TimeoutOption = None,
    yes: Annotated[
        bool, o.limits_option("--yes", "-y", help="Don't ask before it begins.")
    ] = False,
    output: Annotated[
        Path | None,
        o.output_option(
            "--output",
            "-o",
            metavar="OUT",
            help="Keep the answers here; FILE.answers.jsonl if not.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        o.output_option("--html", metavar="FILE", help="Write a page with plots to FILE."),
    ] = None,
    json: o.JsonOption = False,
    no_save: o.NoSaveOption = False,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
) -> None:
    """Measure whether the pair beats Claude alone on your own questions, and for what money.

    The reasoner is paid once a question, whatever is compared. Run it again to go on: what was paid
    for is not paid for twice.
    """
    o.at_most_one({"FILE": source is not None, "--make": make is not None})
    if make is not None:
        _print_made(make, 1 if seed is None else seed)
        return
    if seed is not None:
        raise UsageError("--seed is for --make", hint="--make 60 --seed 7")
    if source is None:
        raise UsageError("name a file of questions", hint="--make 60 > questions.jsonl makes one")
    from deepreasoning_cli.cli.eval.evaluation import EvaluationRun
    from deepreasoning_cli.cli.messages import load_with_notes

    global_options = o.global_options_of(context)
    own = ("max_cost", "model", "effort")
    flags = {name: value for name, value in context.params.items() if name not in own}
    # each arm would search for itself, and find something else
    settings = o.settings_from(flags) | {"web_search_linkup": False}
    run = EvaluationRun(
        global_options=global_options,
        settings=settings,
        loaded=load_with_notes(global_options, settings),
        kinds=arms or ["reasoning"],
        models=models or [],
        efforts=list(efforts or []),
        judge=judge,
        at_once=at_once,
        max_cost=max_cost,
        saves=not no_save,
        confirmed=yes,
        as_json=json,
        html=html,
    )
    run.evaluate(source, output, allow_run=allow_run)


def _print_made(count: int, seed: int) -> None:
    from deepreasoning_cli.evaluation.made_questions import make_rows

    for row in make_rows(count, seed):
        typer.echo(row)
