"""Enter while the reasoner thinks: the answer is wanted now. And a terminal that echoes nothing.

The terminal goes on to take whole lines. How many bytes wait there is all that is looked at: an
empty line that stands alone is Enter, every other one is left for the shell.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from deepreasoning_cli.views import terminal

TIP = "Enter: answer now"


def is_listening() -> bool:
    """Whether keys that are pressed now are meant for this process."""
    return (
        os.name == "posix" and terminal.is_terminal(sys.stdin) and terminal.is_foreground(sys.stdin)
    )


@contextmanager
def answer_on_enter() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells at each thought whether Enter asks for the answer now."""
    with silent_terminal(sys.stdin):
        yield EnterKey(sys.stdin).was_pressed


@contextmanager
def silent_terminal(stdin: TextIO, *, by_key: bool = False) -> Iterator[None]:
    """The terminal echoes nothing, so that no key disturbs what is drawn. Ctrl-C stays a signal.

    With `by_key` each key can be read at once, and Enter and Ctrl-J are two keys. What nobody has
    read stays in the terminal. After `bg` the modes are the shell's to set.
    """
    import termios

    before = termios.tcgetattr(stdin)
    silent = termios.tcgetattr(stdin)
    silent[3] &= ~termios.ECHO
    if by_key:
        silent[0] &= ~termios.ICRNL
        silent[3] &= ~(termios.ICANON | termios.IEXTEN)
    try:
        termios.tcsetattr(stdin, termios.TCSADRAIN, silent)
        yield
    finally:
        if terminal.is_foreground(stdin):
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(stdin, termios.TCSADRAIN, before)


class EnterKey:
    """Tells whether Enter was pressed on an empty line, and nothing typed before it."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self._can_answer = False

    def was_pressed(self) -> bool:
        """Whether it was; to be asked at each thought, for before the first it means nothing."""
        can_answer, self._can_answer = self._can_answer, True
        if self._waiting() != 1 or not terminal.is_foreground(self._stdin):
            return False
        key = os.read(self._stdin.fileno(), 1)
        if key != b"\n":
            self._give_back(key)
        return key == b"\n" and can_answer

    def _give_back(self, key: bytes) -> None:
        """A character alone that Ctrl-D ended is the shell's, too; not every system takes it."""
        import fcntl
        import termios

        with suppress(OSError):
            fcntl.ioctl(self._stdin, termios.TIOCSTI, key)

    def _waiting(self) -> int:
        """How many bytes of whole lines nobody has read."""
        import fcntl
        import termios

        try:
            count = fcntl.ioctl(self._stdin, termios.FIONREAD, bytes(4))
        except OSError:  # the terminal is gone
            return 0
        return int.from_bytes(count, sys.byteorder)
