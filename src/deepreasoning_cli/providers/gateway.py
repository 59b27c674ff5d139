"""The hosted DeepReasoning model: search, reasoning and answer behind one call and one key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Final, Literal

from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Chunk, ModelReported, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.anthropic import VERSION
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client import chat_completions, messages, responses
from deepreasoning_cli.wire.client.errors import ApiAccount
from deepreasoning_cli.wire.client.think import split_thinking

HOSTED: Final = "deepreasoning"
"""The id of the model, which is the pairing of R1 with a Claude model."""

Endpoint = Literal["chat_completions", "responses", "messages"]
PATHS: Final[Mapping[Endpoint, str]] = {
    "chat_completions": "/chat/completions",
    "responses": "/responses",
    "messages": "/messages",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The six parameters that the model's page publishes, with its defaults.

    `temperature` 0 to 2, `top_p` 0 to 1, `max_tokens` 1 to 65536 of Claude's; the settings hold
    them to these ranges (empiriolabs.ai/models/deepreasoning; api-facts.md, section 4.3).
    """

    anthropic_model: str
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 8192
    web_search_linkup: bool = False
    disable_formatting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayProvider(ApiProvider):
    """The hosted model; `search_price` is USD for a search it makes.

    `model` is the Claude model of the pairing, or the hosted model itself for the part of the
    reply that is reasoning.
    """

    key: Key
    parameters: Parameters
    endpoint: Endpoint
    rates: RateCard | None = None
    context: int | None = None
    search_price: Decimal | None = None
    reasons: bool = False

    @property
    def model(self) -> str:
        """Who is named in panels, bills and history."""
        return HOSTED if self.reasons else self.parameters.anthropic_model

    @property
    def searches(self) -> bool:
        """Whether it is asked to search the web."""
        return self.parameters.web_search_linkup

    def as_reasoner(self) -> GatewayProvider:
        """The same, named for its reasoning."""
        return replace(self, reasons=True)

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        build: Mapping[Endpoint, Callable[..., Payload]] = {
            "chat_completions": chat_completions.request_body,
            "responses": responses.request_body,
            "messages": partial(messages.request_body, max_tokens=self.parameters.max_tokens),
        }
        fields = asdict(self.parameters)
        return Request(
            f"{self.base_url.rstrip('/')}{PATHS[self.endpoint]}",
            body=build[self.endpoint](prompt, model=HOSTED, samplers={}, extra=fields),
            key=self.key,
            headers={"anthropic-version": VERSION} if self.endpoint == "messages" else {},
            top_up=self.top_up,
            vendor=self.vendor,
        )

    def call_settings(self, _prompt: Prompt) -> Payload:
        """What besides the prompt decides the reply, in no vendor's words."""
        fields = asdict(self.parameters)
        del fields["anthropic_model"]
        return fields

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call, reasoning told from the answer.

        Where the page does not say it is in the stream, every place is looked at: a field or item
        of its own, a thinking block, `<think>` in the text. That the hosted model itself served
        the reply is no news.
        """
        chunks = {
            "chat_completions": chat_completions.read_reply,
            "responses": responses.read_reply,
            "messages": messages.read_reply,
        }[self.endpoint](payloads, account)
        if self.endpoint != "chat_completions":  # whose reader splits the text itself
            chunks = split_thinking(chunks)
        return (chunk for chunk in chunks if chunk != ModelReported(HOSTED))
