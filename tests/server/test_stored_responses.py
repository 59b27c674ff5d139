"""Clients come back to responses and items by their ids: the caller's own, while they are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deepreasoning_cli.pipeline.events import (
    Handoff,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.server.errors import Rejected
from deepreasoning_cli.server.stored_responses import LONGEST, StoredInput, refers, resolve
from support.serving import RESPONSES, Serve
from support.serving import serve as serve

FIRST, SECOND = "0" * 15 + "1", "0" * 15 + "2"
HI: Payload = {"role": "user", "content": "Hi"}
AGAIN: Payload = {"role": "user", "content": "Again"}
HELLO: Payload = {"role": "assistant", "content": "Hello"}
CALL: Payload = {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"}


def turn(turn_id: str, stored: StoredInput | None, *events: Any) -> TurnRecord:
    record = TurnRecord()
    conversation = stored.to_json() if stored else None
    start = TurnStarted(turn_id, "demo", "?", Handoff.REASONING)
    for event in (replace(start, conversation=conversation), *events):
        record.apply(event)
    return record


CALLING = (ToolCallStarted("c1", "read"), ToolArguments("{}"))
TURNS = {
    FIRST: turn(FIRST, StoredInput("me", None, [HI]), Thought("hm"), Text("Hello")),
    SECOND: turn(SECOND, StoredInput("me", FIRST, [AGAIN]), Thought("hm"), *CALLING),
}


def expanded(caller: str = "me", **body: Any) -> list[Payload]:
    found: list[Payload] = resolve(body, caller, TURNS.get)[0]["input"]
    return found


def test_most_requests_refer_to_nothing() -> None:
    assert not refers({"input": "Hi"})
    assert not refers({"input": [HI, 7, {"id": "x", "role": "user"}], "previous_response_id": None})
    assert refers({"previous_response_id": "resp_1"})
    assert refers({"input": [{"id": "msg_1"}]})


def test_a_response_stands_for_all_that_was_said_up_to_it() -> None:
    result = {"type": "function_call_output", "call_id": "c1", "output": "six"}
    found = expanded(previous_response_id=f"resp_{SECOND}", input=[result])
    assert found == [HI, HELLO, AGAIN, CALL, result]
    assert expanded(previous_response_id=f"resp_{FIRST}", input="Again") == [HI, HELLO, AGAIN]


def test_items_stand_for_what_was_answered() -> None:
    ids = [f"rs_{FIRST}_0", f"msg_{FIRST}_1", f"rs_{SECOND}_0", f"fc_{SECOND}_1"]
    references = [{"type": "item_reference", "id": each} for each in ids]
    assert expanded(input=[HI, *references]) == [HI, HELLO, CALL]
    assert expanded(input=[HI, {"id": ids[1]}]) == [HI, HELLO]


def test_a_turn_keeps_its_own_input_with_its_items_in_place() -> None:
    body = {"input": [HI, {"id": f"msg_{FIRST}_1"}], "previous_response_id": f"resp_{SECOND}"}
    _, stored = resolve(body, "me", TURNS.get)
    assert stored == StoredInput("me", SECOND, [HI, HELLO])
    assert StoredInput.parse(stored.to_json(), "me") == stored
    assert StoredInput.parse(stored.to_json(), "you") is None
    assert replace(stored, is_kept=False).to_json() is None
    assert replace(stored, input=[{"content": "x" * LONGEST}]).to_json() is None


@pytest.mark.parametrize("caller", ["me", "you"])
@pytest.mark.parametrize("response", ["resp_9", f"resp_{'9' * 16}", 7, f"resp_{FIRST}"])
def test_a_response_that_is_not_there_is_a_404_that_says_how(response: object, caller: str) -> None:
    if (response, caller) == (f"resp_{FIRST}", "me"):
        return
    with pytest.raises(Rejected) as caught:
        expanded(caller, previous_response_id=response, input="Hi")
    failure = caught.value.failure
    assert (failure.status, failure.field) == (404, "previous_response_id")
    assert failure.kind == "previous_response_not_found"
    assert "send the whole conversation" in failure.message


@pytest.mark.parametrize(
    "item", ["x", f"msg_{'9' * 16}_0", f"msg_{SECOND}_0", f"fc_{FIRST}_1", f"fc_{SECOND}_2"]
)
def test_an_item_that_is_not_there_is_one_too(item: str) -> None:
    with pytest.raises(Rejected) as caught:
        expanded(input=[HI, {"type": "item_reference", "id": item}])
    failure = caught.value.failure
    assert (failure.status, failure.kind, failure.field) == (404, "item_not_found", "input[1].id")


def test_turns_of_other_formats_are_not_found() -> None:
    with pytest.raises(Rejected):
        resolve({"previous_response_id": f"resp_{FIRST}"}, "me", {FIRST: turn(FIRST, None)}.get)


@pytest.mark.parametrize(("history", "store"), [(True, None), (True, False), (False, True)])
def test_the_reply_says_whether_it_is_kept(serve: Serve, history: bool, store: bool | None) -> None:
    served = serve(history=history)
    first = served.ask(RESPONSES, store=store).json
    assert first["store"] is (history and store is not False)
    second = served.ask(RESPONSES, previous_response_id=first["id"])
    if not first["store"]:
        assert second.status == 404
        return
    assert second.json["previous_response_id"] == first["id"]
    texts = [message.text for message in served.answerer.prompts[-1].messages]
    assert texts[:2] == ["What is six times seven?", "Forty-two."]


def test_a_reply_repeats_its_request(serve: Serve) -> None:
    tool = {"type": "function", "name": "read", "parameters": {"type": "object"}}
    fields = {
        "instructions": "Be brief.",
        "max_output_tokens": 99,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "tool_choice": "auto",
        "user": "u",
    }
    said = serve().ask(RESPONSES, tools=[tool], prompt_cache_key=7, **fields).json
    fields["reasoning"] = {"effort": "low", "summary": None}
    assert {name: said[name] for name in fields} == fields
    assert said["tools"] == [tool | {"description": None, "strict": False}]
    assert (said["top_p"], said["prompt_cache_key"], said["store"]) == (1.0, None, False)
    assert said["completed_at"] >= said["created_at"]
