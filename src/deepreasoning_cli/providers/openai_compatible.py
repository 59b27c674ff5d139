"""DeepSeek R1 and its kin, at any host that speaks Chat Completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from deepreasoning_cli.catalog.models import Reasoner
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client import chat_completions
from deepreasoning_cli.wire.client.errors import ApiAccount


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

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""
        return chat_completions.read_reply(
            payloads, account, opens_thinking=self.preset.opens_thinking
        )
