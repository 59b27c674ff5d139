"""Turns on stdout: as lines of a table, as JSON, or one whole turn."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.pager import output_color, output_width, print_json, print_text
from deepreasoning_cli.history.mapping import timestamp
from deepreasoning_cli.history.queries import SearchHit, TurnSummary
from deepreasoning_cli.history.sessions import Session
from deepreasoning_cli.pipeline.attachments import summarize_prompt
from deepreasoning_cli.pipeline.events import REPLAY
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.tools import describe_call
from deepreasoning_cli.sanitize import Sanitiser, Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.json import turn_object
from deepreasoning_cli.views.plain import with_final_newline
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.views.terminal import RED, cell_width, truncate

FIRST_WORDS: Final = 100  # characters of a prompt
INDENT: Final = "    "
COLUMNS: Final = (
    Column("#", right=True),
    Column("id", drop_order=6),
    Column("when", drop_order=1),
    Column("status", drop_order=2),
    Column("session", drop_order=4),
    Column("model", drop_order=5),
    Column("cost", right=True, drop_order=3),
    Column("prompt", min_width=24),
)
SESSION_COLUMNS: Final = (
    Column("session"),
    Column("turns", right=True),
    Column("last used", drop_order=2),
    Column("first question", drop_order=1, min_width=20),
)


def print_rows(rows: Sequence[TurnSummary], options: GlobalOptions, *, as_json: bool) -> None:
    """Print the turns, a line each below a heading, or nothing; as JSON always an array.

    A terminal gets a number for each turn, by which commands take it; in a pipe the id comes first.
    With colour a turn that is not complete is red.
    """
    width = output_width()
    if as_json:
        print_json([_row_as_json(row) for row in rows])
    elif rows:
        cells = [_cells(row, numbered=width is not None) for row in rows]
        styles = ["" if row.status == "complete" else RED for row in rows]
        shown = styles if output_color(options) else None
        print_text("\n".join(table(COLUMNS, cells, width, shown).lines) + "\n")


def print_sessions(rows: Sequence[Session], options: GlobalOptions, *, as_json: bool) -> None:
    """Print the sessions, a line each below a heading, or nothing; as JSON always an array."""
    if as_json:
        print_json([_session_as_json(row) for row in rows])
    elif rows:
        styles = [""] * len(rows) if output_color(options) else None
        cells = [session_cells(row) for row in rows]
        lines = table(SESSION_COLUMNS, cells, output_width(), styles).lines
        print_text("\n".join(lines) + "\n")


def session_cells(row: Session) -> tuple[str, ...]:
    """The cells of a session below SESSION_COLUMNS."""
    question = single_line(summarize_prompt(row.first_prompt), FIRST_WORDS)
    return row.name, f"{row.turns:,}", format_when(row.last), question


def _session_as_json(row: Session) -> dict[str, Any]:
    return {
        "session": row.name,
        "turns": row.turns,
        "last": timestamp(row.last),
        "forked_from": row.forked_from,
        "first_prompt": row.first_prompt,
    }


def print_hits(hits: Sequence[SearchHit], words: Sequence[str], *, as_json: bool) -> None:
    """Print the turns, a line each, and below it the passage; as JSON always an array.

    On a terminal each is one row, with the first of `words` in sight.
    """
    if as_json:
        print_json([{**_row_as_json(hit.row), "snippet": hit.snippet} for hit in hits])
    elif hits:
        width = output_width()
        print_text("\n".join(f"{_hit_lines(hit, words, width)}\n" for hit in hits))


def _hit_lines(hit: SearchHit, words: Sequence[str], width: int | None) -> str:
    row = hit.row
    name = f"{row.number:>3}" if width is not None else single_line(row.id)
    question = single_line(summarize_prompt(row.prompt), FIRST_WORDS)
    head, passage = f"{name}  {format_when(row.started)}  {question}", single_line(hit.snippet, 500)
    if width is None:
        return f"{head}\n{INDENT}{passage}"
    room = width - len(INDENT)
    return f"{truncate(head, width)}\n{INDENT}{_around(passage, words, room)}"


def _around(passage: str, words: Sequence[str], room: int) -> str:
    """As much of the passage as fits into `room` cells, with a word of `words` in it."""
    if cell_width(passage) <= room:
        return passage
    lower = passage.lower()
    found = [at for word in " ".join(words).lower().split() if (at := lower.find(word)) >= 0]
    start = max(0, min(found, default=0) - room // 3)
    return truncate(f"…{passage[start:].lstrip('…')}" if start else passage, room)


def _row_as_json(row: TurnSummary) -> dict[str, Any]:
    """The object of a turn in `--json`: its time in UTC, its prompt whole."""
    return {
        "id": row.id,
        "session": row.session,
        "started": timestamp(row.started),
        "status": row.status,
        "prompt": row.prompt,
        "model": row.model,
        "cost_usd": decimal_usd(row.cost),
    }


def _cells(row: TurnSummary, *, numbered: bool) -> list[str]:
    return [
        str(row.number) if numbered and row.number else "",
        row.id,
        format_when(row.started),
        "" if row.status == "complete" else row.status,
        row.session or "",
        row.model or "",
        "unknown" if row.cost is None else format_usd(row.cost),
        single_line(summarize_prompt(row.prompt), FIRST_WORDS),
    ]


def format_when(started: datetime) -> str:
    """The minute on the user's own clock."""
    return f"{started.astimezone():%Y-%m-%d %H:%M}"


def print_turn(
    record: TurnRecord,
    began: datetime,
    options: GlobalOptions,
    *,
    reasoning: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Print the turn, with its `reasoning` if asked for, and notes on what it lacks.

    On a terminal what was attached to the question is one line, unless `full`.
    """
    if as_json:
        print_json(turn_object(record))
        return
    if terminal.is_terminal(sys.stdout):
        print_text(_rendered(record, began, options, reasoning=reasoning, full=full))
        return
    sanitiser = Sanitiser(Sink.PIPE)
    texts = [record.reasoning] if reasoning and record.reasoning else []
    print_text("---\n".join(_plain(text, sanitiser) for text in (*texts, record.answer)))
    for text in _notes(record, sanitiser.escaped_count):
        note(options, text)


def _rendered(
    record: TurnRecord, began: datetime, options: GlobalOptions, *, reasoning: bool, full: bool
) -> str:
    from deepreasoning_cli.settings.loaded import load_settings
    from deepreasoning_cli.views.page import render_turn
    from deepreasoning_cli.views.panel import PanelStyle

    settings = load_settings(options.config, {}).settings
    style = PanelStyle(
        box=settings.panels == "box",
        color=terminal.uses_color(sys.stdout, options.color),
        code_theme=settings.code_theme,
        demo=record.start.backend == "demo",
        replayed=record.start.backend == REPLAY,
    )
    when = format_when(began)
    return render_turn(record, sys.stdout, style, when=when, reasoning=reasoning, full=full)


def _plain(text: str, sanitiser: Sanitiser) -> str:
    safe = sanitiser.feed(text) + sanitiser.close()
    return with_final_newline(safe) if safe.strip("\r\n") else ""


def _notes(record: TurnRecord, escaped_count: int) -> Iterator[str]:
    turn = record.start.id
    for call in record.calls:
        yield f"the answer {describe_call(call)}"
    if escaped_count:
        characters = "character was" if escaped_count == 1 else "characters were"
        yield f"{escaped_count} control {characters} made visible"
    if not record.complete:
        what = "is incomplete" if record.answers else "has no answer"
        yield f"turn {turn} {what}: `deepreasoning resume {turn}` continues from what is kept"
