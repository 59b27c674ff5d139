"""One stage of a turn: the provider, its reply so far, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    out_of_resources,
)
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.budget import BudgetMeter
from deepreasoning_cli.pipeline.events import Chunk, Event, Prompt, Stage
from deepreasoning_cli.pipeline.money import RateCard, Usage, believable, estimate_tokens
from deepreasoning_cli.pipeline.record import GrowingText, ToolCalls
from deepreasoning_cli.sanitize import repair_surrogates, split_trailing_surrogate

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.stop_reasons import Ending

PIECES: Final = (events.Thought, events.Text, events.ToolArguments)


class Provider(Protocol):
    """A model behind an API. Closing the generator of `stream` ends the call."""

    @property
    def model(self) -> str:
        """The id in the request."""

    @property
    def host(self) -> str | None:
        """The name of its host in the settings; None for one that has none."""

    @property
    def rates(self) -> RateCard | None:
        """What it costs; None where unknown."""

    @property
    def context(self) -> int | None:
        """How many tokens it reads; None where unknown."""

    def preconnect(self, *, once: bool = ...) -> None:
        """Open the connection ahead of its use; `once`: and not anew when it is old."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = ...
    ) -> Generator[Chunk, None, None]:
        """The reply's chunks; `when_sent` is called once, when the request is out."""


def input_usage(provider: Provider, prompt: Prompt) -> Usage:
    """What `provider` reads of `prompt`, by the estimate and at its highest price.

    Nothing is read from a cache, and all that can be is written to one: a provider that caches
    has `written_tokens`, the number of tokens that may be billed as such a write.
    """
    count: Callable[[Prompt], int] = getattr(provider, "written_tokens", lambda _: 0)
    return Usage(prompt.tokens, 0, cache_write_tokens=count(prompt), estimated=True)


@dataclass(slots=True)
class StageRun:
    """A stage and its reply so far; `stopped` says why we cut it short, if we did."""

    stage: Stage
    provider: Provider
    prompt: Prompt
    _: KW_ONLY
    began: float = field(default_factory=time.monotonic)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    thoughts: GrowingText = field(default_factory=GrowingText)
    texts: GrowingText = field(default_factory=GrowingText)
    calls: ToolCalls = field(default_factory=ToolCalls)
    hidden: int = 0
    served: str | None = None
    usage: Usage | None = None
    end: events.End | None = None
    stopped: str | None = None

    @property
    def answer(self) -> str:
        """The text: Claude's answer, or the reasoner's own."""
        return str(self.texts)

    @property
    def received(self) -> bool:
        """Whether anything of the reply came."""
        came = self.thoughts or self.texts or self.calls
        return bool(came or self.served or self.usage or self.end)

    @property
    def _reason(self) -> str | None:
        return self.end.reason if self.end else None

    @property
    def is_whole(self) -> bool:
        """Whether there is an answer that ended by itself, and not with the call of a tool."""
        ended = self.end is not None and self._is_complete
        return ended and not self.calls and not self.texts.is_blank

    @property
    def _is_complete(self) -> bool:
        return self._ending.is_good

    @property
    def _ending(self) -> Ending:
        """What the stop reason means here: who called a tool has said all there is to say."""
        from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

        ending = ending_of(self._reason)
        return Ending.WHOLE if self.calls and ending is Ending.PAUSED else ending

    def started(self) -> events.StageStarted:
        """The event that the stage begins with."""
        read = input_usage(self.provider, self.prompt)
        return events.StageStarted(
            self.stage,
            self.provider.model,
            read.input_tokens,
            self.provider.rates,
            self.at,
            read.cache_write_tokens,
            self.provider.host,
            self.thoughts if self.stage is Stage.REASON else None,
        )

    def consume(self, chunks: Iterator[Chunk], *, paid: bool) -> Iterator[Chunk]:
        """Record and yield the chunks; an error is IncompleteError once something was paid for."""
        try:
            for chunk in _whole_characters(chunks):
                self._record(chunk)
                yield chunk
        except Exception as exc:
            error = exc if isinstance(exc, DeepReasoningError) else out_of_resources(exc)
            if error is None:
                raise
            raise self._as_incomplete(error, paid=paid) from exc
        if self.end is None:
            cut = UnavailableError("the reply was cut short", kind="cut", hint="try again")
            raise self._as_incomplete(cut, paid=paid)

    def _record(self, chunk: Chunk) -> None:
        if isinstance(chunk, events.Text):  # as most are
            self.texts.append(chunk.text)
            return
        match chunk:
            case events.Thought(text):
                self.thoughts.append(text)
            case events.ToolArguments() | events.ToolCallStarted():
                self.calls.add(chunk)
            case events.HiddenThought(pieces):
                self.hidden += pieces
            case events.ModelReported(model):
                self.served = model
            case Usage():
                self.usage = chunk
            case events.End(reason):
                self.end = chunk
                if reason in events.CUT_SHORT:
                    self.stopped = reason

    def _as_incomplete(self, error: DeepReasoningError, *, paid: bool) -> DeepReasoningError:
        came = self.thoughts or self.texts or self.calls
        if not (came or paid) or error.kind in UNPAID:
            return error.at(self.stage)
        reasons = self.stage is Stage.REASON
        text, name = (self.thoughts, "reasoning") if reasons else (self.texts, "answer")
        size = sum(map(len, text))
        so_far = f"; {size:,} characters of the {name} came before" if size else ""
        return error.at(self.stage).as_incomplete(f"{error.message}{so_far}")

    def finished(self) -> events.StageFinished:
        """The event that ends the stage; a call that was stopped early gets estimated usage."""
        started, thoughts = self.started(), self.thoughts.tokens
        written = estimate_tokens(self.answer + self.calls.text)
        estimate = started.estimate(thoughts + written, thoughts)
        return started.finish(
            believable(self.usage, estimate) if self.usage else estimate,
            time.monotonic() - self.began,
            served_model=self.served,
            stop_reason=self.stopped or self._reason,
            complete=self._is_complete,
        )

    def warnings(self) -> Iterator[events.TurnWarning]:
        """What to say of a reply that came to its end."""
        from deepreasoning_cli.pipeline.stop_reasons import Ending

        model = self.provider.model
        if self.hidden:
            pieces = "a piece" if self.hidden == 1 else f"{self.hidden:,} pieces"
            yield events.TurnWarning(
                f"{model} sent {pieces} of its thought encrypted:"
                " that can be neither shown nor handed over"
            )
        if self._ending is Ending.UNKNOWN:
            yield events.TurnWarning(
                f"{model} ended with the unknown stop reason {self._reason!r};"
                " treating its text as complete"
            )

    def raise_if_cut(self) -> None:
        """Raise IncompleteError where the vendor itself stopped the reply before its end."""
        from deepreasoning_cli.pipeline.stop_reasons import Ending

        match self._ending:
            case Ending.TRUNCATED:
                kind, fault = "max_tokens", "was cut at its token limit"
                hint = "raise --max-tokens" if self.stage is Stage.ANSWER else None
                if "context" in str(self._reason).lower():
                    hint = LARGER_CONTEXT
                if thought := self.finished().thought_in_vain(self.answer):
                    fault = f"thought for {thought:,} tokens and wrote nothing"
                    hint = "lower --effort"
            case Ending.REFUSED:
                kind, fault = "refusal", "declined to continue"
                hint = "word the question differently, or ask another model"
            case Ending.PAUSED:
                kind, fault, hint = "paused", "paused before its end", "ask again"
            case Ending.BROKEN:
                kind, fault, hint = "cut", "broke off", "try again"
            case _:
                return
        said = " ".join(self.end.details.split())[:LONGEST_DETAILS] if self.end else ""
        message = f"{self.provider.model} {fault} ({self._reason}{f'; {said}' if said else ''})"
        raise IncompleteError(message, kind=kind, stage=self.stage, hint=hint)

    def without_reasoning(self, reasoner: str) -> RefusedError:
        """The error of a reasoner, by its name in the settings, that sent no reasoning."""
        sent, hints = "no reasoning", ["choose another reasoner with -r"]
        if self.hidden:
            sent = "its reasoning encrypted"
        elif text := self.answer.strip():
            sent = f"no reasoning, only {len(text):,} characters of text"
            table = f"[reasoners.{reasoner}]"
            hints.append(f"if that text is its reasoning, set opens_thinking = true under {table}")
        return RefusedError(
            f"{self.provider.model} sent {sent}; Claude was not called",
            kind="empty_reasoning",
            stage=Stage.REASON,
            hint=(
                *hints,
                "use --handoff none to ask Claude alone",
                "add --allow-empty-reasoning to continue without reasoning",
            ),
        )


