"""search → reason → answer: one generator of events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from deepreasoning_cli.errors import (
    IncompleteError,
    RefusedError,
)
from deepreasoning_cli.pipeline.budget import COST_CAP, NO_CAPS, BudgetMeter, Caps
from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Handoff,
    Prompt,
    Reused,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.hosted import Hosted, relay
from deepreasoning_cli.pipeline.search import (
    Search,
    SearchResult,
    look_up,
    sources_list,
    with_search_results,
)
from deepreasoning_cli.pipeline.stage import Provider, StageRun


@dataclass(frozen=True, slots=True)
class ReasonerOutput:
    """What the reasoner brought: its reasoning, its own answer, and whether this run paid."""

    reasoning: str = ""
    answer: str = ""
    model: str = "a reasoner"
    paid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One turn before it runs.

    `kept` is reasoning from elsewhere: the reasoner is not called then, nor without `reasoner`.
    Without `answerer` the turn ends after the reasoning. `hosted` does all stages in one call; it
    stands in the place of the answerer too, or in the reasoner's where only reasoning is wanted.
    """

    id: str
    backend: str
    question: str
    prompt: Prompt
    reasoner: Provider | None
    answerer: Provider | None
    handoff: Handoff = Handoff.REASONING
    kept: ReasonerOutput | None = None
    allow_empty_reasoning: bool = False
    session: str | None = None
    warnings: tuple[str, ...] = ()
    reasoning_from: str | None = None
    reasoner_name: str | None = None
    enough: Callable[[], bool] = lambda: False
    """Asked at each thought: whether the user wants the answer now, from what there is."""
    caps: Caps = NO_CAPS
    hosted: Hosted | None = None
    search: Search | None = None


def run_turn(plan: Plan) -> Generator[Event, None, None]:
    """The events of one turn. Nothing is sent before the first stage is asked for.

    Raises IncompleteError once something was paid for; before that what the stage met:
    RefusedError (for empty reasoning and for a cap too), ConfigError or UnavailableError.
    """
    meter = BudgetMeter(plan.caps)
    meter.demand_room(_planned_stages(plan))
    yield _turn_started(plan)
    yield from map(TurnWarning, plan.warnings)
    if plan.hosted:
        answers = plan.answerer is not None
        yield from relay(plan.hosted, plan.prompt, meter, _finish_last_stage, answers=answers)
        return
    found = (yield from look_up(plan.search, meter)) if plan.search else ()
    plan = replace(plan, prompt=with_search_results(plan.prompt, found))
    with ExitStack() as calls:
        work = plan.kept or ReasonerOutput()
        if plan.kept:
            yield Reused(work.reasoning, work.answer, work.model)
        if plan.reasoner and not plan.kept:
            work = yield from _reason(plan, plan.reasoner, calls, meter)
        if plan.answerer:
            yield from _answer(plan, plan.answerer, work, calls, meter, found)


def _turn_started(plan: Plan) -> TurnStarted:
    return TurnStarted(
        plan.id,
        plan.backend,
        plan.question,
        plan.handoff,
        plan.session,
        plan.prompt.system,
        plan.reasoning_from,
        plan.reasoner_name,
        plan.answerer.model if plan.answerer else None,
    )


def _planned_stages(plan: Plan) -> Iterator[StageStarted]:
    """The stages that will run, as far as their input is known."""
    if plan.reasoner and not plan.kept:
        yield StageRun(Stage.REASON, plan.reasoner, plan.prompt).started()
    if plan.answerer:
        yield StageRun(
            Stage.ANSWER, plan.answerer, _answer_prompt(plan, plan.kept or ReasonerOutput())
        ).started()


