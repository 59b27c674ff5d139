"""Ctrl-C stops a turn once: another press does not disturb what is being put away."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stopped_once() -> Iterator[None]:
    """The first Ctrl-C is a KeyboardInterrupt; those after it are those of a hasty hand.

    Where Ctrl-C is ignored or somebody else's, it stays so.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    once = _Once(sys.unraisablehook)
    signal.signal(signal.SIGINT, once)
    sys.unraisablehook = once.dropped
    try:
        yield
    finally:
        sys.unraisablehook = once.hook
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Once:
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
