"""The app: its commands, the global options, the error boundary."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deepreasoning_cli import __version__
from deepreasoning_cli.cli.options import Color, Globals
from deepreasoning_cli.cli.signals import end_on_signals
from deepreasoning_cli.cli.typer_hooks import Boundary, LazyCommands

COMMANDS = ("ask", "chat", "resume", "price", "serve", "models", "history", "config")
COMMAND_SETTINGS = {"help_option_names": ["-h", "--help"]}


def register(app: typer.Typer, name: str) -> None:
    """Add one command or group to `app`; only its own module is imported."""
    command = app.command(context_settings=COMMAND_SETTINGS)
    match name:
        case "ask":
            from deepreasoning_cli.cli import ask

            app.command(cls=ask.AskCommand, context_settings=COMMAND_SETTINGS, epilog=ask.EPILOG)(
                ask.ask
            )
        case "chat":
            from deepreasoning_cli.cli.chat import chat

            command(chat)
        case "resume":
            from deepreasoning_cli.cli.resume import resume

            command(resume)
        case "price":
            from deepreasoning_cli.cli.price import price

            command(price)
        case "serve":
            from deepreasoning_cli.cli.serve import serve

            command(serve)
        case "models":
            from deepreasoning_cli.cli import models

            app.add_typer(models.app, name=name)
        case "history":
            from deepreasoning_cli.cli import history

            app.add_typer(history.app, name=name)
        case "config":
            from deepreasoning_cli.cli import config

            app.add_typer(config.app, name=name)


class Program(Boundary):
    """The root group."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands(COMMANDS, register)


app = typer.Typer(
    name="deepreasoning",
    cls=Program,
    help="A reasoner writes the chain of thought, Claude writes the answer from it.",
    epilog="Exit codes: deepreasoning ask --help",
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
