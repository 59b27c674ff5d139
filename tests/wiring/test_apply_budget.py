"""The caps of a turn: settings and the history → what is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli.greenlets import Runtime
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.history.queries import StageCost
from deepreasoning_cli.pipeline.budget import NO_CAPS, Cap, Caps
from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.wiring.budget import apply_budget

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLAN = Plan(
    id="id1",
    backend="direct",
    question="?",
    prompt=Prompt((Message("user", "?"),)),
    reasoner=None,
    answerer=None,
)


def settings(**flags: Any) -> Settings:
    return load_settings(None, flags, {}).settings


def cost(amount: str | None, when: datetime) -> StageCost:
    known = None if amount is None else Decimal(amount)
    return StageCost(
        turn="t",
        session=None,
        started=when,
        complete=True,
        stage="answer",
        model="m",
        usage=Usage(1, 1),
        cost=known,
    )


KEPT = [
    cost("1", NOON - timedelta(hours=1)),
    cost(None, NOON - timedelta(hours=2)),
    cost("20", NOON - timedelta(days=2)),
    cost("300", NOON - timedelta(days=30)),
]


def kept(since: datetime) -> list[StageCost]:
    return [row for row in KEPT if row.started >= since]


def unread() -> Ledger:
    raise AssertionError("the history is not needed")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, kept, saves=True)


def reserved(plan: Plan, amount: str) -> tuple[Cap, ...]:
    assert plan.caps.reserve
    return plan.caps.reserve(Decimal(amount))


def test_without_caps_the_plan_stays_as_it_is_and_the_history_unread() -> None:
    assert apply_budget(PLAN, settings(), unread, saves=True, now=NOON) is PLAN
    assert PLAN.caps is NO_CAPS


def test_a_cap_for_one_run_does_not_read_the_history() -> None:
    plan = apply_budget(
        PLAN, settings(max_cost="0.5", on_cap="answer"), unread, saves=True, now=NOON
    )
    assert plan.caps == Caps((Cap("max_cost", Decimal("0.5")),), answers=True)


def test_a_day_and_a_month_count_what_was_spent_in_them(ledger: Ledger) -> None:
    wanted = settings(daily_cost="5", monthly_cost="50")
    plan = apply_budget(PLAN, wanted, lambda: ledger, saves=True, now=NOON)
    assert (plan.caps.caps, plan.caps.are_set) == ((), True)
    assert reserved(plan, "1") == (
        Cap("daily_cost", Decimal(5), Decimal(1)),
        Cap("monthly_cost", Decimal(50), Decimal(21)),
    )


def test_a_day_alone_reads_only_that_day(tmp_path: Path) -> None:
    asked: list[datetime] = []

    def since(when: datetime) -> None:
        asked.append(when)

    ledger = Ledger(tmp_path, since, saves=True)
    plan = apply_budget(PLAN, settings(daily_cost="5"), lambda: ledger, saves=True, now=NOON)
    assert asked == []
    assert reserved(plan, "1") == (Cap("daily_cost", Decimal(5)),)
    assert asked == [datetime(2026, 11, 23).astimezone()]


def test_what_one_turn_reserves_is_not_there_for_another(ledger: Ledger) -> None:
    wanted = settings(daily_cost="5")
    turns = [
        apply_budget(replace(PLAN, id=name), wanted, lambda: ledger, saves=True, now=NOON)
        for name in ("id1", "id2")
    ]
    assert [cap.left for turn in turns for cap in reserved(turn, "3")] == [4, 1]
    turns[0].caps.release(Decimal(3))
    assert [cap.left for cap in reserved(turns[1], "3")] == [4]


def test_reservations_go_by_way_of_the_runtime(ledger: Ledger) -> None:
    ways: list[str] = []

    def run_blocking(action: Any) -> Any:
        ways.append(action.func.__name__)
        return action()

    runtime = Runtime(run_blocking=run_blocking)
    plan = apply_budget(
        PLAN, settings(daily_cost="5"), lambda: ledger, saves=True, runtime=runtime, now=NOON
    )
    reserved(plan, "1")
    plan.caps.release(None)
    assert ways == ["reserve", "release"]


def test_caps_over_time_warn_where_the_turn_is_not_kept(ledger: Ledger) -> None:
    plan = apply_budget(PLAN, settings(daily_cost="5"), lambda: ledger, saves=False)
    assert plan.warnings == (
        "this turn is not kept, so that daily_cost and monthly_cost will not count it",
    )
    assert apply_budget(PLAN, settings(max_cost="5"), unread, saves=False).warnings == ()
