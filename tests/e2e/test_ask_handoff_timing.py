"""The moment between the two stages, by the clocks of both vendors."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from support.loopback import Connection, Loopback
from support.replies import Gate, Pause, Reply, Step, claude_stream, reasoner_stream
from support.runner import CompletedRun
from support.vendors import ANSWER, PRINTED, REASONING, THOUGHTS, Vendors

QUIET = CompletedRun(0, PRINTED, b"")
PROMPT = 0.050  # seconds: how soon the reasoner is left


def called(vendor: Loopback) -> Connection:
    """The one connection that a request came over."""
    (connection,) = [each for each in vendor.connections if each.requests]
    return connection


def sent_at(connection: Connection, text: str) -> float:
    """When the piece that says `text` was handed to the network."""
    said = json.dumps(text, ensure_ascii=False).encode()
    return next(sent.at for sent in connection.sent if b'"content": ' + said in sent.piece)


def talkative(pace: float = 0.02) -> Reply:
    """A reasoner that thinks, then would go on answering for ten seconds."""
    return reasoner_stream(THOUGHTS, [f"word{number} " for number in range(500)], pace=pace)


def test_claude_is_connected_while_the_reasoner_thinks_and_asked_at_its_first_answer_token(
    vendors: Vendors,
) -> None:
    answer = threading.Event()
    talk = talkative()
    first_word = next(at for at, piece in enumerate(talk.body) if b"word0" in piece_of(piece))
    gated = replace(talk, body=(*talk.body[:first_word], Gate(answer), *talk.body[first_word:]))
    vendors.reply(thoughts=gated)
    with vendors.started("ask", "6 x 7?") as process:
        wait_for(lambda: len(vendors.claude.connections) == 1)
        time.sleep(0.2)
        assert vendors.counts() == (1, 0)
        answer.set()
        assert vendors.outcome(process) == QUIET
    assert len(vendors.claude.connections) == 1
    called(vendors.reasoner).wait_closed()
    assert called(vendors.reasoner).closed_by == "peer"


def piece_of(part: bytes | Step) -> bytes:
    return part if isinstance(part, bytes) else b""


def wait_for(come: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not come():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_reasoner_is_left_within_50_ms_of_its_first_answer_token(vendors: Vendors) -> None:
    vendors.reply(thoughts=talkative())
    delays: list[float] = []
    while len(delays) < 12 and not any(delay < PROMPT for delay in delays):
        # a busy machine may spoil most; a program that dawdles spoils all
        vendors.ask("6 x 7?")
        reasoner = vendors.reasoner.connections[-1]
        delays.append(reasoner.wait_closed() - sent_at(reasoner, "word0 "))
        assert reasoner.closed_by == "peer"
    assert min(delays) < PROMPT, delays


def test_claudes_request_is_out_before_the_reasoner_is_left(vendors: Vendors) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as reasoner,
        socket.create_server(("127.0.0.1", 0)) as claude,
    ):
        env = {"DEEPSEEK_BASE_URL": url_of(reasoner), "ANTHROPIC_BASE_URL": url_of(claude)}
        with vendors.started("ask", "6 x 7?", env=env) as process:
            thinking, answering = accepted(reasoner), accepted(claude)
            with thinking, answering:
                assert whole_request(thinking).startswith(b"POST /chat/completions ")
                thinking.sendall(HEAD + talkative(pace=0).whole)
                wait_until_left(thinking)
                answering.setblocking(False)  # what was sent before is here by now
                request = answering.recv(1 << 20)
                head, _, body = request.partition(b"\r\n\r\n")
                assert head.startswith(b"POST /v1/messages ")
                assert json.loads(body)["stream"] is True
                answering.sendall(HEAD + claude_stream(["**42**", " is the answer."]).whole)
            assert vendors.outcome(process) == QUIET


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def accepted(listener: socket.socket) -> socket.socket:
    listener.settimeout(60)
    connection, _ = listener.accept()
    connection.settimeout(60)
    return connection


def wait_until_left(connection: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):  # it leaves with something unread
        assert connection.recv(1) == b""


def whole_request(connection: socket.socket) -> bytes:
    """A request, read up to the end of its JSON."""
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(65536)
    return received


def test_little_of_the_reasoners_own_answer_is_sent(vendors: Vendors) -> None:
    vendors.reply(thoughts=talkative(pace=0.05))  # all of it takes 25 seconds
    assert vendors.ask("6 x 7?") == QUIET
    reasoner = called(vendors.reasoner)
    reasoner.wait_closed()
    words = sum(b'"content": "word' in sent.piece for sent in reasoner.sent)
    assert 1 <= words <= 100


def test_the_connection_to_claude_is_one_and_used(vendors: Vendors) -> None:
    vendors.reply(thoughts=talkative())
    assert vendors.ask("6 x 7?") == QUIET
    assert len(vendors.reasoner.connections) == len(vendors.claude.connections) == 1


def test_a_reasoner_that_ends_without_an_answer_hands_over(vendors: Vendors) -> None:
    vendors.reply(thoughts=reasoner_stream(THOUGHTS))
    assert vendors.ask("6 x 7?") == QUIET
    assert f" reasoning begins]\n{REASONING}\n[" in asked_of_claude(vendors)


def test_with_the_answer_handed_over_the_reasoner_may_finish(vendors: Vendors) -> None:
    vendors.reply(thoughts=reasoner_stream(THOUGHTS, ["It ", "is ", "42."], pace=0.01))
    result = vendors.ask("--json", "--handoff", "both", "6 x 7?")
    assert result.code == 0
    usage = json.loads(result.stdout)["reasoner"]["usage"]
    assert usage == {
        "input_tokens": 20,
        "output_tokens": 50,
        "reasoning_tokens": 40,
        "cached_tokens": 0,
        "estimated": False,
    }
    assert called(vendors.reasoner).sent[-1].piece == b"data: [DONE]\n\n"
    assert " answer begins]\nIt is 42.\n[" in asked_of_claude(vendors)


def test_the_reasoning_is_shown_while_it_is_thought(vendors: Vendors) -> None:
    go_on = threading.Event()
    thinking = reasoner_stream(THOUGHTS)
    vendors.reply(thoughts=thinking.failing(3, Gate(go_on), *thinking.body[3:]))
    with vendors.started("ask", "--jsonl", "6 x 7?") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [line["type"] for line in lines] == ["started", "reasoning", "reasoning"]
        assert vendors.counts() == (1, 0)
        go_on.set()
        assert vendors.outcome(process).code == 0


def test_the_answer_is_shown_while_it_is_written(vendors: Vendors) -> None:
    go_on = threading.Event()
    writing = claude_stream(["**42**", " is the answer."])
    vendors.reply(texts=writing.failing(4, Gate(go_on), *writing.body[4:]))
    with vendors.started("ask", "6 x 7?") as process:
        assert process.stdout is not None
        assert process.stdout.read(6) == b"**42**"
        go_on.set()
        assert vendors.outcome(process) == CompletedRun(0, b" is the answer.\n", b"")


def asked_of_claude(vendors: Vendors) -> str:
    (request,) = vendors.claude.requests
    content: str = request.body["messages"][0]["content"]
    return content


@pytest.mark.parametrize(
    "field", ["reasoning_content", "reasoning", "reasoning_details", "thinking", "<think>"]
)
def test_every_dialect_of_reasoning_is_read_and_stopped_at_the_first_answer_token(
    vendors: Vendors, field: str
) -> None:
    words = [f"word{number} " for number in range(2000)]
    vendors.reply(thoughts=reasoner_stream(THOUGHTS, words, field=field, pace=0.02))
    assert vendors.ask("--reasoning", "stderr", "6 x 7?") == CompletedRun(
        0, PRINTED, f"{REASONING}\n".encode()
    )
    assert f" reasoning begins]\n{REASONING}\n[" in asked_of_claude(vendors)
    reasoner = called(vendors.reasoner)
    reasoner.wait_closed()
    assert reasoner.closed_by == "peer"
    assert sum(b'"word' in sent.piece for sent in reasoner.sent) < 500


@pytest.mark.parametrize("cut", [1, 3, 5, 8])
def test_inline_thinking_is_told_apart_wherever_it_is_cut(vendors: Vendors, cut: int) -> None:
    text = f"<think>\n{REASONING}\n</think>\n\n42"
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    inline = reasoner_stream([], pieces, field="reasoning_content")
    vendors.reply(thoughts=inline, texts=[ANSWER])
    assert vendors.ask("6 x 7?") == QUIET
    assert f" reasoning begins]\n{REASONING}\n[" in asked_of_claude(vendors)


def test_usage_on_the_finish_chunk_is_counted_too(vendors: Vendors) -> None:
    vendors.reply(thoughts=reasoner_stream(THOUGHTS, usage_on="finish"))
    told = json.loads(vendors.ask("--json", "6 x 7?").stdout)
    assert told["reasoner"]["usage"]["output_tokens"] == 50
    assert told["reasoner"]["usage"]["estimated"] is False


def test_keep_alives_are_no_text_and_no_trouble(vendors: Vendors) -> None:
    thinking = reasoner_stream(THOUGHTS)
    alive = [part for piece in thinking.body for part in (b": keep-alive\n\n", Pause(0.01), piece)]
    vendors.reply(thoughts=Reply(body=alive))
    assert vendors.ask("6 x 7?") == QUIET


def test_a_slow_claude_is_waited_for_without_the_reasoner(vendors: Vendors) -> None:
    go_on = threading.Event()
    slow = claude_stream([ANSWER])
    vendors.reply(
        thoughts=talkative(), texts=Reply(before=[Gate(go_on)], headers={}, body=slow.body)
    )
    with vendors.started("ask", "6 x 7?") as process:
        vendors.claude.wait_for_requests(1)
        called(vendors.reasoner).wait_closed()
        assert called(vendors.reasoner).closed_by == "peer"
        go_on.set()
        assert vendors.outcome(process) == QUIET
