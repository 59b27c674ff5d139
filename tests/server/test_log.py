"""One line a request: what happened, what it cost, and nothing that was written to us."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.events import Stage
from deepreasoning_cli.server.exchange import Exchange
from deepreasoning_cli.server.log import AccessLog
from deepreasoning_cli.wire.asked import ChatRequest, RequestParameters
from ended_turns import stage, turned

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, UTC)


def line(exchange: Exchange, style: Literal["text", "json"] = "text") -> str:
    written: list[str] = []
    AccessLog(style, written.append, lambda: NOON)(exchange)
    assert len(written) == 1
    return written[0]


BOTH = turned(
    stage(Stage.REASON, 10, 200, "0.0005"),
    stage(Stage.ANSWER, 230, 50, "0.01180"),
    ended="complete",
)
ASKED = Exchange("POST", "/v1/chat/completions", 200, 12.3456, "127.0.0.1", BOTH)


def test_a_turn_is_one_line_of_text() -> None:
    assert line(ASKED) == (
        "2026-11-23T12:00:00.250Z POST /v1/chat/completions 200 seconds=12.346 client=127.0.0.1"
        " turn=01turn model=deepreasoning/sonnet ended=complete input_tokens=240"
        " output_tokens=250 cost_usd=0.0123"
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
    }


def test_a_cost_that_is_unknown_is_not_zero() -> None:
    turn = turned(stage(Stage.REASON, 1, 2, None))
    exchange = Exchange("POST", "/v1/messages", 200, 1, None, turn)
    assert line(exchange).endswith(" input_tokens=1 output_tokens=2 cost_usd=-")
    assert json.loads(line(exchange, "json"))["cost_usd"] is None


def test_a_turn_that_still_runs_is_not_counted() -> None:
    turn = turned(stage(Stage.REASON, 1, 2, "1"), ended="")
    said = json.loads(line(Exchange("POST", "/v1/messages", None, 1, None, turn), "json"))
    names = ("status", "ended", "input_tokens", "output_tokens", "cost_usd")
    assert [said[name] for name in names] == [None, "running", None, None, None]


def test_a_request_without_a_turn_is_a_short_line() -> None:
    exchange = Exchange("GET", "/v1/models", 401, 0.0004, "::1")
    assert line(exchange) == ("2026-11-23T12:00:00.250Z GET /v1/models 401 seconds=0.0 client=::1")


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_what_machines_ask_is_logged_only_where_it_fails(path: str) -> None:
    written: list[str] = []
    log = AccessLog("text", written.append, lambda: NOON)
    log(Exchange("GET", path, 200, 0.001))
    assert written == []
    log(Exchange("GET", path, 401, 0.001))
    log(Exchange("GET", path, None, 0.001))
    assert [said.split()[3] for said in written] == ["401", "-"]


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
    turn = turned()
    turn.asked = ChatRequest(model, turn.asked.prompt, RequestParameters(), stream=False)
    said = line(Exchange("GET", path, 404, 0.0, None, turn), style)
    assert said.splitlines() == [said]
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in said)
    assert "secret" not in said
    assert len(said) < 1000
