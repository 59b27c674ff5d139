"""A request that comes again after its answer has failed does not pay for its reasoning again.

Clients repeat a failed request by themselves: the official SDKs twice, agents more often.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import ReasonerOutput
from deepreasoning_cli.pipeline.search import SearchResult, found_pages
from deepreasoning_cli.wire.server.request import ChatRequest

KEPT_SECONDS: Final = 600.0
"""How soon a request has to come again: SDKs give up a request after ten minutes of silence."""
MOST_TURNS: Final = 256
MOST_CHARACTERS: Final = 16_000_000
SECRET_HEADERS: Final = frozenset(
    {b"authorization", b"x-api-key", b"x-anthropic-api-token", b"x-deepseek-api-token"}
)


def caller_of(scope: Scope) -> str:
    """What tells callers apart: all that a request shows as a token or a key, unreadable."""
    shown = [value for name, value in scope["headers"] if name in SECRET_HEADERS]
    return hashlib.sha256(b"\n".join(shown)).hexdigest()


def request_fingerprint(request: ChatRequest, caller: str) -> str:
    """What equal requests of one caller's have in common: models, parameters and conversation;
    whether the reply is streamed does not matter.
    """
    text = repr((caller, request.model, request.parameters, request.prompt))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class UnansweredTurn:
    """What the reasoner wrote in the turn with the id `turn`, kept since `since` (seconds).

    `found` are the pages of its search, which was paid for, too.
    """

    turn: str
    work: ReasonerOutput
    since: float = 0.0
    found: tuple[SearchResult, ...] = ()

    @classmethod
    def of(cls, record: TurnRecord, since: float = 0.0) -> UnansweredTurn | None:
        """What a turn has that was not answered; None where its reasoning is not whole."""
        stage = record.stages.get(Stage.REASON)
        is_whole = record.reused_model or (stage and stage.complete)
        if not is_whole or record.thoughts.is_blank or record.thoughts.size > MOST_CHARACTERS:
            return None
        work = ReasonerOutput.of(record)
        return cls(record.start.id, work, since, found_pages(record.sources))

    @property
    def size(self) -> int:
        """Characters."""
        pages = sum(len(page.text) for page in self.found)
        return len(self.work.reasoning) + len(self.work.answer) + pages


class UnansweredTurns:
    """The unanswered turns of one process by fingerprint: the latest, and of these not too many.

    Turns are planned in threads, too. `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, UnansweredTurn] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def note(self, fingerprint: str, record: TurnRecord, *, answered: bool) -> None:
        """Keep what the reasoner wrote in a turn that was not `answered`, if it came to its end;
        forget what was kept for one that was: asking again means to reason again.
        """
        if answered:
            self.forget(fingerprint)
        elif kept := UnansweredTurn.of(record, self._clock()):
            self._keep(fingerprint, kept)

    def _keep(self, fingerprint: str, kept: UnansweredTurn) -> None:
        with self._lock:
            self._drop(fingerprint)
            self._kept[fingerprint] = kept
            self._size += kept.size
            while self._size > MOST_CHARACTERS or len(self._kept) > MOST_TURNS:
                self._drop(next(iter(self._kept)))

    def find(self, fingerprint: str) -> UnansweredTurn | None:
        """What was kept, unless that was too long ago."""
        with self._lock:
            kept = self._kept.get(fingerprint)
            if kept and self._clock() - kept.since > KEPT_SECONDS:
                self._drop(fingerprint)
                return None
            return kept

    def forget(self, fingerprint: str) -> None:
        """Forget what was kept."""
        with self._lock:
            self._drop(fingerprint)

    def _drop(self, fingerprint: str) -> None:
        if kept := self._kept.pop(fingerprint, None):
            self._size -= kept.size
