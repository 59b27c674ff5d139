"""What a slash command is, how its arguments are read, and how an entry is run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import DeepReasoningError, UsageError, nearest

Word = TypeVar("Word", bound=str)
Handler = Callable[[ChatSession, str], None]
Choices = Sequence[str] | Callable[[ChatSession], Sequence[str]]
WORDS = {"exit": "exit", "quit": "exit", "help": "help", "?": "help"}
"""Lines that are commands without a slash, as in other programs."""
PAGE: Final = (
    (
        "Models",
        ("/model, /reasoner, /answerer", "list them with prices, or choose"),
        ("/effort, /think [LEVEL]", "how much Claude, the reasoner think"),
    ),
    (
        "Question",
        ("/file [PATH…|-]", "attach text files; - takes them back"),
        ("/web [on|off]", "search the web first"),
        ("/system [TEXT|-]", "show, set or remove the system prompt"),
        ("/handoff [WHAT]", "what Claude gets of the reasoning"),
        ("/reasoning [WHAT]", "show, tail or hide it; last prints it"),
        ("/price [TEXT]", "estimate what a question would cost"),
    ),
    (
        "Answer",
        ("/retry [answer|all]", "answer again; all thinks again, too"),
        ("/compare [MODEL…]", "several models answer again; pick one"),
        ("/edit, /undo", "change the last question; drop it"),
        ("/copy [N|code [N]|reasoning]", "copy the last answer, or a part"),
    ),
    (
        "Session",
        ("/sessions", "list the sessions"),
        ("/resume [NAME]", "finish a cut answer; open a session"),
        ("/branch [NAME [TURN]], /clear", "go on in a copy; begin anew"),
        ("/export [FILE]", "write the session as Markdown"),
        ("/info", "how the next question is asked"),
    ),
    (
        "Keys",
        ("Enter", "send; while it thinks: answer now"),
        ("Esc-Enter, Ctrl-J", "begin a new line; Tab completes"),
        ("Ctrl-C", "stop the answer, or clear the line"),
        ("Ctrl-D, /exit, /quit", "leave"),
        ("/help COMMAND", "more of one; //text sends /text"),
    ),
)
"""What `/help` shows: groups of commands, with no more rows than a terminal has."""


class MisuseError(Exception):
    """The arguments of a command are wrong; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """A command: what `/help` says of it, what completes its arguments, and what runs it.

    `run` gets its argument, the rest of the line. It raises MisuseError for wrong arguments and
    DeepReasoningError for a failure. `choices` are the words that may come next.
    """

    name: str
    metavar: str
    help: str
    run: Handler
    choices: Choices
    takes_files: bool

    @property
    def usage(self) -> str:
        """`/retry [answer|all]`."""
        return f"/{self.name} {self.metavar}".rstrip()


def slash_command(
    metavar: str = "", *, choices: Choices = (), takes_files: bool = False
) -> Callable[[Handler], SlashCommand]:
    """Make a function a command: its name is the command's, its docstring is the help.

    `metavar` shows its argument; a command without one refuses any.
    """

    def decorate(run: Handler) -> SlashCommand:
        text = (run.__doc__ or "").removesuffix(".")
        return SlashCommand(
            name=run.__name__.removesuffix("_"),
            metavar=metavar,
            help=text[:1].lower() + text[1:],
            run=run,
            choices=choices,
            takes_files=takes_files,
        )

    return decorate


def parse_choice(argument: str, choices: Sequence[Word]) -> Word:
    """The choice that `argument` names. Raises MisuseError."""
    for choice in choices:
        if choice == argument.lower():
            return choice
    raise MisuseError(f"choose {', '.join(choices[:-1])} or {choices[-1]}, not {argument!r}")


def split_args(argument: str) -> list[str]:
    """The words of `argument`, as a shell reads quotation marks. Raises MisuseError."""
    try:
        return shlex.split(argument, posix=os.name == "posix")
    except ValueError as exc:
        raise MisuseError(str(exc).lower()) from exc


def parse_number(word: str, most: int, what: str) -> int:
    """The number of a thing, from 1 to `most`. Raises MisuseError."""
    if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= most:
        return int(word)
    raise MisuseError(
        f"there is no {what} {word}; the last one is {most}" if most else f"no {what}"
    )


def run_entry(chat: ChatSession, entry: str) -> None:
    """Run the entry where it is a command, else ask it; failures are printed."""
    try:
        if word := WORDS.get(entry.strip().lower()):
            _run(chat, word)
        elif entry.startswith("/") and not entry.startswith("//"):
            _run(chat, entry[1:].rstrip())
        else:
            literal = entry[2:].strip().lower() in WORDS  # `//exit` asks `exit`
            chat.ask(entry[2:] if literal else entry.removeprefix("/"))
    except DeepReasoningError as error:
        chat.fail(error)


def ask_first(chat: ChatSession, prompt: str) -> None:
    """Ask what the command line gave, which is no command; failures are printed."""
    try:
        chat.ask_composed(prompt)
    except DeepReasoningError as error:
        chat.fail(error)


def _run(chat: ChatSession, line: str) -> None:
    name, *rest = line.split(maxsplit=1) or [""]
    command = _find(chat, name.lower())
    try:
        if rest and not command.metavar:
            raise MisuseError(f"it takes nothing, not {rest[0]!r}")
        command.run(chat, rest[0] if rest else "")
    except MisuseError as exc:
        chat.fail(UsageError(f"/{command.name}: {exc}"))
        chat.printer.note(f"usage: {command.usage}", dim=False)


def _find(chat: ChatSession, name: str) -> SlashCommand:
    if command := chat.commands.get(name):
        return command
    begun = [each for each in chat.commands.values() if name and each.name.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    matches = [each.name for each in begun] or nearest(name, chat.commands)[:1]
    meant = " or ".join(f"/{each}" for each in matches[:4])
    advice = f"did you mean {meant}?" if matches else "/help lists them"
    raise UsageError(
        f"there is no command /{name}", kind="unknown_command", hint=f"{advice}; // sends a /"
    )


@slash_command("[COMMAND]", choices=lambda chat: list(chat.commands))
def help_(chat: ChatSession, argument: str) -> None:
    """What can be typed here."""
    if argument:
        command = _find(chat, argument.removeprefix("/"))
        chat.printer.show(f"{command.usage}\n{command.help}")
    else:
        chat.printer.groups(PAGE)
