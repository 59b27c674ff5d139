"""One open panel: its frame and its rows, or plain lines; and what draws the panels of a turn."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import TextIO

from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.sanitize import Sanitiser, Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.markdown.stream import MarkdownStream, PlainStream, render_plain
from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER

CHUNK = 4096  # characters laid out at once: what piles up while the terminal is slow stays small
TITLES = {Stage.SEARCH: "Search", Stage.REASON: "Reasoning", Stage.ANSWER: "Answer"}
DIM = Style(dim=True)
ALARM = Style(color="yellow", bold=True)
NARROWEST_BOX = 20  # columns; below it the sides of a box cost more than they show


class Frame:
    """Turns content rows into screen rows of at most `columns` cells."""

    def __init__(self, columns: int, style: Style, *, box: bool) -> None:
        self.columns = max(columns, 1)
        self._style = style
        self._box = box and columns >= NARROWEST_BOX

    @property
    def width(self) -> int:
        """Cells for the content of a row."""
        return self.columns - 4 if self._box else self.columns

    @property
    def _room(self) -> int:
        """Cells for words on the first or last row."""
        return self.columns - 5

    def head(self, title: str) -> Row:
        """The first row, with the title in it."""
        dim = bool(self._style.dim)
        title = terminal.truncate(title, self._room)
        return self._edge("╭╮", title, self._style, Style(dim=dim, bold=not dim))

    def foot(self, words: str, *, alarm: bool = False) -> Row:
        """The last row, with how it goes or went in it; bad news stands out."""
        words = fitting_fields(words, self._room)
        if alarm:
            return self._edge("╰╯", words, ALARM, ALARM)
        return self._edge("╰╯", words, self._style, DIM)

    def open_head(self, title: str) -> Row:
        """The first row of a panel that is to go again; without a box only as long as its title."""
        return self.head(title) if self._box else self.open_foot(title)

    def open_foot(self, words: str) -> Row:
        """The last row while the panel is open: only as long as its words, for it moves often."""
        start = terminal.crop("╰─" if self._box else "──", self.columns)
        words = fitting_fields(words, self.columns - len(start) - 1)
        return [Segment(start, self._style), *([Segment(f" {words}", DIM)] if words else [])]

    def row(self, content: Row) -> Row:
        """A content row in its frame; where it reads from right to left, without a right side.

        Terminals with bidi support move the right side into the text otherwise, and turn inline
        code around that is not isolated.
        """
        left = [Segment("│ ", self._style)] if self._box else []
        if reads_right_to_left("".join(segment.text for segment in content)):
            return [*left, *map(_isolate, content)]
        if not self._box:
            return content
        gap = max(self.width - _cells(content), 0)
        right = Segment(f"{' ' * gap} │", self._style)
        return [*left, *content, right]

    def _edge(self, corners: str, words: str, line: Style, text: Style) -> Row:
        inner = self.columns - 2
        if inner < 1:
            return [Segment("─" * self.columns, line)]
        start, end = (corners[0], corners[1]) if self._box else ("─", "─")
        if not words:
            return [Segment(f"{start}{'─' * inner}{end}", line)]
        rest = "─" * (inner - terminal.cell_width(words) - 3)
        return [
            Segment(f"{start}─ ", line),
            Segment(words, text),
            Segment(f" {rest}{end}", line),
        ]


def fitting_fields(words: str, width: int) -> str:
    """As many of the fields between `·` as `width` cells have room for, the first in any case.

    A figure is left out, never cut: `$0.00` of `$0.0004` would be read as true. The last field,
    what was paid or what Enter does, stays longer than those before it.
    """
    fields = words.split(" · ")
    while len(fields) > 1 and terminal.cell_width(" · ".join(fields)) > width:
        del fields[-2 if len(fields) > 2 else -1]
    return terminal.truncate(" · ".join(fields), width)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelStyle:
    """How panels are drawn."""

    box: bool = True
    color: bool = True
    code_theme: str = "ansi_dark"
    demo: bool = False
    replayed: bool = False
    hidden_stages: frozenset[Stage] = frozenset()
    """Stages whose text is not shown, only how long they take."""
    folded_stages: frozenset[Stage] = frozenset()
    """Stages of which the last rows are shown, and when they are over one line."""
    omitted_stages: frozenset[Stage] = frozenset()
    """Stages that are shown elsewhere."""


class PanelRenderer:
    """Makes what the panels of a turn are drawn with; `size` gives columns and rows."""

    def __init__(
        self,
        stream: TextIO,
        style: PanelStyle,
        size: Callable[[], tuple[int, int]] = terminal.terminal_size,
    ) -> None:
        self.style = style
        self.size = size
        self.stream = stream
        self.unicode = terminal.is_unicode(stream)
        self.console = terminal.make_console(stream, color=style.color, columns=size()[0])
        self._signs = cycle(SPINNER if self.unicode else ASCII_SPINNER)

    def live_area(self, write: Callable[[str], None]) -> LiveArea:
        """The rows of the terminal, written in its colours."""
        return LiveArea(write, terminal.color_system(self.console))

    def title(self, stage: Stage, model: str, name: str = "") -> str:
        """The title of a stage's panel; `name` stands in it whoever was called."""
        words = [TITLES[stage], single_line(name or model, 60)]
        if self.style.demo:
            words[1:] = [*filter(None, [single_line(name, 60)]), "no model was called"]
        return " · ".join([*words, "replayed"] if self.style.replayed else words)

    def frame(self, stage: Stage) -> Frame:
        """The frame of the stage's panel, as wide as the terminal is now."""
        style = Style(color="blue", dim=stage is not Stage.ANSWER)
        return Frame(self.size()[0], style, box=self.style.box)

    def row_stream(self, stage: Stage, width: int) -> MarkdownStream | PlainStream:
        """The answer is Markdown; a chain of thought is shown word for word."""
        if stage is Stage.ANSWER:
            return MarkdownStream(width, console=self.console, code_theme=self.style.code_theme)
        return PlainStream(width, style=DIM)

    def sanitiser(self) -> Sanitiser:
        """What makes a stage's text safe for this terminal."""
        return Sanitiser(Sink.TERMINAL, ascii_only=not self.unicode)

    def encodable(self, text: str) -> str:
        """`text` in the terminal's own characters, before its columns are counted."""
        return text if self.unicode else terminal.to_charset(text, self.stream)

    def spinner(self) -> str:
        """The next sign of the spinner."""
        return next(self._signs)


