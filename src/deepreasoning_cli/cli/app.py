"""The app: its commands and the global options."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deepreasoning_cli import __version__
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.signals import end_on_signals
from deepreasoning_cli.cli.typer_hooks import Boundary, LazyCommands

COMMANDS = ("ask", "chat", "resume", "price", "serve", "models", "history", "config")
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


def register(app: typer.Typer, name: str) -> None:
    """Add one command or group to `app`; only its own module is imported."""
    module = import_module(f"deepreasoning_cli.cli.{name}")
    if name in ("models", "history", "config"):
        app.add_typer(module.app, name=name)
        return
    extras = {"cls": module.AskCommand, "epilog": module.EPILOG} if name == "ask" else {}
    app.command(context_settings=CONTEXT_SETTINGS, **extras)(getattr(module, name))


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
    context_settings=CONTEXT_SETTINGS,
)


def _print_version(is_set: bool) -> None:
    if is_set:
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
    color: Annotated[
        Literal["auto", "always", "never"], typer.Option("--color", help="When to use colour.")
    ] = "auto",
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Store the global options for the command, and prepare the process."""
    context.obj = GlobalOptions(config, debug, quiet, color)
    end_on_signals()
    _replace_unencodable()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _replace_unencodable() -> None:
    """Print the code of a character that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
