"""How far a turn is, in one line: for stderr while a pipe waits, and inside an open panel."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import IntEnum
from operator import itemgetter

from deepreasoning_cli.errors import as_called
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Event, Stage
from deepreasoning_cli.pipeline.money import BYTES_PER_TOKEN, format_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.base import model_label, raise_bug, wrap_lines
from deepreasoning_cli.views.terminal import cell_width, crop

TICK = 0.1  # seconds between two draws of the status line
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"
ACTIVITY = {Stage.SEARCH: "searching", Stage.REASON: "thinking", Stage.ANSWER: "answering"}


class Rank(IntEnum):
    """What stays longer where there is little room."""

    SIZE = 0
    OTHER_KEYS = 1
    TIME = 2
    COST = 3
    KEY = 4
    ACTIVITY = 5


class Progress:
    """The running stage's model, age and size, what the turn costs so far, what is waited for.

    `tip` says in a few words what keys did or do, between `·` the one that matters most first; it
    is told whether there is reasoning that could be answered from.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        tip: Callable[[bool], str] | None = None,
    ) -> None:
        self._clock = clock
        self._tip = tip
        self._stage: Stage | None = None
        self._began = clock()
        self._bytes = 0
        self._activity = "starting"
        self._model = ""
        self._instead = ""
        self._pause: tuple[str, float] | None = None
        self._can_answer = True  # a hosted turn cannot be told to answer now
        self._running: events.StageStarted | None = None
        self._spent: Decimal | None = Decimal(0)  # by the stages that are over

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.TurnStarted(backend=backend):
                self._can_answer = backend != "gateway"
            case events.StageStarted(stage, model, host=host):
                self._running = event
                if stage is not self._stage:
                    self._instead = ""
                self._began, self._bytes, self._stage = self._clock(), 0, stage
                self._activity = ACTIVITY[stage]
                self._model = single_line(model_label(model, host), 60)
            case events.Fallback(failed=failed):
                self._instead, self._pause = f"instead of {failed}", None
            case events.Thought(text) | events.Text(text):
                self._bytes += len(text.encode("utf-8", "replace"))
                self._pause = None
                if self._stage is Stage.ANSWER:
                    thinks = isinstance(event, events.Thought)
                    self._activity = ACTIVITY[Stage.REASON if thinks else Stage.ANSWER]
            case events.StageFinished(cost=cost):
                self._pause = self._running = None
                self._spent = _sum(self._spent, cost)

    @property
    def stage(self) -> Stage | None:
        """The stage that runs, or ran last."""
        return self._stage

    def note_retry(self, why: str, seconds: float) -> None:
        """The next attempt waits."""
        self._pause = (single_line(why, 200), self._clock() + seconds)

    def line(self, *, model: bool = True, width: int | None = None) -> str:
        """`deepseek-v4-pro thinking · 12 s · 340 tokens · ≈$0.0021`, or what is waited for.

        Fields are left out where all together are wider than `width` cells, never cut.
        """
        now = self._clock()
        if self._pause and now < self._pause[1]:
            return f"{self._pause[0]}, retrying in {self._pause[1] - now:.0f} s"
        fields = list(self._fields(now, model=model))
        while width is not None and len(fields) > 1:
            if cell_width(_joined(fields)) <= width:
                break
            fields.remove(min(fields, key=itemgetter(0)))
        return _joined(fields)

    def _fields(self, now: float, *, model: bool) -> Iterator[tuple[Rank, str]]:
        name = f"{self._model} {self._activity}".strip() if model else self._activity
        yield Rank.ACTIVITY, name
        yield Rank.TIME, f"{now - self._began:.0f} s"
        if self._instead:
            yield Rank.SIZE, self._instead
        if tokens := self._bytes // BYTES_PER_TOKEN:
            yield Rank.SIZE, f"{tokens:,} tokens"
        if cost := self._cost(tokens):
            yield Rank.COST, format_usd(cost, estimated=True)
        can_answer = self._can_answer and self._stage is Stage.REASON and self._bytes > 0
        if self._tip and (tip := self._tip(can_answer)):
            first, *others = tip.split(" · ")
            yield Rank.KEY, first
            yield from ((Rank.OTHER_KEYS, other) for other in others)

    def _cost(self, tokens: int) -> Decimal | None:
        """USD of the turn so far, the running stage at its estimate; None where it is unknown."""
        start = self._running
        if self._spent is None or start is None or not self._bytes:
            return self._spent
        if start.rates is None:
            return None
        return self._spent + start.rates.cost(start.estimate(tokens), start.at)


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _joined(fields: Iterable[tuple[Rank, str]]) -> str:
    return " · ".join(text for _, text in fields)


class StatusLine:
    """Progress on stderr, redrawn in place by a thread of its own.

    It is erased for good before the first event of a kind in `until` is shown: from then on other
    text stands on the screen. It is drawn only while `is_foreground` says so.
    """

    def __init__(
        self,
        progress: Progress,
        write: Callable[[str], None],
        columns: int,
        spinner: str = SPINNER,
        *,
        until: tuple[type[Event], ...] = (),
        is_foreground: Callable[[], bool] = lambda: True,
        tick: float = TICK,
    ) -> None:
        self._progress = progress
        self._write = write
        self._columns = columns
        self._spinner = spinner
        self._until = until
        self._is_foreground = is_foreground
        self._tick = tick
        self._frame = 0
        self._is_drawn = False
        self._drawing = threading.Lock()
        self._bug: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Count the event; the text itself is somebody else's."""
        self._progress.apply(event)
        if isinstance(event, self._until):
            self._stop()

    def print_line(self, line: str) -> None:
        """Print a line where the status stands, which is drawn anew below."""
        with self._drawing:
            self._erase()
            self._try_write(f"{wrap_lines(as_called(line), self._columns)}\n")

    def close(self, failure: BaseException | None) -> None:
        """Erase the line; raises what went wrong in the thread, if the turn did not fail too."""
        self._stop()
        raise_bug(self._bug, failure)

    def _stop(self) -> None:
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._erase()

    def _run(self) -> None:
        try:
            while not self._over.wait(self._tick):
                self._frame += 1
                sign = self._spinner[self._frame % len(self._spinner)]
                room = max(self._columns - 1, 1)
                line = crop(f"{sign} {self._progress.line(width=room - 2)}", room)
                with self._drawing:
                    if self._is_foreground():
                        self._try_write(f"\r{line}\x1b[0K")
                        self._is_drawn = True
        except Exception as exc:  # noqa: BLE001 (`close` raises it, when the turn is shown)
            self._bug = exc

    def _erase(self) -> None:
        if self._is_drawn and self._is_foreground():
            self._try_write("\r\x1b[0K")
        self._is_drawn = False

    def _try_write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed or full: nobody is looking
            self._write(text)
