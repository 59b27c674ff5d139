from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import IncompleteError, Interrupted, UnavailableError
from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.json import JsonlView, JsonView

SCHEMAS = Path(__file__).parent.parent / "schemas"
TURN, LINE = (
    json.loads((SCHEMAS / name).read_text("utf-8")) for name in ("turn.json", "jsonl.json")
)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOURCES = (Source("A page", "https://example.org"),)
REASON = StageStarted(Stage.REASON, "r1", 10, None, NOON)
ANSWER = StageStarted(Stage.ANSWER, "sonnet", 20, None, NOON)
EVENTS: tuple[Event, ...] = (
    TurnStarted("id1", "direct", "6 × 7?", Handoff.BOTH, "school"),
    TurnWarning("careful"),
    StageFinished(Stage.SEARCH, "linkup", None, None, Decimal("0.0060"), 0.5, None),
    Sources(SOURCES),
    REASON,
    Thought("six "),
    Thought("sevens"),
    StageFinished(
        Stage.REASON,
        "r1",
        "r1-0528",
        Usage(1, 2, 2, 0, 0, estimated=True),
        Decimal("1e-7"),
        1,
        "stop",
    ),
    ANSWER,
    Text("4"),
    Text("2"),
    StageFinished(Stage.ANSWER, "sonnet", None, Usage(30, 40, None, 5), None, 2.00049, "end_turn"),
)


def shown(
    kind: type[JsonView] | type[JsonlView],
    events: tuple[Event, ...],
    failure: BaseException | None = None,
) -> list[dict[str, Any]]:
    """The lines that were written, each of them valid."""
    out: list[str] = []
    record = TurnRecord(clock=lambda: 7.0)
    with (
        suppress(*([type(failure)] if failure else [])),
        ViewGroup(record, [kind(record, out.append)]) as show,
    ):
        for event in events:
            show(event)
        if failure:
            raise failure
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in out)
    lines = [json.loads(line) for line in out]
    for line in lines:
        jsonschema.validate(line, TURN if kind is JsonView else LINE)
        if line.get("type") == "finished":
            jsonschema.validate({k: v for k, v in line.items() if k != "type"}, TURN)
    return lines


WHOLE = {
    "id": "id1",
    "session": "school",
    "backend": "direct",
    "prompt": "6 × 7?",
    "reasoning": "six sevens",
    "answer": "42",
    "sources": [{"title": "A page", "url": "https://example.org"}],
    "reasoner": {
        "model": "r1",
        "served_model": "r1-0528",
        "host": None,
        "usage": {
            "input_tokens": 1,
            "output_tokens": 2,
            "reasoning_tokens": 2,
            "cached_tokens": 0,
            "estimated": True,
        },
        "cost_usd": "0.0000001",
        "seconds": 1,
        "stop_reason": "stop",
    },
    "answerer": {
        "model": "sonnet",
        "served_model": None,
        "host": None,
        "usage": {
            "input_tokens": 30,
            "output_tokens": 40,
            "reasoning_tokens": None,
            "cached_tokens": 5,
            "estimated": False,
        },
        "cost_usd": None,
        "seconds": 2.0,
        "stop_reason": "end_turn",
    },
    "search": {
        "model": "linkup",
        "served_model": None,
        "host": None,
        "usage": None,
        "cost_usd": "0.006",
        "seconds": 0.5,
        "stop_reason": None,
    },
    "fallbacks": [],
    "cost_usd": None,
    "stop_reason": "end_turn",
    "status": "complete",
    "handoff": "both",
    "seconds": {"first_reasoning": 0.0, "first_answer": 0.0, "total": 0.0},
}


def test_a_whole_turn_is_one_object() -> None:
    assert shown(JsonView, EVENTS) == [WHOLE]


def test_the_object_has_the_contracts_fields_in_its_order() -> None:
    (turn,) = shown(JsonView, EVENTS)
    assert list(turn) == TURN["required"]
    assert list(turn["reasoner"]) == TURN["$defs"]["stage"]["required"]
    assert list(turn["reasoner"]["usage"]) == TURN["$defs"]["usage"]["required"]


