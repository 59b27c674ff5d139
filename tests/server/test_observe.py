"""The access log: one line per request with what happened and what it cost, and no secret."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.server.observe import (
    FIELDS,
    TURN_FIELDS,
    Exchange,
    LineFormatter,
    log_request,
    log_to_stderr,
)
from deepreasoning_cli.wire.server.request import ChatRequest, RequestParameters
from support.ended_turns import ended_turn, stage

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, UTC)


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def records(*exchanges: Exchange) -> list[logging.LogRecord]:
    """What an embedder's handler gets, at noon."""
    logger = logging.getLogger("deepreasoning_cli.server.access")
    handler, level = Kept(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        for exchange in exchanges:
            log_request(exchange)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    for record in handler.records:
        record.created = NOON.timestamp()
    return handler.records


def line(exchange: Exchange, style: Literal["text", "json"] = "text") -> str:
    [record] = records(exchange)
    return LineFormatter(style).format(record)


BOTH = ended_turn(
    stage(Stage.REASON, 10, 200, "0.0005"),
    stage(Stage.ANSWER, 230, 50, "0.01180"),
    outcome="complete",
)
ASKED = Exchange("POST", "/v1/chat/completions", 200, 12.3456, "127.0.0.1", BOTH)


def test_a_turn_is_one_line_of_text() -> None:
    assert line(ASKED) == (
        "2026-11-23T12:00:00.250Z POST /v1/chat/completions 200 seconds=12.346 client=127.0.0.1"
        " turn=01turn model=deepreasoning/sonnet ended=complete input_tokens=240"
        " output_tokens=250 cost_usd=0.0123 reasoning=kept"
    )


def test_a_turn_is_one_object_of_json() -> None:
    assert json.loads(line(ASKED, "json")) == {
        "time": "2026-11-23T12:00:00.250Z",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "seconds": 12.346,
        "client": "127.0.0.1",
        "turn": "01turn",
        "model": "deepreasoning/sonnet",
        "ended": "complete",
        "input_tokens": 240,
        "output_tokens": 250,
        "cost_usd": "0.0123",
        "reasoning": "kept",
    }


def test_a_cost_that_is_unknown_is_not_zero() -> None:
    turn = ended_turn(stage(Stage.REASON, 1, 2, None))
    exchange = Exchange("POST", "/v1/messages", 200, 1, None, turn)
    assert line(exchange).endswith(" input_tokens=1 output_tokens=2 cost_usd=- reasoning=kept")
    assert json.loads(line(exchange, "json"))["cost_usd"] is None


def test_a_turn_that_still_runs_is_not_counted() -> None:
    turn = ended_turn(stage(Stage.REASON, 1, 2, "1"), outcome="")
    said = json.loads(line(Exchange("POST", "/v1/messages", None, 1, None, turn), "json"))
    names = ("status", "ended", "input_tokens", "output_tokens", "cost_usd")
    assert [said[name] for name in names] == [None, "running", None, None, None]


def test_a_request_without_a_turn_is_a_short_line() -> None:
    exchange = Exchange("GET", "/v1/models", 401, 0.0004, "::1")
    assert line(exchange) == ("2026-11-23T12:00:00.250Z GET /v1/models 401 seconds=0.0 client=::1")


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_what_machines_ask_is_logged_only_where_it_fails(path: str) -> None:
    assert records(Exchange("GET", path, 200, 0.001)) == []
    failed = records(Exchange("GET", path, 401, 0.001), Exchange("GET", path, None, 0.001))
    assert [LineFormatter("text").format(record).split()[3] for record in failed] == ["401", "-"]


def test_a_record_has_the_facts_as_fields() -> None:
    [record] = records(ASKED)
    assert (record.name, record.levelname) == ("deepreasoning_cli.server.access", "INFO")
    assert {name: getattr(record, name) for name in (*FIELDS, *TURN_FIELDS)} == {
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "seconds": 12.346,
        "client": "127.0.0.1",
        "turn": "01turn",
        "model": "deepreasoning/sonnet",
        "ended": "complete",
        "input_tokens": 240,
        "output_tokens": 250,
        "cost_usd": "0.0123",
        "reasoning": "kept",
    }
    assert record.getMessage().startswith("POST /v1/chat/completions 200 seconds=12.346 ")


def test_our_own_serve_writes_to_stderr_and_nowhere_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = Kept()
    root = logging.getLogger()
    root.addHandler(elsewhere)
    try:
        with log_to_stderr("json"):
            log_request(ASKED)
            logging.getLogger("deepreasoning_cli.server").debug("unseen")
        with log_to_stderr("text", debug=True):
            logging.getLogger("deepreasoning_cli.server").debug("seen")
    finally:
        root.removeHandler(elsewhere)
    first, second = capsys.readouterr().err.splitlines()
    assert (json.loads(first)["turn"], second, elsewhere.records) == ("01turn", "debug: seen", [])


def test_a_path_cannot_forge_a_line_or_a_value() -> None:
    path = '/x 200 cost_usd=0\r\n2026 "GET"\x1b[31m\\'
    exchange = Exchange("GE\nT", path, 404, 0, "127.0.0.1")
    assert line(exchange) == (
        '2026-11-23T12:00:00.250Z "GE T" "/x 200 cost_usd=0 2026 \\"GET\\"␛[31m\\\\" 404'
        " seconds=0 client=127.0.0.1"
    )


@given(st.text(), st.text(min_size=1), st.sampled_from(["text", "json"]))
def test_a_request_is_one_line_whatever_is_in_it(
    path: str, model: str, style: Literal["text", "json"]
) -> None:
    turn = ended_turn()
    turn.request = ChatRequest(model, turn.request.prompt, RequestParameters(), stream=False)
    said = line(Exchange("GET", path, 404, 0.0, None, turn), style)
    assert said.splitlines() == [said]
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in said)
    assert "secret" not in said
    assert len(said) < 1000
