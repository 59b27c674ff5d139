"""`deepreasoning chat`: the REPL, from the command to the loop.

It imports `cli.runner` and the rooms below. Open `repl.py` first: it puts the chat together and
reads entries. `session.py` holds the chat's state, `turns.py` runs its turns, `commands.py` defines
what a slash command is.
"""

from __future__ import annotations

import typer

from deepreasoning_cli.cli import options as o


def chat(
    context: typer.Context,
    prompt: o.PromptArgument = None,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: o.HandoffOption = None,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    temperature: o.TemperatureOption = None,
    top_p: o.TopPOption = None,
    files: o.FileOption = None,
    web: o.WebOption = None,
    no_stdin: o.NoStdinOption = False,
    resume_last: o.ContinueOption = False,
    session: o.SessionOption = None,
    reasoning: o.ChatReasoningOption = None,
    hide_reasoning: o.HideReasoningOption = False,
    no_sources: o.NoSourcesOption = None,
    plain: o.PlainOption = False,
    no_save: o.NoSaveOption = False,
    max_reasoning: o.MaxReasoningOption = None,
    stop: o.StopOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: o.MaxCostOption = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
    replay_pace: o.ReplayPaceOption = None,
) -> None:
    """Chat in the terminal, with sessions and slash commands; PROMPT is the first question.

    Ctrl-C stops an answer and stays, Ctrl-D leaves. Enter while it thinks: answer now. Piped text
    goes in front of PROMPT; without PROMPT each line of it is a question.
    """
    from deepreasoning_cli.cli.chat.repl import run
    from deepreasoning_cli.cli.output import OutputOptions
    from deepreasoning_cli.cli.runner import AskOptions

    params = context.params
    shown = "hide" if hide_reasoning else reasoning
    options = o.build_options(
        AskOptions,
        params,
        settings=o.settings_from(params) | ({"reasoning": shown} if shown else {}),
        output=OutputOptions(plain=plain),
        use_stdin=not no_stdin,
        save=not no_save,
    )
    raise typer.Exit(run(o.global_options_of(context), options))
