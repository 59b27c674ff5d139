"""A turn of the hosted model: one call whose reply is told apart into the two stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.budget import BudgetMeter
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Event,
    Prompt,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.search import sources_in
from deepreasoning_cli.pipeline.stage import Provider, StageRun

SEARCHED_BY: Final = "linkup"
NO_REASONING: Final = "the gateway sent no reasoning with this answer"

Ended = Callable[[StageRun, BudgetMeter], Generator[Event, None, None]]


class Hosted(Provider, Protocol):
    """A provider that searches, reasons and answers in one call."""

    @property
    def searches(self) -> bool:
        """Whether it searches the web first."""

    @property
    def search_price(self) -> Decimal | None:
        """USD for that; None where unknown."""

    def as_reasoner(self) -> Provider:
        """The same, named for its reasoning."""


def relay(
    provider: Hosted, prompt: Prompt, meter: BudgetMeter, ended: Ended, *, answers: bool
) -> Generator[Event, None, None]:
    """The events of the call; `ended` gives those that a stage ends with.

    The counts come once, for both stages: they are the answer's, and the reasoning has none. The
    call is closed at the first text of the answer where no answer is wanted. Raises what `ended`
    and the provider raise, IncompleteError for an empty answer.
    """
    heard = StageRun(Stage.REASON, provider.as_reasoner(), prompt)
    yield (started := heard.started())
    with closing(provider.stream(prompt)) as chunks:
        said = meter.watched(started, heard.all(chunks, paid=False))
        yield from _told_apart(said, heard, provider, answers=answers)
    if answers and provider.searches and (sources := sources_in(heard.answer)):
        yield Sources(sources)
    yield from ended(heard, meter)
    if not (heard.answer if answers else heard.reasoning).strip():
        raise _empty("answer" if answers else "reasoning", heard.stage)


def _told_apart(
    chunks: Iterable[Chunk], heard: StageRun, provider: Hosted, *, answers: bool
) -> Generator[Event, None, None]:
    """Thoughts and texts; the answer's stage begins with its first text, at the latest at `End`."""
    for chunk in chunks:
        if isinstance(chunk, Text) and not answers:
            return
        if isinstance(chunk, Text | End) and answers and heard.stage is Stage.REASON:
            yield from _turning(heard, provider)
        if isinstance(chunk, Thought | Text):
            yield chunk


def _empty(what: str, stage: Stage) -> IncompleteError:
    return IncompleteError(f"the model returned no {what}", kind=f"empty_{what}", stage=stage)


def _turning(heard: StageRun, provider: Hosted) -> Generator[Event, None, None]:
    """From reasoning to answer; a search, if there was one, was made by now."""
    now = time.monotonic()
    seconds = now - heard.began
    named = heard.provider.model
    yield StageFinished(Stage.REASON, named, None, None, None, seconds, None)
    if not heard.reasoning.strip():
        yield TurnWarning(NO_REASONING)
    if provider.searches:
        price = provider.search_price
        yield StageStarted(Stage.SEARCH, SEARCHED_BY, 0, None, datetime.now(UTC))
        yield StageFinished(Stage.SEARCH, SEARCHED_BY, None, None, price, 0.0, None)
    heard.stage, heard.provider, heard.began = Stage.ANSWER, provider, now
    # an answer that breaks off is priced by what was read for it: the reasoning is a part of that
    tokens = estimate_tokens(heard.prompt.text) + estimate_tokens(heard.reasoning)
    yield replace(heard.started(), input_tokens=tokens)
