"""Signals end the program the way Ctrl-C does: what is open gets closed, and none is lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from deepreasoning_cli.errors import Interrupted

AGAIN = 0.02  # seconds


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
