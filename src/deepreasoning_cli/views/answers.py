"""Answers that come at the same time: below headings in a pipe, as panels on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, TextIO

from rich.segment import Segment

from deepreasoning_cli.pipeline.comparison import ArmStep
from deepreasoning_cli.pipeline.events import Stage, StageFinished, Text
from deepreasoning_cli.sanitize import Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.comparison import ComparedAnswer
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.page import answer_panel, reasoning_panel
from deepreasoning_cli.views.panel import PanelRenderer
from deepreasoning_cli.views.plain import TextView
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

    def close(self) -> None:
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
    """Panels, each as soon as its answer has ended; below them a line for each turn at work.

    `names` are what the panels are called, by the place of the answer; where they are `blind`,
    nothing else tells who wrote it.
    """

    answers: Sequence[ComparedAnswer]
    renderer: PanelRenderer
    area: LiveArea
    names: Mapping[int, str]
    blind: bool = False
    side_by_side: bool = False
    """Whether the answers stand in columns, where the terminal is wide enough."""
    shows_reasoning: bool = True
    _progress: dict[int, Progress] = field(default_factory=dict)
    _columns: int = 0

    @classmethod
    def on(
        cls, stream: TextIO, answers: Sequence[ComparedAnswer], renderer: PanelRenderer
    ) -> AnswerPanels:
        """Panels on a terminal, by the answers' own names."""

        def write(text: str) -> None:
            stream.write(text)
            stream.flush()

        names = {place: answer.label for place, answer in enumerate(answers)}
        area = renderer.live_area(write)
        return cls(answers=answers, renderer=renderer, area=area, names=names)

    def take(self, step: ArmStep) -> None:
        """Count the step; what has ended with it is printed."""
        answer, name = self.answers[step.place], self.names[step.place]
        if step.event is None:
            self._progress.pop(step.place, None)
            waits = self.blind or self._count_fitting() > 1
            self._draw([] if waits else answer_panel(answer.record, self.renderer, name))
            return
        self._progress.setdefault(step.place, Progress()).apply(step.event)
        match step.event:
            case StageFinished(Stage.REASON) if self.shows_reasoning:
                self._draw(reasoning_panel(answer.record, self.renderer))

    def tick(self) -> None:
        """Draw the lines anew."""
        self._draw([])

    def print_above(self, write: Callable[[], None]) -> None:
        """Have a note written where the lines stand, which are drawn anew below."""
        self.area.draw([], [])
        write()

    def close(self) -> None:
        """Take the lines away; answers that stand side by side, or are hidden, come now.

        Hidden ones have waited since who is quick is known.
        """
        self._progress.clear()
        count = self._count_fitting()
        if self.blind or count > 1:
            places = sorted(self.names, key=self.names.__getitem__ if self.blind else None)
            for first in range(0, len(places), count):
                self._draw(self._beside(places[first : first + count]))
        self._draw([])

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
        if self._columns and columns != self._columns:
            self.area.restart(columns)
        self._columns = columns
        sign = self.renderer.spinner()
        rows = [self._line(place, sign, columns - 1) for place in sorted(self._progress)]
        self.area.draw(final, rows[: max(lines - 2, 1)])

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
