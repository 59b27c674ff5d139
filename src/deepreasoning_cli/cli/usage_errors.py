"""Typer's errors about the words of a call, said in our own words: its texts are pydantic's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from deepreasoning_cli.errors import UsageError, alternatives, did_you_mean, program_name

EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)
UNKNOWN = re.compile(r"No such command (.*)\.", re.DOTALL)
IMAGES = frozenset({"-i", "--image", "--images", "--attachment", "--at"})
"""What other programs call it."""
TEXT_ONLY = "-f FILE attaches a text file; images are not supported"
UNITS = {"SECONDS": "second", "TOKENS": "token", "N": ""}
"""What a number counts, by the metavar of its option."""


def usage_error(failure: Any, root: Any, words: Sequence[str]) -> UsageError:
    """What is wrong with `words`, and what to do; `root` is the program's group of commands."""
    context = getattr(failure, "ctx", None)
    if context is not None:
        path, command = context.command_path, context.command
    else:  # the parser of options knows no context
        path, command = _called(root, words)
    options = f"`{path} --help` lists the options"
    match type(failure).__name__:
        case "NoSuchOption":
            name = failure.option_name
            close = did_you_mean(name, _options(command), likeness=0.7)
            hint = TEXT_ONLY if name in IMAGES else close or options
            return UsageError(f"there is no option {name}", hint=hint)
        case "MissingParameter":
            hint = f"`{path} --help` says what it is"
            return UsageError(f"{_name(failure.param)} is missing", hint=hint)
        case "BadParameter":
            hint = f"`{path} --help` says what it takes"
            return UsageError(_wrong_value(failure.param, failure), hint=hint)
        case "BadOptionUsage" if "not take" in failure.message:
            return UsageError(f"{failure.option_name} takes no value", hint=options)
        case "BadOptionUsage":
            name = failure.option_name
            return UsageError(f"{name} needs a value{_metavar(command, name)}", hint=options)
    if extra := EXTRA.match(failure.message):
        return UsageError(f"unexpected argument: {extra[1]}", hint=f"see `{path} --help`")
    if unknown := UNKNOWN.match(failure.message):
        return UsageError(f"there is no command {unknown[1]}", hint=f"`{path} --help` lists them")
    return UsageError(failure.message.rstrip("."), hint=f"see `{path} --help`")


def _called(root: Any, words: Sequence[str]) -> tuple[str, Any]:
    """The path of the command that the words call, and the command."""
    path, command = program_name(), root
    for word in words:
        inner = getattr(command, "commands", {})
        if word in inner:
            path, command = f"{path} {word}", inner[word]
        elif not word.startswith("-"):
            break
    return path, command


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if not parameter.hidden or parameter.expose_value is False:  # taken everywhere
            yield from parameter.opts


def _name(parameter: Any) -> str:
    """An option's long name; what an argument is called on the help page."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper()).strip("[]….")


def _metavar(command: Any, name: str) -> str:
    for parameter in command.params:
        if name in parameter.opts and parameter.metavar:
            return f": {name} {parameter.metavar}"
    return ""


def _wrong_value(parameter: Any, failure: Any) -> str:
    """What the value of an option or argument must be."""
    name, kind = _name(parameter), parameter.type_descriptor
    if kind.choices:
        return f"{name}: choose {alternatives(kind.choices)}"
    if kind.annotation not in (int, float):
        return f"{name}: {failure.message.rstrip('.')}"
    low, high = kind.parameter_info.min, kind.parameter_info.max
    unit = UNITS.get(parameter.metavar or "", "")
    number = "a whole number" if kind.annotation is int else "a number"
    if unit:
        number += f" of {unit}s"
    if low is not None and high is not None:
        return f"{name} must be {number} from {low} to {high}"
    if low is None or _is_no_number(failure.__cause__):
        return f"{name} must be {number}"
    return f"{name} must be at least {low} {unit}{'s' if unit and low != 1 else ''}".rstrip()


def _is_no_number(cause: Any) -> bool:
    """Whether pydantic could not read a number, rather than found it out of range."""
    return any(str(error["type"]).endswith(("_parsing", "_type")) for error in cause.errors())
