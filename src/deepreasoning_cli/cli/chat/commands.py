"""What a slash command is, how its arguments are read, and how an entry is taken."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TypeVar

from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import DeepReasoningError, UsageError, nearest

Word = TypeVar("Word", bound=str)
KEYS = (
    ("Enter", "sends; Esc-Enter or Ctrl-J begins a new line; Tab completes"),
    ("Ctrl-C", "stops the answer, or clears what is typed; Ctrl-D leaves"),
    ("//text", "sends /text as a question"),
)


class MisuseError(Exception):
    """A command was given what it does not take; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A name, what may follow it, one line of help, and what it does with the rest of the line.

    `run` raises MisuseError for wrong arguments and DeepReasoningError for what fails. `choices`
    are the words that may come next, for completion; `takes` says what else completes it.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[ChatSession, str], None]
    _: KW_ONLY
    choices: tuple[str, ...] = ()
    takes: str = ""

    @property
    def usage(self) -> str:
        """`/retry [answer|all]`."""
        return f"/{self.name} {self.arguments}".rstrip()


def one_of(rest: str, choices: Sequence[Word], default: Word | None = None) -> Word:
    """The choice that `rest` names; `default` for an empty one. Raises MisuseError."""
    if not rest and default is not None:
        return default
    for choice in choices:
        if choice == rest.lower():
            return choice
    raise MisuseError(
        f"{rest!r} is none of {', '.join(choices)}" if rest else "something is missing"
    )


def words(rest: str) -> list[str]:
    """The words of `rest`, as a shell reads quotation marks. Raises MisuseError."""
    try:
        return shlex.split(rest, posix=os.name == "posix")
    except ValueError as exc:
        raise MisuseError(str(exc).lower()) from exc


def number(word: str, most: int, what: str) -> int:
    """A number from 1 to `most`, by which things are counted. Raises MisuseError."""
    if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= most:
        return int(word)
    raise MisuseError(
        f"there is no {what} {word}; the last one is {most}" if most else f"no {what}"
    )


def no_arguments(rest: str) -> None:
    """Raise MisuseError where anything follows."""
    if rest:
        raise MisuseError(f"it takes nothing, not {rest!r}")


def take(chat: ChatSession, entry: str) -> None:
    """Ask what was entered, or run the command that it is; failures are printed."""
    try:
        if not entry.startswith("/"):
            chat.ask(entry)
        elif entry.startswith("//"):
            chat.ask(entry[1:])
        else:
            _run(chat, entry[1:].rstrip())
    except DeepReasoningError as error:
        chat.printer.failure(error)
        chat.code = error.exit_code


def _run(chat: ChatSession, line: str) -> None:
    name, *rest = line.split(maxsplit=1) or [""]
    command = _find(chat, name.lower())
    try:
        command.run(chat, rest[0] if rest else "")
    except MisuseError as exc:
        chat.printer.complain(f"/{command.name}: {exc}", "usage", command.usage)
        chat.code = UsageError.exit_code


def _find(chat: ChatSession, name: str) -> SlashCommand:
    if command := chat.commands.get(name):
        return command
    close = nearest(name, chat.commands)
    advice = f"/{close[0]} is the nearest" if close else "/help lists them"
    raise UsageError(
        f"there is no command /{name}", kind="unknown_command", hint=f"{advice}; // sends a /"
    )


def help_(chat: ChatSession, rest: str) -> None:
    """Say what the commands do, or one of them."""
    if rest:
        command = _find(chat, rest.removeprefix("/"))
        chat.printer.show(f"{command.usage}\n{command.help}")
        return
    chat.printer.facts([(each.usage, each.help) for each in chat.commands.values()] + [*KEYS])


HELP = SlashCommand("help", "[COMMAND]", "what can be typed here", help_, takes="command")
