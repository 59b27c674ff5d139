"""Events → two panels that stream whole into the scrollback, each row once."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TextIO

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.events import (
    CUT,
    DECLINED,
    Event,
    Finished,
    Stage,
    Started,
    Text,
    Thought,
)
from deepreasoning_cli.record import Record
from deepreasoning_cli.views import console as terminal
from deepreasoning_cli.views.blocks import MarkdownStream, PlainStream, RowStream
from deepreasoning_cli.views.footer import stage_line, turn_line
from deepreasoning_cli.views.frame import ASCII, UNICODE, Frame
from deepreasoning_cli.views.live import HIDE, SHOW, LiveArea, Row
from deepreasoning_cli.views.plain import to
from deepreasoning_cli.views.safe import Sanitiser, Sink, one_line
from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER, Progress

FRAME_TIME = 0.04  # seconds between two draws
SPIN = 0.125  # seconds between two draws of the spinner
SLICE = 4096  # characters laid out at once: what piles up while the terminal is slow stays small
TALLEST_TAIL = 10  # rows
LONGEST_PAUSE = 1.0  # seconds between two draws, however slow the terminal
TITLES = {Stage.SEARCH: "Search", Stage.REASON: "Reasoning", Stage.ANSWER: "Answer"}
DIM = Style(dim=True)


@dataclass(frozen=True, slots=True)
class Look:
    """How panels are drawn."""

    box: bool = True
    color: bool = True
    code_theme: str = "ansi_dark"
    demo: bool = False
    folded: frozenset[Stage] = frozenset()
    """Stages whose text is not shown, only how long they take."""
    skipped: frozenset[Stage] = frozenset()
    """Stages that are shown elsewhere."""


class _Panel:
    """One open panel."""

    def __init__(
        self, stage: Stage, model: str, rows: RowStream, area: LiveArea, style: _Styling
    ) -> None:
        self._rows = rows
        self._area = area
        self._style = style
        self._sanitiser = Sanitiser(Sink.TERMINAL, ascii_only=not style.unicode)
        self._frame = style.frame(stage)
        self._stage = stage
        self._empty = True
        model = "no model was called" if style.look.demo else model
        self._area.draw([self._frame.head(f"{TITLES[stage]} · {one_line(model, 60)}")], [])

    @property
    def neutralised(self) -> int:
        return self._sanitiser.neutralised

    def draw(self, text: str, progress: str) -> None:
        """Take in `text`, show how it stands now."""
        self._fit()
        final = self._fed(self._style.shown(self._sanitiser.feed(text)))
        live = self._rows.tail(self._tallest())
        self._empty = self._empty and not final and not live
        if self._empty:
            live = [[Segment(f"{self._style.spin()} {progress}", DIM)]]
        foot = self._frame.open_foot("" if self._empty else progress)
        self._area.draw(self._framed(final), [*self._framed(live), foot])

    def close(self, text: str, words: str, *, alarm: bool) -> None:
        """The rest, and the last border with how it went."""
        self._fit()
        rest = self._fed(self._style.shown(self._sanitiser.feed(text) + self._sanitiser.close()))
        final = self._framed([*rest, *self._rows.close()])
        self._area.draw([*final, self._frame.foot(words, alarm=alarm)], [])

    def _fed(self, text: str) -> list[Row]:
        """The rows that are final now; of much text at once all but the last are drawn here."""
        if self._stage in self._style.look.folded:
            return []
        final: list[Row] = []
        for at in range(0, len(text), SLICE):
            if final:
                self._area.draw(self._framed(final), [])
            final = self._rows.feed(text[at : at + SLICE])
        return final

    def _framed(self, rows: list[Row]) -> list[Row]:
        return [self._frame.row(row) for row in rows]

    def _tallest(self) -> int:
        return max(min(TALLEST_TAIL, terminal.size()[1] - 4), 1)

    def _fit(self) -> None:
        """Follow the terminal's width."""
        if terminal.size()[0] != self._frame.columns:
            self._area.restart()
            self._frame = self._style.frame(self._stage)
            self._rows.resize(self._frame.width)


class _Styling:
    """What all panels of a turn have in common."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self.look = look
        self._stream = stream
        self.unicode = terminal.is_unicode(stream)
        self.console = terminal.console(stream, color=look.color, columns=terminal.size()[0])
        self._turns = 0

    @property
    def colors(self) -> ColorSystem | None:
        return COLOR_SYSTEMS.get(self.console.color_system or "") if self.look.color else None

    def frame(self, stage: Stage) -> Frame:
        style = Style(color="blue", dim=stage is not Stage.ANSWER)
        marks = UNICODE if self.unicode else ASCII
        return Frame(terminal.size()[0], style, box=self.look.box, marks=marks)

    def rows(self, stage: Stage, width: int) -> RowStream:
        """The answer is Markdown; a chain of thought is shown word for word."""
        if stage is Stage.ANSWER:
            return MarkdownStream(width, console=self.console, code_theme=self.look.code_theme)
        return PlainStream(width, style=DIM)

    def shown(self, text: str) -> str:
        """`text` in the terminal's own characters, before its columns are counted."""
        return text if self.unicode else terminal.spelled_out(text, self._stream)

    def spin(self) -> str:
        self._turns += 1
        signs = SPINNER if self.unicode else ASCII_SPINNER
        return signs[self._turns % len(signs)]


class PanelsView:
    """The panels of one turn. A thread of its own draws, so that text never waits for a draw."""

    def __init__(self, record: Record, progress: Progress, stream: TextIO, look: Look) -> None:
        self._record = record
        self._progress = progress
        self._style = _Styling(stream, look)
        self._out = to(stream)
        self._area = LiveArea(self._write, self._style.colors)
        self._panel: _Panel | None = None
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
            case Started(stage, model) if stage not in self._style.look.skipped:
                self._open(stage, model)
            case Thought(text) | Text(text) if self._panel:
                self._pending.append(text)
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
            if not self._thread.ident:
                self._write(HIDE)
            rows = self._style.rows(stage, self._style.frame(stage).width)
            self._panel = _Panel(stage, model, rows, self._area, self._style)
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
            if self._panel:
                self._panel.draw(self._taken(), self._progress.line(model=False))

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
