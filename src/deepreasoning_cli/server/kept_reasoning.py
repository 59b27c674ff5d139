"""Reasoning that was paid for, until the request comes that goes on from it.

A client that calls tools sends the conversation again with what came back. Its question has been
thought through: it is known by a fingerprint of the conversation up to and with that message, and
of the caller, so that no two callers share reasoning.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Final

from deepreasoning_cli.pipeline.events import Prompt
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import ReasonerOutput

MOST: Final = 1_000
MOST_CHARACTERS: Final = 32_000_000
"""What one process remembers at most; where turns are kept, the history has the rest."""
LONGEST: Final = 8_000_000  # bytes; more than any model reads
VARYING: Final = "x-anthropic-billing-header:"
"""How a line of Claude Code's system prompt begins that is another in each request."""


FINGERPRINT: Final = 40
"""Hexadecimal digits of a fingerprint; behind them a kept turn has those of the whole request."""


def fingerprint_of(prompt: Prompt, caller: str) -> str:
    """What the question of `prompt` is known by; what follows the question does not count."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT // 2)
    for line in _lines(prompt, caller):
        digest.update(line.encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()


def _lines(prompt: Prompt, caller: str) -> Iterator[str]:
    """All that makes the fingerprint, each on a line of its own."""
    system = (prompt.system or "").split("\n")
    yield json.dumps([caller, [line for line in system if not line.startswith(VARYING)]])
    end = prompt.question_at % len(prompt.messages) + 1
    for message in prompt.messages[:end]:
        parts = [
            part if isinstance(part, str) else [type(part).__name__, astuple(part)]
            for part in message.parts
        ]
        yield json.dumps([message.role, parts or message.text])


@dataclass(frozen=True, slots=True)
class KeptReasoning:
    """The reasoner's work, and the id of the turn that has paid for it."""

    turn: str
    work: ReasonerOutput

    @classmethod
    def of(cls, record: TurnRecord) -> KeptReasoning | None:
        """What a turn has of it; None where that is nothing."""
        if record.thoughts.is_blank or record.thoughts.size > LONGEST:
            return None
        turn = record.start.reasoning_from or record.start.id
        model = record.reasoned_by or ReasonerOutput().model
        work = ReasonerOutput(
            record.reasoning, record.draft, model, whole=record.reasoned_to_the_end
        )
        return cls(turn, work)

    @property
    def size(self) -> int:
        """Its characters."""
        return len(self.work.reasoning) + len(self.work.answer)


class ReasoningMemory:
    """The newest reasoning by the fingerprints of its questions; the oldest is forgotten.

    Turns are planned in threads, too.
    """

    def __init__(self, most: int = MOST, most_characters: int = MOST_CHARACTERS) -> None:
        self._most = most
        self._most_characters = most_characters
        self._kept: OrderedDict[str, KeptReasoning] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def keep(self, fingerprint: str, reasoning: KeptReasoning) -> None:
        """Remember it, in place of what was kept for the same question."""
        with self._lock:
            self._forget(fingerprint)
            self._kept[fingerprint] = reasoning
            self._characters += reasoning.size
            while len(self._kept) > self._most or self._characters > self._most_characters:
                self._forget(next(iter(self._kept)))

    def find(self, fingerprint: str) -> KeptReasoning | None:
        """What is kept for the question; it counts as new again."""
        with self._lock:
            if fingerprint in self._kept:
                self._kept.move_to_end(fingerprint)
            return self._kept.get(fingerprint)

    def _forget(self, fingerprint: str) -> None:
        if old := self._kept.pop(fingerprint, None):
            self._characters -= old.size
