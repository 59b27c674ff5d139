"""One turn for one request: from the planned stages to the bytes of a reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from deepreasoning_cli import pipeline
from deepreasoning_cli.caps import COST_CAP
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, IncompleteError
from deepreasoning_cli.events import End, Event, Stage
from deepreasoning_cli.pipeline import Plan
from deepreasoning_cli.record import Record
from deepreasoning_cli.server.accounting import usage_of
from deepreasoning_cli.server.failures import BROKEN, STOPPING, failure_of
from deepreasoning_cli.server.formats import Format
from deepreasoning_cli.server.service import MODEL, CallersKeys, Service
from deepreasoning_cli.server.voice import Put, Streamed, Voice, Whole
from deepreasoning_cli.views.show import Show
from deepreasoning_cli.wire.asked import ChatRequest
from deepreasoning_cli.wire.refusal import ApiError
from deepreasoning_cli.wire.reply import Cost, Head
from deepreasoning_cli.wire.writer import Part, ReplyWriter

ENDS: dict[str, str] = {"max_tokens": "max_tokens", "refusal": "refusal", COST_CAP: "max_tokens"}
"""What ends a reply that is otherwise in order: the error's kind, and the stop reason it is."""


class Why(StrEnum):
    """Why a turn was ended from outside."""

    GONE = "caller_gone"
    STOPPING = "shutting_down"


@dataclass(slots=True, eq=False)
class Turn:
    """A request that is being answered, and afterwards what became of it."""

    id: str
    asked: ChatRequest
    format: Format
    service: Service
    keys: CallersKeys | None = None
    record: Record = field(default_factory=Record)
    why: Why = Why.STOPPING
    """What it means if the turn is cancelled: only a server that shuts down gives no reason."""
    ended: str = ""
    """How it ended, in one word, once it has."""
    retry_after: float | None = None
    """Seconds that a vendor asked to wait, where it turned us away."""

    async def plan(self) -> Plan:
        """The stages to run. Raises what Service.plan raises."""
        plan = partial(self.service.plan, self.asked, self.keys, self.id)
        return plan() if self.service.plans_at_once else await asyncio.to_thread(plan)

    def run(self, plan: Plan, put: Put) -> ApiError | None:
        """Run the stages, hand all bytes to `put`; what came in place of a reply, if something did.

        To be called by `greenlet_spawn`: where that is cancelled, the vendors' calls end at once.
        """
        voice, journal = self._voice(plan, put), self.service.journal(self.record)
        try:
            with closing(pipeline.run(plan)) as events, Show(self.record, [voice], journal) as show:
                self._follow(events, show)
        except (DeepReasoningError, BrokenPipeError):
            return voice.unsaid
        except Exception as error:  # noqa: BLE001 (the boundary of a turn)
            self.service.broke(error)
            self.ended = BROKEN.kind
            return voice.unsaid or BROKEN
        return None

    def failure(self, error: DeepReasoningError) -> ApiError:
        """What the caller is told of `error`."""
        self.ended = error.kind
        if isinstance(error, ConfigError) and self.keys is None:
            self.service.warn(f"{self.id}: {error.message}")  # the caller is told less
        self.retry_after = error.retry_after
        return failure_of(error, self.id, byok=self.keys is not None)

    @property
    def stopping(self) -> ApiError:
        """What the caller is told when the server shuts down."""
        return replace(STOPPING, request_id=self.id)

    def broken_off(self, failure: ApiError) -> bytes:
        """What ends a stream in which nothing was said before `failure`."""
        return self._writer(self._head(self.asked.model)).frames(failure)

    def _follow(self, events: Iterator[Event], show: Show) -> None:
        """Show every event; cancelled, BrokenPipeError, as where a reader closes a pipe."""
        try:
            for event in events:
                show(event)
        except asyncio.CancelledError as cancelled:
            raise BrokenPipeError(self.why) from cancelled

    def _ending(self, error: BaseException | None) -> list[Part]:
        """What the reply ends with; called once, when all that will come has come."""
        match error:
            case None:
                self.ended = "complete"
                return self._account(self._stop_reason())
            case BrokenPipeError():
                self.ended = self.why.value
                return [self.stopping] if self.why is Why.STOPPING else []
            case IncompleteError() if error.kind in ENDS:
                self.ended = error.kind
                return self._account(ENDS[error.kind])
            case DeepReasoningError():
                return [self.failure(error)]
            case _:
                self.ended = BROKEN.kind
                return [BROKEN]

    def _account(self, reason: str | None) -> list[Part]:
        usage = usage_of(self.record)
        counted: list[Part] = [usage, Cost(self.record.cost)] if usage else []
        return [*counted, End(reason)]

    def _stop_reason(self) -> str | None:
        answer = self.record.stages.get(Stage.ANSWER)
        return answer.stop_reason if answer else None

    def _voice(self, plan: Plan, put: Put) -> Voice:
        model = plan.answerer.model if plan.answerer else "none"
        head = self._head(f"{MODEL}/{model}")
        if self.asked.stream:
            return Streamed(self._writer(head), put, self._ending)
        return Whole(lambda parts: self.format.whole(parts, head), put, self._ending)

    def _head(self, model: str) -> Head:
        return Head(self.id, model, int(time.time()))

    def _writer(self, head: Head) -> ReplyWriter:
        return self.format.writer(head, self.asked.include_usage)