class Panel:
    """One open panel. `feed` only takes text in, `draw` and `close` show it."""

    most_live = 10  # rows of text

    def __init__(
        self, stage: Stage, model: str, area: LiveArea, renderer: PanelRenderer, above: str = ""
    ) -> None:
        self.stage = stage
        self.above = above
        self.has_text = False
        self.sanitiser = renderer.sanitiser()
        self._title = renderer.title(stage, model)
        self._renderer = renderer
        self._area = area
        self._frame = renderer.frame(stage)
        self._rows = renderer.row_stream(stage, self._frame.width)
        self._input: deque[str] = deque()  # safe text that the rows have not seen
        self._unfinished = ""  # text whose rows are not final
        self._final: list[Row] = []  # final rows that are not drawn
        self._empty = True  # then the head is not final: another panel may take the place
        self._area.draw([], [self._head()])

    @property
    def remaining(self) -> str:
        """What was fed and is in no final row on the screen."""
        rows = ("".join(segment.text for segment in row) + "\n" for row in self._final)
        above = f"{self.above}\n\n" if self.above else ""
        head = f"{self._title}\n{above}" if self._empty else ""
        return "".join([head, *rows, self._unfinished, *self._input])

    def feed(self, text: str) -> None:
        """Take in text, to be shown with the next draw."""
        self.has_text = True
        self._take(self.sanitiser.feed(text))

    def draw(self, progress: str) -> None:
        """Show how it stands now."""
        self._resize()
        self._lay_out()
        live = self._live_rows(max(min(self.most_live, self._renderer.size()[1] - 4), 1))
        if self._empty and not self._final and not live:
            width = self._frame.width
            line = f"{self._renderer.spinner()} {fitting_fields(progress, width - 2)}"
            row = self._frame.row([Segment(terminal.crop(line, width), DIM)])
            self._area.draw([], [self._head(), row, self._frame.open_foot("")])
        else:
            self._draw(live, self._frame.open_foot(progress))

    def close(self, words: str, *, alarm: bool) -> None:
        """Show the rest, and the last border with how it went."""
        self._take(self.sanitiser.close())
        self._resize()
        self._lay_out()
        self._final += self._rows.close()
        self._unfinished = ""
        foot = self._frame.foot(words, alarm=alarm)
        self._area.draw([*self._opening(), *self._frame_rows(self._final), foot], [])

    def discard(self) -> None:
        """Take the panel off the screen; only one without text can be."""
        self._area.draw([], [])

    def _take(self, text: str) -> None:
        if self.stage not in self._renderer.style.hidden_stages:
            text = self._renderer.encodable(text)
            self._input.extend(text[at : at + CHUNK] for at in range(0, len(text), CHUNK))

    def _lay_out(self) -> None:
        """Find the rows that are final now; of much text all but the last are drawn here."""
        while self._input:
            if self._final:
                self._draw([])
            self._final = self._rows.feed(self._input[0])
            self._unfinished = self._rows.unfinished
            self._input.popleft()

    def _live_rows(self, limit: int) -> list[Row]:
        """The rows below the final ones, at most the last `limit`."""
        return self._rows.tail(limit)

    def _draw(self, live: list[Row], *foot: Row) -> None:
        final = [*self._opening(), *self._frame_rows(self._final)]
        self._area.draw(final, [*self._frame_rows(live), *foot])
        self._final = []

    def _head(self) -> Row:
        return self._frame.head(self._title)

    def _opening(self) -> list[Row]:
        """The head and what stands above the text, with the first row that is final."""
        if not self._empty:
            return []
        self._empty = False
        above = self._renderer.encodable(self.above)
        sources = render_plain(above, self._frame.width, style=DIM)
        return [self._head(), *self._frame_rows([*sources, []] if sources else [])]

    def _frame_rows(self, rows: list[Row]) -> list[Row]:
        return [self._frame.row(row) for row in rows]

    def _resize(self) -> None:
        """Follow the terminal's width."""
        if self._renderer.size()[0] != self._frame.columns:
            self._area.restart(self._renderer.size()[0] if terminal.wraps_anew() else None)
            self._frame = self._renderer.frame(self.stage)
            self._rows.resize(self._frame.width)


