"""One turn on stdout: to be read on a terminal, to be used in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.pager import print_text
from deepreasoning_cli.record import Record
from deepreasoning_cli.views import console
from deepreasoning_cli.views.plain import ended
from deepreasoning_cli.views.safe import Sanitiser, Sink

BETWEEN = "---\n"


def show(record: Record, given: Globals, *, reasoning: bool) -> None:
    """Print the turn, with its `reasoning` where that is wanted, and say what is to know of it."""
    if console.is_terminal(sys.stdout):
        print_text(_rendered(record, given, reasoning=reasoning))
        return
    sanitiser = Sanitiser(Sink.PIPE)
    texts = [record.reasoning] if reasoning and record.reasoning else []
    print_text(BETWEEN.join(_plain(text, sanitiser) for text in (*texts, record.answer)))
    for text in _notes(record, sanitiser.neutralised):
        note(given, text)


def _rendered(record: Record, given: Globals, *, reasoning: bool) -> str:
    from deepreasoning_cli.settings import Settings
    from deepreasoning_cli.views.panel import Look
    from deepreasoning_cli.views.reading import reading

    settings = Settings.load(given.config, {}).settings
    look = Look(
        box=settings.panels == "box",
        color=console.uses_color(sys.stdout, given.color),
        code_theme=settings.code_theme,
        demo=record.opened.backend == "demo",
    )
    return reading(record, sys.stdout, look, reasoning=reasoning)


def _plain(text: str, sanitiser: Sanitiser) -> str:
    shown = sanitiser.feed(text) + sanitiser.close()
    return ended(shown) if shown.strip("\r\n") else ""


def _notes(record: Record, neutralised: int) -> Iterator[str]:
    turn = record.opened.id
    if neutralised:
        characters = "character was" if neutralised == 1 else "characters were"
        yield f"{neutralised} control {characters} made visible"
    if not record.complete:
        what = "is incomplete" if record.answer else "has no answer"
        yield f"turn {turn} {what}: `deepreasoning resume {turn}` goes on from what is kept"
