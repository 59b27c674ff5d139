"""A turn of the hosted model: one call whose reply is split into the two stages."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.budget import BudgetMeter
from deepreasoning_cli.pipeline.events import Chunk, Event, Prompt, Stage
from deepreasoning_cli.pipeline.search import parse_sources
from deepreasoning_cli.pipeline.stage import Provider, StageRun, finish_stage

SEARCHED_BY: Final = "linkup"
NO_REASONING: Final = "the gateway sent no reasoning with this answer"


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


def run_hosted(
    provider: Hosted, prompt: Prompt, meter: BudgetMeter, *, answers: bool
) -> Generator[Event, None, None]:
    """The events of the call.

    The counts come once, for both stages: they are the answer's, and the reasoning has none. The
    call is closed at the first text of the answer where only reasoning is wanted. Raises what the
    provider raises, IncompleteError for a reply that was cut and for an empty one.
    """
    run = StageRun(Stage.REASON, provider.as_reasoner(), prompt)
    yield (started := run.started())
    with closing(provider.stream(prompt)) as reply:
        chunks = meter.limit(started, run.consume(reply, paid=False))
        yield from _split_stages(chunks, run, provider, answers=answers)
    if answers and provider.searches and (sources := parse_sources(run.answer)):
        yield events.Sources(sources)
    yield from finish_stage(run, meter)
    if (run.texts if answers else run.thoughts).is_blank:
        name = "answer" if answers else "reasoning"
        raise IncompleteError(
            f"the model returned no {name}",
            kind=f"empty_{name}",
            stage=run.stage,
            hint="ask again, or word the question differently",
        )


def _split_stages(
    chunks: Iterable[Chunk], run: StageRun, provider: Hosted, *, answers: bool
) -> Generator[Event, None, None]:
    """Thoughts and texts; the answer's stage begins with its first text, at the latest at `End`."""
    for chunk in chunks:
        if isinstance(chunk, events.Text) and not answers:
            return
        if isinstance(chunk, events.Text | events.End) and answers and run.stage is Stage.REASON:
            yield from _begin_answer(run, provider)
        if isinstance(chunk, events.Thought | events.Text):
            yield chunk


def _begin_answer(run: StageRun, provider: Hosted) -> Generator[Event, None, None]:
    """From reasoning to answer; a search, if there was one, was made by now."""
    now = time.monotonic()
    yield run.started().finish(None, now - run.began)
    if run.thoughts.is_blank:
        yield events.TurnWarning(NO_REASONING)
    if provider.searches:
        search = events.StageStarted(Stage.SEARCH, SEARCHED_BY, 0, None, datetime.now(UTC))
        yield search
        yield replace(search.finish(None, 0.0), cost=provider.search_price)
    run.stage, run.provider, run.began = Stage.ANSWER, provider, now
    run.thoughts = run.thoughts.copy()  # what follows is no part of the reasoning
    # an answer that breaks off is priced by what was read for it: the reasoning is a part of that
    tokens = run.prompt.tokens + run.thoughts.tokens
    yield replace(run.started(), input_tokens=tokens)
