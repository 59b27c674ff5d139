"""`deepreasoning price`: rate card, estimate, bill, spending.

The options stand here; `report` says which of the four reports they ask for.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.dates import FORMS
from deepreasoning_cli.cli.models import PricedBackend

estimate_option = partial(typer.Option, rich_help_panel="Estimate")
spending_option = partial(typer.Option, rich_help_panel="Spending")
output_option = partial(typer.Option, rich_help_panel=o.OUTPUT)
tokens_option = partial(estimate_option, min=0, max=100_000_000, metavar="N")  # no model does more


class Grouping(StrEnum):
    """What spending is added up by."""

    DAY = "day"
    MODEL = "model"
    STAGE = "stage"
    SESSION = "session"


PromptArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="A question to estimate; - reads it from stdin."),
]
InputOption = Annotated[int | None, tokens_option("--input", help="Tokens of the question.")]
OutputOption = Annotated[int | None, tokens_option("--output", help="Tokens of Claude's answer.")]
ReasoningOption = Annotated[
    int | None, tokens_option("--reasoning-tokens", help="Tokens of the chain of thought.")
]
WebOption = Annotated[bool, estimate_option("--web", "-w", help="With one search of the web.")]
ExactOption = Annotated[
    bool,
    estimate_option(
        "--exact", help="Anthropic counts the prompt's tokens: free, but it is sent there."
    ),
]
BackendOption = Annotated[
    PricedBackend | None,
    typer.Option(
        "--backend", help="Whose prices; default: the one in use.", rich_help_panel=o.MODELS
    ),
]
AllOption = Annotated[
    bool, output_option("--all", help="With older models, too, and hosts without a key.")
]
SpentOption = Annotated[bool, spending_option("--spent", help="What the turns so far have cost.")]
SinceOption = Annotated[
    str | None,
    spending_option("--since", metavar="WHEN", help=f"Since then: {FORMS}; the default is 30d."),
]
ByOption = Annotated[
    Grouping | None, spending_option("--by", help="What to add up by; the default is day.")
]
JsonOption = Annotated[bool, output_option("--json", help="As JSON; money as decimal strings.")]
CsvOption = Annotated[bool, output_option("--csv", help="Spending as CSV.")]


def price(
    context: typer.Context,
    prompt: PromptArgument = None,
    file: o.FileOption = None,
    no_stdin: o.NoStdinOption = False,
    input_tokens: InputOption = None,
    output_tokens: OutputOption = None,
    reasoning_tokens: ReasoningOption = None,
    web: WebOption = False,
    exact: ExactOption = False,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    backend: BackendOption = None,
    spent: SpentOption = False,
    since: SinceOption = None,
    by: ByOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Say what a question costs: the rates, an estimate for one, or what was spent.

    Without arguments: the rate card. With a prompt, files or piped text: what that would cost on
    each Claude model. With --input and --output: the bill for so many tokens.
    """
    from deepreasoning_cli.cli.price.report import PriceOptions, run

    options = PriceOptions(
        words=prompt or [],
        files=file or [],
        use_stdin=not no_stdin,
        counts=(input_tokens, reasoning_tokens, output_tokens),
        flags={"model": model, "reasoner": reasoner, "answerer": answerer},
        backend=backend and backend.value,
        web=web,
        exact=exact,
        all=everything,
        spent=spent,
        since=since,
        by=by and by.value,
        json=json,
        csv=csv,
    )
    run(o.global_options_of(context), options)
