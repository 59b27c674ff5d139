"""`deepreasoning resume`: finish a turn that was cut; its reasoning is never paid for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o

if TYPE_CHECKING:
    from deepreasoning_cli.cli.turns import Turns
    from deepreasoning_cli.record import Record
    from deepreasoning_cli.wiring import Asked


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
    timeout: o.TimeoutOption = None,
) -> None:
    """Finish an unfinished turn: Claude answers from the reasoning that is kept.

    Where the reasoning itself was cut, you choose between what there is and paying again.
    """
    from deepreasoning_cli.cli.look import Look
    from deepreasoning_cli.cli.turns import Turns

    look = Look(
        json=json, jsonl=jsonl, plain=plain, raw=raw, output=output, reasoning=reasoning, copy=copy
    )
    look.check()
    with Turns(o.globals_of(context)) as turns:
        found = _found(turns, turn)
        flags = {
            "model": model or _model_of(found),
            "max_tokens": max_tokens,
            "timeout": timeout,
            "backend": found.opened.backend,
            "handoff": str(found.opened.handoff),
        }
        loaded = turns.load(flags)
        asked = _asked(turns, found, partial=partial, again=again)
        turns.run(turns.plan(loaded, asked), loaded, look)


def _found(turns: Turns, turn: str | None) -> Record:
    """The turn to finish. Raises UsageError where there is none, or nothing to finish."""
    from deepreasoning_cli.errors import UsageError

    with turns.history() as store:
        found = store.turn(turn) if turn else store.last_unfinished()
    if found is None:
        raise UsageError("no turn is unfinished", kind="unknown_turn", hint="ask something first")
    if found.complete:
        name = found.opened.id
        hint = f"`deepreasoning ask --reasoning-from {name} …` uses its reasoning again"
        raise UsageError(f"turn {name} is complete", kind="complete", hint=hint)
    return found


def _model_of(turn: Record) -> str | None:
    """The Claude model that was asked before; None where it had not come to that."""
    from deepreasoning_cli.events import Stage

    stage = turn.stages.get(Stage.ANSWER)
    return stage.model if stage and turn.opened.backend != "demo" else None


def _asked(turns: Turns, turn: Record, *, partial: bool, again: bool) -> Asked:
    """The same question, with the reasoning that is kept, and in the same session."""
    from deepreasoning_cli.cli.one_turn import work_of
    from deepreasoning_cli.conversation import messages
    from deepreasoning_cli.wiring import Asked

    opened = turn.opened
    earlier: list[Record] = []
    if opened.session is not None:
        with turns.history() as store:
            before = store.session_turns(opened.session)
        earlier = [each for each in before if each.opened.id != opened.id]
    kept = None
    if turn.reasoning.strip() and not (_is_cut(turn) and _pay_again(turn, partial, again)):
        kept = work_of(turn)
        turns.say("note", _saving(turn))
    return Asked(
        opened.prompt,
        opened.system,
        kept,
        opened.id if kept else None,
        opened.session,
        messages(earlier),
    )


def _is_cut(turn: Record) -> bool:
    """Whether the reasoning ended before its end; reasoning from elsewhere is whole."""
    from deepreasoning_cli.events import Stage

    stage = turn.stages.get(Stage.REASON)
    return stage is not None and not stage.complete


def _pay_again(turn: Record, partial: bool, again: bool) -> bool:
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


def _saving(turn: Record) -> str:
    """What is used again, and what that saves."""
    from deepreasoning_cli.events import Stage
    from deepreasoning_cli.money import shown

    stage = turn.stages.get(Stage.REASON)
    cost = f"; {shown(stage.cost, estimated=True)} saved" if stage and stage.cost else ""
    model = f" by {stage.served_model or stage.model}" if stage else ""
    size = f"{len(turn.reasoning):,} characters of reasoning{model}"
    return f"turn {turn.opened.id}: {size} are used again{cost}"
