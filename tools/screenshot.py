"""Draw docs/demo.svg from the demo: the panels that `ask --backend demo` leaves in the scrollback.

`python -m tools.screenshot` writes it, `--check` exits with 1 where it is not current. The rows are
those of the real views; only the times are fixed, so that the picture is the same each time.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.segment import Segment, Segments

from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Message,
    Prompt,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.panel import PanelRenderer, PanelStyle
from deepreasoning_cli.views.panels import PanelsView
from deepreasoning_cli.views.status import Progress

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"
QUESTION = "Show me binary search in Python"
COLUMNS = 92
WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FinalRows(LiveArea):
    """Keeps the rows that stay, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(lambda _: None, None)
        self.rows: list[Row] = []

    def draw(self, final: list[Row], live: list[Row]) -> None:
        """Keep the final rows."""
        self.rows += final


class Renderer(PanelRenderer):
    """Draws for a terminal of a fixed size, and keeps the rows."""

    def __init__(self, stream: io.StringIO, style: PanelStyle) -> None:
        super().__init__(stream, style, lambda: (COLUMNS, 200))
        self.area = FinalRows()

    def live_area(self, write: object) -> FinalRows:
        """Where the rows go."""
        return self.area


STAGES: Final[
    tuple[tuple[Stage, Literal["reasoner", "answerer"], type[Text | Thought], float], ...]
] = (
    (Stage.REASON, "reasoner", Thought, 4.2),
    (Stage.ANSWER, "answerer", Text, 3.3),
)


def events() -> Iterator[Event]:
    """The demo's turn, with times of the real thing."""
    prompt = Prompt((Message("user", QUESTION),))
    yield TurnStarted("demo", "demo", QUESTION, Handoff.REASONING)
    for stage, role, kind, seconds in STAGES:
        model = f"demo-{role}"
        yield StageStarted(stage, model, 0, None, WHEN)
        chunks = list(DemoProvider(role, speed=0).stream(prompt))
        yield from (chunk for chunk in chunks if isinstance(chunk, kind))
        usage = next(chunk for chunk in chunks if isinstance(chunk, Usage))
        yield StageFinished(stage, model, model, usage, Decimal(0), seconds, "stop")


def rows() -> list[Row]:
    """The rows of both panels and of the bill."""
    clock = iter([0.0, *[7.5] * 100_000])
    record = TurnRecord(clock=lambda: next(clock))
    renderer = Renderer(Utf8(), PanelStyle(demo=True))
    view = PanelsView(record, Progress(), renderer)
    with ViewGroup(record, [view]) as show:
        for event in events():
            show(event)
    return renderer.area.rows


class Utf8(io.StringIO):
    """Somewhere to write to that can take every character."""

    encoding = "utf-8"


def picture() -> str:
    """The SVG; it fetches nothing, so it looks the same everywhere."""
    page = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    page.print(f"$ dr ask --backend demo {QUESTION!r}", highlight=False)
    for row in rows():
        page.print(Segments([*row, Segment.line()]), end="")
    svg = page.export_svg(title="deepreasoning", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)


def main() -> int:
    """Write the picture, or check that it is current; the exit code."""
    if sys.argv[1:] == ["--check"]:
        if PICTURE.read_text(encoding="utf-8") == picture():
            return 0
        print("docs/demo.svg is not current: run python -m tools.screenshot", file=sys.stderr)
        return 1
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
