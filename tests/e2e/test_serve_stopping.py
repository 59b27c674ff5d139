"""The end of the server: what runs may finish in time, what does not is told and kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from support.replies import Reply, Stall, reasoner_stream
from support.serve_process import (
    ASKED,
    MODEL,
    Server,
    answering,
    eventually,
    in_thread,
    is_closed,
    serving,
    thinking,
)
from support.vendors import OWN_ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

THOUGHT = reasoner_stream(THOUGHTS, OWN_ANSWER)
NEVER = threading.Event()
SILENT = Reply(before=[Stall()])
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
SIGNALS = pytest.mark.parametrize("number", CODES, ids=["SIGTERM", "Ctrl-C", "SIGHUP"])


def pieces(server: Server) -> Iterator[str]:
    """The texts of a chat, as they come."""
    stream = server.openai().chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    for chunk in stream:
        delta: Any = chunk.choices[0].delta
        yield getattr(delta, "reasoning_content", None) or delta.content or ""


def until(stream: Iterator[str], text: str) -> None:
    """Read until all of it has come."""
    received = ""
    while received != text:
        received += next(stream)


@SIGNALS
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_running_stream_finishes_and_no_new_one_begins(
    vendors: Vendors, workers: str, number: signal.Signals
) -> None:
    gate = threading.Event()
    vendors.reply(THOUGHT, answering(1, gate))
    with serving(vendors, "--workers", workers) as server:
        stream = pieces(server)
        until(stream, REASONING + TEXTS[0])
        server.tell(number, group=number == signal.SIGINT)
        eventually(lambda: is_closed(server))
        assert server.process.poll() is None
        gate.set()
        assert "".join(stream) == TEXTS[1]
        assert server.end().code == CODES[number]
        assert [row["status"] for row in server.history()] == ["complete"]


def test_what_is_not_done_in_time_ends_with_the_error_event(vendors: Vendors) -> None:
    vendors.reply(THOUGHT, answering(1, NEVER))
    shown = REASONING + TEXTS[0]
    with serving(vendors, "--drain", "0.1") as server:
        chat = pieces(server)
        until(chat, shown)
        response = server.openai().responses.create(model=MODEL, input="6 x 7?", stream=True)
        events: list[Any] = []
        while not events or getattr(events[-1], "delta", "") != TEXTS[0]:
            events.append(next(response))
        client = server.anthropic()
        with client.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as message:
            texts = message.text_stream
            assert next(texts) == TEXTS[0]
            whole = in_thread(lambda: raises(server))
            vendors.claude.wait_for_requests(4)
            server.tell(signal.SIGTERM)
            with pytest.raises(openai.APIError, match="shutting down") as of_chat:
                next(chat)
            assert of_chat.value.code == "shutting_down"
            with pytest.raises(anthropic.APIStatusError, match="shutting down") as of_message:
                next(texts)
            assert of_message.value.error_code == "shutting_down"
        events += response
        assert events[-1].type == "response.failed"
        assert events[-1].response.output_text == TEXTS[0]
        refused = whole()
        assert (refused.status_code, refused.code) == (503, "shutting_down")
        assert server.end().code == 143
        rows = server.history()
        assert [row["status"] for row in rows] == ["incomplete"] * 4
        assert [server.kept(row["id"])["reasoning"] for row in rows] == [REASONING] * 4
        assert server.outcome is not None
        assert server.outcome.stderr.count(b"ended=shutting_down") == 4, server.stderr


def raises(server: Server) -> Any:
    """The exception of a chat that is asked for whole."""
    with pytest.raises(openai.InternalServerError) as caught:
        server.openai().chat.completions.create(model=MODEL, messages=ASKED)
    return caught.value


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_does_not_wait(vendors: Vendors, workers: str) -> None:
    vendors.reply(thinking(2, NEVER), SILENT)
    with serving(vendors, "--workers", workers) as server:
        stream = pieces(server)
        until(stream, "".join(THOUGHTS[:2]))
        server.tell(signal.SIGINT, group=True)
        eventually(lambda: is_closed(server))
        server.tell(signal.SIGINT, group=True)
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            list(stream)
        assert server.end().code == 130
        (row,) = server.history()
        assert server.kept(row["id"])["reasoning"] == "".join(THOUGHTS[:2])
        assert row["status"] == "incomplete"


@SIGNALS
@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_nothing_to_do_it_ends_at_once(
    vendors: Vendors, workers: str, number: signal.Signals
) -> None:
    with serving(vendors, "--workers", workers) as server:
        assert server.client().get("/health").json()["status"] == "ok"
        finished = server.stop(number, group=number == signal.SIGINT)
        assert (finished.code, finished.stdout) == (CODES[number], b"")
        assert finished.stderr.decode() == f"serving on {server.url}\n"
