"""`deepreasoning resume`: finish a turn that was cut off, without paying for it again.

A cut answer is continued from its last word. Of a cut chain of thought the user is asked whether
Claude is to answer from it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.messages import ask_line
from deepreasoning_cli.errors import DeepReasoningError, UsageError

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.cli.unfinished_comparison import UnfinishedComparison
    from deepreasoning_cli.history.store import Store
    from deepreasoning_cli.pipeline.events import Continued, Message
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
    from deepreasoning_cli.pipeline.search import SearchResult
    from deepreasoning_cli.wiring.resources import TurnRequest

SHOWN = 200  # characters of a question
TYPICAL = 1  # of the low, the typical and the high case of an estimate


def resume(
    context: typer.Context,
    turn: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="Turn number, id (or its beginning), or last (default).",
        ),
    ] = None,
    model: o.ModelOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Print the whole answer, not just the rest.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Answer from the reasoning so far.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Redo what was cut off: the answer or the reasoning.")
    ] = False,
    reasoning: o.ReasoningOption = None,
    json: o.JsonOption = False,
    jsonl: o.JsonlOption = False,
    plain: o.PlainOption = False,
    raw: o.RawOption = False,
    output: o.OutputOption = None,
    copy: o.CopyOption = False,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    max_reasoning: o.MaxReasoningOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: o.MaxCostOption = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
    replay_pace: o.ReplayPaceOption = None,
) -> None:
    """Finish an interrupted turn; complete reasoning is not paid for again.

    A cut answer is continued from its last word, and the rest of it printed; --json, -o and --copy
    give all of it. Where the reasoning was cut, you choose: answer from it, or reason again.
    """
    from deepreasoning_cli.cli.output import OutputOptions
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.pipeline.continuation import kept_answer
    from deepreasoning_cli.pipeline.events import REPLAY
    from deepreasoning_cli.pipeline.search import found_pages
    from deepreasoning_cli.wiring.resources import TurnRequest

    output_options = o.build_options(OutputOptions, context.params)
    output_options.check()
    if output_options.reasoning_only:
        raise UsageError("--reasoning only has no answer to finish", hint="leave it out")
    with TurnRunner(o.global_options_of(context)) as runner, ExitStack() as claims:
        if comparison := _unfinished_comparison(runner, turn):
            _finish_comparison(runner, comparison, context)
            return
        unfinished = _unfinished_turn(runner, turn)
        opened = unfinished.start
        settings: dict[str, object] = {"handoff": str(opened.handoff)}
        if opened.backend != REPLAY:  # else a cassette, or the settings, say who is asked
            settings["backend"] = opened.backend
        if opened.backend in ("direct", REPLAY):  # elsewhere nobody chooses models
            settings |= {"model": opened.answerer, "reasoner": opened.reasoner}
            settings |= {"answerer": opened.answerer_host}
        loaded = runner.load(settings | o.settings_from(context.params))
        anew = TurnRequest(
            loaded=loaded, question=opened.prompt, system=opened.system, resumes=opened.id
        )
        continued = None if again else kept_answer(unfinished)
        reused = _output_to_reuse(runner, unfinished, anew, partial=partial, again=again)
        session, earlier = _conversation(runner, unfinished, claims)
        found = found_pages(unfinished.sources)
        if reused or continued or found:
            runner.note(_reuse_note(unfinished, reused, continued, found))
        request = replace(
            anew,
            reused=reused,
            reasoning_from=opened.id if reused else None,
            continued=continued,
            found=found,
            session=session,
            earlier=earlier,
            thinking_room=2 * unfinished.thought_in_vain,
        )
        plan = runner.plan(request)
        if unfinished.thought_in_vain:
            runner.note(_room_note(unfinished, plan))
        runner.run(plan, loaded.settings, output_options)


def _unfinished_comparison(runner: TurnRunner, name: str | None) -> UnfinishedComparison | None:
    """The comparison that is meant, if one is."""
    with runner.history() as store:
        turn = store.turn(name) if name is not None else store.last()
        if turn is None or turn.start.comparison is None:
            return None
        from deepreasoning_cli.cli.unfinished_comparison import UnfinishedComparison

        return UnfinishedComparison.find(store, name)


def _finish_comparison(
    runner: TurnRunner, comparison: UnfinishedComparison, context: typer.Context
) -> None:
    """Ask for the answers that are missing."""
    from deepreasoning_cli.cli.comparison import ComparisonOutput, run_comparison
    from deepreasoning_cli.cli.unfinished_comparison import refuse_single_options
    from deepreasoning_cli.wiring.comparison import plan_comparison

    params = context.params
    refuse_single_options(params)
    output = o.build_options(ComparisonOutput, params)
    output.check()
    again, partial = params["again"], params["partial"]

    def choose(turn: TurnRecord, anew: TurnRequest) -> ReasonerOutput | None:
        return _output_to_reuse(runner, turn, anew, partial=partial, again=again)

    settings = o.settings_from(params)
    requests = comparison.requests(runner, settings, choose, again=again)
    plan = plan_comparison(
        requests, runner.plan, resumed=(comparison.first.start.id, comparison.missing)
    )
    run_comparison(
        runner,
        plan,
        settings=requests[0].loaded.settings,
        output=output,
        kept=comparison,
    )


def _unfinished_turn(runner: TurnRunner, name: str | None) -> TurnRecord:
    """The turn to finish. Raises UsageError where there is none, or nothing to finish."""
    with runner.history() as store:
        if name is None:
            return _last_if_unfinished(store)
        record = store.turn(name)
    if record.complete:
        name = record.start.id
        hint = f"`deepreasoning ask --reasoning-from {name} …` uses its reasoning again"
        raise UsageError(f"turn {name} is complete", kind="complete", hint=hint)
    return record


def _last_if_unfinished(store: Store) -> TurnRecord:
    """The last turn. An older one has to be named: nobody pays for it unawares."""
    unfinished, last = store.last_unfinished(), store.last()
    if unfinished is None or last is None:
        raise UsageError(
            "there is nothing to resume", kind="unknown_turn", hint="ask something first"
        )
    turn = unfinished.start.id
    if last.start.id != turn:
        raise UsageError(
            f"the last turn is complete; an older one is unfinished: {describe(store, unfinished)}",
            kind="older_turn",
            hint=f"`deepreasoning resume {turn}` finishes it",
        )
    return unfinished


def describe(store: Store, record: TurnRecord) -> str:
    """`06h1…, 2026-11-26 14:45, 3 min ago: What is 6 x 7?`."""
    from datetime import UTC, datetime

    from deepreasoning_cli.pipeline.attachments import summarize_prompt
    from deepreasoning_cli.sanitize import single_line
    from deepreasoning_cli.views.notes import format_age

    began = store.summary(record.start.id).started
    age = format_age((datetime.now(UTC) - began).total_seconds())
    question = single_line(summarize_prompt(record.start.prompt), SHOWN)
    when = f"{began.astimezone():%Y-%m-%d %H:%M}, {age}"
    return f"{record.start.id}, {when}: {question}"


def _conversation(
    runner: TurnRunner, record: TurnRecord, claims: ExitStack
) -> tuple[str | None, tuple[Message, ...]]:
    """The turn's session, or a fork of it where it is in use, and the messages before the turn."""
    from deepreasoning_cli.cli.earlier_turns import claim_session
    from deepreasoning_cli.pipeline.conversation import to_messages

    name = record.start.session
    if name is None:
        return None, ()
    with runner.history() as store:
        turns = store.session_turns(name)
        earlier = takewhile(lambda each: each.start.id != record.start.id, turns)
        # with this turn among them, those that it had finished itself are left out
        messages = to_messages([*earlier, record])
        before = messages[:-2] if record.answer.strip() else messages
        return claim_session(runner, store, name, claims), before


