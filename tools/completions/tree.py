"""The command line as a tree of facts: commands, options, and what may stand where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import typer

from tools.completions.values import Value, argument_value, option_value, setting_values

PROGRAMS = ("deepreasoning", "dr")
SETTER = "config set"
MANY = 9  # words that are completed of an argument that takes any number


@dataclass(frozen=True, slots=True)
class Option:
    """A flag with all its names, long ones first; `value` is None where it takes none."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeatable: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its words after the program's name, what it takes, what is below it."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    commands: tuple[Command, ...]

    @property
    def name(self) -> str:
        """The last word of its path."""
        return self.path[-1] if self.path else PROGRAMS[0]

    def key(self, word: str) -> str:
        """The name of a thing here that is unique in the whole tree."""
        return " ".join((*self.path, word))

    @property
    def words(self) -> str:
        """Its path as one text, empty for the program itself."""
        return " ".join(self.path)

    def walk(self) -> Iterator[Command]:
        """Itself, then all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def tree_of(app: typer.Typer) -> Command:
    """The tree of the app as it is, hidden commands and options left out.

    What `ask` takes the program takes, too: it is the command that may be left out.
    """
    root = _command(typer.main.get_command(app), (), None)
    own = {name for option in root.options for name in option.names}
    asks = [each.options for each in root.commands if each.name == "ask"]
    added = [option for options in asks for option in options if own.isdisjoint(option.names)]
    return replace(root, options=(*root.options, *added))


def option_values(root: Command) -> Mapping[Value, list[str]]:
    """For each kind of value the keys of the options that take it, free ones included."""
    found: dict[Value, list[str]] = {}
    for command in root.walk():
        for option in command.options:
            if option.value is not None:
                found.setdefault(option.value, []).extend(map(command.key, option.names))
    return found


def argument_values(root: Command) -> Mapping[Value, list[str]]:
    """For each kind of value the keys `COMMAND N` of the arguments that take it, from 0 on.

    What `config set` takes depends on the setting: the keys are `config set NAME`.
    """
    found: dict[Value, list[str]] = {}
    for command in root.walk():
        for number, value in enumerate(command.arguments):
            if value != Value():
                found.setdefault(value, []).append(command.key(str(number)))
        if command.words == SETTER:
            for name, value in setting_values().items():
                found.setdefault(value, []).append(command.key(name))
    return found


def _command(command: Any, path: tuple[str, ...], parent: typer.Context | None) -> Command:
    context = typer.Context(command, parent=parent, **command.context_settings)
    parameters = [each for each in command.get_params(context) if not each.hidden]
    below = {n: each for n, each in getattr(command, "commands", {}).items() if not each.hidden}
    return Command(
        path,
        _first_line(command.help),
        tuple(_option(each) for each in parameters if each.param_type_name == "option"),
        tuple(
            argument_value(path, each)
            for each in parameters
            if each.param_type_name == "argument"
            for _ in range(MANY if each.nargs == -1 and argument_value(path, each).kept else 1)
        ),
        tuple(
            _command(each, (*path, name), context)
            for name, each in below.items()
            if not each.hidden
        ),
    )


def _option(parameter: Any) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    return Option(
        tuple(sorted(names, key=lambda name: (not name.startswith("--"), name))),
        _first_line(parameter.help),
        option_value(parameter),
        parameter.multiple,
        parameter.metavar or parameter.name.upper(),
    )


def _first_line(text: str | None) -> str:
    """What fits beside a name: the first paragraph, on one line."""
    return " ".join((text or "").partition("\n\n")[0].split())
