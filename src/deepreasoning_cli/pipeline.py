"""search → reason → answer: one generator of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.events import (
    CUT,
    DECLINED,
    Chunk,
    End,
    Event,
    Finished,
    Handoff,
    Opened,
    Prompt,
    Served,
    Stage,
    Started,
    Text,
    Thought,
    Warned,
)
from deepreasoning_cli.handoff import briefed
from deepreasoning_cli.money import RateCard, Usage, estimate_tokens
from deepreasoning_cli.text import cut_before_half, well_formed


class Provider(Protocol):
    """A model that can be asked. Closing the generator ends the call."""

    @property
    def model(self) -> str:
        """The id that is asked for."""

    @property
    def rates(self) -> RateCard | None:
        """What it costs; None where unknown."""

    @property
    def context(self) -> int | None:
        """How many tokens it reads; None where unknown."""

    def warm(self) -> None:
        """Open the connection ahead of its use."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = ...
    ) -> Generator[Chunk, None, None]:
        """The reply's chunks; `when_sent` is called once, when the request is out."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the reasoner brought: its reasoning, its own answer, and whether this run paid."""

    reasoning: str = ""
    answer: str = ""
    model: str = "a reasoner"
    paid: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One turn before it runs.

    `kept` is reasoning from elsewhere: the reasoner is not called then, nor without `reasoner`.
    Without `answerer` the turn ends after the reasoning.
    """

    id: str
    backend: str
    question: str
    prompt: Prompt
    reasoner: Provider | None
    answerer: Provider | None
    handoff: Handoff = Handoff.REASONING
    kept: Work | None = None
    allow_empty_reasoning: bool = False
    session: str | None = None
    warnings: tuple[str, ...] = ()


def run(plan: Plan) -> Generator[Event, None, None]:
    """The events of one turn. Nothing is sent before the first stage is asked for.

    Raises IncompleteError once something was paid for; before that what the stage met:
    RefusedError (for empty reasoning too), ConfigError or UnavailableError.
    """
    yield Opened(plan.id, plan.backend, plan.question, plan.handoff, plan.session)
    yield from map(Warned, plan.warnings)
    with ExitStack() as calls:
        work = plan.kept or Work()
        if plan.reasoner and not plan.kept:
            work = yield from _reason(plan, plan.reasoner, calls)
        if plan.answerer:
            yield from _answer(plan, plan.answerer, work, calls)


def _reason(plan: Plan, reasoner: Provider, calls: ExitStack) -> Generator[Event, None, Work]:
    """The reasoner's stage. Its call stays open in `calls`: the answerer's goes out first."""
    heard = _Heard(Stage.REASON, reasoner, plan.prompt)
    yield heard.started()
    warm = plan.answerer.warm if plan.answerer else _nothing
    chunks = calls.enter_context(closing(reasoner.stream(plan.prompt, warm)))
    own_answer_wanted = plan.answerer and plan.handoff is not Handoff.REASONING
    for chunk in heard.all(chunks, paid=False):
        if isinstance(chunk, Thought):
            yield chunk
        elif not own_answer_wanted and heard.answer.strip():
            break  # and so it is not paid for
    yield heard.finished()
    heard.demand_whole()
    if not heard.reasoning.strip():
        _demand_reasoning(plan, heard)
    return Work(heard.reasoning, heard.answer, heard.served or reasoner.model, paid=True)


def _answer(
    plan: Plan, answerer: Provider, work: Work, calls: ExitStack
) -> Generator[Event, None, None]:
    """Claude's stage; the reasoner's call is closed as soon as Claude's request is out."""
    prompt = briefed(
        plan.prompt,
        plan.handoff,
        model=work.model,
        reasoning=work.reasoning,
        answer=work.answer,
    )
    heard = _Heard(Stage.ANSWER, answerer, prompt)
    yield heard.started()
    with closing(answerer.stream(prompt, calls.close)) as chunks:
        for chunk in heard.all(chunks, paid=work.paid):
            if isinstance(chunk, Text):
                yield chunk
    yield heard.finished()
    heard.demand_whole()
    if not heard.answer.strip():
        raise IncompleteError(
            "the model returned an empty answer", kind="empty_answer", stage=Stage.ANSWER
        )


