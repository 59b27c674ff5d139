"""search → reason → answer: one generator of events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.budget import NO_CAPS, NO_LIMIT, BudgetMeter, Caps, ReasoningLimit
from deepreasoning_cli.pipeline.events import SETTLED, Event, Handoff, Prompt, Stage
from deepreasoning_cli.pipeline.money import BYTES_PER_TOKEN, estimate_tokens
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.pipeline.stage import Provider, StageRun, ask_in_order, finish_stage

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.hosted import Hosted
    from deepreasoning_cli.pipeline.probes import Probes, Probing
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.pipeline.search import Search, SearchResult


@dataclass(frozen=True, slots=True)
class ReasonerOutput:
    """The reasoner's work: its reasoning, its own answer, and whether this run paid for it.

    `whole` is False for reasoning that was stopped before it came to its end.
    """

    reasoning: str = ""
    answer: str = ""
    model: str = "a reasoner"
    paid: bool = False
    whole: bool = True

    @classmethod
    def of(cls, turn: TurnRecord) -> ReasonerOutput:
        """What the reasoner wrote in an earlier turn, which may be nothing."""
        model = turn.reasoned_by or cls().model
        return cls(turn.reasoning, turn.draft, model, whole=turn.reasoned_to_the_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One turn before it runs.

    `reused` is reasoning from elsewhere: the reasoner is not called then, nor without `reasoner`.
    `continued` is the beginning of an answer that was cut, which the answerer goes on with.
    Without `answerer` the turn ends after the reasoning. `hosted` does all stages in one call; it
    stands in the place of the answerer too, or in the reasoner's where only reasoning is wanted.
    """

    id: str
    backend: str
    question: str
    prompt: Prompt
    reasoner: Provider | None
    answerer: Provider | None
    fallbacks: Mapping[Stage, Sequence[Provider]] = field(default_factory=dict)
    """Who is asked, one after the other, where the reasoner or the answerer cannot be."""
    handoff: Handoff = Handoff.REASONING
    drafts: bool = False
    """Whether the reasoner writes an answer of its own to its end, though nobody else needs it."""
    reused: ReasonerOutput | None = None
    continued: events.Continued | None = None
    resumes: str | None = None
    allow_empty_reasoning: bool = False
    session: str | None = None
    warnings: tuple[str, ...] = ()
    daily_note: str | None = None
    """What the user should know, once a day."""
    reasoning_from: str | None = None
    reasoner_name: str | None = None
    answerer_name: str | None = None
    fingerprint: str | None = None
    conversation: str | None = None
    comparison: str | None = None
    arms: str | None = None
    answer_now: Callable[[], bool] = lambda: False
    """Called at each thought: whether the user wants the answer now, from what there is."""
    max_reasoning: ReasoningLimit = NO_LIMIT
    probing: Probing | None = None
    """How it is found out that the reasoner has settled, where that is to end its thinking."""
    caps: Caps = NO_CAPS
    hosted: Hosted | None = None
    search: Search | None = None


def run_turn(plan: Plan) -> Generator[Event, None, None]:
    """The events of one turn. Nothing is sent before the first stage is asked for.

    Raises IncompleteError once something was paid for; before that what the stage met:
    RefusedError (for empty reasoning and for a cap too), ConfigError or UnavailableError.
    """
    meter = BudgetMeter(plan.caps)
    meter.check_input(*_planned_stages(plan))
    yield _turn_started(plan)
    yield from map(events.TurnWarning, plan.warnings)
    if plan.hosted:
        from deepreasoning_cli.pipeline.hosted import run_hosted

        answers = plan.answerer is not None
        yield from run_hosted(plan.hosted, plan.prompt, meter, answers=answers)
        return
    results: Sequence[SearchResult] = ()
    paid = False
    if plan.search:
        from deepreasoning_cli.pipeline.search import run_search, with_search_results

        found = yield from run_search(plan.search, meter)
        paid = found is not None and plan.search.searcher is not None
        results = found or ()
        plan = replace(plan, prompt=with_search_results(plan.prompt, results))
    probes: Probes | None = None
    if plan.probing:
        from deepreasoning_cli.pipeline.probes import Probes

        probes = Probes(plan.probing, plan.prompt, replayed=plan.backend == events.REPLAY)
    with ExitStack() as calls:
        work = plan.reused or ReasonerOutput()
        if plan.reused:
            yield events.Reused(work.reasoning, work.answer, work.model)
            work = yield from _fitting(plan, work)
        if plan.reasoner and not plan.reused:
            work = yield from _reason(plan, plan.reasoner, calls, meter, probes, paid=paid)
        if plan.answerer:
            paid = paid or work.paid
            yield from _answer(plan, plan.answerer, work, calls, meter, results, paid=paid)
    if probes:
        yield from probes.collect()  # the last one may have run beside the answer


