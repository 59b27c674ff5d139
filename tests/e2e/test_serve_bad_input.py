"""What clients send that cannot be, and what they leave undone, against the real server."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from support.loopback import Loopback
from support.replies import claude_stream, reasoner_stream
from support.serve_process import MODEL, PATIENCE, Server, gated, serving_at
from support.vendors import REASONING, TEXTS, THOUGHTS

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PATHS: Final = (CHAT, RESPONSES, MESSAGES)
every_format = pytest.mark.parametrize("path", PATHS)
QUESTION: Final = "What is in the picture?"
SCHEMA: Any = {"type": "object", "properties": {"path": {"type": "string"}}}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("bad-input")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def body(path: str, content: Any = QUESTION, **more: Any) -> dict[str, Any]:
    """A question in the path's format; its content are parts of Chat Completions."""
    place = "input" if path == RESPONSES else "messages"
    limit = {"max_tokens": 999} if path == MESSAGES else {}
    return {"model": MODEL, place: [{"role": "user", "content": content}], **limit, **more}


def post(server: Server, path: str, **fields: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}{path}", json=fields, timeout=PATIENCE)


def message_of(reply: httpx2.Response) -> str:
    message: str = reply.json()["error"]["message"]
    return message


@every_format
def test_an_image_of_fifty_megabytes_is_refused_before_it_is_read(
    server: Server, path: str
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/json\r\nContent-Length: 70000000\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"model": "deepreasoning"')
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body has more than 16,777,216 bytes" in answer
    assert server.vendors.sent() == 0


@every_format
@pytest.mark.parametrize("kind", ["image/bmp", "image/svg+xml", "video/mp4"])
def test_an_image_that_nobody_takes_is_refused_before_anybody_is_paid(
    server: Server, path: str, kind: str
) -> None:
    data = base64.b64encode(b"1" * 100_000).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
    reply = post(server, path, **body(path, [part]))
    assert (reply.status_code, server.vendors.sent()) == (400, 0)
    assert "must be one of image/jpeg, image/png, image/gif, image/webp" in message_of(reply)


@every_format
def test_an_image_at_an_address_is_never_fetched_here(server: Server, path: str) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), TEXTS)
    with Loopback() as elsewhere:
        part = {"type": "image_url", "image_url": {"url": f"{elsewhere.url}/a.png"}}
        reply = post(server, path, **body(path, [{"type": "text", "text": QUESTION}, part]))
        assert reply.status_code == 200
        (thinker,), (claude,) = server.vendors.requests()
        assert elsewhere.url not in json.dumps(thinker.body)
        sent = [block for block in claude.body["messages"][-1]["content"] if "source" in block]
        assert sent == [
            {"type": "image", "source": {"type": "url", "url": f"{elsewhere.url}/a.png"}}
        ]
        assert elsewhere.connections == []


@every_format
def test_two_hundred_tools_and_a_megabyte_of_schema_reach_claude(server: Server, path: str) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), TEXTS)
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    large = {"$defs": {"node": node}, "type": "object", "description": "x" * 1_000_000}
    tools = [{"type": "function", "function": {"name": "t0", "parameters": large}}]
    tools += [{"type": "function", "function": {"name": f"t{n}"}} for n in range(1, 200)]
    assert post(server, path, **body(path, tools=tools)).status_code == 200
    (thinker,), (claude,) = server.vendors.requests()
    assert [tool["name"] for tool in claude.body["tools"]] == [f"t{n}" for n in range(200)]
    assert claude.body["tools"][0]["input_schema"] == large
    assert len(json.dumps(thinker.body)) < 50_000  # it reads a line for each
    assert "t199" in json.dumps(thinker.body)


@every_format
def test_a_schema_that_is_too_deep_is_refused_before_anybody_is_paid(
    server: Server, path: str
) -> None:
    deep: Any = {"type": "string"}
    for _ in range(150):
        deep = {"type": "object", "properties": {"a": deep}}
    tools = [{"type": "function", "function": {"name": "a", "parameters": deep}}]
    reply = post(server, path, **body(path, tools=tools))
    assert (reply.status_code, "nested too deeply" in message_of(reply)) == (400, True)
    assert server.vendors.sent() == 0


def test_a_client_that_leaves_in_a_call_pays_for_no_second_reasoning(server: Server) -> None:
    """It comes again, gets the call, is away for a while, and brings what the tool returned."""
    calls = [("toolu_1", "read", {"path": "a" * 20})]
    answer = claude_stream((), calls=calls, stop_reason="tool_use")
    gate = threading.Event()
    server.vendors.reply(reasoner_stream(THOUGHTS), gated(answer, 3, gate))
    server.vendors.claude.reply(answer, claude_stream(TEXTS))
    tools = [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}]
    asked = body(CHAT, "What does a say?", tools=tools)
    address = f"{server.url}{CHAT}"
    with httpx2.stream("POST", address, json=asked | {"stream": True}, timeout=PATIENCE) as left:
        for line in left.iter_lines():
            if "tool_calls" in line:
                break
    server.said("ended=caller_gone")
    gate.set()
    again = post(server, CHAT, **asked).json()["choices"][0]
    (call,) = again["message"]["tool_calls"]
    assert (again["finish_reason"], json.loads(call["function"]["arguments"])) == (
        "tool_calls",
        {"path": "a" * 20},
    )
    result = {"role": "tool", "tool_call_id": call["id"], "content": "so"}
    messages = [*asked["messages"], again["message"], result]
    last = post(server, CHAT, **asked | {"messages": messages}).json()["choices"][0]
    assert last["message"]["content"] == "".join(TEXTS)
    thinkers, claudes = server.vendors.requests()
    assert len(thinkers) == 1
    assert REASONING in json.dumps(claudes[-1].body)


def test_old_clients_and_those_of_ollama_are_answered(server: Server) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), TEXTS)
    reply = server.openai().completions.create(model=MODEL, prompt="6 x 7?", stop=["END"])
    assert (reply.choices[0].text, reply.choices[0].finish_reason) == ("".join(TEXTS), "stop")
    pieces = server.openai().completions.create(model=MODEL, prompt="7 x 6?", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == "".join(TEXTS)
    messages = [{"role": "user", "content": "6 + 7?"}]
    options = {"top_k": 7, "num_predict": 50}
    # Haiku 4.5 takes one sampler
    asked = {"model": f"{MODEL}/claude-haiku-4-5", "messages": messages, "options": options}
    with httpx2.stream("POST", f"{server.url}/api/chat", json=asked, timeout=PATIENCE) as stream:
        *said, last = map(json.loads, stream.iter_lines())
    assert "".join(each["message"]["content"] for each in said) == "".join(TEXTS)
    assert "".join(each["message"].get("thinking", "") for each in said) == REASONING
    assert (last["done"], last["done_reason"]) == (True, "stop")
    _, claudes = server.vendors.requests()
    assert claudes[-1].body["top_k"] == 7
    assert "temperature" not in claudes[-1].body
