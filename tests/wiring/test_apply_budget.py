"""The caps of a turn: settings and the history → what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

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


def unread(since: datetime) -> list[StageCost]:
    raise AssertionError("the history is not needed")


def test_without_caps_the_plan_stays_as_it_is_and_the_history_unread() -> None:
    assert apply_budget(PLAN, settings(), unread, saves=True, now=NOON) is PLAN
    assert PLAN.caps is NO_CAPS


def test_a_cap_for_one_run_does_not_read_the_history() -> None:
    plan = apply_budget(
        PLAN, settings(max_cost="0.5", on_cap="answer"), unread, saves=True, now=NOON
    )
    assert plan.caps == Caps((Cap("max_cost", Decimal("0.5")),), answers=True)


def test_a_day_and_a_month_count_what_was_spent_in_them() -> None:
    wanted = settings(daily_cost="5", monthly_cost="50")
    assert apply_budget(PLAN, wanted, kept, saves=True, now=NOON).caps == Caps(
        (
            Cap("daily_cost", Decimal(5), Decimal(1)),
            Cap("monthly_cost", Decimal(50), Decimal(21)),
        )
    )


def test_a_day_alone_reads_only_that_day() -> None:
    asked: list[datetime] = []

    def since(when: datetime) -> None:
        asked.append(when)

    plan = apply_budget(PLAN, settings(daily_cost="5"), since, saves=True, now=NOON)
    assert plan.caps == Caps((Cap("daily_cost", Decimal(5)),))
    assert asked == [datetime(2026, 11, 23).astimezone()]


def test_caps_over_time_warn_where_the_turn_is_not_kept() -> None:
    plan = apply_budget(PLAN, settings(daily_cost="5"), kept, saves=False)
    assert plan.warnings == (
        "this turn is not kept, so that daily_cost and monthly_cost will not count it",
    )
    assert apply_budget(PLAN, settings(max_cost="5"), kept, saves=False).warnings == ()
