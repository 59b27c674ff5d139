"""The app: its commands, the global options, the error boundary."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deepreasoning_cli import __version__
from deepreasoning_cli.cli import ask, chat, config, history, models, price, resume, serve
from deepreasoning_cli.cli.boundary import Boundary
from deepreasoning_cli.cli.options import Color, Globals
from deepreasoning_cli.cli.signals import end_on_signals

app = typer.Typer(
    name="deepreasoning",
    cls=Boundary,
    help="A reasoner writes the chain of thought, Claude writes the answer from it.",
    epilog="Exit codes: deepreasoning ask --help",
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=ask.AskCommand, context_settings=ask.CONTEXT, epilog=ask.EPILOG)(ask.ask)
app.command(context_settings=ask.CONTEXT)(chat.chat)
app.command(context_settings=ask.CONTEXT)(resume.resume)
app.add_typer(models.app, name="models")
app.command(context_settings=ask.CONTEXT)(price.price)
app.add_typer(history.app, name="history")
app.add_typer(config.app, name="config")
app.command(context_settings=ask.CONTEXT)(serve.serve)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepreasoning {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Use this config file.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log requests on stderr, keys masked.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No status line, notes or warnings.")
    ] = False,
    color: Annotated[Color, typer.Option("--color", help="When to use colour.")] = Color.AUTO,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take in what was said before the command's name."""
    context.obj = Globals(config, debug, quiet, color.value)
    end_on_signals()
    _never_fail_to_encode()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _never_fail_to_encode() -> None:
    """A terminal that cannot show a character gets its code instead of an exception."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
