"""The slash commands by name, and how an entry is taken."""

from __future__ import annotations

from difflib import get_close_matches

from deepreasoning_cli.chat.asking import ASKING
from deepreasoning_cli.chat.choices import CHOICES
from deepreasoning_cli.chat.command import Command, MisuseError
from deepreasoning_cli.chat.keeping import KEEPING
from deepreasoning_cli.chat.sessions import SESSIONS
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.errors import DeepReasoningError, UsageError

KEYS = (
    ("Enter", "sends; Esc-Enter or Ctrl-J begins a new line; Tab completes"),
    ("Ctrl-C", "stops the answer, or clears what is typed; Ctrl-D leaves"),
    ("//text", "sends /text as a question"),
)


def help_(talk: Talk, rest: str) -> None:
    """Say what the commands do, or one of them."""
    if rest:
        command = _found(rest.removeprefix("/"))
        talk.printer.show(f"{command.usage}\n{command.help}")
        return
    talk.printer.facts([(each.usage, each.help) for each in COMMANDS.values()] + [*KEYS])


COMMANDS = {
    command.name: command
    for command in (
        Command("help", "[COMMAND]", "what can be typed here", help_, takes="command"),
        *CHOICES,
        *ASKING,
        *KEEPING,
        *SESSIONS,
    )
}


def take(talk: Talk, entry: str) -> None:
    """Ask what was entered, or run the command that it is; failures are printed."""
    try:
        if not entry.startswith("/"):
            talk.ask(entry)
        elif entry.startswith("//"):
            talk.ask(entry[1:])
        else:
            _run(talk, entry[1:].rstrip())
    except DeepReasoningError as error:
        talk.printer.failure(error)
        talk.code = error.exit_code


def _run(talk: Talk, line: str) -> None:
    name, *rest = line.split(maxsplit=1) or [""]
    command = _found(name.lower())
    try:
        command.run(talk, rest[0] if rest else "")
    except MisuseError as exc:
        talk.printer.complain(f"/{command.name}: {exc}", "usage", command.usage)
        talk.code = UsageError.exit_code


def _found(name: str) -> Command:
    if command := COMMANDS.get(name):
        return command
    close = get_close_matches(name, COMMANDS, 1)
    nearest = f"/{close[0]} is the nearest" if close else "/help lists them"
    raise UsageError(
        f"there is no command /{name}", kind="unknown_command", hint=f"{nearest}; // sends a /"
    )
