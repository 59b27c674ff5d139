"""The counters of a process, as a scrape reads them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.server.metrics import FOLDER_VARIABLE, Metrics, forget_streams, shared_folder
from deepreasoning_cli.server.observe import Exchange
from support.asgi_calls import call, scope
from support.ended_turns import ended_turn, stage
from support.runner import environment

WORKER = str(os.getpid())


def lines(*exchanges: Exchange, streams: int = 0) -> list[str]:
    metrics = Metrics()
    for exchange in exchanges:
        metrics.count(exchange)
    metrics.set_streams(streams)
    return call(metrics, scope("/metrics")).body.decode().splitlines()


def samples(name: str, *exchanges: Exchange, **fields: Any) -> dict[str, float]:
    """The samples of a family: labels → value."""
    found = {}
    for line in lines(*exchanges, **fields):
        if line.startswith(f"deepreasoning_{name}"):
            labels, value = line.removeprefix(f"deepreasoning_{name}").rsplit(" ", 1)
            found[labels] = float(value)
    return found


def test_requests_are_counted_by_known_paths_and_methods() -> None:
    assert samples(
        "requests_total",
        Exchange("GET", "/v1/models", 200, 0.1),
        Exchange("GET", "/v1/models", 200, 0.1),
        Exchange("GET", "/v1/models/deepreasoning/x", 404, 0.1),
        Exchange("GET", "/v1/models/deepreasoning/y", 404, 0.1),
        Exchange("BREW", "/tea/1", 405, 0.1),
        Exchange("BREW", "/tea/2", 405, 0.1),
        Exchange("POST", "/v1/responses", None, 0.1),
    ) == {
        '{method="GET",path="/v1/models",status="200"}': 2,
        '{method="GET",path="/v1/models/{id}",status="404"}': 2,
        '{method="other",path="other",status="405"}': 2,
        '{method="POST",path="/v1/responses",status="none"}': 1,
    }


PAID = ended_turn(stage(Stage.REASON, 10, 200, "0.0005"), stage(Stage.ANSWER, 230, 50, "0.0118"))
UNKNOWN = ended_turn(
    stage(Stage.REASON, 1, 2, "0.25"), stage(Stage.ANSWER, 3, 4, None), outcome="max_tokens"
)
RUNNING = ended_turn(stage(Stage.REASON, 7, 7, "7"), outcome="")
TURNS = [
    Exchange("POST", "/v1/messages", 200, 7.5, None, turn) for turn in (PAID, UNKNOWN, RUNNING)
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("turns_total", {f'{{ended="{e}"}}': 1 for e in ("complete", "max_tokens", "running")}),
        (
            "tokens_total",
            {
                '{direction="input",stage="reason"}': 11,
                '{direction="output",stage="reason"}': 202,
                '{direction="input",stage="answer"}': 233,
                '{direction="output",stage="answer"}': 54,
            },
        ),
        ("cost_usd_total", {'{stage="reason"}': 0.2505, '{stage="answer"}': 0.0118}),
        ("unknown_cost_turns_total", {"": 1}),
        ("streams", {f'{{worker="{WORKER}"}}': 3}),
        ("turn_seconds_sum", {"": 22.5}),
        ("turn_seconds_count", {"": 3}),
    ],
)
def test_turns_are_counted_by_stage_and_end(name: str, expected: dict[str, float]) -> None:
    assert samples(name, *TURNS, streams=3) == expected


def test_the_seconds_of_turns_are_counted_up_to_each_bound() -> None:
    took = [Exchange("POST", "/v1/messages", 200, s, None, PAID) for s in (0.5, 0.6, 5000)]
    counted = samples("turn_seconds_bucket", *took)
    assert list(counted.values()) == [1, *[2] * 11, 3]
    assert next(iter(counted)) == '{le="0.5"}'
    assert list(counted)[-1] == '{le="+Inf"}'


def test_a_scrape_is_answered_with_families_that_say_what_they_are() -> None:
    answer = call(Metrics(), scope("/metrics"))
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    text = answer.body.decode()
    assert text.endswith("\n")
    kinds = [line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert kinds == [
        ["deepreasoning_requests_total", "counter"],
        ["deepreasoning_turns_total", "counter"],
        ["deepreasoning_tokens_total", "counter"],
        ["deepreasoning_cost_usd_total", "counter"],
        ["deepreasoning_unknown_cost_turns_total", "counter"],
        ["deepreasoning_streams", "gauge"],
        ["deepreasoning_turn_seconds", "histogram"],
    ]


def test_nothing_is_registered_for_the_whole_process() -> None:
    before = list(prometheus_client.REGISTRY.collect())
    first, second = Metrics(), Metrics()
    first.count(TURNS[0])
    assert [each.name for each in prometheus_client.REGISTRY.collect()] == [
        each.name for each in before
    ]
    assert b'ended="complete"' not in call(second, scope("/metrics")).body


COUNTING = """
import os, sys
from deepreasoning_cli.server.metrics import Metrics
from deepreasoning_cli.server.observe import Exchange
metrics = Metrics()
metrics.count(Exchange("GET", "/health", 200, 0.1))
metrics.set_streams(2)
print(os.getpid(), flush=True)
sys.stdin.read()
print(*(line for each in metrics.collect() for line in each.samples), sep="\\n", flush=True)
os._exit(9)
"""


def worker() -> subprocess.Popen[str]:
    """A process that counts one request and two streams, and dies when it is told."""
    return subprocess.Popen(
        [sys.executable, "-c", COUNTING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment({FOLDER_VARIABLE: os.environ[FOLDER_VARIABLE]}),
    )


def test_a_process_that_dies_leaves_its_counts_and_takes_its_streams_along() -> None:
    assert FOLDER_VARIABLE not in os.environ
    with shared_folder() as folder:
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        with worker() as first, worker() as second:
            assert first.stdout is not None
            assert second.stdout is not None
            dead, alive = int(first.stdout.readline()), int(second.stdout.readline())
            first.communicate()
            forget_streams({dead}, folder)
            said, _ = second.communicate()
        assert "name='deepreasoning_requests_total'" in said
        [requests] = [line for line in said.splitlines() if "requests_total" in line]
        assert "value=2.0" in requests
        [streams] = [line for line in said.splitlines() if "streams" in line]
        assert (f"'worker': '{alive}'" in streams, "value=2.0" in streams) == (True, True)
    assert not Path(folder).exists()
    assert FOLDER_VARIABLE not in os.environ


def test_a_folder_that_was_named_before_is_named_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "/theirs")
    with shared_folder() as folder:
        assert os.environ[FOLDER_VARIABLE] == folder
    assert os.environ[FOLDER_VARIABLE] == "/theirs"


@pytest.mark.parametrize("metrics", [False, True])
def test_prometheus_client_is_imported_where_metrics_are_wanted_alone(metrics: bool) -> None:
    flags = {"backend": "demo", "serve": {"metrics": metrics}}
    code = f"import sys; from deepreasoning_cli.server import create_app; create_app(flags={flags})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('prometheus_client' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=environment({}),
    )
    assert done.stdout == f"{metrics}\n"


def test_in_a_process_with_a_folder_of_its_own_ours_are_told_alone() -> None:
    theirs = (
        "import prometheus_client\nprometheus_client.Counter('theirs_total', 'Not ours.').inc()\n"
    )
    with shared_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-c", theirs + COUNTING],
            input="",
            capture_output=True,
            text=True,
            check=False,
            env=environment({FOLDER_VARIABLE: folder}),
        )
    assert "deepreasoning_requests_total" in done.stdout
    assert "theirs" not in done.stdout
