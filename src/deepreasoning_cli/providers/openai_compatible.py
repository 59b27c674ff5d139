"""DeepSeek R1 and its kin, at any host that speaks Chat Completions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from deepreasoning_cli.catalog.models import Reasoner
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Chunk, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.transport.client import ignore
from deepreasoning_cli.wire.client import chat_completions


@dataclass(frozen=True, slots=True)
class ReasonerProvider:
    """A reasoner ready to be asked; nothing is sent before `stream` is iterated."""

    preset: Reasoner
    base_url: str
    key: Key | None
    samplers: Mapping[str, float]
    transport: Transport
    top_up: str | None = None

    @property
    def model(self) -> str:
        """The model id that is asked for."""
        return self.preset.model

    @property
    def context(self) -> int | None:
        """How many tokens it can read, if known."""
        return self.preset.context

    @property
    def rates(self) -> RateCard | None:
        """What it costs, if known."""
        return self.preset.rates

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        return Request(
            f"{self.base_url.rstrip('/')}/chat/completions",
            body=chat_completions.request_body(
                prompt, model=self.model, samplers=self.samplers, extra=self.preset.body
            ),
            key=self.key,
            top_up=self.top_up,
        )

    def warm(self) -> None:
        """Open the connection ahead."""
        self.transport.preconnect(self.base_url)

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = ignore
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        request = self.request(prompt)
        with closing(self.transport.stream(request, when_sent)) as payloads:
            yield from chat_completions.read_reply(
                payloads, request.account, opens_thinking=self.preset.opens_thinking
            )
