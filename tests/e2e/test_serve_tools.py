"""A loop of tool calls by the official clients: one chain of thought in all, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anthropic
import pytest

from support.replies import claude_stream, reasoner_stream
from support.serve_process import MODEL, Server, eventually, serving_at
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS

QUESTION = "What do the five files say?"
SCHEMA: Any = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CALLS = 5


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("tools")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def script(server: Server) -> None:
    """A reasoner that thinks once, and a Claude that reads five files, the last two at once."""
    server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    for number in range(1, CALLS):
        calls = [(f"toolu_{number}", "read", {"path": f"{number}.txt"})]
        if number == CALLS - 1:
            calls.append((f"toolu_{CALLS}", "read", {"path": f"{CALLS}.txt"}))
        texts = ("Let me ", "see.") if number == 1 else ()
        server.vendors.claude.reply(claude_stream(texts, calls=calls, stop_reason="tool_use"))
    server.vendors.claude.reply(claude_stream(TEXTS))


def read(arguments: object) -> str:
    """What the tool does."""
    values: Any = json.loads(arguments) if isinstance(arguments, str) else arguments
    return f"{values['path']} says so"


def chat(
    server: Server, *, stream: bool, headers: Mapping[str, str] = {}, **more: Any
) -> tuple[str, int]:
    """The last answer, and how many calls were made before it."""
    client = server.openai(**headers).chat.completions
    tools: Any = [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}]
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    asked: Any = {"model": MODEL, "messages": messages, "tools": tools, **more}
    calls = 0
    while True:
        if stream:
            with client.stream(**asked) as events:
                (choice,) = events.get_final_completion().choices
        else:
            (choice,) = client.create(**asked).choices
        if choice.finish_reason != "tool_calls":
            assert choice.message.tool_calls is None
            return choice.message.content or "", calls
        messages.append(choice.message.model_dump(exclude_none=True))
        for call in choice.message.tool_calls or ():
            calls += 1
            text = read(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})


def responses(server: Server, *, stream: bool, **more: Any) -> tuple[str, int]:
    client = server.openai().responses
    tools: Any = [{"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}]
    items: list[Any] = [{"role": "user", "content": QUESTION}]
    asked: Any = {"model": MODEL, "input": items, "tools": tools, **more}
    calls = 0
    while True:
        if stream:
            with client.stream(**asked) as events:
                reply: Any = events.get_final_response()
        else:
            reply = client.create(**asked)
        assert reply.status == "completed"
        items += [item.model_dump(exclude_none=True) for item in reply.output]
        called = [item for item in reply.output if item.type == "function_call"]
        if not called:
            return reply.output_text, calls
        for item in called:
            calls += 1
            output = {"call_id": item.call_id, "output": read(item.arguments)}
            items.append({"type": "function_call_output", **output})


def messages(server: Server, *, stream: bool, **more: Any) -> tuple[str, int]:
    client = server.anthropic().messages
    tools: Any = [{"name": "read", "input_schema": SCHEMA}]
    turns: list[Any] = [{"role": "user", "content": QUESTION}]
    asked: Any = {"model": MODEL, "messages": turns, "tools": tools, "max_tokens": 999, **more}
    calls = 0
    while True:
        if stream:
            with client.stream(**asked) as events:
                reply = events.get_final_message()
        else:
            reply = client.create(**asked)
        if reply.stop_reason != "tool_use":
            return "".join(block.text for block in reply.content if block.type == "text"), calls
        turns.append({"role": "assistant", "content": reply.content})
        called = [block for block in reply.content if block.type == "tool_use"]
        calls += len(called)
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": read(block.input)}
            for block in called
        ]
        turns.append({"role": "user", "content": results})


Loop = Callable[..., tuple[str, int]]
every_format = pytest.mark.parametrize("loop", [chat, responses, messages])


@every_format
@pytest.mark.parametrize("stream", [True, False])
def test_a_loop_of_five_calls_buys_one_chain_of_thought(
    server: Server, loop: Loop, stream: bool
) -> None:
    script(server)
    assert loop(server, stream=stream) == (ANSWER, CALLS)
    assert server.vendors.counts() == (1, CALLS)
    (thinker,), claudes = server.vendors.requests()
    assert "tools" not in thinker.body
    assert "- read(path)" in thinker.body["messages"][0]["content"]
    questions = [json.dumps(request.body["messages"][0]) for request in claudes]
    assert len(set(questions)) == 1  # the notes stand where they stood: Claude's cache holds
    assert REASONING in questions[0]
    assert {json.dumps(request.body["tools"]) for request in claudes} == {
        json.dumps([{"name": "read", "input_schema": SCHEMA}])
    }
    last = claudes[-1].body["messages"][-1]["content"]
    assert [block["content"][0]["text"] for block in last] == ["4.txt says so", "5.txt says so"]
    turns = server.ids[-CALLS:]
    words = [server.said(rf"turn={turn} .* reasoning=(\w+)")[0][1] for turn in turns]
    assert words == ["kept", *["reused"] * (CALLS - 1)]


@every_format
@pytest.mark.parametrize(("reason", "count"), [("always", CALLS), ("never", 0)])
def test_a_request_says_when_the_reasoner_thinks(
    server: Server, loop: Loop, reason: str, count: int
) -> None:
    script(server)
    assert loop(server, stream=True, extra_body={"reason": reason}) == (ANSWER, CALLS)
    assert server.vendors.counts() == (count, CALLS)


def test_anthropics_own_loop_sends_the_conversation_again(server: Server) -> None:
    """The package has the vendor hold the messages, and goes on where a vendor holds none."""
    script(server)

    @anthropic.beta_tool(name="read", input_schema=SCHEMA)
    def of_path(path: str) -> str:
        """Read a file."""
        return read({"path": path})

    loop = server.anthropic().beta.messages.tool_runner(
        model=MODEL,
        max_tokens=999,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[of_path],
    )
    reply: Any = loop.until_done()
    assert reply.content[-1].text == ANSWER
    assert server.vendors.counts() == (1, CALLS)


def test_calls_are_kept_in_the_history(server: Server) -> None:
    script(server)
    messages(server, stream=True)
    rows = server.history()[:CALLS]
    assert {row["status"] for row in rows} == {"complete"}


def test_two_callers_share_no_reasoning(server: Server) -> None:
    script(server)
    call = {"id": "toolu_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    turns: Any = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "so"},
    ]
    tools: Any = [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}]
    for key, reasoned in (("sk-one", True), ("sk-two", False)):
        client = server.openai(key).chat.completions
        if reasoned:
            client.create(model=MODEL, messages=turns[:1], tools=tools)
        client.create(model=MODEL, messages=turns, tools=tools)
        _, claudes = server.vendors.requests()
        assert (REASONING in json.dumps(claudes[-1].body)) is reasoned
    assert server.vendors.counts() == (1, 3)  # what is gone is not bought again


def test_a_loop_may_send_results_and_the_id_of_the_response_before(server: Server) -> None:
    script(server)
    client = server.openai().responses
    tools: Any = [{"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}]
    items: Any = QUESTION
    previous = None
    while True:
        reply: Any = client.create(
            model=MODEL, input=items, tools=tools, previous_response_id=previous
        )
        called = [item for item in reply.output if item.type == "function_call"]
        if not called:
            break
        previous = reply.id
        items = [
            {
                "type": "function_call_output",
                "call_id": each.call_id,
                "output": read(each.arguments),
            }
            for each in called
        ]
    assert reply.output_text == ANSWER
    assert server.vendors.counts() == (1, CALLS)
    _, claudes = server.vendors.requests()
    assert len(claudes[-1].body["messages"]) == 2 * CALLS - 1


def test_another_worker_finds_the_reasoning_in_the_history(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving_at(tmp_path_factory.mktemp("workers"), "--workers", "3") as server:
        script(server)
        # each request on a connection of its own, which any worker may take
        assert chat(server, stream=True, headers={"connection": "close"}) == (ANSWER, CALLS)
        assert server.vendors.counts() == (1, CALLS)


def test_a_loop_under_a_cap_sets_aside_what_it_needs_and_no_more(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("capped")
    with serving_at(home, env={"DEEPREASONING_DAILY_COST": "1"}) as server:
        script(server)
        assert chat(server, stream=True) == (ANSWER, CALLS)
        assert server.vendors.counts() == (1, CALLS)
        folder = home / ".local/share/deepreasoning/reserved"
        eventually(lambda: not list(folder.glob("*.usd")))
