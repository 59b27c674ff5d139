"""A turn that is kept → lines to read on a terminal: prompt, reasoning, answer, bill."""

from __future__ import annotations

from typing import TextIO

from deepreasoning_cli.errors import as_called
from deepreasoning_cli.pipeline.attachments import split_prompt
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.search import format_sources, parse_sources
from deepreasoning_cli.pipeline.tools import describe_call, shorten_results
from deepreasoning_cli.sanitize import sanitize, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.base import model_label
from deepreasoning_cli.views.live import Row, encode_row
from deepreasoning_cli.views.markdown.stream import render_markdown, render_plain
from deepreasoning_cli.views.notes import stage_summary, turn_summary
from deepreasoning_cli.views.panel import DIM, TITLES, PanelRenderer, PanelStyle


def render_turn(
    record: TurnRecord,
    stream: TextIO,
    style: PanelStyle,
    *,
    reasoning: bool,
    when: str = "",
    full: bool = False,
) -> str:
    """The turn as panels that are whole, its reasoning only where that is wanted.

    `when` says when it began. What was attached to the question is one line, and calls and results
    of tools are short, unless `full`.

    The text fits the terminal's width; its only control characters are line ends and, with
    `style.color`, colours.
    """
    size = terminal.terminal_size()
    renderer = PanelRenderer(stream, style, lambda: size)
    page = _TurnPage(record, renderer)
    thoughts = [page.thoughts(), page.own_thinking()] if reasoning else []
    sections = [page.prompt(when, full=full), *thoughts, page.answer(full=full), page.bill()]
    colors = terminal.color_system(renderer.console)
    lines = (encode_row(row, colors) + "\n" for section in sections for row in section)
    return renderer.encodable("".join(lines))


def answer_panel(
    record: TurnRecord, renderer: PanelRenderer, name: str, *, blind: bool = False
) -> list[Row]:
    """The panel of an answer that is over, under a name of its own; no rows without an answer.

    A `blind` one does not tell who wrote it, nor what that took.
    """
    return _TurnPage(record, renderer).answer(full=False, name=name, blind=blind)


class _TurnPage:
    """One turn on a terminal of a certain width."""

    def __init__(self, record: TurnRecord, renderer: PanelRenderer) -> None:
        self._record = record
        self._renderer = renderer
        self._width = renderer.frame(Stage.ANSWER).width

    def prompt(self, when: str, *, full: bool) -> list[Row]:
        """The question."""
        prompt = self._record.start.prompt
        text, attachments = (prompt, []) if full else split_prompt(shorten_results(prompt))
        names = [single_line(f"+ {each.words}") for each in attachments]
        rows = render_plain(self._safe("\n".join(names)), self._width, style=DIM) if names else []
        rows += render_plain(self._safe(text), self._width) if text.strip() or not names else []
        return self._panel(Stage.REASON, "Prompt", when, rows)

    def thoughts(self) -> list[Row]:
        """The chain of thought, word for word."""
        rows = render_plain(self._safe(self._record.reasoning), self._width, style=DIM)
        return self._stage_panel(Stage.REASON, rows)

    def own_thinking(self) -> list[Row]:
        """What Claude has thought itself, as far as it was shown."""
        text, done = self._record.own_thinking, self._record.stages.get(Stage.ANSWER)
        rows = render_plain(self._safe(text), self._width, style=DIM)
        if not rows or done is None:
            return []
        title = self._renderer.title(Stage.REASON, done.served_model or done.model)
        return self._panel(Stage.REASON, title, "", rows)

    def answer(self, *, full: bool, name: str | None = None, blind: bool = False) -> list[Row]:
        """The answer's Markdown; below it the sources, unless it ends with them, and the calls."""
        text, theme = self._record.answer, self._renderer.style.code_theme
        console = self._renderer.console
        rows = render_markdown(self._safe(text), self._width, console=console, code_theme=theme)
        sources = "" if parse_sources(text) else "\n".join(format_sources(self._record.sources))
        if sources:
            rows += [[], *render_plain(self._safe(sources), self._width)]
        calls = "\n".join(describe_call(call, full=full) for call in self._record.calls)
        if calls:
            gap: list[Row] = [[]] if rows else []
            rows += [*gap, *render_plain(self._safe(calls), self._width, style=DIM)]
        if blind:
            title = self._renderer.title(Stage.ANSWER, "", name or "")
            return self._panel(Stage.ANSWER, title, "", rows) if rows else []
        return self._stage_panel(Stage.ANSWER, rows, name)

    def bill(self) -> list[Row]:
        """Id, session, models, tokens, money, time."""
        record = self._record
        words = [record.start.id]
        if record.start.session is not None:
            words.append(f"session {record.start.session}")
        if record.stages:
            words.append(turn_summary(record))
        if not record.complete:
            words.append(as_called(f"incomplete: `deepreasoning resume {record.start.id}`"))
        line = self._safe(single_line(" · ".join(words), 400))
        return render_plain(line, self._renderer.size()[0], style=DIM)

    def _stage_panel(self, stage: Stage, rows: list[Row], name: str | None = None) -> list[Row]:
        """The panel of a stage that has rows, and what it took in its last border."""
        if not rows:
            return []
        done = self._record.stages.get(stage)
        if done is None:
            origin = self._record.start.reasoning_from if stage is Stage.REASON else None
            words = f"of turn {single_line(origin)}" if origin else ""
            return self._panel(stage, TITLES[stage], words, rows)
        model = model_label(done.served_model or done.model, done.host)
        title = self._renderer.title(stage, model, name or "")
        words = stage_summary(done) if done.complete else f"cut short · {stage_summary(done)}"
        return self._panel(stage, title, words, rows)

    def _panel(self, stage: Stage, title: str, words: str, rows: list[Row]) -> list[Row]:
        frame = self._renderer.frame(stage)
        head, foot = frame.head(self._safe(title)), frame.foot(self._safe(words))
        return [head, *map(frame.row, rows), foot]

    def _safe(self, text: str) -> str:
        """Safe, and in the terminal's own characters, before its columns are counted."""
        return self._renderer.encodable(sanitize(text, ascii_only=not self._renderer.unicode))
