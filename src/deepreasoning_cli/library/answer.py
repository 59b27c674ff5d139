"""`ask`: a question as a function call, and its answer as an iterator of events."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError, UsageError
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.library.planner import (
    LOGGER,
    TurnPlanner,
    require_prompt,
    setting_flags,
)
from deepreasoning_cli.pipeline.events import Event, Message, Source, Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, run_turn
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.notes import RESUME_COMMAND
from deepreasoning_cli.wiring.resources import TurnRequest

Names = str | Sequence[str]


class Answer(Iterator[Event]):
    """A turn that runs while it is iterated: each event as it comes, as the pipeline yields it.

    Nothing is sent before the first event is asked for. `text`, `reasoning`, `usage`, `cost_usd`
    and the rest read the turn to its end first, and raise what it raised; the `…_so_far` do not.
    Leaving a `with`, or `close`, ends the calls at once; what came is kept in the history.
    """

    def __init__(
        self, plan: Plan, record: TurnRecord, events: Generator[Event, None, None]
    ) -> None:
        self._plan = plan
        self._record = record
        self._events = events
        self._failure: DeepReasoningError | None = None

    def __next__(self) -> Event:
        try:
            return next(self._events)
        except DeepReasoningError as error:
            self._failure = error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "complete" if self._record.complete else "incomplete"
        return f"<Answer {self.turn_id}: {state}, {len(self.text_so_far):,} characters>"

    def close(self) -> None:
        """End the turn where it is. Without effect on one that is over."""
        self._events.close()

    @property
    def turn_id(self) -> str:
        """The id that the turn has in the history."""
        return self._plan.id

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self._plan.prompt.system

    @property
    def text(self) -> str:
        """The whole answer."""
        return self._finished.answer

    @property
    def reasoning(self) -> str:
        """The whole chain of thought."""
        return self._finished.reasoning

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the search of the web found."""
        return self._finished.sources

    @property
    def stages(self) -> dict[Stage, StageFinished]:
        """The stages: each with its model, usage, cost in USD and seconds."""
        return dict(self._finished.stages)

    @property
    def usage(self) -> Usage:
        """The tokens of all stages together; what Claude reads of the reasoning counts again."""
        usages = [stage.usage for stage in self._finished.stages.values() if stage.usage]
        return Usage(
            sum(usage.input_tokens for usage in usages),
            sum(usage.output_tokens for usage in usages),
            sum(usage.reasoning_tokens or 0 for usage in usages),
            sum(usage.cached_tokens for usage in usages),
            sum(usage.cache_write_tokens for usage in usages),
            any(usage.estimated for usage in usages),
        )

    @property
    def cost_usd(self) -> Decimal | None:
        """USD of the turn; None where a rate is not known."""
        return self._finished.cost

    @property
    def text_so_far(self) -> str:
        """The answer as far as it has come."""
        return self._record.answer

    @property
    def reasoning_so_far(self) -> str:
        """The chain of thought as far as it has come."""
        return self._record.reasoning

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`, of the turn as far as it has come."""
        from deepreasoning_cli.views.json import turn_object

        return turn_object(self._record)

    @property
    def reasoner_output(self) -> ReasonerOutput:
        """What `ask(reasoning=…)` takes from this turn, which may be without an answer.

        Raises UsageError where it has none, and what came before that.
        """
        record = self._record
        with suppress(IncompleteError):
            for _ in self:
                pass
        if not record.reasoning.strip():
            raise UsageError(
                f"turn {self.turn_id} has no reasoning",
                kind="empty_reasoning",
                hint="use an answer that has some",
            )
        return ReasonerOutput.of(record)

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages up to this answer, which `ask(after=…)` goes on from."""
        question = Message("user", self._plan.question)
        earlier = self._plan.prompt.messages[:-1]
        return (*earlier, question, Message("assistant", self.text))

    @property
    def _finished(self) -> TurnRecord:
        for _ in self:
            pass
        if self._failure:
            raise self._failure
        if not self._record.complete:
            raise IncompleteError(
                "the answer was closed before its end", kind="stopped", hint="use text_so_far"
            )
        return self._record


def ask(
    prompt: str,
    *,
    model: str | None = None,
    reasoner: Names | None = None,
    answerer: Names | None = None,
    fallback: Names | None = None,
    backend: Literal["auto", "direct", "gateway", "demo"] | None = None,
    system: str | None = None,
    handoff: Literal["reasoning", "answer", "both", "none"] | None = None,
    effort: Literal["auto", "none", "low", "medium", "high", "xhigh", "max"] | None = None,
    think: Literal["auto", "low", "medium", "high", "max"] | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    max_reasoning: str | int | None = None,
    max_cost: Decimal | float | str | None = None,
    on_cap: Literal["stop", "answer"] | None = None,
    web: bool | None = None,
    timeout: float | None = None,
    after: Answer | None = None,
    reasoning: Answer | str | None = None,
    allow_empty_reasoning: bool = False,
    save: bool | None = None,
    config: Path | str | None = None,
    record: Path | str | None = None,
    replay: Path | str | None = None,
    replay_pace: float = 0.0,
) -> Answer:
    """Ask a question: the reasoner thinks, Claude answers. It is sent when the answer is iterated.

    The parameters are the options of `deepreasoning ask`, and win over the environment and the
    config file; None leaves what is set there. `after` goes on from an earlier answer, `reasoning`
    uses the chain of thought of one, or a text, in place of the reasoner's: it is not paid for
    again. `save` False keeps nothing on the disk. `record` and `replay` name a cassette.

    Raises UsageError, ConfigError and RefusedError at once; what the models do is raised where the
    answer is read: UnavailableError where nothing was paid for, IncompleteError where something
    was, and the same three.
    """
    flags = setting_flags(
        model=model,
        reasoner=reasoner,
        answerer=answerer,
        fallback=fallback,
        backend=backend,
        handoff=handoff,
        effort=effort,
        think=think,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        max_reasoning=max_reasoning,
        max_cost=max_cost,
        on_cap=on_cap,
        web_search_linkup=web,
        timeout=timeout,
        history=save,
        record=record,
        replay=replay,
        replay_pace=replay_pace,
    )
    text = require_prompt(prompt)
    loaded = load_settings(Path(config) if config else None, flags)
    for note in loaded.notes:
        LOGGER.info(note)
    reused = reasoning.reasoner_output if isinstance(reasoning, Answer) else None
    if isinstance(reasoning, str):
        reused = ReasonerOutput(reasoning)
    request = TurnRequest(
        loaded=loaded,
        question=text,
        system=after.system if after and system is None else system,
        reused=reused,
        reasoning_from=reasoning.turn_id if isinstance(reasoning, Answer) else None,
        earlier=after.conversation if after else (),
        allow_empty_reasoning=allow_empty_reasoning,
    )
    return _answer(request)


def _answer(request: TurnRequest) -> Answer:
    """The answer to the request, planned. Raises what `build_plan` raises."""
    planner, record = TurnPlanner(request.loaded), TurnRecord()
    plan = planner.plan(request)
    journal = Journal(planner.folder, record, LOGGER.warning) if planner.folder else None
    return Answer(plan, record, _events(plan, record, journal, planner))


def _events(
    plan: Plan, record: TurnRecord, journal: Journal | None, planner: TurnPlanner
) -> Generator[Event, None, None]:
    """The events of the turn: each is in the journal before it is handed on."""
    try:
        with (
            planner.calls,
            closing(run_turn(plan)) as events,
            ViewGroup(record, (), journal) as keep,
        ):
            planner.connect(plan)
            try:
                for event in events:
                    keep(event)
                    yield event
            except IncompleteError as error:
                if journal and journal.is_complete:
                    error.resume = RESUME_COMMAND.format(id=plan.id)
                    error.advise(f"`{error.resume}` continues from what is kept", first=True)
                raise
    finally:
        plan.caps.release(record.cost)