def _demand_reasoning(plan: Plan, heard: _Heard) -> None:
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


def _whole_characters(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, none of them empty; a character cut in two between pieces is put together.

    Half a character at the very end is left out.
    """
    half = ""
    for chunk in chunks:
        if not isinstance(chunk, Thought | Text):
            yield chunk
            continue
        piece, half = cut_before_half(half + chunk.text)
        if piece:
            yield type(chunk)(well_formed(piece))


def _nothing() -> None:
    """There is no connection to open."""


@dataclass(slots=True)
class _Heard:
    """What one stage has brought so far."""

    stage: Stage
    provider: Provider
    prompt: Prompt
    began: float = field(default_factory=time.monotonic)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    thoughts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    served: str | None = None
    usage: Usage | None = None
    end: End | None = None

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    @property
    def answer(self) -> str:
        return "".join(self.texts)

    @property
    def _reason(self) -> str | None:
        return self.end.reason if self.end else None

    def started(self) -> Started:
        tokens = estimate_tokens(self.prompt.text)
        return Started(self.stage, self.provider.model, tokens, self.provider.rates, self.at)

    def all(self, chunks: Iterator[Chunk], *, paid: bool) -> Iterator[Chunk]:
        """The chunks, noted down; a fault is worded by what was received or paid for before."""
        try:
            for chunk in _whole_characters(chunks):
                self._note(chunk)
                yield chunk
        except DeepReasoningError as error:
            raise self._stopped(error, paid=paid) from error
        if self.end is None:
            cut = UnavailableError("the reply was cut short", kind="cut", hint="try again")
            raise self._stopped(cut, paid=paid)

    def _note(self, chunk: Chunk) -> None:
        match chunk:
            case Thought(text):
                self.thoughts.append(text)
            case Text(text):
                self.texts.append(text)
            case Served(model):
                self.served = model
            case Usage():
                self.usage = chunk
            case End():
                self.end = chunk

    def _stopped(self, error: DeepReasoningError, *, paid: bool) -> DeepReasoningError:
        thoughts, texts = len(self.reasoning), len(self.answer)
        if not (thoughts or texts or paid):
            return error.at(self.stage)
        kept = thoughts if self.stage is Stage.REASON else texts
        what = "reasoning" if self.stage is Stage.REASON else "answer"
        so_far = f"; {kept:,} characters of the {what} came before" if kept else ""
        return IncompleteError(
            f"{error.message}{so_far}",
            hint=error.hint,
            kind=error.kind,
            stage=error.stage or self.stage,
            status=error.status,
            request_id=error.request_id,
        )

    def finished(self) -> Finished:
        """The stage's account. A call that was stopped early has no usage: it is estimated."""
        usage = self.usage or self._estimate()
        rates = self.provider.rates
        return Finished(
            self.stage,
            self.provider.model,
            self.served,
            usage,
            rates.cost(usage, self.at) if rates else None,
            time.monotonic() - self.began,
            self._reason,
            complete=self._reason not in CUT | DECLINED,
        )

    def _estimate(self) -> Usage:
        thought = estimate_tokens(self.reasoning)
        written = thought + estimate_tokens(self.answer)
        return Usage(estimate_tokens(self.prompt.text), written, thought, estimated=True)

    def demand_whole(self) -> None:
        """Raise IncompleteError where the vendor itself stopped the reply before its end."""
        reason = self._reason
        if reason in CUT:
            raise IncompleteError(
                f"{self.provider.model} was cut at its token limit ({reason})",
                kind="max_tokens",
                stage=self.stage,
                hint="raise --max-tokens" if self.stage is Stage.ANSWER else None,
            )
        if reason in DECLINED:
            raise IncompleteError(
                f"{self.provider.model} declined to go on ({reason})",
                kind="refusal",
                stage=self.stage,
                hint="word the question differently, or ask another model",
            )
