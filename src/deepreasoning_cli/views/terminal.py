"""What a terminal can take: colour, cursor moves, cells, Ctrl-Z; and the console for rendering.

The only module that decides how wide text is, and the adapter of what Rich keeps to itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.color import ColorSystem
    from rich.console import Console

DEFAULT_SIZE = (80, 24)
BOLD, DIM, UNDERLINED, RED = "1", "2", "4", "31"
"""Styles of a whole line; words are never coloured blue, which many palettes make unreadable."""
WRAPPING_VARIABLES = ("VTE_VERSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION")
WRAPPING_PROGRAMS = ("Apple_Terminal", "WezTerm", "ghostty", "iTerm.app", "vscode")
"""What terminals set that wrap their rows anew at another width."""
ASCII_FALLBACKS = str.maketrans("·→←≈•─│╭╮╰╯▌⋮…–—×‘’“”", "-><~*-|++++|:.--x''\"\"")
"""Our own signs for terminals that have only ASCII, column for column."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it; FORCE_COLOR does not make a pipe a terminal."""
    return stream is not None and stream.isatty()


def supports_cursor(stream: TextIO | None) -> bool:
    """Whether the cursor may be moved there."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_foreground(stream: TextIO) -> bool:
    """Whether this process may draw there now: a job in the background leaves the screen alone."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # no job control there
        return True


def uses_color(stream: TextIO | None, wish: str) -> bool:
    """Whether colour is wanted: `wish` is auto, always or never; then the environment's word."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or supports_cursor(stream)


def terminal_size(stream: TextIO | None = None) -> tuple[int, int]:
    """Columns and rows of the terminal; 80 × 24 where it does not know.

    It is that of stdout, or of `stream` where stdout may lead elsewhere.
    """
    columns, rows = shutil.get_terminal_size(DEFAULT_SIZE)
    if stream is not None and is_terminal(stream) and "COLUMNS" not in os.environ:
        with suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(stream.fileno())
    return columns or DEFAULT_SIZE[0], rows or DEFAULT_SIZE[1]


def wraps_anew() -> bool:
    """Whether the terminal is known to wrap, when it gets another width, what it shows already.

    Those that are not known may cut it instead.
    """
    if "TMUX" in os.environ:
        return True
    multiplexed = "STY" in os.environ or os.environ.get("TERM", "").startswith("screen")
    named = os.environ.get("TERM_PROGRAM") in WRAPPING_PROGRAMS
    return not multiplexed and (named or any(name in os.environ for name in WRAPPING_VARIABLES))


def is_unicode(stream: TextIO | None) -> bool:
    """Whether the stream's encoding has box-drawing characters."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def to_charset(text: str, stream: TextIO) -> str:
    """`text` in the characters the stream can take: ours have a likeness, others their code."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.translate(ASCII_FALLBACKS).encode(encoding, "backslashreplace").decode(encoding)


def make_console(stream: TextIO, *, color: bool, columns: int) -> Console:
    """The console that renders model text: no markup, no emoji codes, no guessing, no links."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=color,
        color_system="standard" if color and os.environ.get("TERM") == "dumb" else "auto",
        no_color=not color,
        width=columns,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def color_system(console: Console) -> ColorSystem | None:
    """What the console's colours are written as; None for none."""
    from rich.console import COLOR_SYSTEMS

    return COLOR_SYSTEMS.get(console.color_system or "")


def cell_width(text: str) -> int:
    """How many cells of a terminal `text` fills on one line; it has no control characters."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def graphemes(text: str) -> list[tuple[int, int]]:
    """Where each character begins that a terminal shows as one, and how many cells it fills."""
    if text.isascii():
        return [(start, 1) for start in range(len(text))]
    from rich.cells import split_graphemes

    return [(start, cells) for start, _, cells in split_graphemes(text)[0]]


def crop(text: str, width: int) -> str:
    """The longest beginning of `text` that fits into `width` cells; no character is split."""
    if cell_width(text) <= width:
        return text
    used = 0
    for start, cells in graphemes(text):
        used += cells
        if used > width:
            return text[:start]
    return text


def styled(text: str, style: str) -> str:
    """`text` in that style; "" is none."""
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def truncate(text: str, width: int) -> str:
    """`text` in at most `width` cells, with `…` where it was cut."""
    if cell_width(text) <= width:
        return text
    return f"{crop(text, width - 1)}…" if width > 0 else ""


class SuspendKey:
    """Stops the program as Ctrl-Z asks for, inside the context that `suspended` makes.

    The shell gets a terminal without what was live on it, and in its ordinary modes. Only the main
    thread can `watch`. A signal that others handle or ignore is left to them, and so are systems
    without it.
    """

    def __init__(self) -> None:
        self.suspended: Callable[[], AbstractContextManager[None]] = nullcontext
        self._is_held = self._is_pressed = False

    def watch(self) -> None:
        """From now on, stop so."""
        if os.name == "posix" and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGTSTP)
            if before is signal.SIG_DFL or isinstance(_owner(before), SuspendKey):
                signal.signal(signal.SIGTSTP, self._stop)

    def release(self) -> None:
        """Nothing is live any more. The modes may still be ours: it goes on to give them back."""
        self.suspended = nullcontext

    @contextmanager
    def held(self) -> Iterator[None]:
        """The main thread draws: a key that is pressed meanwhile has its effect afterwards."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._is_pressed:
                self._is_pressed = False
                self._stop()

    def _stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        if self._is_held:
            self._is_pressed = True
            return
        with self.suspended(), ordinary_modes():
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            # Sent to this thread it has its effect before the call returns, which is after `fg`.
            signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._stop)


def _owner(handler: object) -> object:
    return getattr(handler, "__self__", None)


def forget_input(stream: TextIO) -> None:
    """Drop what was typed and not read, where the stream is a terminal."""
    if os.name != "posix" or not is_terminal(stream):
        return
    import termios

    with suppress(termios.error):  # the terminal is gone
        termios.tcflush(stream, termios.TCIFLUSH)


@contextmanager
def ordinary_modes() -> Iterator[None]:
    """The terminal echoes and takes whole lines, however the program has set it."""
    if os.name != "posix" or not is_terminal(sys.stdin):
        yield
        return
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    ordinary = [*before]
    ordinary[0] |= termios.ICRNL
    ordinary[3] |= termios.ECHO | termios.ICANON | termios.IEXTEN
    termios.tcsetattr(terminal, termios.TCSADRAIN, ordinary)
    yield
    if os.tcgetpgrp(terminal) == os.getpgrp():  # after `bg` they are the shell's to set
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