class FoldedPanel(Panel):
    """A panel that shows its last rows while it is open; closed, it is one line of its own.

    What stands above its text is there to stay.
    """

    most_live = 5

    def __init__(
        self, stage: Stage, model: str, area: LiveArea, renderer: PanelRenderer, above: str = ""
    ) -> None:
        self._last: deque[Row] = deque(maxlen=self.most_live)
        super().__init__(stage, model, area, renderer)
        rows = render_plain(renderer.encodable(above), self._frame.columns, style=DIM)
        self._area.draw(rows, [self._head()])

    @property
    def remaining(self) -> str:
        """The title: nothing else is to stay on the screen."""
        return f"{self._title}\n"

    def close(self, words: str, *, alarm: bool) -> None:
        """One line that says whose text it was, and how it went."""
        self.sanitiser.close()
        self._resize()
        columns = self._frame.columns
        title = f"{self._title} · "
        if terminal.cell_width(title + words) > columns:
            title = ""
        words = fitting_fields(words, columns)
        self._area.draw([[Segment(title, DIM), Segment(words, ALARM if alarm else DIM)]], [])

    def _lay_out(self) -> None:
        while self._input:
            self._last += self._rows.feed(self._input.popleft())

    def _live_rows(self, limit: int) -> list[Row]:
        return [*self._last, *self._rows.tail(limit)][-limit:]

    def _draw(self, live: list[Row], *foot: Row) -> None:
        self._area.draw([], [self._head(), *self._frame_rows(live), *foot])

    def _head(self) -> Row:
        return self._frame.open_head(self._title)

    def _resize(self) -> None:
        super()._resize()
        if any(_cells(row) > self._frame.width for row in self._last):
            self._last.clear()


@dataclass(slots=True)
class PlainPanel:
    """A stage's text on plain lines, for a terminal on which a panel could not be drawn.

    `write` gets safe text; `last` is the last character that it got.
    """

    stage: Stage
    sanitiser: Sanitiser
    write: Callable[[str], None]
    hidden: bool
    last: str

    def feed(self, text: str) -> None:
        """Print text at once."""
        self._print(self.sanitiser.feed(text))

    def draw(self, progress: str) -> None:
        """All text is printed already."""

    def close(self, words: str, *, alarm: bool) -> None:
        """End the text, and say on a line of its own how it went."""
        self._print(self.sanitiser.close())
        self.write(words + "\n" if self.last == "\n" else f"\n{words}\n")

    def _print(self, text: str) -> None:
        if text and not self.hidden:
            self.last = text[-1]
            self.write(text)


def _cells(row: Row) -> int:
    return sum(terminal.cell_width(segment.text) for segment in row)


def _isolate(segment: Segment) -> Segment:
    """Inline code between first-strong isolates, which take no column; anything else as it is."""
    if segment.style and segment.style.meta.get("code"):
        return Segment(f"\u2068{segment.text}\u2069", segment.style)
    return segment


def reads_right_to_left(text: str) -> bool:
    """Whether most of the letters are of a script written from right to left."""
    if text.isascii():
        return False
    kinds = [unicodedata.bidirectional(character) for character in text]
    backward = sum(kind in ("R", "AL") for kind in kinds)
    return backward > kinds.count("L")
