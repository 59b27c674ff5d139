"""One question to the user: how it is asked, and how its answer is checked at once.

Questions stand on stderr. A key is asked for without echo; one that is pasted where something else
belongs is not shown, and kept nowhere. On Ctrl-C and Ctrl-D typer.Abort is raised.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import typer

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.enter_key import is_listening, silent_terminal
from deepreasoning_cli.cli.messages import ask_line, open_question
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.keys import is_like_a_key, validate_and_remember
from deepreasoning_cli.views.terminal import supports_cursor, terminal_size

PASTED: Final = "That looks like a key, and was dropped. Each key has a question of its own."

MODELS: Final = ("claude-", "anthropic/")  # dated ids are as long as keys, and have digits
ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
CTRL_D: Final = b"\x04"
BURST: Final = 0.01  # seconds; what a terminal pastes comes in one go


def unechoed() -> AbstractContextManager[None]:
    """Inside, what is typed ahead appears only at the question that takes it."""
    return silent_terminal(sys.stdin) if _can_echo() else nullcontext()


def ask_yes(question: str) -> bool:
    """Whether the answer is yes; Enter alone says so too."""
    question += " [Y/n]"
    while True:
        match answer := _read_line(question).lower():
            case "" | "y" | "yes":
                return True
            case "n" | "no":
                return False
        if not _is_dropped(answer):
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
        if not _is_dropped(answer):
            write_stderr(problem)


def ask_key(
    name: str, question: str, refuse: Callable[[str], str | None] = lambda _key: None
) -> str | None:
    """A key, asked for without echo until it can be one; None where Enter alone is pressed.

    `refuse` says why it is not the right key, None for one that may be.
    """
    while True:
        answer = ask_line(question, hidden=True)
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
    try:
        with open_question():
            if _can_echo():
                return _read_keys(question)
            typer.echo(f"{question} ", nl=False, err=True)
            answer = input().strip()
    except (KeyboardInterrupt, EOFError):
        typer.echo(err=True)  # the cursor is still behind the question
        raise typer.Abort from None
    if _is_key(answer) and supports_cursor(sys.stderr):
        rows = -(-len(f"{question} {answer}") // terminal_size()[0])
        typer.echo(f"\x1b[{rows}A\r\x1b[J{question}", err=True)
    return answer


def _can_echo() -> bool:
    """Whether keys can be read one by one, and be shown by ourselves."""
    return is_listening() and supports_cursor(sys.stderr)


def _read_keys(question: str) -> str:
    """The same, echoed by ourselves: what turns out to be a key never comes onto the screen."""
    import select
    import termios
    import tty

    terminal, typed = sys.stdin.fileno(), b""
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        typer.echo(f"{question} ", nl=False, err=True)
        while (key := os.read(terminal, 1)) not in (b"\r", b"\n"):
            if not key or (key == CTRL_D and not _as_text(typed)):
                raise EOFError
            typed += key
            if not select.select([terminal], [], [], BURST)[0]:  # a paste is looked at whole
                _echo(question, _as_text(typed))
        _echo(question, _as_text(typed))
        typer.echo(err=True)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return _as_text(typed).strip()


def _echo(question: str, text: str) -> None:
    """Show the line again, as much of its end as fits into the row."""
    room = terminal_size()[0] - len(question) - 2
    shown = "" if _is_key(text) else text[-room:]
    typer.echo(f"\r{question} {shown}\x1b[K", nl=False, err=True)


def _as_text(typed: bytes) -> str:
    """What these keys come to: Backspace and Ctrl-U take back, arrows and their like do nothing."""
    text = ""
    for character in ESCAPES.sub("", typed.decode("utf-8", "ignore")):
        if character in "\x7f\b":
            text = text[:-1]
        elif character == "\x15":
            text = ""
        elif character.isprintable():
            text += character
    return text


def _is_key(answer: str) -> bool:
    return is_like_a_key(answer) and not answer.lower().startswith(MODELS)


def _is_dropped(answer: str) -> bool:
    """Whether the answer is a key; that is said then."""
    if _is_key(answer):
        write_stderr(PASTED)
    return _is_key(answer)
