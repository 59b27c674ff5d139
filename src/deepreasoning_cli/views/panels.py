"""Events → two panels that stream whole into the scrollback, each row once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.segment import Segment

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.search import format_sources
from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of
from deepreasoning_cli.sanitize import Sanitiser, single_line
from deepreasoning_cli.views.base import model_label, raise_bug
from deepreasoning_cli.views.live import HIDE_CURSOR, SHOW_CURSOR
from deepreasoning_cli.views.markdown.stream import render_plain
from deepreasoning_cli.views.notes import format_duration, has_bill, stage_summary, turn_summary
from deepreasoning_cli.views.panel import DIM, FoldedPanel, Panel, PanelRenderer, PlainPanel
from deepreasoning_cli.views.plain import stream_writer
from deepreasoning_cli.views.status import Progress
from deepreasoning_cli.views.terminal import SuspendKey, crop

FRAME_INTERVAL = 0.04  # seconds between two draws
SPINNER_INTERVAL = 0.125  # seconds between two draws of the spinner
MAX_INTERVAL = 1.0  # seconds between two draws, however slow the terminal
LAST_DRAW = 0.5  # seconds that Ctrl-Z waits for a draw to end
MOST_PENDING = 200_000  # characters that wait to be drawn
PROGRESS_MARGIN = 3  # columns of a row that tells how it goes, beside its words
BAD_NEWS = {
    Ending.TRUNCATED: "cut at its token limit",
    Ending.REFUSED: "declined",
    Ending.PAUSED: "paused before its end",
    Ending.BROKEN: "broken off",
}


class PanelsView:
    """The panels of one turn. A thread of its own draws, so that text never waits for a draw.

    Without a `record` there is no bill below them.
    Where drawing fails from a bug, what is final stays, the rest of the turn is printed as plain
    text, and `close` raises what failed.
    """

    def __init__(
        self,
        record: TurnRecord | None,
        progress: Progress,
        renderer: PanelRenderer,
        suspend_key: SuspendKey | None = None,
    ) -> None:
        self._record = record
        self._progress = progress
        self._renderer = renderer
        self._out = stream_writer(renderer.stream)
        self._area = renderer.live_area(self._write)
        self._panel: Panel | PlainPanel | None = None
        self._stage: Stage | None = None
        self._model = ""  # of the stage
        self._has_answer = False  # whether any text of it is in its panel
        self._own_began: float | None = None  # when Claude's own thinking began, while it is open
        self._searching = False
        self._cursor_hidden = False
        self._sources: tuple[events.Source, ...] = ()
        self._fence = ""  # the code block that the text of a continued answer begins in
        self._pending: deque[str] = deque()
        self._handed = self._fed = 0  # characters that went into it, and out of it
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._fatal: Exception | None = None  # why nothing can be shown any more
        self._bug: Exception | None = None  # why no panels are drawn any more
        self.escaped_count = 0  # characters of the panels that are closed
        self._thread = threading.Thread(target=self._run, name="panels", daemon=True)
        self._suspend_key = suspend_key or SuspendKey()
        self._suspend_key.suspended = self.suspended

    def __call__(self, event: events.Event) -> None:
        """Take in an event; text is drawn within a frame."""
        self._progress.apply(event)
        omitted = self._renderer.style.omitted_stages
        match event:
            case events.StageStarted(Stage.SEARCH):
                self._start_search()
            case events.Sources(sources):
                self._sources = sources
            case events.Continued(text):
                from deepreasoning_cli.pipeline.continuation import open_fence

                self._fence = open_fence(text)
            case events.StageFinished(Stage.SEARCH):
                self._end_search()
            case events.StageStarted(stage, model, host=host) if stage not in omitted:
                self._stage, self._model, self._has_answer = stage, model_label(model, host), False
                above, self._sources = "\n".join(format_sources(self._sources)), ()
                self._open(stage, above)
            case events.Fallback(used=used):
                self._finish(f"using {used} instead", alarm=True)
                self._own_began = None
            case events.Thought() | events.Text() if self._belongs(event):
                self._add(self._opened(event))
            case events.StageFinished():
                words, alarm = _result_words(event, has_answer=self._has_answer)
                self._finish(words, alarm=alarm)
                self._own_began = None
        if self._fatal:
            raise self._fatal

    def close(self, failure: BaseException | None) -> None:
        """Close what is open, print the bill, give the cursor back."""
        try:
            self._stop.set()
            self._wake.set()
            if self._thread.ident:
                self._thread.join()
            self._suspend_key.release()
            if not (isinstance(failure, OSError) or self._fatal):  # else nobody reads any more
                if failure is not None and not self._discard_empty(failure):
                    self._finish(_failure_words(failure), alarm=True)
                with self._lock:
                    self._guard(self._print_bill)
        finally:  # a second Ctrl-C can come anywhere before
            if not (isinstance(failure, OSError) or self._fatal):
                self._write(SHOW_CURSOR)
        raise_bug(self._bug, failure)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Nothing live is on the screen, and nothing is drawn; afterwards it is drawn anew."""
        idle = self._lock.acquire(timeout=LAST_DRAW)  # else this very thread is drawing
        if idle:
            self._area.restart()
            self._write(SHOW_CURSOR)
        try:
            yield
        finally:
            self._area.forget()
            if idle:
                self._write(HIDE_CURSOR if self._cursor_hidden else "")
                self._lock.release()
            self._wake.set()

    def _write(self, text: str) -> None:
        try:
            self._out(self._renderer.encodable(text))
        except (OSError, ValueError) as exc:  # the terminal is gone
            self._fatal = exc
            raise

    def _belongs(self, piece: events.Thought | events.Text) -> bool:
        """Whether the piece belongs in the open panel, or in one that is opened for it.

        What Claude thinks before it writes has a panel of its own; what comes later is not shown.
        """
        if self._panel is None or self._stage is not Stage.ANSWER:
            return self._panel is not None
        if isinstance(piece, events.Thought):
            return self._own_began is not None or self._begin_own_thinking(self._panel)
        if self._own_began is not None:
            self._finish(f"thought {format_duration(time.monotonic() - self._own_began)}")
            self._own_began = None
            self._open(Stage.ANSWER, "")
        self._has_answer = True
        return True

    def _begin_own_thinking(self, panel: Panel | PlainPanel) -> bool:
        """Put a panel for Claude's thinking in the place of the empty one for its answer."""
        shown = Stage.REASON not in self._renderer.style.omitted_stages
        if self._has_answer or not shown or not isinstance(panel, Panel):
            return False
        with self._lock:
            self._guard(panel.discard)
        self._own_began = time.monotonic()
        self._open(Stage.REASON, panel.above)
        return True

    def _opened(self, piece: events.Thought | events.Text) -> str:
        """The text, behind the fence of the code block that the rest of an answer begins in."""
        if not self._fence or isinstance(piece, events.Thought):
            return piece.text
        fence, self._fence = self._fence, ""
        return f"{fence}\n{piece.text}"

    def _open(self, stage: Stage, above: str) -> None:
        """Open the panel of a stage, with what stands above its text."""
        model = self._model

        def start() -> None:
            if self._bug:
                title = self._renderer.title(stage, model)
                text = f"{title}\n{above}\n\n" if above else f"{title}\n"
                self._panel = self._plain_panel(stage, self._renderer.sanitiser(), text)
            else:
                self._hide_cursor()
                folded = stage in self._renderer.style.folded_stages
                kind = FoldedPanel if folded else Panel
                self._panel = kind(stage, model, self._area, self._renderer, above)

        with self._lock:
            self._guard(start)
        self._keep_drawing()

    def _plain_panel(self, stage: Stage, sanitiser: Sanitiser, text: str) -> PlainPanel:
        self._write(text)
        style = self._renderer.style
        hidden = stage in style.hidden_stages | style.folded_stages
        return PlainPanel(stage, sanitiser, self._write, hidden, text[-1:] or "\n")

    def _start_search(self) -> None:
        """A search has no panel: one row tells how long it takes."""
        with self._lock:
            self._hide_cursor()
            self._searching = True
        self._keep_drawing()

    def _end_search(self) -> None:
        """The row goes, and the cursor is back: the user may be asked something now."""
        with self._lock:
            self._searching = self._cursor_hidden = False
            self._guard(lambda: self._area.draw([], []))
            self._write(SHOW_CURSOR)

    def _hide_cursor(self) -> None:
        if not self._cursor_hidden and not self._bug:
            self._cursor_hidden = True
            self._write(HIDE_CURSOR)

    def _keep_drawing(self) -> None:
        if not self._thread.ident:
            self._thread.start()
        self._wake.set()

    def _finish(self, words: str, *, alarm: bool = False) -> None:
        def finish() -> None:
            if self._panel:
                self._panel.close(words, alarm=alarm)
                self.escaped_count += self._panel.sanitiser.escaped_count

        with self._lock:
            self._feed()
            self._guard(finish)
            self._panel = None

    def _discard_empty(self, failure: BaseException) -> bool:
        """Take a panel off the screen that an error has left without a text."""
        panel = self._panel
        if not isinstance(failure, DeepReasoningError) or not isinstance(panel, Panel):
            return False
        if panel.has_text or panel.above or self._pending:
            return False
        with self._lock:
            self._guard(panel.discard)
            self._panel = None
        return True

    def _print_bill(self) -> None:
        if self._record is None or not has_bill(self._record):
            return
        words = single_line(turn_summary(self._record), 200)
        if self._bug:
            self._write(f"{words}\n")
        else:
            width = self._renderer.size()[0]
            self._area.draw(render_plain(self._renderer.encodable(words), width, style=DIM), [])

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(SPINNER_INTERVAL)
            self._wake.clear()
            began = time.monotonic()
            try:
                with self._lock:
                    self._feed()
                    self._guard(self._draw)
            except Exception as exc:  # noqa: BLE001 (raised where the next event is handed in)
                self._fatal = exc
                return
            spent = time.monotonic() - began
            self._stop.wait(min(max(FRAME_INTERVAL, 10 * spent), MAX_INTERVAL))

    def _draw(self) -> None:
        if self._bug:
            return
        columns = self._renderer.size()[0]
        progress = self._progress.line(model=False, width=columns - PROGRESS_MARGIN)
        if self._panel:
            self._panel.draw(progress)
        elif self._searching:
            row = crop(f"{self._renderer.spinner()} {progress}", columns)
            self._area.draw([], [[Segment(row, DIM)]])

    def _feed(self) -> None:
        """Hand the open panel what came since the last draw."""
        pieces = [self._pending.popleft() for _ in range(len(self._pending))]
        text = "".join(pieces)
        self._fed += len(text)
        if self._panel and pieces:
            self._panel.feed(text)

    def _add(self, text: str) -> None:
        """Have the text drawn soon; now, where much waits: what comes faster than it is drawn."""
        self._pending.append(text)
        self._handed += len(text)
        self._wake.set()
        if self._handed - self._fed > MOST_PENDING:
            with self._lock:
                self._feed()
                self._guard(self._draw)

    def _guard(self, draw: Callable[[], None]) -> None:
        """Draw; where that fails from a bug, do it again in plain text, as all that follows."""
        try:
            draw()
        except Exception as exc:
            if self._fatal or self._bug:
                raise
            self._bug = exc
            self._fall_back()
            draw()

    def _fall_back(self) -> None:
        """From what is drawn to plain lines: what is not final is printed below what is."""
        self._area.restart()
        self._write(SHOW_CURSOR)
        if isinstance(self._panel, Panel):
            panel = self._panel
            self._panel = self._plain_panel(panel.stage, panel.sanitiser, panel.remaining)


def _result_words(stage: events.StageFinished, *, has_answer: bool) -> tuple[str, bool]:
    """The last border of a stage that came to its end, and whether that is bad news."""
    words = stage_summary(stage)
    if stage.stop_reason == events.ANSWER_NOW:
        return f"stopped by you after {words}", False
    if stage.stop_reason == events.MAX_REASONING:
        return f"stopped by max_reasoning after {words}", False
    if stage.stop_reason == events.SETTLED:
        return f"settled after {words}", False
    if not has_answer and (thought := stage.thought_in_vain("")):
        return f"thought for {thought:,} tokens and wrote nothing · {words}", True
    bad_news = BAD_NEWS.get(ending_of(stage.stop_reason))
    if bad_news:
        return f"{bad_news} · {words}", True
    return (f"thought {words}" if stage.stage is Stage.REASON else words), False


def _failure_words(failure: BaseException) -> str:
    """The last border of a stage that was broken off."""
    if isinstance(failure, DeepReasoningError):
        return "cut short" if failure.kind in ("cut", "connection_lost") else "stopped by an error"
    return "stopped"
