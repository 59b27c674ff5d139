"""`deepreasoning price`: rate card, estimate, spending."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.models import PricedBackend

if TYPE_CHECKING:
    from deepreasoning_cli.cli.price.run import Form, Log
    from deepreasoning_cli.cli.price.scope import Scope
    from deepreasoning_cli.cli.turns import Turns

MOST = 100_000_000  # tokens; nothing reads or writes as many
ESTIMATE, SPENDING = "Estimate", "Spending"


class Grouping(StrEnum):
    """What spending is added up by."""

    DAY = "day"
    MODEL = "model"
    STAGE = "stage"
    SESSION = "session"


Count = Annotated[
    int | None,
    typer.Option(min=0, max=MOST, metavar="N", rich_help_panel=ESTIMATE),
]


def price(
    context: typer.Context,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="A question to estimate; - reads it from stdin."),
    ] = None,
    file: o.FileOption = None,
    no_stdin: o.NoStdinOption = False,
    input_tokens: Annotated[
        int | None,
        typer.Option(
            "--input",
            min=0,
            max=MOST,
            metavar="N",
            help="Tokens of the question.",
            rich_help_panel=ESTIMATE,
        ),
    ] = None,
    output_tokens: Annotated[
        int | None,
        typer.Option(
            "--output",
            min=0,
            max=MOST,
            metavar="N",
            help="Tokens of Claude's answer.",
            rich_help_panel=ESTIMATE,
        ),
    ] = None,
    reasoning_tokens: Annotated[
        int | None,
        typer.Option(
            "--reasoning-tokens",
            min=0,
            max=MOST,
            metavar="N",
            help="Tokens of the chain of thought.",
            rich_help_panel=ESTIMATE,
        ),
    ] = None,
    web: Annotated[
        bool,
        typer.Option("--web", "-w", help="With one search of the web.", rich_help_panel=ESTIMATE),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Have Anthropic count the prompt's tokens; free, and it is sent there.",
            rich_help_panel=ESTIMATE,
        ),
    ] = False,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    backend: Annotated[
        PricedBackend | None,
        typer.Option(
            "--backend",
            help="Whose prices; default: the one in use.",
            rich_help_panel=o.MODELS,
        ),
    ] = None,
    spent: Annotated[
        bool,
        typer.Option("--spent", help="What the turns so far have cost.", rich_help_panel=SPENDING),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="30d (default), 12h, 4w, a date, or all.",
            rich_help_panel=SPENDING,
        ),
    ] = None,
    by: Annotated[
        Grouping | None,
        typer.Option("--by", help="Add up by; default: day.", rich_help_panel=SPENDING),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="As JSON; money as decimal strings.", rich_help_panel=o.OUTPUT),
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Spending as CSV.", rich_help_panel=o.OUTPUT)
    ] = False,
) -> None:
    """Say what a question costs: rates, an estimate for it, or what was spent.

    Without arguments: the rate card. With a prompt, files or piped text: what that would cost on
    each Claude model. With --input and --output: the bill for so many tokens.
    """
    from deepreasoning_cli.cli.price import run
    from deepreasoning_cli.cli.price.bill import Tokens
    from deepreasoning_cli.cli.turns import Turns

    counts = (input_tokens, output_tokens, reasoning_tokens)
    counting = any(count is not None for count in counts)
    words, files = prompt or [], file or []
    _refuse_what_contradicts(
        {"--spent": spent, "--input": counting, "a prompt": bool(words or files)},
        {"--since": bool(since), "--by": bool(by), "--csv": as_csv},
        {"--json": as_json, "--csv": as_csv},
        exact=exact,
    )
    form = _form(as_json, as_csv)
    with Turns(o.globals_of(context)) as turns:
        if spent:
            typer.echo(run.of_history(turns, since or "30d", (by or Grouping.DAY).value, form))
            return
        scope = _scope(turns, model, reasoner, backend, web=web)
        if counting:
            if reasoning_tokens is None:
                turns.say("note", "no chain of thought is counted; --reasoning-tokens N adds it")
            tokens = Tokens(input_tokens or 0, reasoning_tokens or 0, output_tokens or 0)
            typer.echo(run.of_tokens(scope, tokens, form))
            return
        text = run.asked(words, files, use_stdin=not no_stdin)
        log = _log(context) if exact else None
        typer.echo(
            run.of_models(scope, form)
            if text is None
            else run.of_prompt(turns, scope, text, form, log)
        )
