"""What one process has done since it began, for Prometheus."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from starlette.types import Receive, Scope, Send

from deepreasoning_cli.server.answers import send_whole
from deepreasoning_cli.server.exchange import RUNNING, Exchange, Turn
from deepreasoning_cli.server.exposition import CONTENT_TYPE, Family, Number, Sample, spans
from deepreasoning_cli.server.formats import BY_PATH

PREFIX: Final = "deepreasoning_"
SECONDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
"""The bounds for a turn: from one that is refused at once to one that thinks for long."""
PATHS: Final = frozenset({*BY_PATH, "/v1/models", "/health", "/metrics", "/openapi.json"})
MODELS: Final = "/v1/models/"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
OTHER: Final = "other"

Labels = tuple[str, ...]


class Metrics:
    """Counts what it is told with `note`, and answers `/metrics`; all on the event loop.

    Each worker has its own, and a scrape sees one of them: the label `worker` is its process id.
    `streams` says how many turns run now.
    """

    def __init__(self, streams: Callable[[], int]) -> None:
        self._streams = streams
        self._requests: Counter[Labels] = Counter()
        self._turns: Counter[Labels] = Counter()
        self._tokens: Counter[Labels] = Counter()
        self._cost: defaultdict[Labels, Decimal] = defaultdict(Decimal)
        self._unknown_cost = 0
        self._seconds = 0.0
        self._spans = [0] * (len(SECONDS) + 1)

    def note(self, exchange: Exchange) -> None:
        """Count a request, and what its turn did."""
        method = exchange.method if exchange.method in METHODS else OTHER
        self._requests[_path(exchange.path), method, str(exchange.status or "none")] += 1
        if exchange.turn:
            self._seconds += exchange.seconds
            self._spans[bisect_left(SECONDS, exchange.seconds)] += 1
            self._turns[exchange.turn.ended or RUNNING,] += 1
            if exchange.turn.ended:
                self._note_record(exchange.turn)

    def _note_record(self, turn: Turn) -> None:
        for stage, done in turn.record.stages.items():
            if done.usage:
                self._tokens[stage, "input"] += done.usage.input_tokens
                self._tokens[stage, "output"] += done.usage.output_tokens
            self._cost[stage,] += done.cost or 0
        self._unknown_cost += turn.record.cost is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all of it."""
        await send_whole(send, self.text().encode(), CONTENT_TYPE)

    def text(self) -> str:
        """All of it."""
        shared = {"worker": str(os.getpid())}
        return "".join(family.text(shared) for family in self._families())

    def _families(self) -> Iterator[Family]:
        def counted(name: str, about: str, counts: Mapping[Labels, Number], *by: str) -> Family:
            samples = [
                Sample(counts[labels], dict(zip(by, labels, strict=True)))
                for labels in sorted(counts)
            ]
            return Family(f"{PREFIX}{name}", "counter", about, samples)

        yield counted(
            "requests_total", "Requests answered.", self._requests, "path", "method", "status"
        )
        yield counted("turns_total", "Turns, by how they ended.", self._turns, "ended")
        yield counted("tokens_total", "Tokens counted.", self._tokens, "stage", "direction")
        yield counted("cost_usd_total", "USD, where rates are known.", self._cost, "stage")
        unknown: dict[Labels, Number] = {(): self._unknown_cost}
        yield counted("unknown_cost_turns_total", "Turns whose cost is unknown.", unknown)
        running = [Sample(self._streams(), {})]
        yield Family(f"{PREFIX}streams", "gauge", "Turns that run now.", running)
        took = spans(SECONDS, self._spans, round(self._seconds, 3))
        yield Family(f"{PREFIX}turn_seconds", "histogram", "Seconds a turn took.", took)


def _path(path: str) -> str:
    """A path that is known; a caller's own words would make series without end."""
    if path in PATHS:
        return path
    return f"{MODELS}{{id}}" if path.startswith(MODELS) else OTHER