def _turn_started(plan: Plan) -> events.TurnStarted:
    return events.TurnStarted(
        plan.id,
        plan.backend,
        plan.question,
        plan.handoff,
        plan.session,
        plan.prompt.system,
        plan.reasoning_from,
        plan.reasoner_name,
        plan.answerer.model if plan.answerer else None,
        answerer_host=plan.answerer_name,
        resumes=plan.resumes,
        fingerprint=plan.fingerprint,
        conversation=plan.conversation,
        comparison=plan.comparison,
        arms=plan.arms,
    )


def check_budget(plan: Plan) -> None:
    """Set aside what the turn usually costs, under caps that turns share. Raises RefusedError."""
    BudgetMeter(plan.caps).check_input(*_planned_stages(plan))


def _planned_stages(plan: Plan) -> Iterator[events.StageStarted]:
    """The stages that will run, as far as their input is known."""
    if plan.reasoner and not plan.reused:
        prompt = reasoner_prompt(plan, plan.reasoner)
        yield StageRun(Stage.REASON, plan.reasoner, prompt).started()
    if plan.answerer:
        known = plan.reused or plan.continued
        prompt = answer_prompt(plan, plan.reused or ReasonerOutput()) if known else plan.prompt
        yield StageRun(Stage.ANSWER, plan.answerer, prompt).started()


def _reason(
    plan: Plan,
    reasoner: Provider,
    calls: ExitStack,
    meter: BudgetMeter,
    probes: Probes | None,
    *,
    paid: bool,
) -> Generator[Event, None, ReasonerOutput]:
    """The reasoner's stage. Its call stays open in `calls`: the answerer's goes out first."""
    ask = partial(_read_reasoner, plan, calls=calls, meter=meter, probes=probes, paid=paid)
    others = plan.fallbacks.get(Stage.REASON, ())
    prompt_for = partial(reasoner_prompt, plan)
    run = yield from ask_in_order(Stage.REASON, (reasoner, *others), prompt_for, ask)
    if probes:
        probes.end(meter)
    goes_on = plan.caps.answers and plan.answerer is not None
    yield from finish_stage(run, meter, goes_on=goes_on)
    if run.thoughts.is_blank:
        _require_reasoning(plan, run)
    model = run.served or run.provider.model
    work = ReasonerOutput("", run.answer, model, paid=True, whole=run.stopped in (None, SETTLED))
    return (yield from _fitting(plan, work, run.thoughts))


def _fitting(
    plan: Plan, work: ReasonerOutput, thoughts: GrowingText | None = None
) -> Generator[Event, None, ReasonerOutput]:
    """The work as the answerer reads it, with a warning where that is not all of it."""
    work, warning = fit_reasoning(plan, work, thoughts)
    if warning:
        yield events.TurnWarning(warning)
    return work


def fit_reasoning(
    plan: Plan, work: ReasonerOutput, thoughts: GrowingText | None = None
) -> tuple[ReasonerOutput, str | None]:
    """The work with as much of its thoughts as all answerers read: a longer text would be refused.

    The end of it matters most, and its beginning says what it is about. `thoughts` are those of the
    work where it does not have them yet. Returned with it: what to tell where some are left out.
    """
    if plan.answerer is None:
        return work, None
    if thoughts is None:
        thoughts = GrowingText([work.reasoning])
    answerers = [plan.answerer, *plan.fallbacks.get(Stage.ANSWER, ())]
    context = min(answerer.context or LARGEST_CONTEXT for answerer in answerers)
    room = context - ROOM_BESIDE - plan.prompt.tokens - estimate_tokens(work.answer)
    if thoughts.tokens <= room:
        return replace(work, reasoning=str(thoughts)), None
    first, last = thoughts.ends(max(room, 0) * BYTES_PER_TOKEN)
    left_out = sum(map(len, thoughts)) - len(first) - len(last)
    missing = f"{left_out:,} characters in the middle of the reasoning"
    cut = f"{first}\n\n[{missing} are left out]\n\n{last}"
    warning = f"{missing} are not sent: the answerer reads {context:,} tokens"
    return replace(work, reasoning=cut, whole=False), warning


LARGEST_CONTEXT: Final = 2_000_000  # tokens; more than any model of November 2026 reads
ROOM_BESIDE: Final = 10_000  # tokens of the answer, and of what stands around the notes


def _read_reasoner(
    plan: Plan,
    run: StageRun,
    *,
    calls: ExitStack,
    meter: BudgetMeter,
    probes: Probes | None,
    paid: bool,
) -> Generator[Event, None, None]:
    answerer = plan.answerer
    started = run.started()
    (meter.check_next_stage if paid else meter.check_input)(started)
    yield started
    when_sent: Callable[[], None] = answerer.preconnect if answerer else lambda: None
    if probes:
        probes.begin(run, meter)
        when_sent = partial(probes.prepare, when_sent)
    reply = calls.enter_context(closing(run.provider.stream(run.prompt, when_sent)))
    # money is left for the answer while the reasoner thinks
    then = StageRun(Stage.ANSWER, answerer, plan.prompt).started() if answerer else None
    why_stop = _begin_thinking(plan)
    drafts = plan.drafts or (answerer is not None and plan.handoff is not Handoff.REASONING)
    chunks = meter.limit(started, run.consume(reply, paid=paid), then)
    for chunk in probes.follow(chunks) if probes else chunks:
        match chunk:
            case events.Thought(text):
                yield chunk
                if reason := why_stop(text):
                    run.stopped = reason
                    break
            case events.ProbeStarted() | events.ProbeFinished():
                yield chunk
            case events.Text(text) if drafts:
                yield events.Draft(text)
            case events.Text() if not run.texts.is_blank:
                break  # its own answer is not used, and so not paid for
    if plan.handoff is Handoff.REASONING and run.thoughts.is_blank and not run.texts.is_blank:
        yield events.Draft(run.answer)  # it was paid for, and may be the thought itself


