"""Turns of the server that are over, as far as the log and the counters see them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from deepreasoning_cli.pipeline.events import Message, Prompt, Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.server.formats import BY_PATH
from deepreasoning_cli.server.turn import Turn
from deepreasoning_cli.wire.server.request import ChatRequest, RequestParameters

if TYPE_CHECKING:
    from deepreasoning_cli.server.service import Service


def stage(which: Stage, read: int, wrote: int, cost: str | None) -> StageFinished:
    paid = Decimal(cost) if cost else None
    return StageFinished(
        which, which.value, None, Usage(read, wrote), paid, 1.0, None, complete=True
    )


def ended_turn(*stages: StageFinished, outcome: str = "complete") -> Turn:
    """A turn that has ended; it needs no service any more."""
    prompt = Prompt((Message("user", "secret"),))
    request = ChatRequest("deepreasoning/sonnet", prompt, RequestParameters(), stream=True)
    turn = Turn(
        id="01turn",
        request=request,
        format=BY_PATH["/v1/chat/completions"],
        service=cast("Service", None),
        outcome=outcome,
    )
    turn.record.stages = {each.stage: each for each in stages}
    return turn
