"""A failure in words, for a person."""

from __future__ import annotations

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.views.safe import one_line

LONGEST = 1000  # characters of a line


def lines_of(error: DeepReasoningError) -> list[str]:
    """What a person is told of `error`: what happened, and what to do."""
    stage = f"{error.stage}: " if error.stage else ""
    lines = [f"error: {one_line(stage + error.message, LONGEST)}"]
    if error.hint:
        lines.append(f"hint: {one_line(error.hint, LONGEST)}")
    return lines
