"""What uses undocumented parts of Typer: the classes of its copy of Click.

`usage_errors` reads the errors that they raise; no other module knows them.

Any minor version of Typer may change them. pyproject.toml caps it for that reason, and
tests/cli/test_typer_hooks.py says what has changed.
"""

from __future__ import annotations

import inspect
import sys
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from shutil import get_terminal_size
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from deepreasoning_cli.cli.boundary import CLOSED_PIPE, abandon_stdout, run_guarded, write_stderr
from deepreasoning_cli.errors import UsageError, did_you_mean


class Boundary(TyperGroup):
    """A root group that turns every outcome into an exit code.

    Its own options named in `everywhere` are taken behind a command's name, too; what was given
    there is put into `obj`, a dataclass with fields of their names.
    """

    everywhere: ClassVar[frozenset[str]] = frozenset()

    def rewrite(self, words: list[str]) -> list[str]:
        """The words to parse in place of these."""
        return words

    def repair(self, _failure: Exception, _words: Sequence[str]) -> bool:
        """Whether the cause of the failure is gone, so that the command can run again."""
        return False

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line; always ends in SystemExit."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False

        def run() -> Any:
            rewritten = self.rewrite(words)
            with _translate_errors(self, rewritten):
                return super(Boundary, self).main(rewritten, *rest, **extra)

        def recover(failure: Exception, code: int) -> Any:
            return run() if self.repair(failure, words) else code

        raise SystemExit(run_guarded(run, words, recover))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, which takes the options that hold everywhere."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            self._adapt(command)
            parameters: list[Any] = command.params
            for parameter in parameters:
                parameter._runtime_param = LazyRuntimeParam()
        return command

    def get_help(self, ctx: Any, *, whole: bool = False) -> str:
        """The program's page."""
        return help_text(self, ctx, whole=whole)

    def _adapt(self, command: Any) -> None:
        """Give a command, and those below it, our help and the options that hold everywhere."""
        command.get_help = partial(help_text, command)
        own = {name for parameter in command.params for name in parameter.opts}
        options: list[Any] = self.params
        for parameter in options:
            if parameter.name in self.everywhere and own.isdisjoint(parameter.opts):
                shared = copy(parameter)
                shared.hidden, shared.expose_value, shared.default = True, False, None
                shared.callback = _set_in_obj
                command.params.append(shared)
        for inner in getattr(command, "commands", {}).values():
            self._adapt(inner)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the words; `--help` and `--version` print here already."""
        with _exit_on_closed_pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _exit_on_closed_pipe():
            return super().invoke(ctx)


class LazyRuntimeParam:
    """Stands for what turns a parameter's words into its value, where there are any.

    Typer has pydantic build it for every parameter of a command, also for those that are absent.
    """

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value; of an absent parameter what Typer makes of it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        param._runtime_param = None  # Typer builds its own
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


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


class ThingsGroup(TyperGroup):
    """A group of commands about things: a word that names no command is the thing to show.

    `aliases` are the names that other programs have for its commands, the best first.
    """

    aliases: ClassVar[Mapping[str, Sequence[str]]] = {
        "get": ["show"],
        "list": ["show"],
        "ls": ["list", "show"],
        "rm": ["delete", "unset"],
    }

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words; `-1` is a thing to show."""
        return super().parse_args(ctx, name_places(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command. Raises UsageError for a word that looks like a mistyped one."""
        word, *rest = args
        if word not in self.commands:
            if own := [name for name in self.aliases.get(word, ()) if name in self.commands]:
                args = [own[0], *rest]
            elif word != "last" and (hint := did_you_mean(word, self.commands, likeness=0.7)):
                raise UsageError(f"there is no command '{ctx.command_path} {word}'", hint=hint)
            else:
                args = ["show", *args]
        return super().resolve_command(ctx, args)


class RewritingCommand(TyperCommand):
    """A command that may rewrite its words before they are parsed."""

    def rewrite(self, words: list[str]) -> list[str]:
        """The words to parse in place of these."""
        return words

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words as `rewrite` returns them."""
        return super().parse_args(ctx, self.rewrite(args))


class TurnCommand(RewritingCommand):
    """A command about turns: `-1` is the last one, and no option."""

    def rewrite(self, words: list[str]) -> list[str]:
        """The words with turns named in a way that no option is written in."""
        return name_places(words)


def name_places(words: Sequence[str]) -> list[str]:
    """The words, `-3` as `@3`: both name the third turn from the end."""
    end = list(words).index("--") if "--" in words else len(words)
    named = [f"@{word[1:]}" if word[:1] == "-" and word[1:].isdigit() else word for word in words]
    return [*named[:end], *words[end:]]


def help_text(command: Any, context: Any, *, whole: bool = False) -> str:
    """The page of a command for a terminal as wide as this one; `whole` explains every option."""
    from deepreasoning_cli.cli.help import Entry, HelpPage

    names: list[str] = []
    root = context
    while root.parent is not None:
        names.insert(0, root.info_name)
        root = root.parent
    parameters = [each for each in command.get_params(context) if not each.hidden]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    options = [each for each in parameters if each.param_type_name == "option"]
    is_root = root is context
    everywhere = [each for each in root.command.params if each.name in root.command.everywhere]
    commands = getattr(command, "commands", {})
    page = HelpPage(
        path=" ".join(names),
        usage=_usage(names, arguments, options, has_commands=bool(commands)),
        text=inspect.cleandoc(command.help or ""),
        entries=[_entry(each) for each in (*arguments, *options) if "--help" not in each.opts],
        commands=[
            Entry(names=(name,), help=_first_sentence(below.help), box="Commands")
            for name in commands
            if not (below := commands[name]).hidden
        ],
        everywhere=[] if is_root else [_entry(each) for each in everywhere],
        epilog=command.epilog or "",
    )
    text = "\n".join(page.lines(get_terminal_size((80, 24)).columns, whole=whole))
    if "utf" in (getattr(sys.stdout, "encoding", None) or "").lower():
        return text
    from deepreasoning_cli.views.terminal import to_charset

    return to_charset(text, sys.stdout)


def _usage(
    names: Sequence[str], arguments: Sequence[Any], options: Sequence[Any], *, has_commands: bool
) -> str:
    """What follows the program's name: `history show [OPTIONS] [ID]`."""
    words = ["[ask]" if name == "ask" else name for name in names]
    words += ["[COMMAND]"] if has_commands else []
    words += ["[OPTIONS]"] if len(options) > 1 else []  # one is --help
    for argument in arguments:
        name = _label(argument) if argument.required else f"[{_label(argument)}]"
        words.append(f"{name}{'…' if argument.nargs == -1 else ''}")
    return " ".join(words)


def _entry(parameter: Any) -> Any:
    """What the help page says of an option or an argument."""
    from deepreasoning_cli.cli.help import Entry

    if parameter.param_type_name == "argument":
        names, value = (_label(parameter),), ""
    else:
        every = sorted(parameter.opts, key=lambda name: name.startswith("--"))
        names = (*every, *parameter.secondary_opts)
        value = "" if parameter.is_flag else _label(parameter)
    default, told = parameter.default, parameter.show_default
    if isinstance(told, str):  # what holds where the parameter itself has no default
        default = told
    is_told = told and default not in (None, False, (), [], "", ...)
    return Entry(
        names=names,
        value=value,
        help=" ".join((parameter.help or "").split()),
        default=str(getattr(default, "value", default)) if is_told else "",
        box=parameter.rich_help_panel or "Options",
    )


def _label(parameter: Any) -> str:
    """What stands for a value: its metavar, its choices, or the parameter's name."""
    if parameter.metavar:
        return str(parameter.metavar).strip("[]….")
    if parameter.type_descriptor.is_choice:
        choices = parameter.type_descriptor.choices
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    return str(parameter.name).upper()


def _first_sentence(text: str | None) -> str:
    """What stands beside a command's name."""
    flat = " ".join((text or "").partition("\n\n")[0].split())
    sentence, dot, _ = flat.partition(". ")
    return f"{sentence}." if dot else flat


@contextmanager
def _translate_errors(root: Any, words: Sequence[str]) -> Iterator[None]:
    """Raise UsageError in place of Typer's errors about the words; a prompt can be left."""
    try:
        yield
    except TyperException as exc:
        from deepreasoning_cli.cli.usage_errors import usage_error

        raise usage_error(exc, root, words) from exc
    except typer.Abort as exc:
        write_stderr("\ncancelled")  # the cursor is still behind the question
        raise KeyboardInterrupt from exc


def _set_in_obj(context: Any, parameter: Any, value: Any) -> None:
    """Note an option that holds everywhere, where it was given; the callback of a parameter."""
    if value not in (None, False):
        from dataclasses import replace

        root = context.find_root()
        root.obj = replace(root.obj, **{parameter.name: value})


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
