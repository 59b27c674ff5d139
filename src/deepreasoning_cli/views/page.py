"""A turn that is kept → lines to read on a terminal: prompt, reasoning, answer, bill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.color import ColorSystem
from rich.style import Style

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.search import list_sources, sources_in
from deepreasoning_cli.sanitize import sanitize, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.stream import PlainStream, render_markdown
from deepreasoning_cli.views.notes import stage_summary, turn_summary
from deepreasoning_cli.views.panel import (
    ASCII_BORDER,
    DIM,
    TITLES,
    UNICODE_BORDER,
    Frame,
    PanelStyle,
)


def render_turn(record: TurnRecord, stream: TextIO, style: PanelStyle, *, reasoning: bool) -> str:
    """The turn as panels that are whole, its reasoning only where that is wanted.

    The text fits the terminal's width; its only control characters are line ends and, with
    `style.color`, colours.
    """
    page = _TurnPage(record, stream, style)
    sections = [page.prompt(), page.thoughts() if reasoning else [], page.answer(), page.bill()]
    return "".join(page.painted(row) for section in sections for row in section)


class _TurnPage:
    """One turn on a terminal of a certain width."""

    def __init__(self, record: TurnRecord, stream: TextIO, style: PanelStyle) -> None:
        columns = terminal.terminal_size()[0]
        self._record = record
        self._stream = stream
        self._style = style
        self._unicode = terminal.is_unicode(stream)
        self._border = UNICODE_BORDER if self._unicode else ASCII_BORDER
        self._columns = columns
        self._console = terminal.make_console(stream, color=style.color, columns=columns)

    @property
    def _colors(self) -> ColorSystem | None:
        return terminal.color_system(self._console) if self._style.color else None

    def prompt(self) -> list[Row]:
        """What was asked."""
        return self._panel("Prompt", "", self._plain(self._record.opened.prompt), dim=True)

    def thoughts(self) -> Iterator[Row]:
        """The chain of thought, word for word."""
        if self._record.reasoning.strip():
            rows = self._plain(self._record.reasoning, DIM)
            yield from self._panel(*self._labels(Stage.REASON), rows, dim=True)

    def answer(self) -> list[Row]:
        """The answer's Markdown, and below it the sources, unless it ends with them."""
        width = self._frame(dim=False).width
        text = self._shown(self._record.answer)
        rows = render_markdown(
            text, width, console=self._console, code_theme=self._style.code_theme
        )
        found = () if sources_in(self._record.answer) else self._record.sources
        for number, line in enumerate(list_sources(found)):
            rows += [*([] if number else [[]]), *self._plain(line)]
        return self._panel(*self._labels(Stage.ANSWER), rows, dim=False) if rows else []

    def bill(self) -> list[Row]:
        """Id, session, models, tokens, money, time."""
        record = self._record
        words = [record.opened.id]
        if record.opened.session is not None:
            words.append(f"session {record.opened.session}")
        if record.stages:
            words.append(turn_summary(record))
        if not record.complete:
            words.append(f"incomplete: `deepreasoning resume {record.opened.id}`")
        return self._wrapped(single_line(" · ".join(words), 400), self._columns, DIM)

    def painted(self, row: Row) -> str:
        """The row as the terminal takes it, in its own characters."""
        pieces = (
            part.style.render(part.text, color_system=self._colors) if part.style else part.text
            for part in row
        )
        return "".join(pieces) + "\n"

    def _labels(self, stage: Stage) -> tuple[str, str]:
        """The title of a stage's panel, and what its last border says."""
        done = self._record.stages.get(stage)
        origin = self._record.opened.reasoning_from
        if done is None:
            words = f"of turn {single_line(origin)}" if origin and stage is Stage.REASON else ""
            return TITLES[stage], words
        model = "no model was called" if self._style.demo else done.served_model or done.model
        words = stage_summary(done) if done.complete else f"cut short · {stage_summary(done)}"
        return f"{TITLES[stage]} · {single_line(model, 60)}", words

    def _panel(self, title: str, words: str, rows: list[Row], *, dim: bool) -> list[Row]:
        frame = self._frame(dim=dim)
        title, words = self._shown(title), self._shown(words)
        return [frame.head(title), *map(frame.row, rows), frame.foot(words)]

    def _frame(self, *, dim: bool) -> Frame:
        style = Style(color="blue", dim=dim)
        return Frame(self._columns, style, box=self._style.box, border=self._border)

    def _plain(self, text: str, style: Style | None = None) -> list[Row]:
        return self._wrapped(text, self._frame(dim=False).width, style)

    def _wrapped(self, text: str, width: int, style: Style | None) -> list[Row]:
        rows = PlainStream(width, style=style)
        return rows.feed(self._shown(text)) + rows.close()

    def _shown(self, text: str) -> str:
        """Safe, and in the terminal's own characters, before its columns are counted."""
        shown = sanitize(text, ascii_only=not self._unicode)
        return shown if self._unicode else terminal.to_charset(shown, self._stream)
