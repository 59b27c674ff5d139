"""The budget of one turn: the caps that are set, less what was spent today and this month."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.settings.models import Settings

if TYPE_CHECKING:
    from deepreasoning_cli.history.ledger import Ledger

MakeLedger = Callable[[], "Ledger"]


def apply_budget(
    plan: Plan,
    settings: Settings,
    make_ledger: MakeLedger,
    *,
    saves: bool,
    runtime: Runtime = BLOCKING,
    now: datetime | None = None,
) -> Plan:
    """The plan under the caps that are set; `now` is aware, the present moment by default.

    The ledger is read when the turn runs, by way of `runtime`, and not at all without a cap over
    time; `saves` tells whether this turn will be in the history. A day and a month are those of
    this computer's clock.
    """
    today = (now or datetime.now(UTC)).astimezone().date()
    own = () if settings.max_cost is None else (Cap("max_cost", settings.max_cost),)
    shared = tuple(_shared(settings, today))
    if not (own or shared):
        return plan
    names = [cap.name for cap in own] + [name for name, _, _ in shared]
    warnings = [*plan.warnings, *unenforced(plan, *names)]
    if not saves and shared:
        uncounted = "daily_cost and monthly_cost will not count it"
        warnings.append(f"this turn is not kept, so that {uncounted}")
    caps = Caps(own, answers=settings.on_cap == "answer")
    if shared:
        ledger = make_ledger()
        caps = caps._replace(
            reserve=partial(_reserve, ledger, plan.id, shared, runtime),
            release=partial(_release, ledger, plan.id, runtime),
        )
    return replace(plan, caps=caps, warnings=tuple(warnings))


def _shared(settings: Settings, today: date) -> Iterator[tuple[str, Decimal, datetime]]:
    """Each cap over time that is set: its name, USD, and since when."""
    if settings.daily_cost is not None:
        yield "daily_cost", settings.daily_cost, _midnight(today)
    if settings.monthly_cost is not None:
        yield "monthly_cost", settings.monthly_cost, _midnight(today.replace(day=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


def _reserve(
    ledger: Ledger,
    turn: str,
    shared: Sequence[tuple[str, Decimal, datetime]],
    runtime: Runtime,
    amount: Decimal,
) -> tuple[Cap, ...]:
    """Set the amount aside for the turn, as far as it is there; the caps as they are now."""
    caps: tuple[Cap, ...] = ()

    def decide(others: Decimal) -> Decimal:
        nonlocal caps
        spent = ledger.spent([since for _, _, since in shared])
        caps = tuple(
            Cap(name, most, so_far, others)
            for (name, most, _), so_far in zip(shared, spent, strict=True)
        )
        return min(amount, *(cap.left for cap in caps))

    runtime.run_blocking(partial(ledger.reserve, turn, decide))
    return caps


def _release(ledger: Ledger, turn: str, runtime: Runtime, cost: Decimal | None) -> None:
    runtime.run_blocking(partial(ledger.release, turn, cost))


def unenforced(plan: Plan, *caps: str) -> Iterator[str]:
    """What to tell of caps by these names where the rates of a model are unknown."""
    names = " and ".join(caps)
    for provider in (plan.reasoner, plan.answerer):
        if provider is not None and provider.rates is None:
            yield f"the cost of {provider.model} is unknown: {names} cannot be enforced"
