"""`deepreasoning price`: rate card, estimate, spending.

Its options stand here; `report` says which of the four forms they mean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.dates import FORMS
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.cli.options import MODELS, OUTPUT

MOST = 100_000_000  # tokens; no model reads or writes as many
ESTIMATE, SPENDING = "Estimate", "Spending"


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
InputOption = Annotated[
    int | None,
    typer.Option(
        "--input",
        min=0,
        max=MOST,
        metavar="N",
        help="Tokens of the question.",
        rich_help_panel=ESTIMATE,
    ),
]
OutputOption = Annotated[
    int | None,
    typer.Option(
        "--output",
        min=0,
        max=MOST,
        metavar="N",
        help="Tokens of Claude's answer.",
        rich_help_panel=ESTIMATE,
    ),
]
ReasoningOption = Annotated[
    int | None,
    typer.Option(
        "--reasoning-tokens",
        min=0,
        max=MOST,
        metavar="N",
        help="Tokens of the chain of thought.",
        rich_help_panel=ESTIMATE,
    ),
]
WebOption = Annotated[
    bool,
    typer.Option("--web", "-w", help="With one search of the web.", rich_help_panel=ESTIMATE),
]
ExactOption = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Anthropic counts the prompt's tokens: free, but it is sent there.",
        rich_help_panel=ESTIMATE,
    ),
]
BackendOption = Annotated[
    PricedBackend | None,
    typer.Option(
        "--backend", help="Whose prices; default: the one in use.", rich_help_panel=MODELS
    ),
]
SpentOption = Annotated[
    bool,
    typer.Option("--spent", help="What the turns so far have cost.", rich_help_panel=SPENDING),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help=f"Since then: {FORMS}; the default is 30d.",
        rich_help_panel=SPENDING,
    ),
]
ByOption = Annotated[
    Grouping | None,
    typer.Option("--by", help="What to add up by; the default is day.", rich_help_panel=SPENDING),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="As JSON; money as decimal strings.", rich_help_panel=OUTPUT),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Spending as CSV.", rich_help_panel=OUTPUT)]


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
    backend: BackendOption = None,
    spent: SpentOption = False,
    since: SinceOption = None,
    by: ByOption = None,
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
        flags={"model": model, "reasoner": reasoner},
        backend=backend and backend.value,
        web=web,
        exact=exact,
        spent=spent,
        since=since,
        by=by and by.value,
        json=json,
        csv=csv,
    )
    run(o.globals_of(context), options)
