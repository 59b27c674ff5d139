"""The app: its commands, the global options, and what may be left out of a command line.

`ask` is the default command: what is no command's name is a question. A single word that looks
like a command, ours or another program's, is answered with the right one instead.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import typer

from deepreasoning_cli import __version__
from deepreasoning_cli.cli.boundary import wants_json
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.signals import end_on_signals
from deepreasoning_cli.cli.typer_hooks import Boundary, LazyCommands, TurnCommand
from deepreasoning_cli.errors import ConfigError, UsageError, nearest

COMMANDS = (
    *("ask", "chat", "resume", "compare", "eval", "batch", "models", "price", "history"),
    *("config", "serve", "completion", "help"),
)
GROUPS = frozenset({"models", "history", "config"})
SUBCOMMANDS = frozenset({"list", "show", "search", "export", "delete", "set", "unset", "get"})
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}
OTHER_NAMES: Final = {
    **dict.fromkeys(("auth", "init", "keys", "login", "setup"), "config init"),
    **dict.fromkeys(("doctor", "check", "ping"), "config check"),
    **dict.fromkeys(("settings", "env"), "config show"),
    **dict.fromkeys(("set", "unset", "edit"), "config {}"),
    **dict.fromkeys(("log", "logs"), "history"),
    **dict.fromkeys(("show", "list", "search", "export", "delete", "sessions"), "history {}"),
    **dict.fromkeys(("rm", "remove"), "history delete"),
    **dict.fromkeys(("cost", "costs", "spent", "usage"), "price --spent"),
    **dict.fromkeys(("continue", "retry"), "resume"),
    **dict.fromkeys(("server", "api"), "serve"),
    **dict.fromkeys(("repl", "talk"), "chat"),
    **dict.fromkeys(("run", "prompt", "query"), "ask"),
    "--install-completion": "completion --install",
    "--show-completion": "completion",
}
"""What other programs call a command, and habit says; here it is another, or below a group."""


def register(app: typer.Typer, name: str) -> None:
    """Add one command or group to `app`; only its own module is imported."""
    module = import_module(f"deepreasoning_cli.cli.{name}")
    if name in GROUPS:
        app.add_typer(module.app, name=name)
        return
    extras = {"cls": module.AskCommand, "epilog": module.EPILOG} if name == "ask" else {}
    if name == "resume":
        extras = {"cls": TurnCommand}
    if name == "batch":
        extras = {"epilog": module.EPILOG}
    app.command(context_settings=CONTEXT_SETTINGS, **extras)(getattr(module, name))


class Program(Boundary):
    """The root group."""

    everywhere: ClassVar[frozenset[str]] = frozenset({"config", "debug", "quiet", "color"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands(COMMANDS, register)

    def rewrite(self, words: list[str]) -> list[str]:
        """Put `ask` in front of a question; see `with_command`."""
        return with_command(words)

    def repair(self, failure: Exception, words: Sequence[str]) -> bool:
        """Offer to set the program up, where keys are missing and a person is there."""
        if not isinstance(failure, ConfigError) or failure.kind != "key_missing":
            return False
        from deepreasoning_cli.cli.config import interview

        return interview.offer(failure, words)


def with_command(words: list[str]) -> list[str]:
    """The words with the command in them that was left out.

    Raises UsageError where a word alone looks like a command that it is not.
    """
    at = _after_global_options(words)
    options, rest = words[:at], words[at:]
    if not rest:
        from deepreasoning_cli.prompt import is_piped

        return [*words, "ask"] if is_piped() else words
    first = rest[0]
    if first in COMMANDS or first in ("--help", "-h", "--version", "-V"):
        return words
    if rest == ["version"]:
        return [*options, "--version"]
    _reject_mistyped(first, rest[1:])
    return [*options, "ask", *rest]


def _after_global_options(words: list[str]) -> int:
    """How many words come before the command, or before what belongs to it."""
    at = 0
    while at < len(words):
        if words[at] in ("--config", "--color"):
            at += 1  # and its value
        elif words[at] not in ("--debug", "--quiet", "-q") and not words[at].startswith(
            ("--config=", "--color=")
        ):
            break
        at += 1
    return min(at, len(words))


def _reject_mistyped(word: str, rest: list[str]) -> None:
    """Raise UsageError for a word that stands where a command would, and looks like one."""
    is_alone = not rest or rest[0].startswith("-") or rest[0] in SUBCOMMANDS
    names: list[str] = []
    if is_alone and word in OTHER_NAMES:
        names = [OTHER_NAMES[word].format(word)]
    elif is_alone and word.isalpha():
        swapped = [name for name in COMMANDS if sorted(name) == sorted(word)]
        names = nearest(word, COMMANDS, likeness=0.7) or swapped
    if names:
        asks = [] if word.startswith("-") else [f"`deepreasoning ask {word}` asks it"]
        raise UsageError(
            f"there is no command '{word}'",
            kind="unknown_command",
            hint=(f"did you mean `deepreasoning {names[0]}`?", *asks),
        )


app = typer.Typer(
    name="deepreasoning",
    cls=Program,
    help="A reasoner thinks the question through; Claude writes the answer from its reasoning.",
    epilog="`deepreasoning help COMMAND` explains one of them; topics are exit-codes,"
    " environment and config: `deepreasoning help exit-codes`.",
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
        bool, typer.Option("--debug", help="Log requests to stderr, keys masked.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Hide the status line, notes and warnings.")
    ] = False,
    color: Annotated[
        Literal["auto", "always", "never"],
        typer.Option("--color", metavar="WHEN", help="When to use colour: auto, always or never."),
    ] = "auto",
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Store the global options for the command, and prepare the process."""
    context.obj = GlobalOptions(
        config=config, debug=debug, quiet=quiet, color=color, last_origin=context.obj
    )
    end_on_signals()
    _replace_unencodable()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _replace_unencodable() -> None:
    """Print the code of a character that the terminal's encoding lacks, instead of failing.

    JSON is UTF-8 (RFC 8259, section 8.1): in any other encoding it is ASCII with JSON's escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        is_utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        if not is_utf8 and wants_json(sys.argv[1:]):
            codecs.register_error("json", _json_escapes)
            reconfigure(encoding="ascii", errors="json")
        else:
            reconfigure(errors="backslashreplace")


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    import json

    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
