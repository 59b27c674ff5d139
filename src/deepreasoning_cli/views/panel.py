"""One panel while it is open: its frame, its rows, and what panels of a turn have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.events import Stage, Text, Thought
from deepreasoning_cli.views import console as terminal
from deepreasoning_cli.views.blocks import MarkdownStream, PlainStream, RowStream
from deepreasoning_cli.views.frame import ASCII, UNICODE, Frame, cut
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.safe import Sanitiser, Sink, one_line
from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER

SLICE = 4096  # characters laid out at once: what piles up while the terminal is slow stays small
TALLEST_TAIL = 10  # rows
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


class Panel:
    """One open panel."""

    def __init__(
        self,
        stage: Stage,
        model: str,
        rows: RowStream,
        area: LiveArea,
        style: Styling,
        above: str = "",
    ) -> None:
        self._rows = rows
        self._area = area
        self._style = style
        self._sanitiser = Sanitiser(Sink.TERMINAL, ascii_only=not style.unicode)
        self._frame = style.frame(stage)
        self._stage = stage
        self._empty = True
        model = "no model was called" if style.look.demo else model
        head = self._frame.head(f"{TITLES[stage]} · {one_line(model, 60)}")
        self._area.draw([head, *self._framed(self._listed(above))], [])

    @property
    def neutralised(self) -> int:
        """How many control characters were made visible."""
        return self._sanitiser.neutralised

    def shows(self, piece: Thought | Text) -> bool:
        """Whether the piece belongs in it; a thought that comes late does not."""
        return isinstance(piece, Text) or self._stage is not Stage.ANSWER

    def _listed(self, above: str) -> list[Row]:
        """What stands above the text, and an empty row below it; nothing of nothing."""
        if not above:
            return []
        rows = PlainStream(self._frame.width, style=DIM)
        return [*rows.feed(self._style.shown(above)), *rows.close(), []]

    def draw(self, text: str, progress: str) -> None:
        """Take in `text`, show how it stands now."""
        self._fit()
        final = self._fed(self._style.shown(self._sanitiser.feed(text)))
        live = self._rows.tail(self._tallest())
        self._empty = self._empty and not final and not live
        if self._empty:
            live = [[Segment(cut(f"{self._style.spin()} {progress}", self._frame.width), DIM)]]
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


class Styling:
    """What all panels of a turn have in common."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self.look = look
        self._stream = stream
        self.unicode = terminal.is_unicode(stream)
        self.console = terminal.console(stream, color=look.color, columns=terminal.size()[0])
        self._turns = 0

    @property
    def colors(self) -> ColorSystem | None:
        """What colours are written as; None for none."""
        return COLOR_SYSTEMS.get(self.console.color_system or "") if self.look.color else None

    def frame(self, stage: Stage) -> Frame:
        """The frame of the stage's panel, as wide as the terminal is now."""
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
        """The next sign of the spinner."""
        self._turns += 1
        signs = SPINNER if self.unicode else ASCII_SPINNER
        return signs[self._turns % len(signs)]
