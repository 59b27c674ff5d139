from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.pipeline.budget import ReasoningLimit
from deepreasoning_cli.pipeline.events import (
    Chunk,
    Draft,
    End,
    Event,
    Handoff,
    HiddenThought,
    Message,
    ModelReported,
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
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage, estimate_tokens
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, run_turn
from deepreasoning_cli.pipeline.stage import LARGER_CONTEXT

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUESTION = Prompt((Message("user", "Why is the sky blue?"),))
CHEAP = RateCard(Rates(Decimal("0.5"), Decimal(2)))
DEAR = RateCard(Rates(Decimal(3), Decimal(15)))
Said = Chunk | Exception


@dataclass
class Scripted:
    """Says its lines; notes what happens to it in `log`."""

    model: str
    said: Iterable[Said]
    log: list[str] = field(default_factory=list)
    rates: RateCard | None = None
    context: int | None = None
    host: str | None = None
    prompts: list[Prompt] = field(default_factory=list)

    def preconnect(self, *, once: bool = False) -> None:
        self.log.append(f"{self.model} warm")

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        self.prompts.append(prompt)
        self.log.append(f"{self.model} asked")
        try:
            when_sent()
            for chunk in self.said:
                if isinstance(chunk, Exception):
                    raise chunk
                self.log.append(f"{self.model} says {getattr(chunk, 'text', type(chunk).__name__)}")
                yield chunk
        finally:
            self.log.append(f"{self.model} closed")


def reasoner(*said: Said, log: list[str] | None = None, **fields: Any) -> Scripted:
    return Scripted("r1", said, [] if log is None else log, **fields)


def claude(*said: Said, log: list[str] | None = None, **fields: Any) -> Scripted:
    return Scripted("sonnet", said, [] if log is None else log, **fields)


def thinking(log: list[str] | None = None) -> Scripted:
    return reasoner(
        Thought("air "), Thought("scatters"), Text("Blue"), Usage(10, 20), End("stop"), log=log
    )


def answering(log: list[str] | None = None) -> Scripted:
    return claude(Text("Rayleigh."), Usage(30, 40), End("end_turn"), log=log)


def plan(thinks: Scripted | None, answers: Scripted | None, **fields: Any) -> Plan:
    return Plan(
        id="id1",
        backend="direct",
        question="Why is the sky blue?",
        prompt=QUESTION,
        reasoner=thinks,
        answerer=answers,
        **fields,
    )


def events(turn: Plan) -> tuple[list[Event], BaseException | None]:
    """What came, without clock times; and what ended it."""
    seen: list[Event] = []
    failure = None
    try:
        for event in run_turn(turn):
            match event:
                case StageStarted():
                    seen.append(replace(event, at=NOON))
                case StageFinished():
                    assert event.seconds >= 0
                    seen.append(replace(event, seconds=0.0))
                case _:
                    seen.append(event)
    except DeepReasoningError as error:
        failure = error
    return seen, failure


def told(failure: BaseException | None) -> tuple[type[BaseException], dict[str, Any]]:
    assert isinstance(failure, DeepReasoningError)
    return type(failure), failure.as_json()["error"]


def error(**fields: Any) -> dict[str, Any]:
    names = ("stage", "kind", "message", "status", "request_id", "hint", "resume")
    return {**dict.fromkeys(names), **fields}


def started(
    stage: Stage, model: str, prompt: Prompt, rates: RateCard | None = None
) -> StageStarted:
    return StageStarted(stage, model, estimate_tokens(prompt.text), rates, NOON)


def finished(
    stage: Stage, model: str, usage: Usage, reason: str | None, **fields: Any
) -> StageFinished:
    return replace(StageFinished(stage, model, None, usage, None, 0.0, reason), **fields)


def handed(handoff: Handoff, reasoning: str, answer: str, model: str = "r1") -> Prompt:
    notes = with_notes(QUESTION, handoff, model=model, reasoning=reasoning, answer=answer)
    return replace(notes, has_reasoning=bool(reasoning) and handoff is not Handoff.ANSWER)


def test_a_whole_turn_is_these_events_in_this_order() -> None:
    thinks = reasoner(
        ModelReported("r1-0528"), Thought("air "), Thought("scatters"), Text("Blue"), rates=CHEAP
    )
    answers = claude(
        ModelReported("sonnet-5"),
        Text("Ray"),
        Text("leigh."),
        Usage(1000, 2000, cached_tokens=5),
        End("end_turn"),
        rates=DEAR,
    )
    asked = handed(Handoff.REASONING, "air scatters", "Blue", "r1-0528")
    turn = plan(thinks, answers, warnings=("mind the gap",), session="s1")
    early = Usage(6, 4, 3, estimated=True)
    assert events(turn) == (
        [
            TurnStarted(
                "id1", "direct", "Why is the sky blue?", Handoff.REASONING, "s1", answerer="sonnet"
            ),
            TurnWarning("mind the gap"),
            started(Stage.REASON, "r1", QUESTION, CHEAP),
            Thought("air "),
            Thought("scatters"),
            finished(
                Stage.REASON, "r1", early, None, served_model="r1-0528", cost=Decimal("0.000011")
            ),
            started(Stage.ANSWER, "sonnet", asked, DEAR),
            Text("Ray"),
            Text("leigh."),
            finished(
                Stage.ANSWER,
                "sonnet",
                Usage(1000, 2000, cached_tokens=5),
                "end_turn",
                served_model="sonnet-5",
                cost=Decimal("0.033"),
            ),
        ],
        None,
    )
    assert (thinks.prompts, answers.prompts) == ([QUESTION], [asked])


def test_nothing_is_sent_before_the_first_stage_is_asked_for() -> None:
    log: list[str] = []
    run = run_turn(plan(thinking(log), answering(log), warnings=("w",)))
    shown = [next(run), next(run), next(run)]
    assert ([type(event) for event in shown], log) == ([TurnStarted, TurnWarning, StageStarted], [])


def test_the_reasoner_is_closed_after_claude_was_asked_and_not_before() -> None:
    log: list[str] = []
    events(plan(thinking(log), answering(log)))
    assert log == [
        "r1 asked",
        "sonnet warm",
        "r1 says air ",
        "r1 says scatters",
        "r1 says Blue",
        "sonnet asked",
        "r1 closed",
        "sonnet says Rayleigh.",
        "sonnet says Usage",
        "sonnet says End",
        "sonnet closed",
    ]


class Deaf(Scripted):
    """Never says that its request is out."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        return super().stream(prompt)


def test_a_reasoner_is_closed_at_the_end_if_claude_never_says_it_was_asked() -> None:
    log: list[str] = []
    _, failure = events(plan(thinking(log), Deaf("sonnet", [RefusedError("no")], log)))
    assert (type(failure), log[-2:]) == (IncompleteError, ["sonnet closed", "r1 closed"])


@pytest.mark.parametrize("seen", range(1, 7))
def test_a_turn_that_is_dropped_halfway_closes_every_call_it_made(seen: int) -> None:
    log: list[str] = []
    run = run_turn(plan(thinking(log), answering(log)))
    for _ in range(seen):
        next(run)
    run.close()
    asked = {line.split()[0] for line in log if line.endswith("asked")}
    assert {line.split()[0] for line in log if line.endswith("closed")} == asked


@pytest.mark.parametrize("exc", [UnavailableError("gone"), RuntimeError("a bug")])
def test_a_fault_closes_the_reasoner(exc: Exception) -> None:
    log: list[str] = []
    with pytest.raises((UnavailableError, RuntimeError)):
        list(run_turn(plan(reasoner(exc, log=log), answering(log))))
    assert log == ["r1 asked", "sonnet warm", "r1 closed"]


def test_a_reasoner_that_ends_without_an_answer_of_its_own_hands_over() -> None:
    thinks = reasoner(Thought("air"), Usage(10, 20, 20), End("stop"))
    answers = answering()
    seen, failure = events(plan(thinks, answers))
    assert failure is None
    assert seen[3] == finished(Stage.REASON, "r1", Usage(10, 20, 20), "stop")
    assert answers.prompts == [handed(Handoff.REASONING, "air", "")]


def test_white_space_before_the_answer_does_not_stop_the_reasoner() -> None:
    log: list[str] = []
    said = (Text("\n\n"), Thought("air"), Text(" \n"), Text("B"), Text("lue"), End("stop"))
    events(plan(reasoner(*said, log=log), answering(log)))
    assert [line for line in log if line.startswith("r1 says")] == [
        "r1 says \n\n",
        "r1 says air",
        "r1 says  \n",
        "r1 says B",
    ]


@pytest.mark.parametrize("handoff", [Handoff.ANSWER, Handoff.BOTH])
def test_a_reasoner_whose_answer_is_wanted_finishes_and_its_usage_is_exact(
    handoff: Handoff,
) -> None:
    answers = answering()
    seen, failure = events(plan(thinking(), answers, handoff=handoff))
    assert failure is None
    assert seen[4:6] == [
        Draft("Blue"),
        finished(Stage.REASON, "r1", Usage(10, 20), "stop"),
    ]
    assert answers.prompts == [handed(handoff, "air scatters", "Blue")]


def test_a_call_that_was_stopped_early_is_priced_by_an_estimate_that_says_so() -> None:
    seen, _ = events(plan(replace(thinking(), rates=CHEAP), answering()))
    estimate = Usage(6, 4, 3, estimated=True)
    assert seen[4] == finished(Stage.REASON, "r1", estimate, None, cost=Decimal("0.000011"))


def test_without_a_reasoner_claude_is_asked_alone() -> None:
    answers = answering()
    seen, failure = events(plan(None, answers, handoff=Handoff.NONE))
    assert failure is None
    assert answers.prompts == [QUESTION]
    assert [type(event) for event in seen] == [TurnStarted, StageStarted, Text, StageFinished]


@pytest.mark.parametrize("handoff", Handoff)
def test_reasoning_alone_never_pays_for_the_reasoners_answer(handoff: Handoff) -> None:
    log: list[str] = []
    seen, failure = events(plan(thinking(log), None, handoff=handoff))
    assert failure is None
    assert [type(event) for event in seen] == [
        TurnStarted,
        StageStarted,
        Thought,
        Thought,
        StageFinished,
    ]
    assert log == ["r1 asked", "r1 says air ", "r1 says scatters", "r1 says Blue", "r1 closed"]


def test_kept_reasoning_is_used_and_the_reasoner_is_not_called() -> None:
    thinks, answers = thinking(), answering()
    seen, failure = events(plan(thinks, answers, reused=ReasonerOutput("kept thoughts")))
    assert failure is None
    assert thinks.log == []
    assert seen[1] == Reused("kept thoughts", "", "a reasoner")
    assert [type(event) for event in seen[2:]] == [StageStarted, Text, StageFinished]
    assert answers.prompts == [handed(Handoff.REASONING, "kept thoughts", "", "a reasoner")]


def test_kept_reasoning_does_not_count_as_paid_in_this_run() -> None:
    down = UnavailableError("overloaded", kind="overloaded", status=529)
    turn = plan(None, claude(down), reused=ReasonerOutput("kept thoughts"))
    _, failure = events(turn)
    assert told(failure) == (
        UnavailableError,
        error(stage="answer", kind="overloaded", message="overloaded", status=529),
    )


def test_enough_means_the_answer_is_written_from_what_there_is() -> None:
    answers = answering()
    turn = replace(plan(thinking(), answers), answer_now=lambda: True)
    seen, failure = events(turn)
    assert failure is None
    cut = replace(handed(Handoff.REASONING, "air", ""), has_reasoning=False)
    assert answers.prompts == [cut]
    assert isinstance(seen[3], StageFinished)
    assert (seen[3].stop_reason, seen[3].complete) == ("answer_now", True)
    assert seen[3].complete


def test_a_reasoner_that_has_thought_as_much_as_it_may_is_cut_and_answered_from() -> None:
    answers = answering()
    turn = replace(plan(thinking(), answers), max_reasoning=ReasoningLimit(tokens=1))
    seen, failure = events(turn)
    assert failure is None
    assert [prompt.has_reasoning for prompt in answers.prompts] == [False]
    stage = next(event for event in seen if isinstance(event, StageFinished))
    assert (stage.stop_reason, stage.complete) == ("max_reasoning", True)
    assert stage.usage is not None
    assert stage.usage.estimated


EMPTY = (Text("Blue"), Usage(10, 20), End("stop"))


@pytest.mark.parametrize("handoff", [Handoff.REASONING, Handoff.BOTH])
@pytest.mark.parametrize("before", [(), (Thought(" \n"),)], ids=["none", "blank"])
def test_empty_reasoning_stops_before_claude_is_asked(
    handoff: Handoff, before: tuple[Chunk, ...]
) -> None:
    answers = answering()
    turn = plan(reasoner(*before, *EMPTY), answers, handoff=handoff, reasoner_name="lab")
    seen, failure = events(turn)
    assert (answers.prompts, type(seen[-1])) == ([], StageFinished)  # what it cost is known
    assert Draft("Blue") in seen  # and what came is kept
    assert told(failure) == (
        RefusedError,
        error(
            stage="reason",
            kind="empty_reasoning",
            message="r1 sent no reasoning, only 4 characters of text; Claude was not called",
            hint="choose another reasoner with -r\n"
            "if that text is its reasoning, set opens_thinking = true under [reasoners.lab]\n"
            "use --handoff none to ask Claude alone\n"
            "add --allow-empty-reasoning to continue without reasoning",
        ),
    )


@pytest.mark.parametrize(
    ("said", "sent"), [((), "no reasoning"), ((HiddenThought(2),), "its reasoning encrypted")]
)
def test_without_text_it_is_said_what_came(said: tuple[Chunk, ...], sent: str) -> None:
    answers = answering()
    _, failure = events(plan(reasoner(*said, Usage(10, 20), End("stop")), answers))
    facts = told(failure)[1]
    assert (facts["message"], answers.prompts) == (f"r1 sent {sent}; Claude was not called", [])
    assert "opens_thinking" not in facts["hint"]


@pytest.mark.parametrize(("pieces", "named"), [((1,), "a piece"), ((2, 1), "3 pieces")])
def test_encrypted_thought_is_counted_and_said(pieces: tuple[int, ...], named: str) -> None:
    hidden = map(HiddenThought, pieces)
    seen, failure = events(plan(reasoner(Thought("air"), *hidden, End("stop")), answering()))
    warning = f"r1 sent {named} of its thought encrypted: that can be neither shown nor handed over"
    assert (failure, seen[4]) == (None, TurnWarning(warning))


def test_empty_reasoning_stops_a_turn_that_is_for_reasoning_alone() -> None:
    _, failure = events(plan(reasoner(*EMPTY), None, handoff=Handoff.ANSWER))
    assert told(failure)[1]["kind"] == "empty_reasoning"


@pytest.mark.parametrize(
    ("handoff", "allow"), [(Handoff.REASONING, True), (Handoff.BOTH, True), (Handoff.ANSWER, False)]
)
def test_empty_reasoning_goes_on_where_it_is_allowed_or_not_wanted(
    handoff: Handoff, allow: bool
) -> None:
    answers = answering()
    _, failure = events(
        plan(reasoner(*EMPTY), answers, handoff=handoff, allow_empty_reasoning=allow)
    )
    assert (failure, answers.prompts) == (None, [handed(handoff, "", "Blue")])


def cut(stage: str, message: str) -> dict[str, Any]:
    return error(stage=stage, kind="cut", message=message, hint="try again")


def test_a_cut_before_anything_came_is_unavailable() -> None:
    _, failure = events(plan(reasoner(), answering()))
    assert told(failure) == (UnavailableError, cut("reason", "the reply was cut short"))


def test_a_cut_in_the_reasoning_is_incomplete_and_claude_is_not_asked() -> None:
    answers = answering()
    seen, failure = events(plan(reasoner(Thought("x" * 1234)), answers))
    assert (seen[-1], answers.prompts) == (Thought("x" * 1234), [])
    assert told(failure) == (
        IncompleteError,
        cut("reason", "the reply was cut short; 1,234 characters of the reasoning came before"),
    )


def test_a_cut_in_the_answer_is_incomplete() -> None:
    _, failure = events(plan(None, claude(Text("Ray")), handoff=Handoff.NONE))
    assert told(failure) == (
        IncompleteError,
        cut("answer", "the reply was cut short; 3 characters of the answer came before"),
    )


def test_claude_cut_before_its_first_word_is_incomplete_once_the_reasoning_was_paid_for() -> None:
    _, failure = events(plan(thinking(), claude()))
    assert told(failure) == (IncompleteError, cut("answer", "the reply was cut short"))


@pytest.mark.parametrize(
    "scarce", [OSError(errno.EMFILE, "Too many open files"), MemoryError()], ids=repr
)
def test_files_or_memory_that_end_after_paid_reasoning_leave_the_turn_incomplete(
    scarce: Exception,
) -> None:
    _, failure = events(plan(thinking(), claude(scarce)))
    assert isinstance(failure, IncompleteError)
    assert (failure.stage, failure.kind in ("too_many_files", "out_of_memory")) == ("answer", True)
    _, failure = events(plan(reasoner(scarce), claude()))
    assert isinstance(failure, ConfigError)


@pytest.mark.parametrize(
    "turn",
    [
        plan(reasoner(Text("Blue"), UnavailableError("gone")), answering(), handoff=Handoff.ANSWER),
        plan(None, claude(Thought("hm"), UnavailableError("gone")), handoff=Handoff.NONE),
    ],
    ids=["the reasoner's own answer", "Claude's own thoughts"],
)
def test_what_is_not_shown_was_paid_for_all_the_same(turn: Plan) -> None:
    _, failure = events(turn)
    assert (type(failure), told(failure)[1]["message"]) == (IncompleteError, "gone")


def test_a_fault_before_anything_came_keeps_its_class_and_learns_its_stage() -> None:
    bad_key = ConfigError("r1's host rejected the key", status=401, hint="check it")
    _, failure = events(plan(reasoner(bad_key), answering()))
    assert failure is bad_key
    assert told(failure)[1] == error(
        stage="reason",
        kind="config",
        message="r1's host rejected the key",
        status=401,
        hint="check it",
    )


def test_a_fault_after_the_reasoning_is_incomplete_and_keeps_its_facts() -> None:
    fault = UnavailableError(
        "Claude is overloaded", kind="overloaded", status=529, request_id="req_7", hint="wait"
    )
    _, failure = events(plan(thinking(), claude(fault)))
    assert told(failure) == (
        IncompleteError,
        error(
            stage="answer",
            kind="overloaded",
            message="Claude is overloaded",
            status=529,
            request_id="req_7",
            hint="wait",
        ),
    )
    assert failure is not None
    assert failure.__cause__ is fault


TRUNCATION = ["max_tokens", "length", "model_context_window_exceeded", "MAX_TOKENS", "model_length"]
REFUSAL = ["refusal", "content_filter", "SAFETY", "sensitive"]


@pytest.mark.parametrize("reason", TRUNCATION)
def test_an_answer_cut_at_its_token_limit_is_accounted_for_then_incomplete(reason: str) -> None:
    answers = claude(Text("Ray"), Usage(30, 40), End(reason))
    seen, failure = events(plan(None, answers, handoff=Handoff.NONE))
    assert seen[-1] == finished(Stage.ANSWER, "sonnet", Usage(30, 40), reason, complete=False)
    assert told(failure) == (
        IncompleteError,
        error(
            stage="answer",
            kind="max_tokens",
            message=f"sonnet was cut at its token limit ({reason})",
            hint=LARGER_CONTEXT if "context" in reason else "raise --max-tokens",
        ),
    )


@pytest.mark.parametrize("reason", REFUSAL)
def test_an_answer_that_was_declined_is_accounted_for_then_incomplete(reason: str) -> None:
    answers = claude(Text("I can"), Usage(30, 40), End(reason))
    seen, failure = events(plan(thinking(), answers))
    assert seen[-1] == finished(Stage.ANSWER, "sonnet", Usage(30, 40), reason, complete=False)
    assert told(failure) == (
        IncompleteError,
        error(
            stage="answer",
            kind="refusal",
            message=f"sonnet declined to continue ({reason})",
            hint="word the question differently, or ask another model",
        ),
    )


def test_a_refusal_that_has_words_of_its_own_is_told_with_them() -> None:
    answers = claude(Text("I"), Usage(30, 40), End("refusal", "cyber: It is\n" + "n" * 600))
    _, failure = events(plan(None, answers, handoff=Handoff.NONE))
    said = f"cyber: It is {'n' * 600}"[:500]
    assert str(failure) == f"sonnet declined to continue (refusal; {said})"


@pytest.mark.parametrize("said", [(Thought("air"),), ()], ids=["some", "none"])
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("length", "max_tokens"),
        ("refusal", "refusal"),
        ("SAFETY", "refusal"),
        ("tool_calls", "paused"),
        ("abort", "cut"),
    ],
)
def test_reasoning_that_its_vendor_stopped_is_not_handed_over(
    said: tuple[Chunk, ...], reason: str, kind: str
) -> None:
    answers = answering()
    seen, failure = events(plan(reasoner(*said, Usage(1, 2), End(reason)), answers))
    assert seen[-1] == finished(Stage.REASON, "r1", Usage(1, 2), reason, complete=False)
    facts = told(failure)[1]
    assert (type(failure), facts["stage"], facts["kind"], answers.prompts) == (
        IncompleteError,
        "reason",
        kind,
        [],
    )


@pytest.mark.parametrize("reason", ["pause_turn", "tool_use", "function_call"])
def test_an_answer_that_waits_for_something_is_incomplete(reason: str) -> None:
    answers = claude(Text("Let me look."), Usage(30, 40), End(reason))
    seen, failure = events(plan(None, answers, handoff=Handoff.NONE))
    assert seen[-1] == finished(Stage.ANSWER, "sonnet", Usage(30, 40), reason, complete=False)
    message = f"sonnet paused before its end ({reason})"
    assert told(failure) == (
        IncompleteError,
        error(stage="answer", kind="paused", message=message, hint="ask again"),
    )


@pytest.mark.parametrize("reason", [None, "stop", "end_turn", "eos", "COMPLETE"])
def test_a_good_stop_reason_is_a_whole_answer(reason: str | None) -> None:
    seen, failure = events(plan(None, claude(Text("42"), End(reason)), handoff=Handoff.NONE))
    assert (failure, type(seen[-1])) == (None, StageFinished)


def test_an_unknown_stop_reason_is_a_whole_answer_and_said() -> None:
    seen, failure = events(plan(None, claude(Text("42"), End("a new one")), handoff=Handoff.NONE))
    assert (failure, seen[-1]) == (
        None,
        TurnWarning(
            "sonnet ended with the unknown stop reason 'a new one'; treating its text as complete"
        ),
    )


@pytest.mark.parametrize("said", [(), (Text(" \n"),)], ids=["none", "blank"])
def test_an_empty_answer_is_incomplete(said: tuple[Chunk, ...]) -> None:
    seen, failure = events(plan(thinking(), claude(*said, Usage(90, 0), End("end_turn"))))
    assert seen[-1] == finished(Stage.ANSWER, "sonnet", Usage(90, 0), "end_turn")
    assert told(failure) == (
        IncompleteError,
        error(
            stage="answer",
            kind="empty_answer",
            message="the model returned an empty answer",
            hint="word the question differently, or ask another model",
        ),
    )


def pieces(said: Iterable[Event]) -> Iterator[Event]:
    return (event for event in said if isinstance(event, Thought | Text))


def test_a_character_that_was_cut_in_two_comes_whole_and_half_a_one_is_replaced() -> None:
    thinks = reasoner(Thought("a\ud83d"), Thought("\ude00b"), Thought(""), Text("B"))
    answers = claude(Text("x\ud83d"), Text("y\ude00"), Text("\ud83d"), End(None))
    seen, failure = events(plan(thinks, answers))
    assert failure is None
    assert list(pieces(seen)) == [
        Thought("a"),
        Thought("\U0001f600b"),
        Text("x"),
        Text("\ufffdy\ufffd"),
    ]


LONG = "".join(f"{number} " for number in range(20_000))


@pytest.mark.parametrize("reused", [False, True])
def test_of_reasoning_that_is_longer_than_claude_reads_the_ends_are_sent(reused: bool) -> None:
    answers = claude(Text("42"), End("end_turn"))
    answers.context = 20_000
    thinks = reasoner(Thought(LONG), Text("x"))
    work = ReasonerOutput(LONG, model="r1") if reused else None
    seen, failure = events(plan(None if reused else thinks, answers, reused=work))
    assert failure is None
    (warning,) = [each.message for each in seen if isinstance(each, TurnWarning)]
    assert warning.endswith("are not sent: the answerer reads 20,000 tokens")
    (prompt,) = answers.prompts
    assert estimate_tokens(prompt.text) < 20_000
    assert ("0 1 2 3" in prompt.text, LONG[-100:].strip() in prompt.text) == (True, True)
    assert (prompt.has_reasoning, "are left out]" in prompt.text) == (False, True)
    whole = [each.text for each in seen if isinstance(each, Thought)]
    assert "".join(whole) == ("" if reused else LONG)


@pytest.mark.parametrize(("drafts", "expected"), [(True, [Draft("Blue")]), (False, [])])
def test_without_an_answerer_the_reasoner_writes_its_own_answer_only_where_it_is_wanted(
    drafts: bool, expected: list[Event]
) -> None:
    seen, failure = events(plan(thinking(), None, handoff=Handoff.BOTH, drafts=drafts))
    assert failure is None
    assert [event for event in seen if isinstance(event, Draft)] == expected
    ended = [event for event in seen if isinstance(event, StageFinished)]
    # one that is stopped before its answer says nothing of what it has used
    assert [bool(stage.usage and stage.usage.estimated) for stage in ended] == [not drafts]
