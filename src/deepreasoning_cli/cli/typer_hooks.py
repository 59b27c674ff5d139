"""The only module that uses undocumented parts of Typer: the classes of its copy of Click.

Any minor version of Typer may change them. pyproject.toml caps it for that reason, and
tests/cli/test_typer_hooks.py says what has changed.
"""

from __future__ import annotations

import sys
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from deepreasoning_cli.cli.boundary import CLOSED_PIPE, abandon_stdout, run_guarded
from deepreasoning_cli.errors import UsageError


class Boundary(TyperGroup):
    """A root group that turns every outcome into an exit code."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line; always ends in SystemExit."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False

        def run() -> Any:
            with _translate_errors():
                return super(Boundary, self).main(words, *rest, **extra)

        raise SystemExit(run_guarded(run, words))

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the words; `--help` and `--version` print here already."""
        with _exit_on_closed_pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _exit_on_closed_pipe():
            return super().invoke(ctx)


class LazyCommands(UserDict[str, Any]):
    """A group's commands by name; `register` adds one to an app when it is looked up."""

    def __init__(self, names: Iterable[str], register: Callable[[typer.Typer, str], None]) -> None:
        super().__init__(dict.fromkeys(names))
        self._register = register

    def __getitem__(self, name: str) -> Any:
        """The command of that name. Raises KeyError where there is none."""
        if self.data[name] is None:
            app = typer.Typer()
            self._register(app, name)
            self.data[name] = typer.main.get_group(app).commands[name]
        return self.data[name]


class RewritingCommand(TyperCommand):
    """A command that may rewrite its words before they are parsed."""

    def rewrite(self, words: list[str]) -> list[str]:
        """The words to parse in place of these."""
        return words

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words as `rewrite` returns them."""
        return super().parse_args(ctx, self.rewrite(args))


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise UsageError in place of Typer's errors about the words, and of a prompt that is left."""
    try:
        yield
    except TyperException as exc:
        raise UsageError(exc.format_message(), hint=f"{_command_path(exc)} --help") from exc
    except typer.Abort as exc:
        raise UsageError("the question was not answered", kind="aborted") from exc


def _command_path(exc: Exception) -> str:
    context = getattr(exc, "ctx", None)
    return context.command_path if context else "deepreasoning"


@contextmanager
def _exit_on_closed_pipe() -> Iterator[None]:
    """Exit with our code on a closed pipe; Typer, and Rich in the help, would exit with 1."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as gone:
        if BrokenPipeError not in (type(gone), type(gone.__context__)):
            raise
        abandon_stdout()
        raise typer.Exit(CLOSED_PIPE) from None
