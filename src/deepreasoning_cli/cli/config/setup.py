"""Questions, and keys that nobody sees."""

from __future__ import annotations

import sys

import typer

from deepreasoning_cli.errors import UsageError

LONGEST_LINE = 100_000  # characters; no key is nearly as long


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def key_in(name: str) -> str | None:
    """The vendor, where `name` is a key itself (`keys.VENDOR`)."""
    parts = name.split(".")
    return parts[1] if len(parts) == 2 and parts[0] == "keys" else None


def required(name: str, value: str | None) -> str:
    """The value, which only a key may lack, and all keys must. Raises UsageError."""
    if name == "keys":
        raise key_on_the_command_line("NAME")
    if value is None:
        raise UsageError(
            f"the value for {name} is missing", hint=f"deepreasoning config set {name} VALUE"
        )
    return value


def key_on_the_command_line(vendor: str) -> UsageError:
    """What is wrong with that, and what to do instead."""
    return UsageError(
        "a key is not taken from the command line: other programs and the shell's history"
        " can read it; replace this one if it is real",
        hint=f"`deepreasoning config set keys.{vendor}` asks for it or reads one line of stdin;"
        f" keys.{vendor}.command names a program that prints it",
    )


def secret(vendor: str, value: str | None) -> str:
    """A key, asked for without echo, or one line of stdin; `value` is one on the command line.

    Raises UsageError for that and for an empty answer, ConfigError for a malformed key.
    """
    from deepreasoning_cli.keys import checked

    if value is not None:
        raise key_on_the_command_line(vendor)
    text = hidden(vendor) if is_interactive() else _line_of_stdin()
    if not text.strip():
        raise UsageError(f"no key for {vendor} was given", hint="nothing was changed")
    origin = "your answer" if is_interactive() else "standard input"
    return checked(vendor, text, origin).value


def hidden(vendor: str, *, optional: bool = False) -> str:
    """Ask for a key without echo; an empty answer is possible where it is `optional`."""
    question = f"Key for {vendor}" + (" (Enter to leave it out)" if optional else "")
    answer: str = typer.prompt(question, default="", show_default=False, hide_input=True, err=True)
    return answer


def choice(question: str, options: list[str]) -> int:
    """Ask for one of `options`; the index of the chosen one. The first is the default."""
    typer.echo(question, err=True)
    for number, option in enumerate(options, start=1):
        typer.echo(f"  {number}. {option}", err=True)
    while True:
        answer: str = typer.prompt("Number", default="1", err=True)
        if answer.strip() in {str(number + 1) for number in range(len(options))}:
            return int(answer) - 1
        typer.echo(f"1 to {len(options)}, please", err=True)


def text(question: str, default: str) -> str:
    """Ask for a word or two."""
    answer: str = typer.prompt(question, default=default, err=True)
    return answer.strip()


def _line_of_stdin() -> str:
    if sys.stdin is None:
        return ""
    try:
        return sys.stdin.readline(LONGEST_LINE)
    except UnicodeDecodeError:
        raise UsageError("standard input is not text", hint="pass the key alone") from None
