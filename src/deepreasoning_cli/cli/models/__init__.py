"""`deepreasoning models`: the Claude models and reasoners there are, and the one to use."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli.messages import message, note, warn
from deepreasoning_cli.cli.options import Globals, globals_of

if TYPE_CHECKING:
    from deepreasoning_cli.catalog.live import Live
    from deepreasoning_cli.cli.models.model_view import ModelView

app = typer.Typer(help="Claude models and reasoners: list, show, default.")


class PricedBackend(StrEnum):
    """Whose models and prices are listed."""

    DIRECT = "direct"
    GATEWAY = "gateway"


JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; money as decimal strings.")]
BackendOption = Annotated[
    PricedBackend | None,
    typer.Option("--backend", help="Whose models and prices; default: the one in use."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Retired models too.")]
LiveOption = Annotated[
    bool,
    typer.Option("--live", help="Ask the vendors that have a key; later runs use what they say."),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An id, an alias, or a family such as sonnet.")
]


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    backend: BackendOption = None,
    everything: AllOption = False,
    live: LiveOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the Claude models and reasoners, with limits and prices; * marks the default."""
    if context.invoked_subcommand is None:
        list_(context, backend, everything, live, as_json)
    else:
        _refuse_flags(context.invoked_subcommand, bool(backend or everything or live or as_json))


@app.command("list")
def list_(
    context: typer.Context,
    backend: BackendOption = None,
    everything: AllOption = False,
    live: LiveOption = False,
    as_json: JsonOption = False,
) -> None:
    """List them, as the command alone does."""
    from deepreasoning_cli.cli.models import tables
    from deepreasoning_cli.cli.models.model_view import list_as_json
    from deepreasoning_cli.cli.pager import output_width, print_json, print_text
    from deepreasoning_cli.wiring.resources import written_catalog

    given = globals_of(context)
    said = _ask(given) if live else None
    view = _view(given, backend, said)
    differences = list(said.differences(written_catalog(view.loaded))) if said else None
    for problem in view.problems:
        warn(given, problem)
    if as_json:
        print_json(list_as_json(view, retired=everything))
        for difference in differences or ():
            message(given, "live", difference)
        return
    text = tables.list_table(view, output_width(), retired=everything)
    if differences is not None:
        text += f"\n{tables.differences(differences)}"
    print_text(f"{text}\n")


@app.command()
def show(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Print all that is known of a Claude model or a reasoner, with rates and their source."""
    from deepreasoning_cli.cli.models import tables
    from deepreasoning_cli.cli.models.model_view import row_as_json
    from deepreasoning_cli.cli.pager import output_width, print_json, print_text

    view = _view(globals_of(context), None)
    found = view.find(name)
    if as_json:
        print_json(row_as_json(view, found))
    else:
        print_text(f"{tables.facts(view, found, output_width())}\n")


@app.command()
def default(context: typer.Context, name: NameArgument) -> None:
    """Make a Claude model the default: write it to the config file, comments kept."""
    from deepreasoning_cli.settings import editor

    given = globals_of(context)
    view = _view(given, None)
    chosen = view.as_default(name)
    editor.set_value(view.loaded.path, "model", chosen.stored)
    for warning in chosen.warnings:
        warn(given, warning)
    message(given, "", f"set model to {chosen.described} in {view.loaded.path}")


def _view(given: Globals, backend: PricedBackend | None, said: Live | None = None) -> ModelView:
    """Settings and catalog of this run. Raises ConfigError."""
    from deepreasoning_cli.cli.models.model_view import ModelView
    from deepreasoning_cli.settings.loaded import load_settings

    loaded = load_settings(given.config, {})
    for text in loaded.notes:
        note(given, text)
    return ModelView.of(loaded, backend and backend.value, said)


def _ask(given: Globals) -> Live:
    """Ask the vendors; what they say. Raises ConfigError."""
    from deepreasoning_cli.cli.models import live
    from deepreasoning_cli.settings.loaded import load_settings

    loaded = load_settings(given.config, {})
    return live.ask(loaded, partial(warn, given), log=given.debug)


def _refuse_flags(command: str, given: bool) -> None:
    """The list's flags mean nothing to a sub-command, and are not dropped in silence."""
    if given:
        from deepreasoning_cli.errors import UsageError

        raise UsageError(
            f"flags of the list stand before `{command}`", hint=f"deepreasoning models {command} -h"
        )
