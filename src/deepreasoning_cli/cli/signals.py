"""Signals and the one key that a running turn takes.

A signal ends the program the way Ctrl-C does: what is open gets closed, and none is lost.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from deepreasoning_cli.errors import Interrupted

AGAIN = 0.02  # seconds
ENTER = (b"\r", b"\n")


def end_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into Interrupted; raise again what Python would drop."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _dropped


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _dropped(unraisable: Any) -> None:
    """An exception in a finaliser goes nowhere; a signal that fell into one is sent again.

    A generator that is let go closes its connection in its finaliser, which takes long enough.
    """
    match unraisable.exc_value:
        case Interrupted() as signalled:
            _send_later(signal.Signals(signalled.exit_code - 128))
        case KeyboardInterrupt():
            _send_later(signal.SIGINT)
        case _:
            sys.__unraisablehook__(unraisable)


def _send_later(number: signal.Signals) -> None:
    """From another thread, so that the main thread has left the finaliser by then."""
    timer = threading.Timer(AGAIN, _send, [number])
    timer.daemon = True
    timer.start()


def _send(number: signal.Signals) -> None:
    if os.name == "posix":
        os.kill(os.getpid(), number)
    else:  # there, os.kill would end the program at once
        import _thread

        _thread.interrupt_main(signal.Signals(number))


@contextmanager
def sigint_once() -> Iterator[None]:
    """The first Ctrl-C is a KeyboardInterrupt; those after it are those of a hasty hand.

    Where Ctrl-C is ignored or somebody else's, it stays so.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    once = _SigintOnce(sys.unraisablehook)
    signal.signal(signal.SIGINT, once)
    sys.unraisablehook = once.dropped
    try:
        yield
    finally:
        sys.unraisablehook = once.hook
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _SigintOnce:
    """A handler that raises once; again, if what it raised was dropped by a finaliser."""

    def __init__(self, hook: Callable[[Any], object]) -> None:
        self.hook = hook
        self._armed = True

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt

    def dropped(self, unraisable: Any) -> None:
        """Listen again; the hook that was there sends the signal once more."""
        self._armed = True
        self.hook(unraisable)


@contextmanager
def answer_now_key() -> Iterator[Callable[[], bool]]:
    """A function that tells whether Enter was pressed since it was asked last.

    Enter while the reasoner thinks means that the answer is written from what there is. Where
    nobody types, it is never pressed. Meanwhile the terminal echoes nothing, so that no key
    disturbs what is drawn; Ctrl-C stays a signal.
    """
    if os.name != "posix" or sys.stdin is None or not sys.stdin.isatty():
        yield lambda: False
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, quiet)
    try:
        yield _EnterKey(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


class _EnterKey:
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
