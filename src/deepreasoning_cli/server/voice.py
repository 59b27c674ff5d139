"""A turn's events as a reply in the format that was asked: in pieces, or whole at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Protocol

from deepreasoning_cli.events import Chunk, Event, Payload, Text, Thought
from deepreasoning_cli.views.show import View
from deepreasoning_cli.wire.refusal import ApiError
from deepreasoning_cli.wire.reply import Cost
from deepreasoning_cli.wire.writer import Part, ReplyWriter

Put = Callable[[bytes], None]
Ending = Callable[[BaseException | None], Sequence[Part]]
"""What a reply ends with: usage, cost and End, or an ApiError; nothing where nobody listens."""


class Voice(View, Protocol):
    """A view that speaks; `unsaid` is the failure that came in place of a reply."""

    unsaid: ApiError | None


class Streamed:
    """Every piece at once, as server-sent events."""

    def __init__(self, writer: ReplyWriter, put: Put, ending: Ending) -> None:
        self._writer = writer
        self._put = put
        self._ending = ending
        self._begun = False
        self.unsaid: ApiError | None = None

    def __call__(self, event: Event) -> None:
        """Send a piece of text; all else is for others."""
        if isinstance(event, Thought | Text):
            self._begun = True
            self._put(self._writer.frames(event))

    def close(self, failure: BaseException | None) -> None:
        """Send what the reply ends with; a failure before any text is left to be told by HTTP."""
        for part in self._ending(failure):
            if isinstance(part, ApiError) and not self._begun:
                self.unsaid = part
            else:
                self._put(self._writer.frames(part))


class Whole:
    """One JSON object, once all is there."""

    def __init__(
        self, whole: Callable[[Sequence[Chunk | Cost]], Payload], put: Put, ending: Ending
    ) -> None:
        self._whole = whole
        self._put = put
        self._ending = ending
        self._parts: list[Chunk | Cost] = []
        self.unsaid: ApiError | None = None

    def __call__(self, event: Event) -> None:
        """Collect a piece of text."""
        if isinstance(event, Thought | Text):
            self._parts.append(event)

    def close(self, failure: BaseException | None) -> None:
        """Send the whole reply, unless it broke off."""
        ending = self._ending(failure)
        for part in ending:
            if isinstance(part, ApiError):
                self.unsaid = part
                return
            self._parts.append(part)
        if ending:
            self._put(json.dumps(self._whole(self._parts)).encode("ascii"))
