"""Claude, at Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Chunk, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.transport.client import ignore
from deepreasoning_cli.wire.client import messages

VERSION = "2023-06-01"
"""The newest API version that still takes `temperature`; later ones refuse every sampler
(platform.claude.com, API versioning and the 2026-10-21 migration page)."""


@dataclass(frozen=True, slots=True)
class ClaudeProvider:
    """A Claude model ready to be asked; nothing is sent before `stream` is iterated.

    `cache_minimum` is the shortest beginning of a prompt that its cache keeps, in tokens.
    """

    model: str
    base_url: str
    key: Key
    max_tokens: int
    samplers: Mapping[str, float]
    transport: Transport
    rates: RateCard | None = None
    context: int | None = None
    top_up: str | None = None
    cache_minimum: int | None = None

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        return Request(
            f"{self.base_url.rstrip('/')}/v1/messages",
            body=messages.request_body(
                prompt,
                model=self.model,
                max_tokens=self.max_tokens,
                samplers=self.samplers,
                breakpoints=self._breakpoints(prompt),
            ),
            key=self.key,
            headers={"anthropic-version": VERSION},
            key_header="x-api-key",
            top_up=self.top_up,
        )

    def written_tokens(self, prompt: Prompt) -> int:
        """How many tokens of `prompt` may be billed as a write to the cache, by the estimate."""
        places = self._breakpoints(prompt)
        return messages.tokens_before(prompt, places[-1]) if places else 0

    def _breakpoints(self, prompt: Prompt) -> tuple[int, ...]:
        """Where the request is marked; nowhere if nobody knows what that costs and saves."""
        if self.rates is None or not self.rates.base.prices_caching:
            return ()
        return messages.cache_breakpoints(prompt, self.cache_minimum)

    def warm(self) -> None:
        """Open the connection ahead."""
        self.transport.preconnect(self.base_url)

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = ignore
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        request = self.request(prompt)
        with closing(self.transport.stream(request, when_sent)) as payloads:
            yield from messages.read_reply(payloads, request.account)
