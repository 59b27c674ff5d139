"""`deepreasoning resume`: finish a turn that was cut off; its reasoning is not paid for again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.errors import UsageError

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.pipeline.run import ReasonerOutput


def resume(
    context: typer.Context,
    turn: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The turn; by default the last unfinished one."),
    ] = None,
    model: o.ModelOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Reasoning that was cut is used as far as it came.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Reasoning that was cut is paid for and written again.")
    ] = False,
    reasoning: o.ReasoningOption = None,
    json: o.JsonOption = False,
    jsonl: o.JsonlOption = False,
    plain: o.PlainOption = False,
    raw: o.RawOption = False,
    output: o.OutputOption = None,
    copy: o.CopyOption = False,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: o.MaxCostOption = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
) -> None:
    """Finish an unfinished turn: Claude answers from the reasoning that is kept.

    Where the reasoning itself was cut, you choose between what there is and paying again.
    """
    from deepreasoning_cli.cli.output import OutputOptions
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.pipeline.conversation import to_messages
    from deepreasoning_cli.wiring.plan import TurnRequest

    output_options = o.build_options(OutputOptions, context.params)
    output_options.check()
    if output_options.reasoning_only:
        raise UsageError("--reasoning only has no answer to finish", hint="leave it out")
    with TurnRunner(o.global_options_of(context)) as runner, ExitStack() as claims:
        record = _unfinished_turn(runner, turn)
        opened = record.start
        settings: dict[str, object] = {"backend": opened.backend, "handoff": str(opened.handoff)}
        if opened.backend == "direct":  # elsewhere the models are not the user's choice
            settings |= {"model": opened.answerer, "reasoner": opened.reasoner}
            settings |= {"answerer": opened.answerer_host}
        loaded = runner.load(settings | o.settings_from(context.params))
        reused = _output_to_reuse(record, partial=partial, again=again)
        session, earlier = _conversation(runner, record, claims)
        if reused:
            runner.note(_reuse_note(record))
        request = TurnRequest(
            loaded=loaded,
            question=opened.prompt,
            system=opened.system,
            reused=reused,
            reasoning_from=opened.id if reused else None,
            session=session,
            earlier=to_messages(earlier),
        )
        runner.run(runner.plan(request), loaded.settings, output_options)


def _unfinished_turn(runner: TurnRunner, turn: str | None) -> TurnRecord:
    """The turn to finish. Raises UsageError where there is none, or nothing to finish."""
    with runner.history() as store:
        record = store.turn(turn) if turn else store.last_unfinished()
    if record is None:
        raise UsageError("no turn is unfinished", kind="unknown_turn", hint="ask something first")
    if record.complete:
        name = record.start.id
        hint = f"`deepreasoning ask --reasoning-from {name} …` uses its reasoning again"
        raise UsageError(f"turn {name} is complete", kind="complete", hint=hint)
    return record


def _conversation(
    runner: TurnRunner, record: TurnRecord, claims: ExitStack
) -> tuple[str | None, Sequence[TurnRecord]]:
    """The turn's session, or a fork of it where it is in use, and the session's earlier turns."""
    from deepreasoning_cli.cli.runner import claim_session

    name = record.start.session
    if name is None:
        return None, ()
    with runner.history() as store:
        turns = store.session_turns(name)
        earlier = takewhile(lambda each: each.start.id != record.start.id, turns)
        return claim_session(runner, store, name, claims), list(earlier)


def _output_to_reuse(record: TurnRecord, *, partial: bool, again: bool) -> ReasonerOutput | None:
    """What the reasoner wrote; None where it is called again, or never was."""
    from deepreasoning_cli.cli.runner import reasoner_output
    from deepreasoning_cli.pipeline.events import Handoff, Stage

    stage = record.stages.get(Stage.REASON)
    needs_reasoning = record.start.handoff in (Handoff.REASONING, Handoff.BOTH)
    called_claude = Stage.ANSWER in record.stages
    if stage and needs_reasoning and not (record.reasoning.strip() or called_claude):
        return None  # what came was no reasoning: the reasoner is asked once more
    has_text = bool((record.reasoning + record.draft).strip())
    if stage is None or stage.complete:  # reasoning from elsewhere has no stage, and is whole
        return reasoner_output(record) if stage or has_text else None
    return reasoner_output(record) if has_text and not _pay_again(record, partial, again) else None


def _pay_again(record: TurnRecord, partial: bool, again: bool) -> bool:
    """The user's choice between half a chain of thought and paying for a whole one."""
    if partial != again:
        return again
    state = f"the reasoning of {record.start.id} was cut after {len(record.reasoning):,} characters"
    if not (sys.stdin and sys.stdin.isatty()):
        hint = "--partial answers from what there is; --again pays for it once more"
        raise UsageError(state, kind="cut", hint=hint)
    typer.echo(state, err=True)
    question = "Answer from what there is? (no: reason again)"
    return not typer.confirm(question, default=True, err=True)


def _reuse_note(record: TurnRecord) -> str:
    """What is used again, and what that saves."""
    from deepreasoning_cli.pipeline.events import Stage
    from deepreasoning_cli.pipeline.money import format_usd

    stage = record.stages.get(Stage.REASON)
    cost = ""
    if stage and stage.cost and stage.usage:
        cost = f"; {format_usd(stage.cost, estimated=stage.usage.estimated)} saved"
    model = f" by {record.reasoned_by}" if record.reasoned_by else ""
    own = f" and {len(record.draft):,} of its own answer" if record.draft else ""
    size = f"{len(record.reasoning):,} characters of reasoning{model}{own}"
    return f"turn {record.start.id}: {size} are used again{cost}"