def _output_to_reuse(
    runner: TurnRunner, record: TurnRecord, anew: TurnRequest, *, partial: bool, again: bool
) -> ReasonerOutput | None:
    """What the reasoner wrote; None where it is called again, or never was."""
    from deepreasoning_cli.pipeline.events import Stage
    from deepreasoning_cli.pipeline.run import ReasonerOutput

    stage = record.stages.get(Stage.REASON)
    if record.lacks_reasoning:
        return None  # what came was no reasoning: the reasoner is asked once more
    has_text = bool((record.reasoning + record.draft).strip())
    if stage is None or stage.complete or record.answer.strip():
        # reasoning from elsewhere has no stage, and is whole
        return ReasonerOutput.of(record) if stage or has_text else None
    if not has_text:
        return None
    if partial == again:
        again = _asks_for_new_reasoning(runner, record, anew)
    return None if again else ReasonerOutput.of(record)


def _asks_for_new_reasoning(runner: TurnRunner, record: TurnRecord, anew: TurnRequest) -> bool:
    """The user's choice between half a chain of thought and paying for a whole one."""
    cut = f"was cut after {len(record.reasoning):,} characters"
    if not (sys.stdin and sys.stdin.isatty()):
        hint = "use --partial to answer from it, or --again to reason again"
        raise UsageError(f"the reasoning of {record.start.id} {cut}", kind="cut", hint=hint)
    with runner.history() as store:
        typer.echo(f"turn {describe(store, record)}\nits reasoning {cut}", err=True)
    price = _price_of_reasoning(runner, anew)
    question = f"[a]nswer from what there is · [r]eason again{price} · [q]uit"
    while True:
        word = ask_line(question).strip().lower()
        if word in ("a", "answer", "r", "reason"):
            return word.startswith("r")
        if word in ("q", "quit"):
            typer.echo("nothing was sent", err=True)
            raise typer.Exit
        typer.echo("type a, r or q", err=True)


