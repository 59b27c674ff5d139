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
    typer.Argument(metavar="PROMPT", help="Question to estimate; - reads it from stdin."),
]
InputOption = Annotated[int | None, tokens_option("--input", help="Tokens in the question.")]
OutputOption = Annotated[int | None, tokens_option("--output", help="Tokens in Claude's answer.")]
ReasoningOption = Annotated[
    int | None, tokens_option("--reasoning-tokens", help="Tokens in the chain of thought.")
]
WebOption = Annotated[bool, estimate_option("--web", "-w", help="Include one web search.")]
ExactOption = Annotated[
    bool,
    estimate_option(
        "--exact", help="Have Anthropic count the tokens (free, but sends your prompt)."
    ),
]
BackendOption = Annotated[
    PricedBackend | None,
    typer.Option(
        "--backend",
        help="Prices of this backend (default: the one in use).",
        rich_help_panel=o.MODELS,
    ),
]
AllOption = Annotated[
    bool, output_option("--all", help="Include older models and hosts without a key.")
]
SpentOption = Annotated[bool, spending_option("--spent", help="Show what you have spent.")]
SinceOption = Annotated[
    str | None,
    spending_option("--since", metavar="WHEN", help=f"Count from: {FORMS} (default: 30d)."),
]
ByOption = Annotated[Grouping | None, spending_option("--by", help="Group by (default: day).")]
JsonOption = Annotated[bool, output_option("--json", help="Print JSON; money as decimal strings.")]
CsvOption = Annotated[bool, output_option("--csv", help="Print spending as CSV.")]


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
    """Show prices, estimate a question, or add up what you spent.

    Without arguments: the price list. With a prompt, files or piped text: the estimated cost on
    each Claude model. With --input and --output: the cost of that many tokens.
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
