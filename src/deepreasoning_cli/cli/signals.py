"""A signal ends the program as Ctrl-C does: everything open is closed, and no signal is lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from deepreasoning_cli.errors import Interrupted

RESEND_AFTER = 0.02  # seconds


def end_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into Interrupted; raise again what Python would drop."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _send_again


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _send_again(unraisable: Any) -> None:
    """Send a signal again if its exception was raised in a finaliser, where Python drops it.

    A generator closes its connection in its finaliser, which takes long enough for that.
    """
    match unraisable.exc_value:
        case Interrupted() as signalled:
            _send_later(signal.Signals(signalled.exit_code - 128))
        case KeyboardInterrupt():
            _send_later(signal.SIGINT)
        case _:
            sys.__unraisablehook__(unraisable)


def _send_later(number: signal.Signals) -> None:
    """Send it from another thread: by then the main thread has left the finaliser."""
    timer = threading.Timer(RESEND_AFTER, _send, [number])
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
    """The first Ctrl-C raises KeyboardInterrupt; later ones are ignored.

    A SIGINT that is ignored, or has another handler than Python's, is left alone.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    hook = sys.unraisablehook
    armed = True

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    def rearm(unraisable: Any) -> None:
        """A finaliser dropped the exception; `hook` sends the signal again."""
        nonlocal armed
        armed = True
        hook(unraisable)

    signal.signal(signal.SIGINT, handle)
    sys.unraisablehook = rearm
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, signal.default_int_handler)
