"""`deepreasoning compare`: one chain of thought, and an answer from each of several models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.errors import UsageError

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.wiring.resources import TurnRequest


def compare(
    context: typer.Context,
    prompt: o.PromptArgument = None,
    model: Annotated[
        list[str] | None,
        o.models_option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Claude model to compare. Repeatable; without any: sonnet, opus and haiku.",
        ),
    ] = None,
    reasoner: o.ReasonerOption = None,
    answerer: Annotated[
        list[str] | None,
        o.models_option(
            "--answerer",
            "-a",
            metavar="NAME",
            help="Host to compare. Repeatable: each model is asked at each host.",
        ),
    ] = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: Annotated[
        list[str] | None,
        o.models_option(
            "--handoff",
            metavar="WHAT",
            help="What Claude receives: reasoning, answer, both or none. Repeatable, combined with"
            " the models.",
        ),
    ] = None,
    effort: Annotated[
        list[str] | None,
        o.models_option(
            "--effort",
            metavar="LEVEL",
            help="How much Claude thinks. Repeatable, combined with the models; at most 12 answers"
            " in all.",
        ),
    ] = None,
    think: o.ThinkOption = None,
    temperature: o.TemperatureOption = None,
    top_p: o.TopPOption = None,
    allow_empty_reasoning: o.AllowEmptyOption = False,
    files: o.FileOption = None,
    web: o.WebOption = None,
    web_optional: o.WebOptionalOption = False,
    no_stdin: o.NoStdinOption = False,
    reasoning_from: o.ReasoningFromOption = None,
    blind: Annotated[
        bool,
        o.output_option("--blind", help="Hide who wrote which answer until you have picked one."),
    ] = False,
    columns: Annotated[
        bool,
        o.output_option(
            "--columns", help="Show the answers side by side, on a terminal wide enough."
        ),
    ] = False,
    reasoning: Annotated[
        o.Visibility | None,
        o.output_option(
            "--reasoning",
            metavar="show|tail|hide",
            help="How a terminal shows the chain of thought: all of it (default), its last rows and"
            " then one line, or not.",
        ),
    ] = None,
    hide_reasoning: o.HideReasoningOption = False,
    no_sources: o.NoSourcesOption = None,
    json: o.JsonOption = False,
    jsonl: o.JsonlOption = False,
    plain: o.PlainOption = False,
    output: Annotated[
        Path | None,
        o.output_option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the answers to FILE (only if all are complete).",
        ),
    ] = None,
    copy: Annotated[
        bool, o.output_option("--copy", help="Copy the answer that you pick to the clipboard.")
    ] = False,
    no_save: o.NoSaveOption = False,
    max_reasoning: o.MaxReasoningOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: o.MaxCostOption = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
    replay_pace: o.ReplayPaceOption = None,
    dry_run: o.DryRunOption = False,
    resume_last: Annotated[bool, typer.Option("--continue", "-c", hidden=True)] = False,
    session: Annotated[str | None, typer.Option("--session", hidden=True)] = None,
) -> None:
    """Reason once, then let several models answer at the same time.

    The reasoning is paid for once. In a pipe the answers come in the order of the models; on a
    terminal as they end. All of it is kept, and `resume` finishes what failed.
    """
    from deepreasoning_cli.cli.comparison import ComparisonOutput, run_comparison
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.wiring.comparison import plan_comparison

    options = o.global_options_of(context)
    shown = o.build_options(ComparisonOutput, context.params)
    shown.check()
    if resume_last or session is not None:
        raise UsageError(
            "compare asks a question of its own, outside any conversation",
            hint="`deepreasoning chat -c`, or chat --session NAME; there /compare does it",
        )
    with TurnRunner(options, save=not no_save, sends=not dry_run) as runner:
        requests = _build_requests(runner, context)
        comparison = plan_comparison(requests, runner.plan)
        if dry_run:
            from deepreasoning_cli.cli.dry_run import show_comparison

            show_comparison(comparison, as_json=shown.structured)
            return
        settings = requests[0].loaded.settings
        run_comparison(
            runner,
            comparison,
            settings=settings,
            output=shown,
        )


def _build_requests(runner: TurnRunner, context: typer.Context) -> list[TurnRequest]:
    """One for each answer: reads the prompt and the reasoning that is used again."""
    from deepreasoning_cli.cli.boundary import write_stderr
    from deepreasoning_cli.cli.earlier_turns import reused_work
    from deepreasoning_cli.prompt import read_prompt
    from deepreasoning_cli.wiring.comparison import AXES, arm_settings
    from deepreasoning_cli.wiring.resources import TurnRequest

    params = context.params
    arms = arm_settings({axis: params[axis] or () for axis in AXES})
    common = o.settings_from({name: value for name, value in params.items() if name not in AXES})
    visibility = "hide" if params["hide_reasoning"] else params["reasoning"]
    common |= {"reasoning": visibility} if visibility else {}
    loaded = [runner.load({**common, **arm}) for arm in arms]
    question = read_prompt(
        params["prompt"] or (),
        params["files"] or (),
        use_stdin=not params["no_stdin"],
        announce=write_stderr,
    )
    runner.recover_orphans()
    reused = source = None
    if params["reasoning_from"] is not None:
        if all(each.settings.handoff == "none" for each in loaded):
            raise UsageError("--handoff none uses no reasoning", hint="drop one of them")
        reused, source = reused_work(runner, params["reasoning_from"])
    return [
        TurnRequest(
            loaded=each,
            question=question,
            system=params["system"],
            reused=reused if each.settings.handoff != "none" else None,
            reasoning_from=source if each.settings.handoff != "none" else None,
            allow_empty_reasoning=params["allow_empty_reasoning"],
            without_search=lambda _: params["web_optional"],
        )
        for each in loaded
    ]
