"""How far a turn is, in one line: for stderr while a pipe waits, and inside an open panel."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Event, Stage
from deepreasoning_cli.pipeline.money import BYTES_PER_TOKEN
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.base import model_label, raise_bug
from deepreasoning_cli.views.terminal import crop

TICK = 0.1  # seconds between two draws of the status line
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"
ACTIVITY = {Stage.SEARCH: "searching", Stage.REASON: "thinking", Stage.ANSWER: "answering"}


class Progress:
    """The running stage's model, age and size; and what is waited for.

    `tip` says what a key does while the reasoner thinks.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, tip: str = "") -> None:
        self._clock = clock
        self._tip = tip
        self._stage: Stage | None = None
        self._began = clock()
        self._bytes = 0
        self._activity = "starting"
        self._model = ""
        self._instead = ""
        self._pause: tuple[str, float] | None = None

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.StageStarted(stage, model, host=host):
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
            case events.StageFinished():
                self._pause = None

    def note_retry(self, why: str, seconds: float) -> None:
        """The next attempt waits."""
        self._pause = (single_line(why, 200), self._clock() + seconds)

    def line(self, *, model: bool = True) -> str:
        """`deepseek-v4-pro thinking · 12 s · 340 tokens`, or what is waited for."""
        now = self._clock()
        if self._pause and now < self._pause[1]:
            return f"{self._pause[0]} · trying again in {self._pause[1] - now:.0f} s"
        name = f"{self._model} {self._activity}".strip() if model else self._activity
        parts = [name, f"{now - self._began:.0f} s"]
        if self._instead:
            parts.append(self._instead)
        if tokens := self._bytes // BYTES_PER_TOKEN:
            parts.append(f"{tokens:,} tokens")
        if self._tip and self._stage is Stage.REASON:
            parts.append(self._tip)
        return " · ".join(parts)


class StatusLine:
    """Progress on stderr, redrawn in place by a thread of its own, erased when text comes."""

    def __init__(
        self,
        progress: Progress,
        write: Callable[[str], None],
        columns: int,
        spinner: str = SPINNER,
        *,
        tick: float = TICK,
    ) -> None:
        self._progress = progress
        self._write = write
        self._columns = columns
        self._spinner = spinner
        self._tick = tick
        self._frame = 0
        self._bug: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """The text itself is somebody else's; the line only counts it."""
        self._progress.apply(event)

    def close(self, failure: BaseException | None) -> None:
        """Erase the line; raises what went wrong in the thread, if the turn did not fail too."""
        self._over.set()
        self._thread.join()
        self._draw("")
        raise_bug(self._bug, failure)

    def _run(self) -> None:
        try:
            while not self._over.wait(self._tick):
                self._frame += 1
                sign = self._spinner[self._frame % len(self._spinner)]
                self._draw(crop(f"{sign} {self._progress.line()}", max(self._columns - 1, 1)))
        except Exception as exc:  # noqa: BLE001 (`close` raises it, when the turn is shown)
            self._bug = exc

    def _draw(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed or full: nobody is looking
            self._write(f"\r{text}\x1b[0K")
