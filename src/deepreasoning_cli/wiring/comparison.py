"""What a comparison is to compare → its turns, planned: every name is known, nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Final

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.comparison import Arm, Comparison, arms_to_json
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.wiring.resources import TurnRequest

MOST_ARMS: Final = 12
USUAL_MODELS: Final = ("sonnet", "opus", "haiku")
AXES: Final = ("model", "answerer", "effort", "handoff")
"""The settings in which arms may differ."""


def arm_settings(given: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The settings of each arm: all combinations of the values `given` for the axes.

    Without any choice, these are the three usual models. Raises UsageError for one arm, or too
    many.
    """
    values = {axis: given[axis] for axis in AXES if given.get(axis)}
    if all(len(each) < 2 for each in values.values()) and "model" not in values:
        values = {"model": USUAL_MODELS, **values}
    for axis, each in values.items():
        if twice := next((value for value in each if each.count(value) > 1), None):
            raise UsageError(f"the {axis} {twice} is named twice", hint="leave one of them out")
    combinations = product(*values.values())
    arms = [dict(zip(values, combination, strict=True)) for combination in combinations]
    if len(arms) < 2:
        raise UsageError("a comparison needs two answers", hint="-m sonnet -m opus")
    if len(arms) > MOST_ARMS:
        raise UsageError(
            f"that makes {len(arms)} answers; at most {MOST_ARMS} are compared",
            hint="leave some out: each model is combined with each host, effort and hand-off",
        )
    return arms


def plan_comparison(
    requests: Sequence[TurnRequest],
    build: Callable[[TurnRequest], Plan],
    *,
    resumed: tuple[str, Sequence[Arm]] | None = None,
    session: str | None = None,
) -> Comparison:
    """The turns of the requests, one for each arm, under one cap. Nothing is sent.

    `resumed` is the id of the comparison that they finish, and the arms; `session` is the
    conversation that they answer in, and that the one that is picked goes into. Raises what `build`
    raises, UsageError for arms that are the same, and RefusedError where the whole would pass a
    cap.
    """
    reasons = _place_that_reasons(requests)
    opening = reasons or 0
    others = [
        replace(request, reused=ReasonerOutput())
        if place != reasons and _would_reason(request)
        else request
        for place, request in enumerate(requests)
    ]
    plans = {opening: build(requests[opening])}  # the first connection is the one it needs
    plans |= {place: build(each) for place, each in enumerate(others) if place != opening}
    in_order = [plans[place] for place in range(len(requests))]
    if any(plan.hosted for plan in in_order):
        raise UsageError(
            "the gateway reasons and answers in one call: it has nothing to compare",
            hint="--backend direct",
        )
    if resumed:
        id_, arms = resumed[0], tuple(resumed[1])
    else:
        id_ = in_order[opening].id
        arms = tuple(_arm(*each) for each in zip(requests, in_order, strict=True))
        _refuse_equals(arms)
    compared = [replace(plan, comparison=id_) for plan in in_order]
    if resumed:  # one that never began keeps the id under which it is looked for
        begun = zip(compared, arms, strict=True)
        compared = [plan if plan.resumes else replace(plan, id=arm.id) for plan, arm in begun]
    else:
        compared[opening] = replace(compared[opening], arms=arms_to_json(arms, session))
    return Comparison(id=id_, arms=arms, plans=tuple(compared), reasons=reasons).with_shared_caps()


def _would_reason(request: TurnRequest) -> bool:
    has_work = request.reused is not None or request.continued is not None
    return request.loaded.settings.handoff != "none" and not has_work


def _place_that_reasons(requests: Sequence[TurnRequest]) -> int | None:
    """Whose reasoning all use: one whose hand-off has the reasoner write its own answer, too."""
    reasoning = [place for place, request in enumerate(requests) if _would_reason(request)]
    handoffs = {place: requests[place].loaded.settings.handoff for place in reasoning}
    for handoff in (Handoff.BOTH, Handoff.ANSWER, Handoff.REASONING):
        for place in reasoning:
            if handoffs[place] == handoff:
                return place
    return None


def _arm(request: TurnRequest, plan: Plan) -> Arm:
    settings = request.loaded.settings
    model = settings.model or USUAL_MODELS[0]  # the demo's answerer is the same for all
    return Arm(
        id=plan.id,
        model=plan.answerer.model if plan.answerer and plan.answerer_name else model,
        answerer=plan.answerer_name,
        effort=settings.effort,
        handoff=plan.handoff,
    )


def _refuse_equals(arms: Sequence[Arm]) -> None:
    for place, arm in enumerate(arms):
        if arm.choice in [other.choice for other in arms[:place]]:
            raise UsageError(
                f"{arm.model} would answer twice in the same way",
                hint="name another model, host, effort or hand-off",
            )
