"""Counters since the server started, for Prometheus.

A single process counts in memory, in its own registry. Several processes count in files of one
folder (https://prometheus.github.io/client_python/multiprocess/): a scrape of any process returns
the sum of all, and the counts of a dead process stay. prometheus_client reads the folder's name
from the environment, PROMETHEUS_MULTIPROC_DIR, when it is imported.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deepreasoning_cli.server.formats import BY_PATH
from deepreasoning_cli.server.observe import RUNNING, Exchange
from deepreasoning_cli.server.turn import Turn

NAMESPACE: Final = "deepreasoning"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
SECONDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
"""The histogram's bounds: from a turn that fails at once to one with long reasoning."""
PATHS: Final = frozenset({*BY_PATH, "/v1/models", "/", "/health", "/metrics", "/openapi.json"})
MODELS: Final = "/v1/models/"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
OTHER: Final = "other"


class Metrics(Collector):
    """Counts requests with `count`, running turns with `set_streams`, and answers `/metrics`."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        counter = partial(Counter, namespace=NAMESPACE, registry=own)
        self._requests = counter(
            "requests_total", "Requests answered.", ["path", "method", "status"]
        )
        self._turns = counter("turns_total", "Turns, by how they ended.", ["ended"])
        self._tokens = counter("tokens_total", "Tokens counted.", ["stage", "direction"])
        self._cost = counter("cost_usd_total", "USD, where rates are known.", ["stage"])
        self._unknown_cost = counter("unknown_cost_turns_total", "Turns whose cost is unknown.")
        self._streams = Gauge(
            "streams",
            "Turns that run now.",
            ["worker"],
            namespace=NAMESPACE,
            registry=own,
            multiprocess_mode="livesum",
        )
        self._seconds = Histogram(
            "turn_seconds",
            "Seconds a turn took.",
            namespace=NAMESPACE,
            registry=own,
            buckets=SECONDS,
        )
        folder = os.environ.get(FOLDER_VARIABLE)
        # prometheus_client has no types for what reads a folder
        self._all: Collector = MultiProcessCollector(None, folder) if folder else own  # type: ignore[no-untyped-call]
        self.set_streams(0)

    def set_streams(self, count: int) -> None:
        """Set how many turns run in this process."""
        self._streams.labels(str(os.getpid())).set(count)

    def count(self, exchange: Exchange) -> None:
        """Count a request, and what its turn did."""
        method = exchange.method if exchange.method in METHODS else OTHER
        status = str(exchange.status or "none")
        self._requests.labels(_route_of(exchange.path), method, status).inc()
        if exchange.turn:
            self._seconds.observe(round(exchange.seconds, 3))
            self._turns.labels(exchange.turn.outcome or RUNNING).inc()
            if exchange.turn.outcome:
                self._count_record(exchange.turn)

    def _count_record(self, turn: Turn) -> None:
        for stage, result in turn.record.stages.items():
            if result.usage:
                self._tokens.labels(stage, "input").inc(result.usage.input_tokens)
                self._tokens.labels(stage, "output").inc(result.usage.output_tokens)
            self._cost.labels(stage).inc(float(result.cost or 0))
        self._unknown_cost.inc(turn.record.cost is None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all families; a thread reads the files of several processes."""
        text = await asyncio.to_thread(generate_latest, self)
        await Response(text, media_type=CONTENT_TYPE)(scope, receive, send)

    def collect(self) -> Iterator[Metric]:
        """Our families, without the creation times of counters."""
        for metric in self._all.collect():
            if metric.name.startswith(f"{NAMESPACE}_"):
                family = Metric(metric.name, metric.documentation, metric.type)
                family.samples = [s for s in metric.samples if not s.name.endswith("_created")]
                yield family


def _route_of(path: str) -> str:
    """The route of the path; the paths of callers would make an unlimited number of series."""
    if path in PATHS:
        return path
    return f"{MODELS}{{id}}" if path.startswith(MODELS) else OTHER


@contextmanager
def shared_folder() -> Iterator[str]:
    """A private folder in which the processes that start meanwhile count; removed at the end."""
    before = os.environ.get(FOLDER_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="deepreasoning-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before


def forget_streams(dead: Collection[int], folder: str) -> None:
    """Remove the running turns of dead processes from the folder; their counts stay."""
    for worker in dead:
        mark_process_dead(worker, folder)  # type: ignore[no-untyped-call] # it has no types
