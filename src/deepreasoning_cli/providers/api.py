"""What the providers of models share: the call, and its connection opened ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.transport.client import ignore
from deepreasoning_cli.wire.client.errors import ApiAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProvider(ABC):
    """A model ready to be asked; nothing is sent before `stream` is iterated."""

    base_url: str
    key: Key | None
    transport: Transport
    top_up: str | None = None

    @abstractmethod
    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""

    @abstractmethod
    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""

    def warm(self) -> None:
        """Open the connection ahead."""
        self.transport.preconnect(self.base_url)

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = ignore
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        request = self.request(prompt)
        with closing(self.transport.stream(request, when_sent)) as payloads:
            yield from self.read(payloads, request.account)
