"""The user's pager: long text a screen at a time."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deepreasoning_cli.views import console

STYLES: Final = re.compile(r"\x1b\[[0-9;]*m")
DEFAULTS: Final = {"LESS": "FRX", "LV": "-c"}
"""What `less` and `lv` need to show colours, for users who have not said how they want them."""
NONE: Final = ("", "cat")


def is_long(text: str) -> bool:
    """Whether the terminal has too few rows for it and the next prompt."""
    columns, rows = console.size()
    taken = 0
    for line in text.splitlines():
        taken += max(-(-console.cell_width(STYLES.sub("", line)) // columns), 1)
        if taken >= rows:
            return True
    return False


def page(text: str) -> bool:
    """Show `text` in $PAGER, else in `less`; False where no pager starts or none is wanted."""
    words = _words()
    if not words:
        return False
    encoding = sys.stdout.encoding or "utf-8"
    environment = {**DEFAULTS, **os.environ}
    sys.stdout.flush()
    try:
        with (
            _deaf_to_ctrl_c(),
            subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as process,
        ):
            _feed(process, text.encode(encoding, "backslashreplace"))
    except OSError:  # it is not there, or not to be run
        return False
    return True


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Give it all of the text, of which it need not read everything, and wait for its end."""
    try:
        process.communicate(data)
    except BaseException:
        process.terminate()  # it gives the terminal back as it was
        raise


def _words() -> list[str]:
    command = os.environ.get("PAGER", "less")
    try:
        words = shlex.split(command, posix=os.name == "posix")
    except ValueError:  # an open quotation mark
        return []
    return [] if " ".join(words) in NONE else words


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Ctrl-C is the pager's while it runs; a handler of our own is not inherited by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
