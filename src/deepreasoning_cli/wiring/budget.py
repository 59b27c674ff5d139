"""The budget of one turn: the caps that are set, less what was spent today and this month."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.settings.models import Settings

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost

ReadSpending = Callable[[datetime], "Sequence[StageCost] | None"]


def apply_budget(
    plan: Plan,
    settings: Settings,
    spending: ReadSpending,
    *,
    saves: bool,
    now: datetime | None = None,
) -> Plan:
    """The plan under the caps that are set; `now` is aware, the present moment by default.

    `spending` reads the history, once at most; `saves` tells whether this turn will be in it. A
    day and a month are those of this computer's clock.
    """
    today = (now or datetime.now(UTC)).astimezone().date()
    caps = tuple(_caps(settings, spending, today))
    if not caps:
        return plan
    warnings = (*plan.warnings, *_warnings(plan, caps, saves=saves))
    return replace(plan, caps=Caps(caps, answers=settings.on_cap == "answer"), warnings=warnings)


def _caps(settings: Settings, spending: ReadSpending, today: date) -> Iterator[Cap]:
    if settings.max_cost is not None:
        yield Cap("max_cost", settings.max_cost)
    periods = (
        ("daily_cost", settings.daily_cost, _midnight(today)),
        ("monthly_cost", settings.monthly_cost, _midnight(today.replace(day=1))),
    )
    starts = [start for _, amount, start in periods if amount is not None]
    rows = (starts and spending(min(starts))) or ()
    for name, amount, start in periods:
        if amount is not None:
            yield Cap(name, amount, _sum(rows, start))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


def _sum(rows: Sequence[StageCost], since: datetime) -> Decimal:
    """USD since then; a cost that nobody knows cannot be counted."""
    return sum((row.cost for row in rows if row.cost and row.started >= since), Decimal(0))


def _warnings(plan: Plan, caps: Sequence[Cap], *, saves: bool) -> Iterator[str]:
    names = " and ".join(cap.name for cap in caps)
    for provider in (plan.reasoner, plan.answerer):
        if provider is not None and provider.rates is None:
            yield f"the cost of {provider.model} is unknown: {names} cannot hold it"
    if not saves and any(cap.name != "max_cost" for cap in caps):
        yield "this turn is not kept, so that daily_cost and monthly_cost will not count it"
