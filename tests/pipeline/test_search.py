from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from deepreasoning_cli.errors import DeepReasoningError, RefusedError, UnavailableError
from deepreasoning_cli.pipeline.budget import NO_CAPS, BudgetMeter, Cap, Caps
from deepreasoning_cli.pipeline.events import (
    Event,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.search import Search, SearchResult, run_search

PAGE = SearchResult(Source("Tables", "https://a.org"), "42")


@dataclass
class Searcher:
    """Finds what it is told to."""

    found: tuple[SearchResult, ...] | DeepReasoningError = (PAGE,)
    name: str = "linkup"
    price: Decimal | None = Decimal("0.005")
    asked: list[str] = field(default_factory=list)

    def search(self, query: str) -> tuple[SearchResult, ...]:
        self.asked.append(query)
        if isinstance(self.found, DeepReasoningError):
            raise self.found
        return self.found


def searched(search: Search, meter: BudgetMeter | None = None) -> tuple[list[Event], Any]:
    """The events, and what came of it: the findings or the failure."""
    events: list[Event] = []
    stages = run_search(search, meter or BudgetMeter(NO_CAPS))
    try:
        while True:
            events.append(next(stages))
    except StopIteration as done:
        return events, done.value
    except DeepReasoningError as error:
        return events, error


def search(searcher: Searcher, **fields: Any) -> Search:
    return Search(searcher, "6×7?", **fields)


def short(event: Event) -> object:
    match event:
        case StageStarted():
            return ("started", event.stage, event.model)
        case StageFinished():
            assert (event.usage, event.stop_reason, event.served_model) == (None, None, None)
            assert event.seconds >= 0
            return ("finished", event.stage, event.model, event.cost, event.complete)
    return event


def test_a_search_gives_its_sources_and_its_price() -> None:
    events, found = searched(search(Searcher()))
    assert found == (PAGE,)
    assert [short(event) for event in events] == [
        ("started", Stage.SEARCH, "linkup"),
        Sources((replace(PAGE.source, text="42"),)),
        ("finished", Stage.SEARCH, "linkup", Decimal("0.005"), True),
    ]


def test_nothing_found_is_said() -> None:
    events, found = searched(search(Searcher(())))
    assert found == ()
    assert (events[1], events[-1]) == (Sources(()), TurnWarning("the search found nothing"))


def test_a_long_question_is_cut_and_that_is_said() -> None:
    searcher = Searcher()
    events, _ = searched(replace(search(searcher), query="x" * 5_000))
    assert searcher.asked == ["x" * 1_000]
    assert events[1] == TurnWarning("searched for the first 1,000 characters of the question only")


def test_the_price_counts_towards_a_cap() -> None:
    meter = BudgetMeter(Caps((Cap("max_cost", Decimal("0.005")),)))
    searched(search(Searcher()), meter)
    assert meter.stopped("answer").message == "stopped at ≈$0.0050: max_cost is $0.005"


@pytest.mark.parametrize("go_on", [lambda _: True, lambda _: False])
def test_a_search_that_is_down_is_the_users_choice(go_on: Callable[[Any], bool]) -> None:
    down = UnavailableError("linkup is down", hint="try again later")
    events, outcome = searched(search(Searcher(down), go_on=go_on))
    assert short(events[1]) == ("finished", Stage.SEARCH, "linkup", None, False)
    if go_on(down):
        assert (outcome, events[2:]) == (None, [TurnWarning("no search: linkup is down")])
    else:
        assert (outcome, outcome.stage, events[2:]) == (down, "search", [])
        assert outcome.hint == "try again later\nadd --web-optional to continue without the search"


def test_advice_needs_no_other_advice_before_it() -> None:
    _, error = searched(search(Searcher(UnavailableError("down"))))
    assert error.hint == "add --web-optional to continue without the search"


def test_no_credit_is_nobodys_choice() -> None:
    _, error = searched(search(Searcher(RefusedError("no credit")), go_on=lambda _: True))
    assert (type(error), error.stage) == (RefusedError, "search")