def test_a_turn_of_reasoning_alone_has_no_answerer() -> None:
    (turn,) = shown(JsonView, (EVENTS[0], *EVENTS[4:8]))
    expected: dict[str, object] = {"answer": "", "answerer": None, "search": None, "sources": []}
    assert {name: turn[name] for name in expected} == expected
    assert (turn["status"], turn["stop_reason"], turn["cost_usd"]) == (
        "complete",
        "stop",
        "0.0000001",
    )
    assert turn["seconds"]["first_answer"] is None


@pytest.mark.parametrize("failure", [IncompleteError("cut"), KeyboardInterrupt(), Interrupted(15)])
def test_a_turn_that_was_broken_off_is_printed_with_what_came(failure: BaseException) -> None:
    (turn,) = shown(JsonView, EVENTS[:-2], failure)
    assert (turn["status"], turn["reasoning"], turn["answer"], turn["stop_reason"]) == (
        "incomplete",
        "six sevens",
        "4",
        None,
    )
    assert turn["answerer"] == {
        "model": "sonnet",
        "served_model": None,
        "host": None,
        "usage": {
            "input_tokens": 20,
            "output_tokens": 1,
            "reasoning_tokens": None,
            "cached_tokens": 0,
            "estimated": True,
        },
        "cost_usd": None,
        "seconds": 0.0,
        "stop_reason": None,
    }


def test_a_turn_that_brought_nothing_prints_nothing() -> None:
    assert shown(JsonView, EVENTS[:5], UnavailableError("down")) == []


def test_every_event_is_a_line_and_the_last_is_the_turn() -> None:
    assert shown(JsonlView, EVENTS) == [
        {"type": "sources", "sources": [{"title": "A page", "url": "https://example.org"}]},
        {"type": "started", "id": "id1", "stage": "reason", "model": "r1", "host": None},
        {"type": "reasoning", "text": "six "},
        {"type": "reasoning", "text": "sevens"},
        {"type": "started", "id": "id1", "stage": "answer", "model": "sonnet", "host": None},
        {"type": "answer", "text": "4"},
        {"type": "answer", "text": "2"},
        {"type": "finished", **WHOLE},
    ]


def test_lines_are_written_as_the_events_come() -> None:
    out: list[str] = []
    view = JsonlView(TurnRecord(), out.append)
    view(Thought("hm"))
    assert out == ['{"type": "reasoning", "text": "hm"}\n']


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (IncompleteError("cut short", stage=Stage.ANSWER, kind="cut"), "cut", "cut short"),
        (KeyboardInterrupt(), "interrupted", "interrupted"),
        (Interrupted(15), "interrupted", "interrupted"),
        (RuntimeError("secret"), "bug", "unexpected RuntimeError"),
    ],
)
def test_the_last_line_of_a_failure_is_the_error(
    failure: BaseException, kind: str, message: str
) -> None:
    *_, last = shown(JsonlView, EVENTS[:6], failure)
    assert last == {
        "type": "error",
        "error": {
            "stage": "answer" if kind == "cut" else None,
            "kind": kind,
            "message": message,
            "status": None,
            "request_id": None,
            "hint": None,
            "resume": None,
        },
    }


def test_nothing_more_is_written_into_a_closed_pipe() -> None:
    assert [line["type"] for line in shown(JsonlView, EVENTS[:6], BrokenPipeError())] == [
        "sources",
        "started",
        "reasoning",
    ]


@given(text=st.text(st.characters(codec=None), min_size=1))
def test_any_text_survives_and_no_control_character_gets_out(text: str) -> None:
    out: list[str] = []
    JsonlView(TurnRecord(), out.append)(Text(text))
    (line,) = out
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(line) == {"type": "answer", "text": sound}
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in line[:-1])


def last_line(failure: BaseException, resume: str | None) -> dict[str, Any]:
    out: list[str] = []
    JsonlView(TurnRecord(), out.append, lambda: resume).close(failure)
    found: dict[str, Any] = json.loads(out[-1])["error"]
    return found


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), Interrupted(15), UnavailableError("x")])
@pytest.mark.parametrize("resume", ["deepreasoning resume 06h1", None])
def test_the_last_line_of_a_turn_that_was_stopped_names_what_goes_on(
    failure: BaseException, resume: str | None
) -> None:
    assert last_line(failure, resume)["resume"] == resume


def test_the_error_of_the_turn_itself_knows_better() -> None:
    failure = IncompleteError("cut", resume="deepreasoning resume 06h1 -m sonnet")
    assert last_line(failure, "deepreasoning resume 06h1")["resume"] == failure.resume