def _reason(
    plan: Plan, reasoner: Provider, calls: ExitStack, meter: BudgetMeter
) -> Generator[Event, None, ReasonerOutput]:
    """The reasoner's stage. Its call stays open in `calls`: the answerer's goes out first."""
    heard = StageRun(Stage.REASON, reasoner, plan.prompt)
    yield (started := heard.started())
    warm = plan.answerer.warm if plan.answerer else _no_connection
    chunks = calls.enter_context(closing(reasoner.stream(plan.prompt, warm)))
    own_answer_wanted = plan.answerer and plan.handoff is not Handoff.REASONING
    said = heard.all(chunks, paid=False)
    for chunk in meter.watched(started, said, _answer_stage(plan)):
        match chunk:
            case Thought():
                yield chunk
                if plan.enough():
                    break
            case Text(text) if own_answer_wanted:
                yield Draft(text)
            case Text() if heard.answer.strip():
                break  # its own answer is not wanted, and so not paid for
    yield from _finish_stage(heard, meter, goes_on=plan.caps.answers and plan.answerer is not None)
    if not heard.reasoning.strip():
        _require_reasoning(plan, heard)
    return ReasonerOutput(heard.reasoning, heard.answer, heard.served or reasoner.model, paid=True)


def _answer(
    plan: Plan,
    answerer: Provider,
    work: ReasonerOutput,
    calls: ExitStack,
    meter: BudgetMeter,
    found: Sequence[SearchResult],
) -> Generator[Event, None, None]:
    """Claude's stage; the reasoner's call is closed as soon as Claude's request is out.

    An answer that came whole ends with the list of what was `found`, if that is wanted.
    """
    prompt = _answer_prompt(plan, work)
    heard = StageRun(Stage.ANSWER, answerer, prompt)
    started = heard.started()
    if work.paid:
        meter.demand_more(started)
    yield started
    with closing(answerer.stream(prompt, calls.close)) as chunks:
        for chunk in meter.watched(started, heard.all(chunks, paid=work.paid)):
            if isinstance(chunk, Text):
                yield chunk
    if plan.search and plan.search.lists and found and heard.is_whole and not meter.is_full:
        yield Text(sources_list([finding.source for finding in found]))
    yield from _finish_stage(heard, meter, goes_on=False)
    if not heard.answer.strip():
        raise IncompleteError(
            "the model returned an empty answer", kind="empty_answer", stage=Stage.ANSWER
        )


def _answer_prompt(plan: Plan, work: ReasonerOutput) -> Prompt:
    return with_notes(
        plan.prompt,
        plan.handoff,
        model=work.model,
        reasoning=work.reasoning,
        answer=work.answer,
    )


def _answer_stage(plan: Plan) -> StageStarted | None:
    """The stage that money is left for while the reasoner thinks."""
    if plan.answerer is None:
        return None
    return StageRun(Stage.ANSWER, plan.answerer, plan.prompt).started()


def _finish_stage(
    heard: StageRun, meter: BudgetMeter, *, goes_on: bool
) -> Generator[Event, None, None]:
    """The stage's account; raises IncompleteError where it was cut, by the vendor or by a cap.

    A reasoner that a cap has stopped is whole enough where the turn goes on.
    """
    finished: StageFinished = heard.finished()
    if not meter.is_full:
        yield meter.settle(finished)
        heard.demand_whole()
    elif goes_on:
        yield meter.settle(finished)
        yield TurnWarning(meter.notice)
    else:
        yield meter.settle(replace(finished, stop_reason=COST_CAP, complete=False))
        raise meter.stopped(heard.stage)


def _finish_last_stage(heard: StageRun, meter: BudgetMeter) -> Generator[Event, None, None]:
    return _finish_stage(heard, meter, goes_on=False)


def _require_reasoning(plan: Plan, heard: StageRun) -> None:
    """Stop before Claude is billed for an answer without the reasoning that was asked for."""
    wanted = plan.handoff in (Handoff.REASONING, Handoff.BOTH) or plan.answerer is None
    if wanted and not plan.allow_empty_reasoning:
        raise RefusedError(
            f"{heard.provider.model} sent no reasoning; Claude was not called",
            kind="empty_reasoning",
            stage=Stage.REASON,
            hint="choose another reasoner with -r; --handoff none asks Claude alone,"
            " --allow-empty-reasoning goes on without reasoning",
        )


def _no_connection() -> None:
    """There is no connection to open."""
