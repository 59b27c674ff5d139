"""One turn, planned: its parts are wired, it fits into its models, and it has its caps."""

from __future__ import annotations

from deepreasoning_cli.pipeline import Plan
from deepreasoning_cli.prompt import demand_fit
from deepreasoning_cli.settings import Settings
from deepreasoning_cli.wiring.asked import Asked
from deepreasoning_cli.wiring.build import Wiring
from deepreasoning_cli.wiring.capped import ReadSpending, capped


def planned(
    wiring: Wiring, asked: Asked, settings: Settings, spending: ReadSpending, *, saves: bool
) -> Plan:
    """The turn that is asked for; `spending` and `saves` are for the caps.

    Raises ConfigError, RefusedError, and UsageError where a model cannot read so much.
    """
    plan = wiring.plan(asked)
    for provider in (plan.reasoner, plan.answerer):
        if provider is not None:
            demand_fit(plan.prompt.text, provider.context, provider.model)
    return capped(plan, settings, spending, saves=saves)
