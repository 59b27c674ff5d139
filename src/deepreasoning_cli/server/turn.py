"""One turn for one request: from the planned stages to the bytes of a reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, IncompleteError
from deepreasoning_cli.pipeline.events import COST_CAP, End, Event, Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, run_turn
from deepreasoning_cli.server.errors import INTERNAL, STOPPING, CancelReason, to_failure
from deepreasoning_cli.server.formats import WireFormat
from deepreasoning_cli.server.response import Put, ReplyView
from deepreasoning_cli.server.service import MODEL, CallerKeys, Service, is_pair
from deepreasoning_cli.server.stored_responses import PREFIX, StoredInput
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wire.server.writer import Cost, Head, Part, ReplyWriter

STOP_REASONS = {"max_tokens": "max_tokens", "refusal": "refusal", COST_CAP: "max_tokens"}
"""The stop reasons of replies that end early but in order, by the error's kind."""
ANSWERED = frozenset({"complete", *STOP_REASONS})
"""The outcomes of replies that ended in order."""


@dataclass(eq=False, kw_only=True)
class Turn:
    """A request that is being answered, and its outcome."""

    id: str
    request: ChatRequest
    format: WireFormat
    service: Service
    keys: CallerKeys | None = None
    caller: str = ""
    """What tells the caller apart from others, unreadable."""
    stored: StoredInput | None = None
    """What a later request finds of this one by its id; None where it finds nothing."""
    goes_on: bool = False
    """Whether it is to go on from the reasoning of its question."""
    record: TurnRecord = field(default_factory=TurnRecord)
    cancel_reason: CancelReason = CancelReason.SHUTDOWN
    """Why the turn would be cancelled; a server that shuts down sets no other reason."""
    outcome: str = ""
    """How it ended, in one word; empty while it runs."""
    retry_after: float | None = None
    """The `retry-after` of a vendor that refused, in seconds."""

    async def plan(self) -> Plan:
        """The stages to run. Raises what Service.plan raises."""
        build = partial(self.service.plan, self.request, self.keys, self.id, self.caller)
        self.goes_on = self.service.goes_on(self.request)
        at_once = self.service.plans_at_once(self.request, self.caller)
        plan = build() if at_once else await asyncio.to_thread(build)
        return replace(plan, conversation=self._conversation)

    def run(self, plan: Plan, put: Put) -> ApiError | None:
        """Run the stages and pass all bytes to `put`; the failure, if there is no reply.

        `greenlet_spawn` calls this; when it is cancelled, the vendors' calls end at once.
        """
        answerer = plan.answerer.model if plan.answerer else "none"
        writer = self._writer(f"{MODEL}/{answerer}" if is_pair(self.request.model) else answerer)
        shows = plan.resumes is not None
        reply = ReplyView(
            writer, put, self._ending, streams=self.request.stream, shows_reused=shows
        )
        journal = self.service.journal(self.record)
        try:
            with (
                closing(run_turn(plan)) as events,
                ViewGroup(self.record, [reply], journal) as show,
            ):
                self._follow(events, show)
        except (DeepReasoningError, BrokenPipeError):
            return reply.failure
        except Exception as error:  # noqa: BLE001 (the boundary of a turn)
            self.service.log_bug(error)
            self.outcome = INTERNAL.kind
            return reply.failure or INTERNAL
        finally:
            plan.caps.release(self.record.cost)
            answered = self.outcome in ANSWERED
            self.service.note_outcome(self.request, self.caller, self.record, answered=answered)
        return None

    def failure(self, error: DeepReasoningError) -> ApiError:
        """The failure for the caller; notes the outcome and logs what the owner should know."""
        self.outcome = error.kind
        if isinstance(error, ConfigError) and self.keys is None:
            self.service.warn(f"{self.id}: {error.message}")  # the caller learns less
        self.retry_after = error.retry_after
        return to_failure(error, self.id, byok=self.keys is not None)

    @property
    def reasoning(self) -> str:
        """Where the reasoning comes from, in one word for the log: `kept` for the next requests,
        `reused` from an earlier one, `gone` where there should be some, or `none`.
        """
        if self.record.reused_model:
            return "reused"
        if Stage.REASON in self.record.stages:
            return "kept"
        return "gone" if self.goes_on else "none"

    @property
    def cancel_failure(self) -> ApiError | None:
        """The failure of a cancelled turn; None if the caller has disconnected."""
        stopping = self.cancel_reason is CancelReason.SHUTDOWN
        return replace(STOPPING, request_id=self.id) if stopping else None

    def error_frames(self, failure: ApiError) -> bytes:
        """The last frames of a stream that has no text before `failure`."""
        return self._writer(self.request.model).frames(failure)

    def _follow(self, events: Iterator[Event], show: ViewGroup) -> None:
        """Show every event. Raises BrokenPipeError if cancelled, as when a reader closes a pipe."""
        try:
            for event in events:
                show(event)
                if isinstance(event, StageFinished) and event.stage is Stage.REASON:
                    self.service.keep_reasoning(self.record)
        except asyncio.CancelledError as cancelled:
            raise BrokenPipeError(self.cancel_reason) from cancelled

    def _ending(self, error: BaseException | None) -> list[Part]:
        """The last parts of the reply; called once, after all events."""
        match error:
            case None:
                self.outcome = "complete"
                answer = self.record.stages.get(Stage.ANSWER)
                return self._usage_and_end(answer.stop_reason if answer else None)
            case BrokenPipeError():
                self.outcome = self.cancel_reason.value
                return [self.cancel_failure] if self.cancel_failure else []
            case IncompleteError() if error.kind in STOP_REASONS:
                self.outcome = error.kind
                return self._usage_and_end(STOP_REASONS[error.kind])
            case DeepReasoningError():
                return [self.failure(error)]
            case _:
                self.outcome = INTERNAL.kind
                return [INTERNAL]

    def _usage_and_end(self, reason: str | None) -> list[Part]:
        options = self.request.prompt.options
        stops = options.stop_sequences if options and reason == "stop_sequence" else ()
        end = End(reason, stops[0] if len(stops) == 1 else "")
        usage = total_usage(self.record)
        return [usage, Cost(self.record.cost), end] if usage else [end]

    @cached_property
    def _conversation(self) -> str | None:
        return self.stored.to_json() if self.stored else None

    def _writer(self, model: str) -> ReplyWriter:
        repeated = {**self.request.repeated, "store": self._conversation is not None}
        if self.stored and self.stored.previous:
            repeated["previous_response_id"] = f"{PREFIX}{self.stored.previous}"
        tokens = self.request.prompt.tokens
        head = Head(self.id, model, int(time.time()), repeated, tokens)
        return self.format.writer(head, include_usage=self.request.include_usage)


def total_usage(record: TurnRecord) -> Usage | None:
    """The tokens of the finished stages; None if nothing was counted.

    All output of the reasoner counts as reasoning; what Claude reads of it counts as input again.
    Both are billed.
    """
    usages = {stage: end.usage for stage, end in record.stages.items() if end.usage}
    if not usages:
        return None
    reasoner = usages.get(Stage.REASON)
    reasoning = sum(usage.reasoning_tokens or 0 for usage in usages.values())
    return Usage(
        sum(usage.input_tokens for usage in usages.values()),
        sum(usage.output_tokens for usage in usages.values()),
        max(reasoning, reasoner.output_tokens if reasoner else 0),
        sum(usage.cached_tokens for usage in usages.values()),
        sum(usage.cache_write_tokens for usage in usages.values()),
        any(usage.estimated for usage in usages.values()),
    )
