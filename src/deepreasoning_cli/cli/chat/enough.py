"""Enter while the reasoner thinks: the answer is written from what there is."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENTER = (b"\r", b"\n")


def never() -> bool:
    """Nobody is there to press Enter."""
    return False


@contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """A function that tells whether Enter was pressed since it was asked last.

    While it is watched the terminal echoes nothing, so that no key disturbs what is drawn; Ctrl-C
    stays a signal.
    """
    if os.name != "posix" or sys.stdin is None or not sys.stdin.isatty():
        yield never
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, quiet)
    try:
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


class _Keys:
    """The keys pressed on a terminal that does not wait for the end of a line.

    It is asked after each thought. What was pressed before the first one, such as the Enter that
    sends the question once more, is not meant for it: there was nothing to have enough of.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._listens = False

    def __call__(self) -> bool:
        listened, self._listens = self._listens, True
        if not select.select([self._descriptor], [], [], 0)[0]:
            return False
        pressed = os.read(self._descriptor, 1024)
        return listened and any(key in pressed for key in ENTER)
