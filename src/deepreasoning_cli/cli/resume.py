"""`deepreasoning resume`: finish a turn that was cut; its reasoning is never paid for again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o

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
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Reasoning that was cut is used as far as it came."),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Reasoning that was cut is paid for and written again."),
    ] = False,
    reasoning: o.ReasoningOption = None,
    json: o.JsonOption = False,
    jsonl: o.JsonlOption = False,
    plain: o.PlainOption = False,
    raw: o.RawOption = False,
    output: o.OutputOption = None,
    copy: o.CopyOption = False,
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
    from deepreasoning_cli.errors import UsageError
    from deepreasoning_cli.pipeline.conversation import to_messages
    from deepreasoning_cli.wiring.plan import TurnRequest

    shown = OutputOptions(
        json=json, jsonl=jsonl, plain=plain, raw=raw, output=output, reasoning=reasoning, copy=copy
    )
    shown.check()
    if shown.reasoning_only:
        raise UsageError("--reasoning only has no answer to finish", hint="leave it out")
    with TurnRunner(o.globals_of(context)) as runner, ExitStack() as claims:
        found = _unfinished_turn(runner, turn)
        opened = found.opened
        loaded = runner.load(
            {
                "model": model or _if_chosen(found, opened.answerer),
                "reasoner": _if_chosen(found, opened.reasoner),
                "max_tokens": max_tokens,
                "max_cost": max_cost,
                "on_cap": on_cap and on_cap.value,
                "timeout": timeout,
                "backend": opened.backend,
                "handoff": str(opened.handoff),
            }
        )
        kept = _work_to_reuse(found, partial=partial, again=again)
        session, earlier = _conversation(runner, found, claims)
        if kept:
            runner.note(_reuse_note(found))
        request = TurnRequest(
            loaded=loaded,
            question=opened.prompt,
            system=opened.system,
            reused=kept,
            reasoning_from=opened.id if kept else None,
            session=session,
            earlier=to_messages(earlier),
        )
        runner.run(runner.plan(request), loaded.settings, shown)


def _unfinished_turn(runner: TurnRunner, turn: str | None) -> TurnRecord:
    """The turn to finish. Raises UsageError where there is none, or nothing to finish."""
    from deepreasoning_cli.errors import UsageError

    with runner.history() as store:
        found = store.turn(turn) if turn else store.last_unfinished()
    if found is None:
        raise UsageError("no turn is unfinished", kind="unknown_turn", hint="ask something first")
    if found.complete:
        name = found.opened.id
        hint = f"`deepreasoning ask --reasoning-from {name} …` uses its reasoning again"
        raise UsageError(f"turn {name} is complete", kind="complete", hint=hint)
    return found


def _if_chosen(turn: TurnRecord, name: str | None) -> str | None:
    """A model that was chosen for the turn; the demo's and the hosted one's are no choice."""
    return name if turn.opened.backend == "direct" else None


def _conversation(
    runner: TurnRunner, turn: TurnRecord, claims: ExitStack
) -> tuple[str | None, Sequence[TurnRecord]]:
    """The turn's session, or a fork of it where it is in use, and what was said before the turn."""
    from deepreasoning_cli.cli.runner import claim_session

    name = turn.opened.session
    if name is None:
        return None, ()
    with runner.history() as store:
        said = takewhile(lambda each: each.opened.id != turn.opened.id, store.session_turns(name))
        return claim_session(runner, store, name, claims), list(said)


def _work_to_reuse(turn: TurnRecord, *, partial: bool, again: bool) -> ReasonerOutput | None:
    """What the reasoner brought; None where it is to be asked (again), or never was."""
    from deepreasoning_cli.cli.runner import work_in
    from deepreasoning_cli.pipeline.events import Stage

    stage = turn.stages.get(Stage.REASON)
    brought = (turn.reasoning + turn.draft).strip()
    if stage is None or stage.complete:  # reasoning from elsewhere has no stage, and is whole
        return work_in(turn) if stage or brought else None
    return work_in(turn) if brought and not _pay_again(turn, partial, again) else None


def _pay_again(turn: TurnRecord, partial: bool, again: bool) -> bool:
    """The user's choice between half a chain of thought and paying for a whole one."""
    import sys

    from deepreasoning_cli.errors import UsageError

    if partial != again:
        return again
    there_is = f"the reasoning of {turn.opened.id} was cut after {len(turn.reasoning):,} characters"
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            there_is,
            kind="cut",
            hint="--partial answers from what there is; --again pays for it once more",
        )
    typer.echo(there_is, err=True)
    return not typer.confirm(
        "Answer from what there is? (no: reason again)", default=True, err=True
    )


def _reuse_note(turn: TurnRecord) -> str:
    """What is used again, and what that saves."""
    from deepreasoning_cli.pipeline.events import Stage
    from deepreasoning_cli.pipeline.money import format_usd

    stage = turn.stages.get(Stage.REASON)
    cost = ""
    if stage and stage.cost and stage.usage:
        cost = f"; {format_usd(stage.cost, estimated=stage.usage.estimated)} saved"
    model = f" by {turn.reasoned_by}" if turn.reasoned_by else ""
    own = f" and {len(turn.draft):,} of its own answer" if turn.draft else ""
    size = f"{len(turn.reasoning):,} characters of reasoning{model}{own}"
    return f"turn {turn.opened.id}: {size} are used again{cost}"
