"""Turns of the server that are over, as far as the log and the counters see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deepreasoning_cli.events import Finished, Message, Prompt, Stage
from deepreasoning_cli.money import Usage
from deepreasoning_cli.record import Record
from deepreasoning_cli.wire.asked import ChatRequest, RequestParameters


@dataclass
class Turned:
    """A turn as far as others see it."""

    id: str = "01turn"
    asked: ChatRequest = field(
        default_factory=lambda: ChatRequest(
            "deepreasoning/sonnet",
            Prompt((Message("user", "secret"),)),
            RequestParameters(),
            stream=True,
        )
    )
    record: Record = field(default_factory=Record)
    ended: str = "complete"


def stage(which: Stage, read: int, wrote: int, cost: str | None) -> Finished:
    paid = Decimal(cost) if cost else None
    return Finished(which, which.value, None, Usage(read, wrote), paid, 1.0, None, complete=True)


def turned(*stages: Finished, **fields: Any) -> Turned:
    turn = Turned(**fields)
    turn.record.stages = {each.stage: each for each in stages}
    return turn
