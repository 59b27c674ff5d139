"""One stage of a turn: who is asked, what has come so far, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    REFUSED,
    TRUNCATED,
    Chunk,
    End,
    ModelReported,
    Prompt,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import RateCard, Usage, estimate_tokens
from deepreasoning_cli.sanitize import repair_surrogates, split_trailing_surrogate


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


@runtime_checkable
class Caching(Protocol):
    """A provider that has the beginning of a prompt kept for the next turn, which costs extra."""

    def written_tokens(self, prompt: Prompt) -> int:
        """How many tokens of `prompt` may be billed as a write to the cache, by the estimate."""


def input_usage(provider: Provider, prompt: Prompt) -> Usage:
    """What `provider` reads of `prompt`, by the estimate, and at its dearest: nothing of it is
    found in a cache, and all that can be is written to one.
    """
    written = provider.written_tokens(prompt) if isinstance(provider, Caching) else 0
    return Usage(estimate_tokens(prompt.text), 0, cache_write_tokens=written, estimated=True)


@dataclass(slots=True)
class StageRun:
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
        """The chain of thought."""
        return "".join(self.thoughts)

    @property
    def answer(self) -> str:
        """The text: Claude's answer, or the reasoner's own."""
        return "".join(self.texts)

    @property
    def _reason(self) -> str | None:
        return self.end.reason if self.end else None

    @property
    def is_whole(self) -> bool:
        """Whether there is an answer that ended by itself."""
        whole = self.end is not None and self._reason not in TRUNCATED | REFUSED
        return whole and bool(self.answer.strip())

    def started(self) -> StageStarted:
        """The event that the stage begins with."""
        read = input_usage(self.provider, self.prompt)
        return StageStarted(
            self.stage,
            self.provider.model,
            read.input_tokens,
            self.provider.rates,
            self.at,
            read.cache_write_tokens,
        )

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
            case ModelReported(model):
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
            retry_after=error.retry_after,
        )

    def finished(self) -> StageFinished:
        """The stage's account. A call that was stopped early has no usage: it is estimated."""
        usage = self.usage or self._estimate()
        rates = self.provider.rates
        return StageFinished(
            self.stage,
            self.provider.model,
            self.served,
            usage,
            rates.cost(usage, self.at) if rates else None,
            time.monotonic() - self.began,
            self._reason,
            complete=self._reason not in TRUNCATED | REFUSED,
        )

    def _estimate(self) -> Usage:
        thought = estimate_tokens(self.reasoning)
        written = thought + estimate_tokens(self.answer)
        read = input_usage(self.provider, self.prompt)
        return replace(read, output_tokens=written, reasoning_tokens=thought)

    def demand_whole(self) -> None:
        """Raise IncompleteError where the vendor itself stopped the reply before its end."""
        reason = self._reason
        if reason in TRUNCATED:
            raise IncompleteError(
                f"{self.provider.model} was cut at its token limit ({reason})",
                kind="max_tokens",
                stage=self.stage,
                hint="raise --max-tokens" if self.stage is Stage.ANSWER else None,
            )
        if reason in REFUSED:
            raise IncompleteError(
                f"{self.provider.model} declined to go on ({reason})",
                kind="refusal",
                stage=self.stage,
                hint="word the question differently, or ask another model",
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
        piece, half = split_trailing_surrogate(half + chunk.text)
        if piece:
            yield type(chunk)(repair_surrogates(piece))
