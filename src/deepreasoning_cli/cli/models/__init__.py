"""`deepreasoning models`: list the Claude models and reasoners, show one, choose the default.

The commands stand here. `model_view` joins the catalog with the user's settings, `tables` prints
it, `live` asks the vendors.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli.messages import debug_log, load_with_notes, message, warn
from deepreasoning_cli.cli.options import GlobalOptions, global_options_of
from deepreasoning_cli.cli.typer_hooks import ThingsGroup
from deepreasoning_cli.errors import UsageError

if TYPE_CHECKING:
    from deepreasoning_cli.catalog.live import LiveModels
    from deepreasoning_cli.settings.loaded import LoadedSettings

app = typer.Typer(
    cls=ThingsGroup, help="List Claude models and reasoners; show one; set the default."
)


class PricedBackend(StrEnum):
    """Whose models and prices are listed."""

    DIRECT = "direct"
    GATEWAY = "gateway"
    DEMO = "demo"


FREE = "The demo calls no model and costs nothing; --backend direct or gateway has prices."
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; money as decimal strings.")]
BackendOption = Annotated[
    PricedBackend | None,
    typer.Option("--backend", help="Models and prices of this backend (default: the one in use)."),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Include older and retired models and hosts without a key.")
]
LiveOption = Annotated[
    bool,
    typer.Option("--live", help="Refresh the list from vendors whose keys are set."),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id, alias, or family such as sonnet.")
]


@app.command("list", help="List models (default).")
@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    backend: BackendOption = None,
    everything: AllOption = False,
    live: LiveOption = False,
    as_json: JsonOption = False,
) -> None:
    """List Claude models and reasoners with limits and prices; * marks the default."""
    if command := context.invoked_subcommand:
        if any(context.params.values()):  # they mean nothing to it, and are not dropped in silence
            problem = f"options of the list cannot be used with `{command}`"
            raise UsageError(problem, hint=f"see `deepreasoning models {command} -h`")
        return
    from deepreasoning_cli.cli.models import tables
    from deepreasoning_cli.cli.models.model_view import ModelView, answerer_as_json, row_as_json
    from deepreasoning_cli.cli.pager import output_color, output_width, print_json, print_text

    options = global_options_of(context)
    loaded = load_with_notes(options)
    answers, differences = _ask_vendors(options, loaded) if live else (None, None)
    if backend is PricedBackend.DEMO:
        print_json([]) if as_json else print_text(f"{FREE}\n")
        return
    view = ModelView.of(loaded, backend and backend.value, answers)
    for problem in view.problems():
        warn(options, problem)
    if as_json:
        rows = [row_as_json(view, row) for row in view.rows(retired=everything)]
        print_json([*rows, *(answerer_as_json(view, row) for row in view.answerers())])
        for difference in differences or ():
            message(options, "live", difference)
        return
    shown = tables.ModelTables(view, everything)
    text = "\n".join(shown.lines(output_width(), color=output_color(options)))
    if differences is not None:
        text += f"\n{tables.differences(differences)}"
    print_text(f"{text}\n")


@app.command()
def show(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show everything known about a model or reasoner, with the source of its prices."""
    from deepreasoning_cli.cli.models import tables
    from deepreasoning_cli.cli.models.model_view import ModelView, row_as_json
    from deepreasoning_cli.cli.pager import output_width, print_json, print_text

    view = ModelView.of(load_with_notes(global_options_of(context)), None)
    row = view.find(name)
    if as_json:
        print_json(row_as_json(view, row))
    else:
        print_text(f"{tables.facts(view, row, output_width())}\n")


@app.command()
def default(context: typer.Context, name: NameArgument) -> None:
    """Set the default Claude model."""
    from deepreasoning_cli.cli.models.model_view import ModelView
    from deepreasoning_cli.settings import editor

    options = global_options_of(context)
    loaded = load_with_notes(options)
    choice = ModelView.of(loaded, None).as_default(name)
    editor.set_value(loaded.path, "model", choice.stored)
    for warning in choice.warnings:
        warn(options, warning)
    message(options, "", f"set model to {choice.described} in {loaded.path}")


def _ask_vendors(options: GlobalOptions, loaded: LoadedSettings) -> tuple[LiveModels, list[str]]:
    """What the vendors say now, and how it differs from the catalog. Raises ConfigError."""
    from deepreasoning_cli.cli.models import live
    from deepreasoning_cli.wiring.resources import written_catalog

    answers = live.ask(loaded, partial(warn, options), debug_log(options))
    return answers, list(answers.differences(written_catalog(loaded)))
