"""How far a run of many questions is, in one line: for stderr, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Final

from deepreasoning_cli.pipeline.money import format_usd
from deepreasoning_cli.views.terminal import crop, supports_cursor, terminal_size

HOUR: Final = 3600
MINUTE: Final = 60
TICK: Final = 0.1  # seconds between two draws
FEWEST: Final = 3  # that are over before a rate says anything


class RunProgress:
    """Counts of `total` questions, of which `before` were answered by earlier runs.

    `write` shows the line, redrawn in place, each time that `tick` is called and it has changed;
    None where nobody looks. `columns` is the width of the terminal.
    """

    def __init__(
        self,
        total: int,
        before: int = 0,
        *,
        write: Callable[[str], None] | None = None,
        columns: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.answered = before
        self.failed = 0
        self.cost = Decimal(0)
        self.waits_for = ""
        self._before = before
        self._write = write
        self._columns = columns
        self._clock = clock
        self._began = clock()
        self._shown = ""
        self._drawn_at = self._began - TICK

    @property
    def left(self) -> int:
        """How many are neither answered nor failed."""
        return self.total - self.answered - self.failed

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return self._clock() - self._began

    def count(self, cost: Decimal, *, failed: bool) -> None:
        """One more is over; `cost` is USD."""
        self.answered += not failed
        self.failed += failed
        self.cost += cost
        self.tick()

    def line(self) -> str:
        """`312 of 2,000 · 3 failed · 41 a minute · $1.20 · about 41 min left`."""
        over, seconds = self.answered + self.failed - self._before, self.seconds
        fields = [f"{self.answered:,} of {self.total:,}"]
        if self.failed:
            fields.append(f"{self.failed:,} failed")
        if over >= FEWEST and seconds > 0:
            fields.append(f"{over * MINUTE / seconds:,.0f} a minute")
        fields.append(format_usd(self.cost))
        if over >= FEWEST and self.left:
            fields.append(f"about {format_duration(seconds / over * self.left)} left")
        if self.waits_for:
            fields = [fields[0], self.waits_for, format_usd(self.cost)]
        return " · ".join(fields)

    def wait_for(self, what: str) -> None:
        """Say what is waited for; nothing, with an empty text."""
        self.waits_for = what
        self.tick()

    def tick(self) -> None:
        """Draw the line, if it says something new and the last one could be read."""
        now = self._clock()
        if self._write is None or now - self._drawn_at < TICK:
            return
        line = crop(self.line(), max(self._columns - 1, 1))
        if line != self._shown:
            self._try_write(f"\r{line}\x1b[0K")
            self._shown, self._drawn_at = line, now

    def erase(self) -> None:
        """Take the line away: other text comes."""
        if self._shown:
            self._try_write("\r\x1b[0K")
            self._shown = ""

    def _try_write(self, text: str) -> None:
        if self._write:
            with suppress(OSError, ValueError):  # closed or full: nobody is looking
                self._write(text)


class Reporter:
    """What is told while questions are asked, with the progress out of its way.

    `say` is called with a kind and a text. The progress `is_drawn` if that is wanted and a person
    looks at a terminal.
    """

    def __init__(self, say: Callable[[str, str], None], *, is_drawn: bool) -> None:
        self._say = say
        self._is_drawn = is_drawn and supports_cursor(sys.stderr)
        self._progress: RunProgress | None = None

    def begin(self, total: int, before: int) -> RunProgress:
        """The progress of the questions, of which `before` were answered by earlier runs."""
        write = _write_stderr if self._is_drawn else None
        columns = terminal_size(sys.stderr)[0] if write else 80
        self._progress = RunProgress(total, before, write=write, columns=columns)
        return self._progress

    def __call__(self, kind: str, text: str) -> None:
        """Say a warning or a note."""
        if self._progress:
            self._progress.erase()
        self._say(kind, text)

    def tell(self, text: str) -> None:
        """Say a line as it is."""
        self("", text)


def _write_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def format_duration(seconds: float) -> str:
    """A time as people read it: `12 s`, `4 min`, `2 h 10 min`."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    if minutes < HOUR // MINUTE:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
