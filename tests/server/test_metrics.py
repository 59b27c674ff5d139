"""The counters of a process, as a scrape reads them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from asgi_calls import call, scope
from deepreasoning_cli.events import Stage
from deepreasoning_cli.server.exchange import Exchange
from deepreasoning_cli.server.exposition import Family, Sample, spans
from deepreasoning_cli.server.metrics import Metrics
from ended_turns import stage, turned

WORKER = f'worker="{os.getpid()}"'


def lines(*exchanges: Exchange, streams: int = 0) -> list[str]:
    metrics = Metrics(lambda: streams)
    for exchange in exchanges:
        metrics.note(exchange)
    return metrics.text().splitlines()


def samples(name: str, *exchanges: Exchange, **fields: Any) -> dict[str, str]:
    """The samples of a family: labels without the worker's → value."""
    found = {}
    for line in lines(*exchanges, **fields):
        if line.startswith(f"deepreasoning_{name}"):
            labels, value = line.removeprefix(f"deepreasoning_{name}").rsplit(" ", 1)
            assert WORKER in labels
            found[labels.replace(f",{WORKER}", "").replace(WORKER, "")] = value
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
        '{path="/v1/models",method="GET",status="200"}': "2",
        '{path="/v1/models/{id}",method="GET",status="404"}': "2",
        '{path="other",method="other",status="405"}': "2",
        '{path="/v1/responses",method="POST",status="none"}': "1",
    }


PAID = turned(stage(Stage.REASON, 10, 200, "0.0005"), stage(Stage.ANSWER, 230, 50, "0.0118"))
UNKNOWN = turned(
    stage(Stage.REASON, 1, 2, "0.25"), stage(Stage.ANSWER, 3, 4, None), ended="max_tokens"
)
RUNNING = turned(stage(Stage.REASON, 7, 7, "7"), ended="")
TURNS = [
    Exchange("POST", "/v1/messages", 200, 7.5, None, turn) for turn in (PAID, UNKNOWN, RUNNING)
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("turns_total", {f'{{ended="{e}"}}': "1" for e in ("complete", "max_tokens", "running")}),
        (
            "tokens_total",
            {
                '{stage="reason",direction="input"}': "11",
                '{stage="reason",direction="output"}': "202",
                '{stage="answer",direction="input"}': "233",
                '{stage="answer",direction="output"}': "54",
            },
        ),
        ("cost_usd_total", {'{stage="reason"}': "0.2505", '{stage="answer"}': "0.0118"}),
        ("unknown_cost_turns_total", {"{}": "1"}),
        ("streams", {"{}": "3"}),
        ("turn_seconds_sum", {"{}": "22.5"}),
        ("turn_seconds_count", {"{}": "3"}),
    ],
)
def test_turns_are_counted_by_stage_and_end(name: str, expected: dict[str, str]) -> None:
    assert samples(name, *TURNS, streams=3) == expected


def test_the_seconds_of_turns_are_counted_up_to_each_bound() -> None:
    took = [Exchange("POST", "/v1/messages", 200, s, None, PAID) for s in (0.5, 0.6, 5000)]
    counted = samples("turn_seconds_bucket", *took)
    assert list(counted.values()) == ["1", *["2"] * 11, "3"]
    assert next(iter(counted)) == '{le="0.5"}'
    assert list(counted)[-1] == '{le="+Inf"}'


def test_a_scrape_is_answered_with_families_that_say_what_they_are() -> None:
    answer = call(Metrics(lambda: 2), scope("/metrics"))
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


def test_a_family_is_written_word_for_word() -> None:
    label = 'a "quoted"\n\\ value'
    family = Family("size", "gauge", "What it is.", [Sample(1.5, {"name": label}, "_x")])
    assert family.text({"worker": "7"}) == (
        "# HELP size What it is.\n"
        "# TYPE size gauge\n"
        'size_x{name="a \\"quoted\\"\\n\\\\ value",worker="7"} 1.5\n'
    )


def test_an_empty_histogram_has_all_its_bounds() -> None:
    said = [(each.suffix, dict(each.labels), each.value) for each in spans((1.0,), [0, 0], 0.0)]
    assert said == [
        ("_bucket", {"le": "1.0"}, 0),
        ("_bucket", {"le": "+Inf"}, 0),
        ("_sum", {}, 0.0),
        ("_count", {}, 0),
    ]
