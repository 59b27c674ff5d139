"""Claude, at Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client import messages
from deepreasoning_cli.wire.client.errors import ApiAccount

VERSION = "2023-06-01"
"""The newest API version that still takes `temperature`; later ones refuse every sampler
(platform.claude.com, API versioning and the 2026-10-21 migration page)."""
claude_request = partial(Request, headers={"anthropic-version": VERSION}, key_header="x-api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeProvider(ApiProvider):
    """A Claude model; `cache_minimum` is the shortest beginning of a prompt that its cache keeps,
    in tokens.
    """

    key: Key
    model: str
    max_tokens: int
    samplers: Mapping[str, float]
    rates: RateCard | None = None
    context: int | None = None
    cache_minimum: int | None = None

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        return claude_request(
            f"{self.base_url.rstrip('/')}/v1/messages",
            body=messages.request_body(
                prompt,
                model=self.model,
                max_tokens=self.max_tokens,
                samplers=self.samplers,
                breakpoints=self._breakpoints(prompt),
            ),
            key=self.key,
            top_up=self.top_up,
        )

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""
        return messages.read_reply(payloads, account)

    def written_tokens(self, prompt: Prompt) -> int:
        """How many tokens of `prompt` may be billed as a write to the cache, by the estimate."""
        places = self._breakpoints(prompt)
        return messages.tokens_before(prompt, places[-1]) if places else 0

    def _breakpoints(self, prompt: Prompt) -> tuple[int, ...]:
        """Where the request is marked; nowhere if nobody knows what that costs and saves."""
        if self.rates is None or not self.rates.base.prices_caching:
            return ()
        return messages.cache_breakpoints(prompt, self.cache_minimum)
