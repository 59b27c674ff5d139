"""A chat on the streams that there are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deepreasoning_cli.chat.loop import Repl
from deepreasoning_cli.chat.ports import Ports, State
from deepreasoning_cli.chat.printer import Printer
from deepreasoning_cli.chat.reader import LineReader, Reader, standard_input
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.views import console

WELCOME = "/help lists the commands, Esc-Enter begins a new line, Ctrl-D leaves"


def repl(ports: Ports, state: State, *, history: Path | None, color: str = "auto") -> Repl:
    """The chat on stdin, stdout and stderr.

    `history` is the file that keeps what is typed, None for none; `color` is auto, always or
    never. A person types where stdin is a terminal; the line editor also needs stdout to be one.
    """
    typed = console.is_terminal(sys.stdin)
    printer = Printer(sys.stdout, sys.stderr, color)
    talk = Talk(ports, state, printer, is_interactive=typed)
    if typed:
        printer.note(WELCOME)
    return Repl(talk, _reader(talk, history, color, typed=typed))


def _reader(talk: Talk, history: Path | None, color: str, *, typed: bool) -> Reader:
    if not typed:
        return LineReader(standard_input())
    if not console.can_move(sys.stdout):
        return LineReader(standard_input(), _prompt)
    from deepreasoning_cli.chat.editor import Editor

    if os.name == "nt":  # the console there is spoken to by calls
        return Editor(talk, history)
    from deepreasoning_cli.chat.terminal import QuietOutput

    output = QuietOutput(sys.stdout, color=console.uses_color(sys.stdout, color))
    return Editor(talk, history, output=output)


def _prompt() -> None:
    sys.stderr.write("> ")
    sys.stderr.flush()
