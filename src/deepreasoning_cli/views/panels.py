"""Events → two panels that stream whole into the scrollback, each row once."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TextIO

from rich.segment import Segment

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.events import (
    CUT,
    DECLINED,
    Event,
    Finished,
    Source,
    Sources,
    Stage,
    Started,
    Text,
    Thought,
)
from deepreasoning_cli.findings import listed
from deepreasoning_cli.record import Record
from deepreasoning_cli.views import console as terminal
from deepreasoning_cli.views.blocks import PlainStream
from deepreasoning_cli.views.footer import stage_line, turn_line
from deepreasoning_cli.views.frame import cut
from deepreasoning_cli.views.live import HIDE, SHOW, LiveArea
from deepreasoning_cli.views.panel import DIM, Look, Panel, Styling
from deepreasoning_cli.views.plain import to
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.status import Progress

FRAME_TIME = 0.04  # seconds between two draws
SPIN = 0.125  # seconds between two draws of the spinner
LONGEST_PAUSE = 1.0  # seconds between two draws, however slow the terminal


class PanelsView:
    """The panels of one turn. A thread of its own draws, so that text never waits for a draw."""

    def __init__(self, record: Record, progress: Progress, stream: TextIO, look: Look) -> None:
        self._record = record
        self._progress = progress
        self._style = Styling(stream, look)
        self._out = to(stream)
        self._area = LiveArea(self._write, self._style.colors)
        self._panel: Panel | None = None
        self._searching = False
        self._hidden = False
        self._sources: tuple[Source, ...] = ()
        self._pending: deque[str] = deque()
        self._lock = threading.Lock()
        self._dirty, self._over = threading.Event(), threading.Event()
        self._fault: Exception | None = None
        self.neutralised = 0
        self._thread = threading.Thread(target=self._run, name="panels", daemon=True)

    def __call__(self, event: Event) -> None:
        """Take in an event; text is drawn within a frame."""
        self._progress.apply(event)
        match event:
            case Started(Stage.SEARCH):
                self._wait_for_the_search()
            case Sources(sources):
                self._sources = sources
            case Finished(Stage.SEARCH):
                self._end_the_search()
            case Started(stage, model) if stage not in self._style.look.skipped:
                self._open(stage, model)
            case Thought() | Text() if self._panel and self._panel.shows(event):
                self._pending.append(event.text)
                self._dirty.set()
            case Finished():
                words, alarm = _result(event)
                self._finish(words, alarm=alarm)
        if self._fault:
            raise self._fault

    def close(self, failure: BaseException | None) -> None:
        """Close what is open, print the bill, give the cursor back."""
        self._over.set()
        self._dirty.set()
        if self._thread.ident:
            self._thread.join()
        if isinstance(failure, OSError) or self._fault:
            return  # nobody reads any more
        if failure is not None:
            self._finish(_ending(failure), alarm=True)
        if self._record.stages:
            bill = PlainStream(terminal.size()[0], style=DIM)
            rows = bill.feed(one_line(turn_line(self._record), 200)) + bill.close()
            self._area.draw(rows, [])
        self._write(SHOW)

    def _write(self, text: str) -> None:
        self._out(self._style.shown(text))

    def _open(self, stage: Stage, model: str) -> None:
        with self._lock:
            self._hide_cursor()
            rows = self._style.rows(stage, self._style.frame(stage).width)
            above, self._sources = "\n".join(listed(self._sources)), ()
            self._panel = Panel(stage, model, rows, self._area, self._style, above)
        self._keep_drawing()

    def _wait_for_the_search(self) -> None:
        """A search has no panel: one row tells how long it takes."""
        with self._lock:
            self._hide_cursor()
            self._searching = True
        self._keep_drawing()

    def _end_the_search(self) -> None:
        """The row goes, and the cursor is back: the user may be asked something now."""
        with self._lock:
            self._searching = self._hidden = False
            self._area.draw([], [])
            self._write(SHOW)

    def _hide_cursor(self) -> None:
        if not self._hidden:
            self._hidden = True
            self._write(HIDE)

    def _keep_drawing(self) -> None:
        if not self._thread.ident:
            self._thread.start()
        self._dirty.set()

    def _finish(self, words: str, *, alarm: bool = False) -> None:
        with self._lock:
            if self._panel:
                panel, self._panel = self._panel, None
                panel.close(self._taken(), words, alarm=alarm)
                self.neutralised += panel.neutralised

    def _run(self) -> None:
        while not self._over.is_set():
            self._dirty.wait(SPIN)
            self._dirty.clear()
            began = time.monotonic()
            try:
                self._draw()
            except (OSError, ValueError) as exc:  # the terminal is gone
                self._fault = exc
                return
            spent = time.monotonic() - began
            self._over.wait(min(max(FRAME_TIME, 10 * spent), LONGEST_PAUSE))

    def _draw(self) -> None:
        with self._lock:
            progress = self._progress.line(model=False)
            if self._panel:
                self._panel.draw(self._taken(), progress)
            elif self._searching:
                row = cut(f"{self._style.spin()} {progress}", terminal.size()[0])
                self._area.draw([], [[Segment(row, DIM)]])

    def _taken(self) -> str:
        pieces = []
        while self._pending:
            pieces.append(self._pending.popleft())
        return "".join(pieces)


def _result(stage: Finished) -> tuple[str, bool]:
    """The last border of a stage that came to its end, and whether that is bad news."""
    words = stage_line(stage)
    if stage.stop_reason in CUT:
        return f"cut at its token limit · {words}", True
    if stage.stop_reason in DECLINED:
        return f"declined · {words}", True
    return (f"thought {words}" if stage.stage is Stage.REASON else words), False


def _ending(failure: BaseException) -> str:
    """The last border of a stage that was broken off."""
    if isinstance(failure, DeepReasoningError):
        return "cut short" if failure.kind in ("cut", "connection_lost") else "stopped by an error"
    return "stopped"