def _begin_thinking(plan: Plan) -> Callable[[str], str | None]:
    """A function that is told each thought, and says why it is to be the last one, if it is."""
    is_enough = plan.max_reasoning.begin()

    def why_stop(text: str) -> str | None:
        if is_enough(text):
            return events.MAX_REASONING
        return events.ANSWER_NOW if plan.answer_now() else None

    return why_stop


def _answer(
    plan: Plan,
    answerer: Provider,
    work: ReasonerOutput,
    calls: ExitStack,
    meter: BudgetMeter,
    results: Sequence[SearchResult],
    *,
    paid: bool,
) -> Generator[Event, None, None]:
    """Claude's stage; the reasoner's call is closed as soon as Claude's request is out.

    `paid` tells whether a stage before it has cost something. A complete answer ends with the list
    of the search `results`, if the plan has it so.
    """
    ask = partial(_read_answerer, calls=calls, meter=meter, paid=paid, continued=plan.continued)
    others = plan.fallbacks.get(Stage.ANSWER, ())
    prompt = answer_prompt(plan, work)
    if plan.continued:
        yield plan.continued
    run = yield from ask_in_order(Stage.ANSWER, (answerer, *others), lambda _: prompt, ask)
    if plan.search and plan.search.lists and results and run.is_whole and not meter.is_full:
        from deepreasoning_cli.pipeline.search import sources_section

        yield events.Text(sources_section([result.source for result in results]))
    yield from finish_stage(run, meter)
    if run.texts.is_blank and not (run.calls or plan.continued):  # else nothing was missing
        raise IncompleteError(
            "the model returned an empty answer",
            kind="empty_answer",
            stage=Stage.ANSWER,
            hint="word the question differently, or ask another model",
        )


def _read_answerer(
    run: StageRun,
    *,
    calls: ExitStack,
    meter: BudgetMeter,
    paid: bool,
    continued: events.Continued | None,
) -> Generator[Event, None, None]:
    started = run.started()
    if paid:
        meter.check_next_stage(started)
    yield started
    with closing(run.provider.stream(run.prompt, calls.close)) as reply:
        chunks = meter.limit(started, run.consume(reply, paid=paid))
        if continued:
            from deepreasoning_cli.pipeline.continuation import new_text

            chunks = new_text(continued.text, chunks)
        for chunk in chunks:
            if isinstance(chunk, ANSWER_PIECES):
                yield chunk


ANSWER_PIECES = (events.Thought, events.Text, events.ToolCallStarted, events.ToolArguments)
"""What of the answerer's reply is shown and kept."""


def reasoner_prompt(plan: Plan, reasoner: Provider) -> Prompt:
    """What the reasoner reads: the prompt, with a client's tools in words.

    Images are for one that sees them, as its provider says by `sees_images`; others are told that
    there is one.
    """
    if plan.prompt.is_plain:
        return plan.prompt
    from deepreasoning_cli.pipeline.tools import in_words

    reasoners = [each for each in (plan.reasoner, *plan.fallbacks.get(Stage.REASON, ())) if each]
    contexts = [each.context for each in reasoners if each.context]
    sees: bool = getattr(reasoner, "sees_images", False)
    return in_words(plan.prompt, min(contexts, default=None), sees_images=sees)


def answer_prompt(plan: Plan, work: ReasonerOutput) -> Prompt:
    """What the answerer reads: the prompt, and of the reasoner's work what the hand-off selects.

    Below it stands the beginning of an answer that it is to continue.
    """
    from deepreasoning_cli.pipeline.handoff import with_notes

    prompt = with_notes(
        plan.prompt,
        plan.handoff,
        model=work.model,
        reasoning=work.reasoning,
        answer=work.answer,
    )
    handed_over = plan.handoff in (Handoff.REASONING, Handoff.BOTH) and work.reasoning.strip()
    prompt = replace(prompt, has_reasoning=bool(handed_over) and work.whole)
    if plan.continued is None:
        return prompt
    from deepreasoning_cli.pipeline.continuation import with_cut_answer

    return with_cut_answer(prompt, plan.continued.text)


def _require_reasoning(plan: Plan, run: StageRun) -> None:
    """Stop before Claude is billed for an answer without the reasoning that it should rest on."""
    required = plan.handoff in (Handoff.REASONING, Handoff.BOTH) or plan.answerer is None
    if required and not plan.allow_empty_reasoning:
        raise run.without_reasoning(plan.reasoner_name or "NAME")
