"""Providers whose calls are recorded in a cassette, or played from one without asking a vendor."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self, cast

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError
from deepreasoning_cli.pipeline.events import (
    RECORDING_ENDED,
    Chunk,
    End,
    Handoff,
    Payload,
    Prompt,
    Stage,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.pipeline.search import Searcher, SearchResult
from deepreasoning_cli.pipeline.stage import Provider
from deepreasoning_cli.providers.cassette_file import CassettePlayer, CassetteRecorder
from deepreasoning_cli.providers.cassette_format import Piece, RecordedCall
from deepreasoning_cli.providers.cassette_request import describe_prompt

FREE: Final = RateCard(Rates(Decimal(0), Decimal(0)), source="a replay calls no model")
LONGEST_PAUSE: Final = 86_400.0  # seconds
HOSTED: Final = "hosted"
"""The stage of a call that searches, reasons and answers at once."""
DEMO: Final = "demo"
"""Stands for the host where nobody is asked."""


class Recording(NamedTuple):
    """A cassette that calls are added to; `warn` is told where one cannot be."""

    recorder: CassetteRecorder
    warn: Callable[[str], None]

    def provider(self, provider: Provider, stage: str, handoff: Handoff | None) -> CassetteProvider:
        """The provider, recorded."""
        return RecordedProvider(provider=provider, stage=stage, handoff=handoff, recording=self)

    def searcher(self, searcher: Searcher) -> Searcher:
        """The search, recorded."""
        return RecordedSearch(searcher, self)

    def add(self, call: RecordedCall) -> None:
        """Add the call. What it brought is never lost, whatever becomes of the file."""
        try:
            self.recorder.add(call)
        except OSError as failure:
            self.warn(f"this call is not recorded: {failure.strerror}")


class Playback(NamedTuple):
    """A cassette that calls are played from, `pace` times as fast as they came; at 0 at once.

    `sleep` takes seconds.
    """

    player: CassettePlayer
    pace: float = 0.0
    sleep: Callable[[float], object] = time.sleep

    def provider(self, provider: Provider, stage: str, handoff: Handoff | None) -> CassetteProvider:
        """What plays the calls of this provider."""
        return ReplayedProvider(provider=provider, stage=stage, handoff=handoff, playback=self)

    def searcher(self, searcher: Searcher) -> Searcher:
        """What plays this search."""
        return ReplayedSearch(searcher, self)

    def reply(self, call: RecordedCall) -> Iterator[Piece]:
        """The pieces of the reply; raises what the recorded call raised."""
        now = 0.0
        for seconds, piece in call.reply:
            if self.pace and seconds > now:
                self.sleep(min((seconds - now) / self.pace, LONGEST_PAUSE))
                now = seconds
            yield piece
        if call.error:
            raise call.error


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteProvider(ABC):
    """A `provider` whose calls go through a cassette; all else of it is as it was.

    `stage` is the one that it is called for.
    """

    provider: Provider
    stage: str
    handoff: Handoff | None = None

    @property
    def model(self) -> str:
        """The id in the request."""
        return self.provider.model

    @property
    def host(self) -> str | None:
        """The name of its host in the settings."""
        return self.provider.host

    @property
    def context(self) -> int | None:
        """How many tokens it reads."""
        return self.provider.context

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)

    @property
    @abstractmethod
    def rates(self) -> RateCard | None:
        """What a call costs."""

    @property
    def searches(self) -> bool:
        """Whether it searches the web, too."""
        return bool(getattr(self.provider, "searches", False))

    @property
    def search_price(self) -> Decimal | None:
        """USD for that; None where unknown."""
        price: Decimal | None = getattr(self.provider, "search_price", None)
        return price

    @abstractmethod
    def preconnect(self, *, once: bool = False) -> None:
        """Open the connection ahead, if there is one."""

    @abstractmethod
    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """The reply's chunks."""

    def as_reasoner(self) -> Self:
        """The same, named for its reasoning, where one call does both stages."""
        hosted: Any = self.provider
        return replace(self, provider=hosted.as_reasoner())

    def describe(self, prompt: Prompt) -> Payload:
        """What a call for `prompt` asks. No key and no address is in it."""
        settings: Callable[[Prompt], Payload] = getattr(
            self.provider, "call_settings", lambda _: {}
        )
        names = {"stage": self.stage, "host": self.host or DEMO, "model": self.model}
        handoff = {"handoff": str(self.handoff)} if self.handoff else {}
        return {**names, **handoff, **settings(prompt), **describe_prompt(prompt)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedProvider(CassetteProvider):
    """Asks the provider, and records each call when it has ended, however it ended."""

    recording: Recording

    @property
    def rates(self) -> RateCard | None:
        """What it costs."""
        return self.provider.rates

    def preconnect(self, *, once: bool = False) -> None:
        """Open the connection ahead."""
        self.provider.preconnect(once=once)

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        began, reply = time.monotonic(), list[tuple[float, Piece]]()
        error, stopped = None, True
        try:
            with closing(self.provider.stream(prompt, when_sent)) as chunks:
                for chunk in chunks:
                    reply.append((time.monotonic() - began, chunk))
                    yield chunk
            stopped = False
        except DeepReasoningError as failure:
            error = failure
            raise
        finally:
            request = self.describe(prompt)
            self.recording.add(
                RecordedCall(request=request, reply=reply, error=error, stopped=stopped)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedProvider(CassetteProvider):
    """Plays what was recorded: nothing is sent, and nothing costs anything."""

    playback: Playback

    @property
    def rates(self) -> RateCard | None:
        """Nothing."""
        return FREE

    @property
    def search_price(self) -> Decimal | None:
        """Nothing."""
        return Decimal(0)

    def check_route(self) -> None:
        """There is no way to check."""

    def preconnect(self, *, once: bool = False) -> None:
        """There is no connection to open."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """The chunks of the recorded call. Raises RefusedError where there is none.

        A reasoner that was stopped is stopped there again; an answer that was stopped is
        incomplete.
        """
        call = self.playback.player.find(self.describe(prompt))
        when_sent()
        yield from cast("Iterator[Chunk]", self.playback.reply(call))
        if call.stopped and self.stage == Stage.REASON:
            yield End(RECORDING_ENDED)
        elif call.stopped:
            raise IncompleteError(
                "the recording ends here: the reply was stopped",
                kind="cut",
                hint="use a recording of the whole",
            )


@dataclass(frozen=True, slots=True)
class RecordedSearch:
    """A search of the web that is recorded."""

    searcher: Searcher
    recording: Recording

    @property
    def name(self) -> str:
        """The vendor, in one word."""
        return self.searcher.name

    @property
    def price(self) -> Decimal | None:
        """USD for one search."""
        return self.searcher.price

    def __getattr__(self, name: str) -> Any:
        return getattr(self.searcher, name)

    def search(self, query: str) -> tuple[SearchResult, ...]:
        """The pages found. Raises what the search raises."""
        began, request = time.monotonic(), describe_search(self.searcher, query)
        try:
            results = self.searcher.search(query)
        except DeepReasoningError as error:
            self.recording.add(RecordedCall(request=request, reply=(), error=error))
            raise
        reply = [(time.monotonic() - began, page) for page in results]
        self.recording.add(RecordedCall(request=request, reply=reply))
        return results


@dataclass(frozen=True, slots=True)
class ReplayedSearch:
    """A search that was recorded, played again for nothing."""

    searcher: Searcher
    playback: Playback

    @property
    def price(self) -> Decimal | None:
        """Nothing."""
        return Decimal(0)

    @property
    def name(self) -> str:
        """The vendor, in one word."""
        return self.searcher.name

    def search(self, query: str) -> tuple[SearchResult, ...]:
        """The pages that were found. Raises RefusedError where that was not recorded."""
        call = self.playback.player.find(describe_search(self.searcher, query))
        pages = self.playback.reply(call)
        return tuple(page for page in pages if isinstance(page, SearchResult))


def describe_search(searcher: Searcher, query: str) -> Payload:
    """What a search asks."""
    depth = getattr(searcher, "depth", None)
    return {"stage": str(Stage.SEARCH), "host": searcher.name, "depth": depth, "query": query}