UNPAID: Final = frozenset({"cassette_miss", "cassette_broken"})
"""The kinds of errors of a replay, in which nothing is paid for."""
LARGER_CONTEXT: Final = "shorten the prompt, or choose a model with a larger context"
LONGEST_DETAILS: Final = 500  # characters of what a model says of its refusal
Ask = Callable[[StageRun], Generator[Event, None, None]]
"""Asks the provider of a run, and passes on what the stage shows of its reply."""
UNABLE: Final = frozenset({"connect", "dns", "rate_limit", "overloaded", "server", "no_credit"})
"""The kinds of errors for which another host is asked: no connection, or a clear no, that waiting
does not heal soon. A host that fell silent may have begun, and may bill what it did."""


def ask_in_order(
    stage: Stage,
    providers: Sequence[Provider],
    prompt_for: Callable[[Provider], Prompt],
    ask: Ask,
) -> Generator[Event, None, StageRun]:
    """The run of the first provider that could be asked; the next one only where nothing came.

    Each reads what `prompt_for` makes for it: not all see images. Raises what `ask` raises of the
    last of them.
    """
    run = StageRun(stage, providers[0], prompt_for(providers[0]))
    for other in providers[1:]:
        try:
            yield from ask(run)
        except DeepReasoningError as error:
            if error.kind not in UNABLE or run.received:
                raise
            failed, used = (each.host or each.model for each in (run.provider, other))
            yield events.Fallback(stage, failed, used, error.message)
            run = StageRun(stage, other, prompt_for(other))
        else:
            return run
    yield from ask(run)
    return run


def finish_stage(
    run: StageRun, meter: BudgetMeter, *, goes_on: bool = False
) -> Generator[Event, None, None]:
    """The end of a stage; raises IncompleteError where the vendor or a cap cut it.

    Where the turn `goes_on`, a reasoner that a cap has stopped is complete enough.
    """
    if meter.is_full:
        run.stopped = events.COST_CAP
    finished = meter.charge(run.finished())
    if not meter.is_full:
        yield finished
        run.raise_if_cut()
        yield from run.warnings()
    elif goes_on:
        yield finished
        yield events.TurnWarning(meter.notice)
    else:
        yield replace(finished, complete=False)
        raise meter.stopped(run.stage)


def _whole_characters(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, none of them empty; a character cut in two between pieces is put together.

    Half a character at the very end is left out.
    """
    half = ""
    for chunk in chunks:
        if not isinstance(chunk, PIECES) or (chunk.text.isascii() and chunk.text and not half):
            yield chunk
            continue
        piece, half = split_trailing_surrogate(half + chunk.text)
        if piece:
            yield type(chunk)(repair_surrogates(piece))
