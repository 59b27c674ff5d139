"""`deepreasoning price`: rate card, estimate, spending."""

from __future__ import annotations

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.price import options as p


def price(
    context: typer.Context,
    prompt: p.PromptArgument = None,
    file: o.FileOption = None,
    no_stdin: o.NoStdinOption = False,
    input_tokens: p.InputOption = None,
    output_tokens: p.OutputOption = None,
    reasoning_tokens: p.ReasoningOption = None,
    web: p.WebOption = False,
    exact: p.ExactOption = False,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    backend: p.BackendOption = None,
    spent: p.SpentOption = False,
    since: p.SinceOption = None,
    by: p.ByOption = None,
    json: p.JsonOption = False,
    csv: p.CsvOption = False,
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
