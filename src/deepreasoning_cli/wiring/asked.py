"""What one call asks for beyond the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.events import Message
from deepreasoning_cli.pipeline import Work


@dataclass(frozen=True, slots=True)
class Asked:
    """What this call asks for beyond the settings.

    `kept` is reasoning to use again, `reasoning_from` the id of its turn; `earlier` are the
    messages of the session so far. `without_search` is asked
    whether to go on where the search cannot be had.
    """

    question: str
    system: str | None = None
    kept: Work | None = None
    reasoning_from: str | None = None
    session: str | None = None
    earlier: tuple[Message, ...] = ()
    reasoning_only: bool = False
    allow_empty_reasoning: bool = False
    enough: Callable[[], bool] = lambda: False
    without_search: Callable[[DeepReasoningError], bool] = lambda _: False

    @property
    def goes_on(self) -> bool:
        """Whether another turn is likely to begin with what this one does."""
        return self.session is not None or bool(self.earlier)
