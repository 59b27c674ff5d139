"""Turns on stdout: as lines of a table, as JSON, or one whole turn."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.pager import output_width, print_json, print_text
from deepreasoning_cli.history.mapping import timestamp
from deepreasoning_cli.history.queries import SearchHit, TurnSummary
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sanitiser, Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.json import turn_object
from deepreasoning_cli.views.plain import with_final_newline
from deepreasoning_cli.views.table import Column, table

FIRST_WORDS: Final = 100  # characters of a prompt
COLUMNS: Final = (
    Column("id"),
    Column("when", drop_order=1),
    Column("status", drop_order=2),
    Column("session", drop_order=4),
    Column("model", drop_order=5),
    Column("cost", right=True, drop_order=3),
    Column("prompt", min_width=16),
)


def print_rows(rows: Sequence[TurnSummary], *, as_json: bool) -> None:
    """Print the turns, a line each below a heading, or nothing; as JSON always an array."""
    if as_json:
        print_json([_row_as_json(row) for row in rows])
    elif rows:
        listing = table(COLUMNS, [_cells(row) for row in rows], output_width())
        lines = list(listing.lines)
        if listing.dropped_titles:
            lines += [
                "",
                f"No room for: {', '.join(listing.dropped_titles)}. A wider terminal has them.",
            ]
        print_text("\n".join(lines) + "\n")


def print_hits(hits: Sequence[SearchHit], *, as_json: bool) -> None:
    """Print the turns, a line each, and below it the passage; as JSON always an array."""
    if as_json:
        print_json([{**_row_as_json(hit.row), "snippet": hit.snippet} for hit in hits])
    elif hits:
        print_text(
            "\n".join(
                f"{single_line(hit.row.id)}  {_when(hit.row.started)}"
                f"  {single_line(hit.row.prompt, FIRST_WORDS)}"
                f"\n    {single_line(hit.snippet, 500)}\n"
                for hit in hits
            )
        )


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


def _cells(row: TurnSummary) -> list[str]:
    return [
        row.id,
        _when(row.started),
        row.status,
        row.session or "",
        row.model or "",
        "unknown" if row.cost is None else format_usd(row.cost),
        single_line(row.prompt, FIRST_WORDS),
    ]


def _when(started: datetime) -> str:
    """The minute on the user's own clock."""
    return f"{started.astimezone():%Y-%m-%d %H:%M}"


def print_turn(
    record: TurnRecord, options: GlobalOptions, *, reasoning: bool, as_json: bool
) -> None:
    """Print the turn, with its `reasoning` if asked for, and notes on what it lacks."""
    if as_json:
        print_json(turn_object(record))
        return
    if terminal.is_terminal(sys.stdout):
        print_text(_rendered(record, options, reasoning=reasoning))
        return
    sanitiser = Sanitiser(Sink.PIPE)
    texts = [record.reasoning] if reasoning and record.reasoning else []
    print_text("---\n".join(_plain(text, sanitiser) for text in (*texts, record.answer)))
    for text in _notes(record, sanitiser.escaped_count):
        note(options, text)


def _rendered(record: TurnRecord, options: GlobalOptions, *, reasoning: bool) -> str:
    from deepreasoning_cli.settings.loaded import load_settings
    from deepreasoning_cli.views.page import render_turn
    from deepreasoning_cli.views.panel import PanelStyle

    settings = load_settings(options.config, {}).settings
    style = PanelStyle(
        box=settings.panels == "box",
        color=terminal.uses_color(sys.stdout, options.color),
        code_theme=settings.code_theme,
        demo=record.start.backend == "demo",
    )
    return render_turn(record, sys.stdout, style, reasoning=reasoning)


def _plain(text: str, sanitiser: Sanitiser) -> str:
    safe = sanitiser.feed(text) + sanitiser.close()
    return with_final_newline(safe) if safe.strip("\r\n") else ""


def _notes(record: TurnRecord, escaped_count: int) -> Iterator[str]:
    turn = record.start.id
    if escaped_count:
        characters = "character was" if escaped_count == 1 else "characters were"
        yield f"{escaped_count} control {characters} made visible"
    if not record.complete:
        what = "is incomplete" if record.answer else "has no answer"
        yield f"turn {turn} {what}: `deepreasoning resume {turn}` goes on from what is kept"
