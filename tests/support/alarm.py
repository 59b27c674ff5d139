"""An alarm for a test that takes too long, and again for whatever then does not end."""

from __future__ import annotations

import faulthandler
import signal
import threading
from types import FrameType
from typing import Final

import pytest

AGAIN: Final = 15.0  # seconds that each `finally`, `__exit__` or fixture has from then on
TO_CLEAN_UP: Final = 60.0  # seconds for a test that has failed before its time was over
TO_END: Final = 300.0  # seconds for a process whose tests are over; others may have some left
STDERR: Final = 2


def set_for(name: str, seconds: float, again: float = AGAIN) -> bool | None:
    """Fail in the main thread after so many seconds, and again and again until `cancel`.

    None where there are no alarms: on Windows, and outside the main thread.
    """
    if not hasattr(signal, "SIGALRM"):
        return None
    if threading.current_thread() is not threading.main_thread():
        return None

    def rings(_number: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback(STDERR)
        pytest.fail(f"{name} took more than {seconds} seconds")

    signal.signal(signal.SIGALRM, rings)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, seconds, again)
    return True


def at_the_end() -> None:
    """End a process whose tests are over and that waits for a thread of theirs, and say where."""
    faulthandler.dump_traceback_later(TO_END, exit=True, file=STDERR)


def cancel() -> bool:
    """No alarm any more."""
    if hasattr(signal, "SIGALRM"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True
