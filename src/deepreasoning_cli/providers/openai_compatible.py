"""DeepSeek R1 and its kin, at any host that speaks Chat Completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deepreasoning_cli.catalog.models import Auth, Reasoner
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client import chat_completions
from deepreasoning_cli.wire.client.errors import ApiAccount

if TYPE_CHECKING:
    from deepreasoning_cli.providers.anthropic import ClaudeThinking


def with_effort(preset: Reasoner, effort: str) -> Reasoner:
    """The reasoner whose requests name the effort where its host wants it."""
    *objects, name = preset.effort_field.split(".")
    body = dict(preset.body)
    table = body
    for each in objects:
        table[each] = table = dict(table.get(each, {}))
    table[name] = effort
    return replace(preset, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswerer(ApiProvider):
    """An answerer that speaks Chat Completions."""

    path: str | None = None
    auth: Auth = Auth.BEARER
    model: str
    max_tokens: int
    samplers: Mapping[str, float]
    rates: RateCard | None = None
    context: int | None = None
    thinking: ClaudeThinking | None = None

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        effort = self.thinking.sent_effort(prompt) if self.thinking else None
        return Request(
            self.base_url.rstrip("/") + (self.path or "/chat/completions"),
            body=chat_completions.request_body(
                prompt,
                model=self.model,
                samplers=self.samplers,
                max_tokens=self.max_tokens + self.thinking_room(prompt),
                extra={"reasoning_effort": str(effort)} if effort else {},
            ),
            key=self.key,
            key_header="x-api-key" if self.auth is Auth.X_API_KEY else "authorization",
            top_up=self.top_up,
            vendor=self.vendor,
        )

    def call_settings(self, prompt: Prompt) -> Payload:
        """What besides the prompt decides the reply, in no vendor's words."""
        effort = self.thinking.named_effort(prompt) if self.thinking else None
        return {"effort": effort, "max_tokens": self.max_tokens, **self.samplers}

    def thinking_room(self, prompt: Prompt) -> int:
        """The tokens that the request has for thinking, on top of the answer's."""
        return self.thinking.room_beside(self.max_tokens, prompt) if self.thinking else 0

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""
        return chat_completions.read_reply(payloads, account)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonerProvider(ApiProvider):
    """A reasoner, as its `preset` describes it."""

    preset: Reasoner
    samplers: Mapping[str, float]

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

    @property
    def sees_images(self) -> bool:
        """Whether it takes images; others are told that there is one."""
        return self.preset.images

    def call_settings(self, prompt: Prompt) -> Payload:
        """What besides the prompt decides the reply, in no vendor's words."""
        effort: Any = self.preset.body
        for name in self.preset.effort_field.split("."):
            effort = effort.get(name) if isinstance(effort, Mapping) else None
        return {"effort": effort, **self.samplers}

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        return Request(
            f"{self.base_url.rstrip('/')}/chat/completions",
            body=chat_completions.request_body(
                prompt, model=self.model, samplers=self.samplers, extra=self.preset.body
            ),
            key=self.key,
            top_up=self.top_up,
            vendor=self.vendor,
        )

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""
        return chat_completions.read_reply(
            payloads, account, opens_thinking=self.preset.opens_thinking
        )
