"""Ctrl-Z: the shell gets a terminal without what was live on it, and in its ordinary modes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType


class SuspendKey:
    """Stops the program as Ctrl-Z asks for, inside the context that `suspended` makes.

    Only the main thread can `watch`. A signal that others handle or ignore is left to them, and so
    are systems without it.
    """

    def __init__(self) -> None:
        self.suspended: Callable[[], AbstractContextManager[None]] = nullcontext

    def watch(self) -> None:
        """From now on, stop so."""
        if os.name == "posix" and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGTSTP)
            if before is signal.SIG_DFL or isinstance(_owner(before), SuspendKey):
                signal.signal(signal.SIGTSTP, self._stop)

    def release(self) -> None:
        """From now on, stop as any program."""
        if os.name == "posix" and _owner(signal.getsignal(signal.SIGTSTP)) is self:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        with self.suspended(), _ordinary_modes():
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            # Sent to this thread it has its effect before the call returns, which is after `fg`.
            signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._stop)


def _owner(handler: object) -> object:
    return getattr(handler, "__self__", None)


@contextmanager
def _ordinary_modes() -> Iterator[None]:
    """The terminal echoes and takes whole lines, however the program has set it."""
    import termios

    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    ordinary = [*before[:3], before[3] | termios.ECHO | termios.ICANON, *before[4:]]
    termios.tcsetattr(terminal, termios.TCSADRAIN, ordinary)
    yield
    if os.tcgetpgrp(terminal) == os.getpgrp():  # after `bg` they are the shell's to set
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
