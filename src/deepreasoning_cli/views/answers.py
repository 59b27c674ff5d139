"""Answers that come at the same time: below headings in a pipe, as panels on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, TextIO

from rich.segment import Segment

from deepreasoning_cli.pipeline.comparison import ArmStep
from deepreasoning_cli.pipeline.events import Stage, StageStarted, Text
from deepreasoning_cli.sanitize import Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.base import View
from deepreasoning_cli.views.comparison import ComparedAnswer
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.page import answer_panel
from deepreasoning_cli.views.panel import PanelRenderer
from deepreasoning_cli.views.plain import TextView, stream_writer
from deepreasoning_cli.views.status import Progress

NARROWEST: Final = 40  # cells of an answer that stands beside others
GAP: Final = 3  # cells between two


class AnswerPrinter:
    """Prints each answer below a heading: in the order of the models, as soon as it is its turn."""

    def __init__(
        self, answers: Sequence[ComparedAnswer], write: Callable[[str], None], sink: Sink
    ) -> None:
        self._answers = answers
        self._write = write
        self._sink = sink
        self._ended: set[int] = set()
        self._next = 0
        self._has_printed = False

    def take(self, step: ArmStep) -> None:
        """Print what can be printed after this step."""
        if step.event is None:
            self._ended.add(step.place)
        while self._next in self._ended:
            self._print(self._next)

    def tick(self) -> None:
        """Nothing is drawn while nothing comes."""

    def print_above(self, write: Callable[[], None]) -> None:
        """Print a note."""
        write()

    def close(self, failure: BaseException | None = None) -> None:
        """Print what waits for a turn that has not ended."""
        for place in range(self._next, len(self._answers)):
            self._print(place)

    def _print(self, place: int) -> None:
        self._next = place + 1
        answer = self._answers[place]
        if not answer.record.answer.strip():
            return
        gap, cut = "\n" if self._has_printed else "", "" if answer.is_complete else " (cut)"
        self._has_printed = True
        self._write(f"{gap}# {single_line(answer.label)}{cut}\n\n")
        view = TextView(Text, self._write, self._sink)
        view(Text(answer.record.answer))
        view.close(None)


@dataclass(slots=True, kw_only=True)
class AnswerPanels:
    """The chain of thought in its panel while it comes; then a panel for each answer as soon as it
    has ended, and below them a line for each turn at work.

    `names` are what the panels are called, by the place of the answer; where they are `blind`,
    nothing else tells who wrote it. With `only_progress` the lines are all that is shown. The
    caller's thread draws the lines; `reasoning_view` makes what draws the chain of thought.
    """

    answers: Sequence[ComparedAnswer]
    renderer: PanelRenderer
    area: LiveArea
    reasoning_view: Callable[[terminal.SuspendKey], View]
    names: Mapping[int, str]
    blind: bool = False
    side_by_side: bool = False
    """Whether the answers stand in columns, where the terminal is wide enough."""
    only_progress: bool = False
    _progress: dict[int, Progress] = field(default_factory=dict)
    _columns: int = 0
    _reasoning: tuple[int, View] | None = None
    """The place of the turn that searches or reasons, and what shows it."""
    _notes: list[Callable[[], None]] = field(default_factory=list)
    _key: terminal.SuspendKey = field(default_factory=terminal.SuspendKey)

    @classmethod
    def on(
        cls,
        stream: TextIO,
        answers: Sequence[ComparedAnswer],
        renderer: PanelRenderer,
        reasoning_view: Callable[[terminal.SuspendKey], View],
    ) -> AnswerPanels:
        """Panels on a terminal, by the answers' own names."""
        area = renderer.live_area(stream_writer(stream))
        panels = cls(
            answers=answers,
            renderer=renderer,
            area=area,
            reasoning_view=reasoning_view,
            names={place: answer.label for place, answer in enumerate(answers)},
        )
        panels._watch_suspend_key()
        return panels

    def take(self, step: ArmStep) -> None:
        """Count the step; what has ended with it is printed."""
        if self._takes_reasoning(step):
            return
        if step.event is None:
            self._progress.pop(step.place, None)
            record, waits = self.answers[step.place].record, self._count_fitting() > 1
            waits |= self.blind or self.only_progress
            name = self.names[step.place]
            self._draw([] if waits else answer_panel(record, self.renderer, name))
            return
        self._progress.setdefault(step.place, Progress()).apply(step.event)

    def tick(self) -> None:
        """Draw the lines anew."""
        if self._reasoning is None:
            self._draw([])

    def print_above(self, write: Callable[[], None]) -> None:
        """Have a note written where the lines stand, which are drawn anew below; or below the
        panel that is open.
        """
        if self._reasoning:
            self._notes.append(write)
            return
        self.area.draw([], [])
        write()

    def close(self, failure: BaseException | None = None) -> None:
        """Take the lines away; answers that were cut, stand side by side or are hidden come now.

        Hidden ones have waited since who is quick is known.
        """
        try:
            self._end_reasoning(failure)
            places, count = sorted(self._progress), self._count_fitting()
            self._progress.clear()
            if self.blind or count > 1:
                places = sorted(self.names, key=self.names.__getitem__ if self.blind else None)
            for first in range(0, 0 if self.only_progress else len(places), count):
                self._draw(self._beside(places[first : first + count]))
            self._draw([])
        finally:
            self._key.release()

    def _takes_reasoning(self, step: ArmStep) -> bool:
        """Whether the step belongs to a search or a chain of thought that is being shown."""
        if self.only_progress:
            return False
        if self._reasoning is None:
            match step.event:
                case StageStarted(Stage.SEARCH | Stage.REASON):
                    self._reasoning = step.place, self._open_reasoning()
                case _:
                    return False
        place, view = self._reasoning
        if place != step.place:
            return False
        match step.event:
            case None | StageStarted(Stage.ANSWER):
                self._end_reasoning(step.failure)
                return False
            case event:
                view(event)
                return True

    def _open_reasoning(self) -> View:
        self.area.draw([], [])
        key = terminal.SuspendKey()
        key.watch()
        return self.reasoning_view(key)

    def _end_reasoning(self, failure: BaseException | None) -> None:
        if self._reasoning is None:
            return
        (_, view), self._reasoning = self._reasoning, None
        view.close(failure)
        self._watch_suspend_key()
        for write in self._notes:
            write()
        self._notes.clear()

    def _watch_suspend_key(self) -> None:
        self._key.suspended = self._suspended
        self._key.watch()

    @contextmanager
    def _suspended(self) -> Iterator[None]:
        """No line is on the screen; the next tick draws them below what the shell wrote."""
        self._erase(self.renderer.size()[0])
        try:
            yield
        finally:
            self.area.forget()

    def _count_fitting(self) -> int:
        """How many answers stand beside each other."""
        fitting = (self.renderer.size()[0] + GAP) // (NARROWEST + GAP) if self.side_by_side else 1
        return max(1, min(fitting, len(self.answers)))

    def _beside(self, places: Sequence[int]) -> list[Row]:
        """The panels of these answers in columns of one width."""
        columns, lines = self.renderer.size()
        count = self._count_fitting()
        width = (columns - GAP * (count - 1)) // count
        renderer = PanelRenderer(self.renderer.stream, self.renderer.style, lambda: (width, lines))
        panels = [
            answer_panel(self.answers[place].record, renderer, self.names[place], blind=self.blind)
            for place in places
        ]
        return [_joined(row, width) for row in zip_longest(*panels, fillvalue=list[Segment]())]

    def _draw(self, final: list[Row]) -> None:
        columns, lines = self.renderer.size()
        sign = self.renderer.spinner()
        rows = [self._line(place, sign, columns - 1) for place in sorted(self._progress)]
        with self._key.held():
            if self._columns and columns != self._columns:
                self._erase(columns)
            self._columns = columns
            self.area.draw(final, rows[: max(lines - 2, 1)])

    def _erase(self, columns: int) -> None:
        """Take the lines off a terminal that has so many columns now."""
        wrapped = columns != self._columns and terminal.wraps_anew()
        self.area.restart(columns if wrapped else None)

    def _line(self, place: int, sign: str, width: int) -> Row:
        progress, name = self._progress[place], self.names[place]
        room = width - 2
        if progress.stage is Stage.REASON:
            words = progress.line(width=room)
        elif self.blind:
            words = f"{name} is at work"
        else:
            words = f"{name} {progress.line(model=False, width=room - len(name) - 1)}"
        line = terminal.crop(f"{sign} {single_line(words)}", width)
        return [Segment(self.renderer.encodable(line))]


def _joined(parts: Sequence[Row], width: int) -> Row:
    """One row of several columns, without blanks at its end."""
    row: Row = []
    missing = 0
    for part in parts:
        if part:
            row += [Segment(" " * missing), *part] if missing else part
            missing = 0
        missing += width + GAP - sum(terminal.cell_width(piece.text) for piece in part)
    return row
