"""What many turns share: who may begin under a cap, and how work is handed out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from deepreasoning_cli.library.cheap import off_peak
from deepreasoning_cli.library.many import AtOnce, RunCap
from deepreasoning_cli.library.question_rows import Row
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.events import Prompt
from deepreasoning_cli.pipeline.money import Hours, RateCard, Rates
from deepreasoning_cli.pipeline.run import Plan

WAIT = 30.0


def plan(name: str, caps: Caps | None = None) -> Plan:
    return Plan(
        id=name,
        backend="direct",
        question="?",
        prompt=Prompt(()),
        reasoner=None,
        answerer=None,
        caps=caps or Caps(),
    )


def reserve(caps: Caps, usd: str) -> Decimal:
    """What is left for a turn that asks for so much."""
    assert caps.reserve is not None
    return min(cap.left for cap in caps.reserve(Decimal(usd)))


def test_a_turn_waits_until_others_have_given_back_what_they_did_not_need() -> None:
    cap = RunCap(Decimal("1.00"))
    first, second = (cap.apply_to(plan(name)).caps for name in ("first", "second"))
    assert reserve(first, "0.80") == Decimal("1.00")
    left: list[Decimal] = []
    waiting = threading.Thread(target=lambda: left.append(reserve(second, "0.50")), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert left == []
    first.release(Decimal("0.10"))
    waiting.join(WAIT)
    assert left == [Decimal("0.90")]
    assert (cap.spent, cap.was_short("second")) == (Decimal("0.10"), False)


def test_a_turn_that_nobody_can_make_room_for_begins_with_what_there_is() -> None:
    cap = RunCap(Decimal("0.30"))
    caps = cap.apply_to(plan("only")).caps
    assert reserve(caps, "0.50") == Decimal("0.30")
    assert cap.was_short("only")


def test_a_turn_that_runs_does_not_wait_for_more() -> None:
    cap = RunCap(Decimal("1.00"))
    first, second = (cap.apply_to(plan(name)).caps for name in ("first", "second"))
    reserve(first, "0.60")
    reserve(second, "0.40")
    assert reserve(second, "0.80") == Decimal("0.40")
    assert cap.was_short("second")


def test_the_caps_of_a_day_count_beside_that_of_the_run() -> None:
    daily = Caps(reserve=lambda _: (Cap("daily_cost", Decimal(5), Decimal("4.90")),))
    assert reserve(RunCap(Decimal(1)).apply_to(plan("a", daily)).caps, "0.05") == Decimal("0.10")
    assert reserve(RunCap(None).apply_to(plan("a", daily)).caps, "0.05") == Decimal("0.10")
    assert RunCap(None).apply_to(plan("a")).caps.reserve is None


def test_what_is_paid_for_already_counts_and_stops_nothing() -> None:
    cap = RunCap(Decimal(1))
    caps = cap.count_only(plan("a", Caps((Cap("max_cost", Decimal("0.01")),)))).caps
    assert (caps.caps, caps.reserve) == ((), None)
    caps.release(Decimal(2))
    assert cap.spent == 2


def test_every_item_is_worked_on_once_by_several_threads() -> None:
    together = threading.Barrier(4, timeout=WAIT)  # four have to be at work at once

    def work(number: int) -> int:
        together.wait()
        return number * number

    assert sorted(AtOnce(work, range(40), 4)) == [number * number for number in range(40)]


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    work = AtOnce(lambda number: number, items(), 2)
    next(work)
    work.end()
    rest = list(work)
    assert len(taken) == len(rest) + 1 < 20


@pytest.mark.parametrize("place", ["work", "items"])
def test_a_failure_is_raised_where_results_are_awaited(place: str) -> None:
    def fail(_number: int) -> int:
        raise LookupError("gone")

    def items() -> Iterator[int]:
        yield 1
        if place == "items":
            raise LookupError("gone")

    work = AtOnce(fail if place == "work" else abs, items(), 2)
    with pytest.raises(LookupError, match="gone"):
        list(work)


HOURS = Hours(frozenset({4}), ((time(1), time(4)), (time(6), time(10))))  # Fridays
PEAK = Rates(Decimal(2), Decimal(4))
CARD = RateCard(Rates(Decimal(1), Decimal(2)), peak=PEAK, peak_hours=HOURS)
FRIDAY = datetime(2026, 11, 27, 3, 59, 58, tzinfo=UTC)


class Clock:
    """A clock that goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.time = FRIDAY

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time = datetime.fromtimestamp(self.time.timestamp() + seconds, UTC)


def rows() -> Iterator[Row]:
    return (Row(id=number, prompt="?", line=number) for number in range(3))


@pytest.mark.parametrize(
    ("card", "by", "seconds"),
    [
        (CARD, None, 2),
        (CARD, FRIDAY.replace(hour=6), 2),
        (CARD, FRIDAY.replace(second=59), 0),  # it would be too late
        (replace(CARD, peak=None), None, 0),
        (None, None, 0),
    ],
)
def test_rows_wait_for_the_end_of_peak_hours(
    card: RateCard | None, by: datetime | None, seconds: int
) -> None:
    clock = Clock()
    given = off_peak(rows(), lambda _: card, by, pause=clock.sleep, now=clock.now)
    assert len(list(given)) == 3
    assert (clock.time - FRIDAY).total_seconds() == pytest.approx(seconds)


def test_nobody_waits_for_cheap_hours_in_a_run_that_ends() -> None:
    clock = Clock()
    given = off_peak(
        rows(), lambda _: CARD, None, goes_on=lambda: False, pause=clock.sleep, now=clock.now
    )
    assert list(given) == []


def test_a_span_of_hours_has_an_end() -> None:
    assert HOURS.end_of(FRIDAY) == FRIDAY.replace(hour=4, minute=0, second=0)
    later = FRIDAY.replace(hour=5)
    assert HOURS.end_of(later) == later


def test_a_share_of_every_rate() -> None:
    card = RateCard(
        Rates(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75")),
        bands=((100, Rates(Decimal(6), Decimal(30))),),
        peak=PEAK,
    )
    half = card.times(Decimal("0.5"), "half of it")
    assert half.base == Rates(Decimal("1.5"), Decimal("7.5"), Decimal("0.15"), Decimal("1.875"))
    assert half.bands == ((100, Rates(Decimal(3), Decimal(15))),)
    assert half.peak == Rates(Decimal(1), Decimal(2))
    assert half.source == "half of it"
