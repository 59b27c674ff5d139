"""One question to the user: how it is asked, and how its answer is checked at once.

Questions stand on stderr. A key is asked for without echo; one that is pasted where something else
belongs is wiped off the screen, and kept nowhere. On Ctrl-C and Ctrl-D typer.Abort is raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

import typer

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.keys import is_like_a_key, validate_and_remember
from deepreasoning_cli.views.terminal import supports_cursor, terminal_size

PASTED: Final = "That looks like a key, and was dropped. Each key has a question of its own."

MODELS: Final = ("claude-", "anthropic/")  # dated ids are as long as keys, and have digits


def ask_yes(question: str) -> bool:
    """Whether the answer is yes; Enter alone says so too."""
    question += " [Y/n]"
    while True:
        match answer := _read_line(question).lower():
            case "" | "y" | "yes":
                return True
            case "n" | "no":
                return False
        if not _is_dropped(question, answer):
            write_stderr("Type y or n.")


def ask_choice(
    question: str, options: Mapping[str, str], check: Callable[[str], None] | None = None
) -> str:
    """One of `options`, which are described by their values, by its number; Enter takes the first.

    With `check` a name can be typed too: it raises DeepReasoningError for a wrong one.
    """
    write_stderr(question)
    width = max(map(len, options))
    rows = [
        (f"  {at}. {name:<{width}}", text) for at, (name, text) in enumerate(options.items(), 1)
    ]
    is_wide = max(len(f"{name}  {text}") for name, text in rows) <= terminal_size()[0]
    for name, text in rows:
        write_stderr(f"{name}  {text}" if is_wide else f"{name.rstrip()}\n     {text}")
    numbers = [str(number + 1) for number in range(len(options))]
    question = "Number or name [1]:" if check else "Number [1]:"
    while True:
        answer = _read_line(question)
        if answer in ("", *numbers):
            return list(options)[int(answer or 1) - 1]
        problem = f"Type {', '.join(numbers[:-1])} or {numbers[-1]}."
        if check and not answer.isdigit():
            try:
                check(answer)
            except DeepReasoningError as error:
                problem = ": ".join((error.message, *error.hints[:1]))
            else:
                return answer
        if not _is_dropped(question, answer):
            write_stderr(problem)


def ask_key(
    name: str, question: str, refuse: Callable[[str], str | None] = lambda _key: None
) -> str | None:
    """A key, asked for without echo until it can be one; None where Enter alone is pressed.

    `refuse` says why it is not the right key, None for one that may be.
    """
    while True:
        answer: str = typer.prompt(
            question, default="", show_default=False, hide_input=True, err=True
        )
        if not answer.strip():
            return None
        try:
            key = validate_and_remember(name, answer, "your answer")
        except ConfigError as error:
            write_stderr(": ".join((error.message, *error.hints[:1])))
            continue
        if problem := refuse(key.value):
            write_stderr(problem)
            continue
        write_stderr(f"  got {key.masked} ({len(key.value)} characters)")
        return key.value


def _read_line(question: str) -> str:
    """The line that is typed behind the question, which stays out of stdout."""
    typer.echo(f"{question} ", nl=False, err=True)
    try:
        return input().strip()
    except (KeyboardInterrupt, EOFError):
        typer.echo(err=True)  # the cursor is still behind the question
        raise typer.Abort from None


def _is_dropped(question: str, answer: str) -> bool:
    """Whether the answer is a key: it is wiped off the screen then."""
    if not is_like_a_key(answer) or answer.lower().startswith(MODELS):
        return False
    if supports_cursor(sys.stderr):
        rows = -(-len(f"{question} {answer}") // terminal_size()[0])
        typer.echo(f"\x1b[{rows}A\r\x1b[J{question}", err=True)
    write_stderr(PASTED)
    return True
