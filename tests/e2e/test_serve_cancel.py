"""A caller that goes away ends the vendors' calls, one that waits in silence is kept waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest

from support.loopback import Loopback
from support.replies import Gate, Reply, Stall, claude_stream, error_reply_openai, reasoner_stream
from support.serve_process import (
    ASKED,
    CALLERS,
    MODEL,
    PROMPTLY,
    Server,
    answering,
    eventually,
    in_thread,
    serving_at,
    thinking,
)
from support.vendors import ANSWER, OWN_ANSWER, REASONING, TEXTS, THOUGHTS

KEEP_ALIVE = b": keep-alive\n\n"
THOUGHT = reasoner_stream(THOUGHTS, OWN_ANSWER)
SILENT = Reply(before=[Stall()])
PATHS = {
    "/v1/chat/completions": {"messages": ASKED},
    "/v1/responses": {"input": "6 x 7?"},
    "/v1/messages": {"messages": ASKED, "max_tokens": 100},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    often = {"DEEPREASONING_SERVE__KEEP_ALIVE": "0.2"}
    with serving_at(tmp_path_factory.mktemp("house"), env=often) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Iterator[Server]:
    """Every test leaves it with nothing to do, and able to answer."""
    house.forget()
    yield house
    eventually(lambda: house.streams() == 0)
    house.forget()
    house.vendors.reply()
    reply = house.openai().chat.completions.create(model=MODEL, messages=ASKED)
    assert reply.choices[0].message.content == ANSWER


@dataclass(frozen=True, slots=True)
class Moment:
    """When the caller goes: what the vendors play, after which text, who is left hanging."""

    thoughts: Reply
    texts: Reply
    reasoning: str
    answer: str
    vendor: Callable[[Server], Loopback]


def of_reasoner(server: Server) -> Loopback:
    return server.vendors.reasoner


def of_claude(server: Server) -> Loopback:
    return server.vendors.claude


NEVER = threading.Event()
MOMENTS = {
    "nothing has come": Moment(SILENT, SILENT, "", "", of_reasoner),
    "it thinks": Moment(thinking(2, NEVER), SILENT, "".join(THOUGHTS[:2]), "", of_reasoner),
    "it has thought": Moment(THOUGHT, SILENT, REASONING, "", of_claude),
    "it answers": Moment(THOUGHT, answering(1, NEVER), REASONING, TEXTS[0], of_claude),
}
EACH = pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))


def check_ended(server: Server, moment: Moment, left: float) -> None:
    """The vendor that was being heard sees its connection closed at once; the text is kept."""
    vendor = moment.vendor(server)
    connection = vendor.connection_of(vendor.requests[-1])
    assert connection.wait_closed() - left < PROMPTLY
    assert connection.closed_by == "peer"
    turn = server.said(r" turn=(\w{16}) .*ended=caller_gone")[-1][1]
    kept = server.kept(turn)
    assert (kept["reasoning"], kept["answer"]) == (moment.reasoning, moment.answer)
    assert kept["status"] == "incomplete"
    assert (len(server.vendors.claude.requests) == 1) == (vendor is server.vendors.claude)


def gone_before(server: Server) -> int:
    return server.stderr.count("ended=caller_gone")


@EACH
def test_openais_client_that_closes_a_chat_ends_the_call(server: Server, moment: Moment) -> None:
    server.vendors.reply(moment.thoughts, moment.texts)
    before = gone_before(server)
    stream = server.openai().chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    reasoning = answer = ""
    while (reasoning, answer) != (moment.reasoning, moment.answer):
        said: Any = next(stream).choices[0].delta
        reasoning += getattr(said, "reasoning_content", None) or ""
        answer += said.content or ""
    moment.vendor(server).wait_for_requests(1)
    left = time.monotonic()
    stream.close()
    server.said("ended=caller_gone", before + 1)
    check_ended(server, moment, left)


@EACH
def test_openais_client_that_closes_a_response_ends_the_call(
    server: Server, moment: Moment
) -> None:
    server.vendors.reply(moment.thoughts, moment.texts)
    before = gone_before(server)
    with server.openai().responses.stream(model=MODEL, input="6 x 7?") as stream:
        texts = {"response.reasoning_summary_text.delta": "", "response.output_text.delta": ""}
        while tuple(texts.values()) != (moment.reasoning, moment.answer):
            event: Any = next(stream)
            if event.type in texts:
                texts[event.type] += event.delta
        moment.vendor(server).wait_for_requests(1)
        left = time.monotonic()
    server.said("ended=caller_gone", before + 1)
    check_ended(server, moment, left)


@EACH
def test_anthropics_client_that_closes_a_message_ends_the_call(
    server: Server, moment: Moment
) -> None:
    server.vendors.reply(moment.thoughts, moment.texts)
    before = gone_before(server)
    client = server.anthropic()
    with client.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as stream:
        texts = {"thinking": "", "text": ""}
        while tuple(texts.values()) != (moment.reasoning, moment.answer):
            event: Any = next(stream)
            if event.type in texts:
                texts[event.type] += getattr(event, event.type)
        moment.vendor(server).wait_for_requests(1)
        left = time.monotonic()
    server.said("ended=caller_gone", before + 1)
    check_ended(server, moment, left)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", PATHS)
@EACH
def test_a_caller_that_hangs_up_ends_the_call(
    server: Server, moment: Moment, path: str, stream: bool
) -> None:
    """As a caller does that never reads a byte: its process has died."""
    server.vendors.reply(moment.thoughts, moment.texts)
    before = gone_before(server)
    body = json.dumps({"model": MODEL, "stream": stream, **PATHS[path]}).encode()
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {next(CALLERS)}\r\n"
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        moment.vendor(server).wait_for_requests(1)
        left = time.monotonic()
    server.said("ended=caller_gone", before + 1)
    vendor = moment.vendor(server)
    connection = vendor.connection_of(vendor.requests[-1])
    assert connection.wait_closed() - left < PROMPTLY
    assert connection.closed_by == "peer"


# ---------------------------------------------------------------------------------- keep-alives


def heard_keep_alives(server: Server, since: int) -> int:
    return b"".join(server.response_bytes[since:]).count(KEEP_ALIVE)


def ask_chat(server: Server) -> str:
    stream = server.openai().chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def ask_response(server: Server) -> str:
    with server.openai().responses.stream(model=MODEL, input="6 x 7?") as stream:
        return stream.get_final_response().output_text


def ask_message(server: Server) -> str:
    client = server.anthropic()
    with client.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as stream:
        return "".join(stream.text_stream)


@pytest.mark.parametrize("ask", [ask_chat, ask_response, ask_message])
@pytest.mark.parametrize("silence", ["before the first thought", "amid the thoughts", "of Claude"])
def test_a_silent_stream_is_kept_alive_and_the_clients_do_not_mind(
    server: Server, ask: Callable[[Server], str], silence: str
) -> None:
    gate = threading.Event()
    thoughts, texts = THOUGHT, claude_stream(TEXTS)
    match silence:
        case "of Claude":
            texts = answering(1, gate)
        case "amid the thoughts":
            thoughts = thinking(1, gate)
        case _:
            thoughts = replace(THOUGHT, before=[Gate(gate)])
    server.vendors.reply(thoughts, texts)
    since = len(server.response_bytes)
    answer = in_thread(lambda: ask(server))
    eventually(lambda: heard_keep_alives(server, since) >= 3)
    gate.set()
    assert answer() == ANSWER


def test_a_whole_reply_waits_in_silence(server: Server) -> None:
    gate = threading.Event()
    server.vendors.reply(replace(THOUGHT, before=[Gate(gate)]))
    since = len(server.response_bytes)
    reply = in_thread(lambda: server.openai().chat.completions.create(model=MODEL, messages=ASKED))
    server.vendors.reasoner.wait_for_requests(1)
    time.sleep(0.5)  # in which a stream would have had two of them
    gate.set()
    assert reply().choices[0].message.content == ANSWER
    assert heard_keep_alives(server, since) == 0


@pytest.mark.parametrize(
    ("ask", "error"), [(ask_chat, openai.APIError), (ask_message, anthropic.APIStatusError)]
)
def test_a_failure_after_keep_alives_ends_the_stream_by_its_error_event(
    server: Server, ask: Callable[[Server], str], error: type[Exception]
) -> None:
    gate = threading.Event()
    broke = error_reply_openai(402, "Insufficient Balance")
    server.vendors.reasoner.reply(replace(broke, before=[Gate(gate)]))
    since = len(server.response_bytes)
    answer = in_thread(lambda: ask(server))
    eventually(lambda: heard_keep_alives(server, since) >= 1)
    gate.set()
    with pytest.raises(error, match="Insufficient Balance"):
        answer()


def test_a_caller_that_leaves_at_the_last_byte_has_had_a_whole_turn(server: Server) -> None:
    server.vendors.reply()
    client = server.openai()
    for _ in range(10):
        with client.chat.completions.create(model=MODEL, messages=ASKED, stream=True) as stream:
            turn = stream.response.headers["x-request-id"]
            assert any(chunk.choices[0].finish_reason for chunk in stream)
        server.said(f"turn={turn} .*ended=complete")
        assert server.kept(turn)["status"] == "complete"
