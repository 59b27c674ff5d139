"""Turns for the tests of what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import View, ViewGroup

CARD = RateCard(Rates(Decimal("0.28"), Decimal("0.42"), Decimal("0.028")), as_of="2026-11-01")
WHEN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
THOUGHTS = ("First, ", "what is asked? ", "Six sevens.")
TEXTS = ("Forty", "-two.")
OF_VERSION_1: Final = (
    "INSERT INTO turns (id, started, status, ending, reasoning_complete, backend, handoff, total,"
    " sources, warnings, prompt, reasoning, answer) VALUES ('t1', '2026-11-23T12:00:00.000+00:00',"
    " 'incomplete', 'cut', 1, 'direct', 'reasoning', 1.0, '[]', '[]', 'Why?', 'Well', 'Beca')"
)
"""Puts a turn into a database of the first version."""


def turn_started(
    turn: str = "turn1",
    prompt: str = "What is 6×7?",
    session: str | None = None,
    reasoning_from: str | None = None,
) -> TurnStarted:
    return TurnStarted(
        turn, "direct", prompt, Handoff.REASONING, session, "Be brief.", reasoning_from
    )


def reason_events(thoughts: Sequence[str] = THOUGHTS) -> list[Event]:
    return [
        StageStarted(Stage.REASON, "deepseek-v4-pro", 11, CARD, WHEN),
        *map(Thought, thoughts),
        StageFinished(
            Stage.REASON,
            "deepseek-v4-pro",
            "deepseek-v4-pro-0922",
            Usage(11, 40, 40, 3, estimated=True),
            Decimal("0.0000200"),
            2.25,
            None,
        ),
    ]


def answer_events(texts: Sequence[str] = TEXTS, model: str = "claude-sonnet-5") -> list[Event]:
    return [
        StageStarted(Stage.ANSWER, model, 60, CARD, WHEN),
        *map(Text, texts),
        StageFinished(
            Stage.ANSWER, model, model, Usage(60, 5), Decimal("1.5E-7"), 0.75, "end_turn"
        ),
    ]


def turn_events(turn: str = "turn1", session: str | None = None) -> list[Event]:
    sources = Sources((Source("Tables", "https://example.org/7"),))
    return [turn_started(turn, session=session), sources, *reason_events(), *answer_events()]


def record_of(
    events: Sequence[Event],
    journal: Callable[[TurnRecord], View] | None = None,
    failure: BaseException | None = None,
    *views: View,
) -> TurnRecord:
    """The record of a turn that was shown, and ended by `failure`."""
    record = TurnRecord()
    first = [journal(record)] if journal else []
    with (
        suppress(*([type(failure)] if failure else [])),
        ViewGroup(record, [*first, *views]) as show,
    ):
        for event in events:
            show(event)
        if failure:
            raise failure
    return record


def journal_turn(
    folder: Path,
    events: Sequence[Event],
    failure: BaseException | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> TurnRecord:
    """The record of a turn that was journalled and stored."""
    return record_of(events, lambda record: Journal(folder, record, warn), failure)


def journalled_with(folder: Path, events: Sequence[Event], view: View) -> TurnRecord:
    """The record of a turn that was journalled, then shown by `view`, then stored."""
    return record_of(events, lambda record: Journal(folder, record, no_warning), None, view)


def no_warning(text: str) -> None:
    raise AssertionError(text)


def open_store(folder: Path, warn: Callable[[str], None] = no_warning) -> Store:
    return Store.open(folder, warn)


def fill_store(folder: Path, count: int, size: int = 1) -> None:
    """A store with `count` turns, `turn0001` and so on, each with `size` thoughts."""
    with open_store(folder) as store:
        for number in range(1, count + 1):
            events = [
                turn_started(f"turn{number:04}"),
                *reason_events(THOUGHTS * size),
                *answer_events(),
            ]
            store.save(record_of(events))