def _price_of_reasoning(runner: TurnRunner, anew: TurnRequest) -> str:
    """` (about $0.0017)` by the user's own turns; empty where it cannot be known."""
    from datetime import UTC, datetime

    from deepreasoning_cli.cli.price.estimate import UsageForecast
    from deepreasoning_cli.pipeline.money import Usage, format_usd

    try:
        plan = runner.plan(anew)
        with runner.history() as store:
            tokens = UsageForecast.of(store.spending()).reasoning[TYPICAL]
    except DeepReasoningError:
        return ""
    if plan.reasoner is None or plan.reasoner.rates is None:
        return ""
    usage = Usage(plan.prompt.tokens, tokens)
    return f" (about {format_usd(plan.reasoner.rates.cost(usage, datetime.now(UTC)))})"


def _room_note(record: TurnRecord, plan: Plan) -> str:
    """How much more room Claude has, where it has thought up to its limit without a word."""
    from deepreasoning_cli.pipeline.run import ReasonerOutput, answer_prompt

    prompt = answer_prompt(plan, plan.reused or ReasonerOutput())
    count = getattr(plan.answerer, "thinking_room", lambda _: 0)
    had = f"{record.thought_in_vain:,} tokens of thinking left no room for the answer"
    return f"{had}: now there is room for {count(prompt):,}, and for the answer"


def _reuse_note(
    record: TurnRecord,
    reused: ReasonerOutput | None,
    continued: Continued | None,
    found: Sequence[SearchResult],
) -> str:
    """What is used again, and what that saves."""
    from deepreasoning_cli.pipeline.events import Stage
    from deepreasoning_cli.pipeline.money import format_usd

    parts = []
    if continued:
        parts.append(f"continuing the answer after {len(continued.text):,} characters")
    if reused:
        stage = record.stages.get(Stage.REASON)
        model = f" by {record.reasoned_by}" if record.reasoned_by else ""
        own = f" and {len(record.draft):,} of its own answer" if record.draft else ""
        parts.append(f"reusing {len(record.reasoning):,} characters of reasoning{model}{own}")
        if stage and stage.cost and stage.usage:
            parts.append(f"{format_usd(stage.cost, estimated=stage.usage.estimated)} saved")
    if found and not continued:
        pages = "a page" if len(found) == 1 else f"{len(found)} pages"
        parts.append(f"reusing {pages} of its search")
    return f"turn {record.start.id}: {'; '.join(parts)}"
