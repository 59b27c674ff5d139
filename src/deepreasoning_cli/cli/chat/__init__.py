"""`deepreasoning chat`: the REPL, from the command to the loop.

It imports `cli.runner` and the rooms below. Open `repl.py` first: it puts the chat together and
reads entries. `session.py` holds the chat's state, `turns.py` runs its turns, `commands.py` defines
what a slash command is.
"""

from __future__ import annotations

from typing import Annotated

import typer

from deepreasoning_cli.cli import options as o


def chat(
    context: typer.Context,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: o.HandoffOption = None,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    web: o.WebOption = None,
    session: o.SessionOption = None,
    resume_last: o.ContinueOption = False,
    hide_reasoning: Annotated[
        bool, typer.Option("--hide-reasoning", help="Show only how long the thinking took.")
    ] = False,
    max_reasoning: o.MaxReasoningOption = None,
    max_tokens: o.MaxTokensOption = None,
    timeout: o.TimeoutOption = None,
    plain: o.PlainOption = False,
    no_save: o.NoSaveOption = False,
) -> None:
    """Chat in the terminal.

    Ctrl-C stops the answer, Ctrl-D leaves. Enter while it thinks means: answer now.
    In a pipe, each line of input is one turn.
    """
    from deepreasoning_cli.cli.chat.repl import run
    from deepreasoning_cli.cli.output import OutputOptions
    from deepreasoning_cli.cli.runner import AskOptions

    options = AskOptions(
        settings={
            "model": model,
            "reasoner": reasoner,
            "answerer": answerer,
            "fallback": fallback or None,
            "backend": backend,
            "handoff": handoff,
            "effort": effort,
            "think": think,
            "web_search_linkup": web,
            "max_reasoning": max_reasoning,
            "max_tokens": max_tokens,
            "timeout": timeout,
        },
        output=OutputOptions(plain=plain, reasoning="hide" if hide_reasoning else None),
        system=system,
        resume_last=resume_last,
        session=session,
        save=not no_save,
    )
    raise typer.Exit(run(o.global_options_of(context), options))
