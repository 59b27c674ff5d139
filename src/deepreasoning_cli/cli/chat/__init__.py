"""`deepreasoning chat`: the REPL."""

from __future__ import annotations

from typing import Annotated

import typer

from deepreasoning_cli.cli import options as o


def chat(
    context: typer.Context,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: o.HandoffOption = None,
    web: o.WebOption = None,
    session: o.SessionOption = None,
    resume_last: o.ContinueOption = False,
    hide_reasoning: Annotated[
        bool, typer.Option("--hide-reasoning", help="Show only how long the thinking took.")
    ] = False,
    max_tokens: o.MaxTokensOption = None,
    timeout: o.TimeoutOption = None,
    plain: o.PlainOption = False,
    no_save: o.NoSaveOption = False,
) -> None:
    """Talk: several turns, with a line editor, sessions and slash commands.

    Ctrl-C stops an answer and stays, Ctrl-D leaves, Enter while it thinks means: answer now.
    Without a terminal each line of stdin is one turn.
    """
    from deepreasoning_cli.cli.chat.run import run

    flags = {
        "model": model,
        "reasoner": reasoner,
        "backend": backend and backend.value,
        "handoff": handoff and handoff.value,
        "web_search_linkup": web,
        "max_tokens": max_tokens,
        "timeout": timeout,
    }
    code = run(
        o.globals_of(context),
        flags,
        session=session,
        resume_last=resume_last,
        system=system,
        hide_reasoning=hide_reasoning,
        plain=plain,
        save=not no_save,
    )
    raise typer.Exit(code)
