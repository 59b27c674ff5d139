"""Models without a vendor: what a test has them say is what a turn gets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

from deepreasoning_cli.pipeline.events import Chunk, Prompt
from deepreasoning_cli.pipeline.money import RateCard

Said = Chunk | Exception


@dataclass(kw_only=True)
class ScriptedModel:
    """Says its chunks, raises its errors, and keeps what it was asked."""

    model: str = "m"
    said: Iterable[Said] = ()
    rates: RateCard | None = None
    context: int | None = None
    host: str | None = None
    sees_images: bool = False
    prompts: list[Prompt] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return len(self.prompts)

    def preconnect(self, *, once: bool = False) -> None:
        """There is no connection to open."""

    def reply(self, _prompt: Prompt) -> Iterable[Said]:
        """What it says; for classes that look at what they are asked."""
        return self.said

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        self.prompts.append(prompt)
        when_sent()
        for each in self.reply(prompt):
            if isinstance(each, Exception):
                raise each
            yield each
