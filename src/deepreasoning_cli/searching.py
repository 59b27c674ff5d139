"""The first stage of a turn: a search of the web for what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from deepreasoning_cli.caps import Meter
from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.events import Event, Finished, Sources, Stage, Started, Warned
from deepreasoning_cli.findings import Finding

LONGEST_QUERY: Final = 1_000  # characters; what is longer is a text, not a question
OPTIONAL: Final = "--web-optional goes on without the search"


class Searcher(Protocol):
    """Who searches."""

    @property
    def name(self) -> str:
        """Who that is, in one word."""

    @property
    def price(self) -> Decimal | None:
        """USD for one search; None where unknown."""

    def search(self, query: str) -> tuple[Finding, ...]:
        """The pages found, best first; raises DeepReasoningError."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search that a turn begins with.

    `go_on` is asked, when the search cannot be had, whether to answer without it; `lists` tells
    whether the answer ends with a list of the sources.
    """

    searcher: Searcher
    query: str
    go_on: Callable[[DeepReasoningError], bool] = lambda _: False
    lists: bool = True


def look_up(search: Search, meter: Meter) -> Generator[Event, None, tuple[Finding, ...]]:
    """The events of the search; it returns what was found, which may be nothing.

    Raises UnavailableError where the search is down and `go_on` says no, RefusedError (no credit)
    and ConfigError (wrong key) in any case: no model was paid by then.
    """
    searcher, began = search.searcher, time.monotonic()
    yield Started(Stage.SEARCH, searcher.name, 0, None, datetime.now(UTC))
    if len(search.query) > LONGEST_QUERY:
        yield Warned(f"searched for the first {LONGEST_QUERY:,} characters of the question only")
    try:
        found = searcher.search(search.query[:LONGEST_QUERY])
    except UnavailableError as error:
        yield _finished(searcher, began, None, complete=False)
        error.at(Stage.SEARCH)
        if not search.go_on(error):
            error.hint = f"{error.hint}; {OPTIONAL}" if error.hint else OPTIONAL
            raise
        yield Warned(f"no search: {error.message}")
        return ()
    except DeepReasoningError as error:
        error.at(Stage.SEARCH)
        raise
    yield Sources(tuple(finding.source for finding in found))
    yield meter.settle(_finished(searcher, began, searcher.price))
    if not found:
        yield Warned("the search found nothing")
    return found


def _finished(
    searcher: Searcher, began: float, cost: Decimal | None, *, complete: bool = True
) -> Finished:
    seconds = time.monotonic() - began
    return Finished(Stage.SEARCH, searcher.name, None, None, cost, seconds, None, complete)
