"""What goes wrong in a turn of the server, as the official clients' exceptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from support.replies import (
    Cut,
    Reply,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.serve_process import ASKED, MODEL, Server, answering, in_thread, serving, serving_at
from support.vendors import ANSWER, OWN_ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

SOON = {"retry-after-ms": "10"}
BUSY = error_reply_anthropic(529, "overloaded_error", "Overloaded", headers=SOON)
THOUGHT = reasoner_stream(THOUGHTS, OWN_ANSWER)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("house")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """What a stream held before it failed."""

    reasoning: str
    answer: str
    error: Any


@dataclass(frozen=True, slots=True)
class Client:
    """A way to ask: whole, or the pieces of a stream as `(kind, text)`, both for keywords."""

    whole: Callable[..., Any]
    pieces: Callable[..., Iterator[tuple[str, str]]]
    error: type[Exception]
    id_header: str = "x-request-id"

    def streamed(self, server: Server, **fields: Any) -> StreamedReply:
        """What came until the error did."""
        texts = {"reasoning": "", "answer": ""}
        try:
            for kind, text in self.pieces(server, **fields):
                texts[kind] += text
        except self.error as error:
            return StreamedReply(**texts, error=error)
        raise AssertionError(f"no error after {texts}")

    def refused(self, server: Server, *, stream: bool, **fields: Any) -> Any:
        """The exception in place of a reply."""
        if stream:
            streamed_reply = self.streamed(server, **fields)
            assert (streamed_reply.reasoning, streamed_reply.answer) == ("", "")
            return streamed_reply.error
        with pytest.raises(self.error) as caught:
            self.whole(server, **fields)
        return caught.value


def chat(server: Server, **fields: Any) -> Any:
    fields = {"model": MODEL, "messages": ASKED, **fields}
    return server.openai().chat.completions.create(**fields)


def chat_pieces(server: Server, **fields: Any) -> Iterator[tuple[str, str]]:
    for chunk in chat(server, stream=True, **fields):
        delta = chunk.choices[0].delta.model_dump()
        yield "reasoning", delta.get("reasoning_content") or ""
        yield "answer", delta.get("content") or ""


def response(server: Server, **fields: Any) -> Any:
    fields = {"model": MODEL, "input": "6 x 7?", **fields}
    return server.openai().responses.create(**fields)


def response_pieces(server: Server, **fields: Any) -> Iterator[tuple[str, str]]:
    """The package has no exception for a response that failed: it is an event."""
    for event in response(server, stream=True, **fields):
        match event.type:
            case "response.reasoning_summary_text.delta":
                yield "reasoning", event.delta
            case "response.output_text.delta":
                yield "answer", event.delta
            case "response.failed":
                raise openai.OpenAIError(event.response.error.message)


def message(server: Server, **fields: Any) -> Any:
    fields = {"model": MODEL, "max_tokens": 100, "messages": ASKED, **fields}
    return server.anthropic().messages.create(**fields)


def message_pieces(server: Server, **fields: Any) -> Iterator[tuple[str, str]]:
    fields = {"model": MODEL, "max_tokens": 100, "messages": ASKED, **fields}
    with server.anthropic().messages.stream(**fields) as stream:
        for event in stream:
            if event.type == "thinking":
                yield "reasoning", event.thinking
            elif event.type == "text":
                yield "answer", event.text


CLIENTS: Mapping[str, Client] = {
    "chat": Client(chat, chat_pieces, openai.OpenAIError),
    "responses": Client(response, response_pieces, openai.OpenAIError),
    "messages": Client(message, message_pieces, anthropic.AnthropicError, "request-id"),
}
ALL = pytest.mark.parametrize("name", CLIENTS)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def check(error: Any, name: str, of_openai: str, of_anthropic: str, status: int) -> None:
    """It is the exception that the client has for that status, and names the request."""
    module, wanted = (anthropic, of_anthropic) if name == "messages" else (openai, of_openai)
    assert type(error) is getattr(module, wanted)
    assert error.status_code == status
    assert error.request_id == error.response.headers[CLIENTS[name].id_header]


# ----------------------------------------------------------------------------- the caller's fault


@BOTH
@pytest.mark.parametrize(
    ("name", "fields", "param"),
    [
        ("chat", {"n": 2}, "n"),
        ("chat", {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ("chat", {"temperature": 3}, "temperature"),
        ("responses", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ],
)
def test_a_bad_request_names_the_field(
    server: Server, name: str, fields: dict[str, Any], param: str, stream: bool
) -> None:
    error = CLIENTS[name].refused(server, stream=stream, **fields)
    check(error, name, "BadRequestError", "", 400)
    assert error.param == param
    assert server.vendors.counts() == (0, 0)


@BOTH
def test_a_response_that_is_not_kept_is_not_found(server: Server, stream: bool) -> None:
    error = CLIENTS["responses"].refused(server, stream=stream, previous_response_id="resp_1")
    check(error, "responses", "NotFoundError", "", 404)
    assert (error.param, error.code) == ("previous_response_id", "previous_response_not_found")
    assert server.vendors.counts() == (0, 0)


IMAGE = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}


@BOTH
def test_a_bad_request_names_the_field_to_anthropics_client(server: Server, stream: bool) -> None:
    fields = [{"role": "user", "content": [IMAGE]}]
    error = CLIENTS["messages"].refused(server, stream=stream, messages=fields)
    check(error, "messages", "", "BadRequestError", 400)
    assert "messages[0].content[0]" in error.message
    assert (error.type, error.error_code) == ("invalid_request_error", "unsupported_value")
    assert server.vendors.counts() == (0, 0)


@BOTH
@ALL
def test_another_model_is_not_found(server: Server, name: str, stream: bool) -> None:
    error = CLIENTS[name].refused(server, stream=stream, model="gpt-9")
    check(error, name, "NotFoundError", "NotFoundError", 404)
    assert server.vendors.counts() == (0, 0)


@BOTH
@ALL
def test_a_retired_claude_is_not_found(server: Server, name: str, stream: bool) -> None:
    model = f"{MODEL}/claude-3-5-haiku-20241022"
    error = CLIENTS[name].refused(server, stream=stream, model=model)
    check(error, name, "NotFoundError", "NotFoundError", 404)
    assert "was retired on 2026-02-19" in error.message
    assert server.vendors.counts() == (0, 0)


@ALL
def test_a_claude_that_only_anthropic_could_know_is_asked_for(server: Server, name: str) -> None:
    server.vendors.reply(THOUGHT, error_reply_anthropic(404, "not_found_error", "model: claude-9"))
    error = CLIENTS[name].refused(server, stream=False, model=f"{MODEL}/claude-9")
    check(error, name, "NotFoundError", "NotFoundError", 404)
    assert server.vendors.claude.requests[0].body["model"] == "claude-9"


# ---------------------------------------------------------------------------- the vendors' refusals


def check_rejected(server: Server, name: str, error: Any, key: str) -> None:
    check(error, name, "PermissionDeniedError", "PermissionDeniedError", 403)
    assert "the key of the server's owner was rejected" in error.message
    assert server.vendors.keys[key][-4:] not in str(error.body)
    server.said(f"turn={error.request_id} .*ended=key_rejected")


@BOTH
@ALL
def test_the_owners_key_that_is_rejected_is_no_fault_of_the_callers(
    server: Server, name: str, stream: bool
) -> None:
    server.vendors.reasoner.reply(error_reply_openai(401, "Authentication Fails"))
    error = CLIENTS[name].refused(server, stream=stream)
    check_rejected(server, name, error, "DEEPSEEK_API_KEY")


@ALL
def test_nor_is_the_owners_key_for_claude(server: Server, name: str) -> None:
    rejected = error_reply_anthropic(401, "authentication_error", "invalid x-api-key")
    server.vendors.reply(THOUGHT, rejected)
    error = CLIENTS[name].refused(server, stream=False)
    check_rejected(server, name, error, "ANTHROPIC_API_KEY")


@BOTH
@ALL
def test_a_vendor_that_asks_for_credit_is_402(server: Server, name: str, stream: bool) -> None:
    server.vendors.reasoner.reply(error_reply_openai(402, "Insufficient Balance"))
    error = CLIENTS[name].refused(server, stream=stream)
    check(error, name, "APIStatusError", "PaymentRequiredError", 402)
    assert "Insufficient Balance" in error.message


@BOTH
@ALL
def test_a_rate_limit_says_for_how_long_to_wait(server: Server, name: str, stream: bool) -> None:
    server.vendors.reasoner.reply(
        error_reply_openai(429, "slow down", headers={"retry-after": "3600"})
    )
    error = CLIENTS[name].refused(server, stream=stream)
    check(error, name, "RateLimitError", "RateLimitError", 429)
    assert error.response.headers["retry-after"] == "3600"


@BOTH
@ALL
def test_an_overload_that_lasts_is_529(server: Server, name: str, stream: bool) -> None:
    server.vendors.reasoner.reply(error_reply_openai(529, "Overloaded", headers=SOON))
    error = CLIENTS[name].refused(server, stream=stream)
    check(error, name, "InternalServerError", "OverloadedError", 529)
    assert server.vendors.counts() == (3, 0)


@BOTH
@ALL
def test_a_reasoner_that_hangs_up_is_a_bad_gateway(server: Server, name: str, stream: bool) -> None:
    server.vendors.reasoner.reply(Reply(before=[Cut()]))
    error = CLIENTS[name].refused(server, stream=stream)
    check(error, name, "InternalServerError", "InternalServerError", 502)


# ---------------------------------------------------------------------- after the reasoning is paid


def check_resumed(server: Server, turn: str) -> None:
    """The turn is kept without its answer, and one request to Claude finishes it."""
    kept = server.kept(turn)
    assert (kept["reasoning"], kept["answer"], kept["status"]) == (REASONING, "", "incomplete")
    (row,) = [row for row in server.history() if row["id"] == turn]
    assert row["status"] == "incomplete"
    server.forget()
    server.vendors.claude.reply(claude_stream(TEXTS))
    resumed = server.run("resume", turn)
    assert (resumed.code, resumed.stdout.decode()) == (0, f"{ANSWER}\n"), resumed.stderr
    assert turn_id_of(resumed.stderr) == turn
    assert server.vendors.counts() == (0, 1)


def turn_id_of(stderr: bytes) -> str:
    return stderr.decode().split("note: turn ")[1].split(":")[0]


@ALL
def test_claude_down_after_the_reasoning_is_told_by_http(server: Server, name: str) -> None:
    server.vendors.reply(THOUGHT, BUSY)
    error = CLIENTS[name].refused(server, stream=False)
    check(error, name, "InternalServerError", "OverloadedError", 529)
    assert server.vendors.counts() == (1, 3)
    check_resumed(server, error.request_id)


@ALL
def test_claude_down_after_the_reasoning_ends_the_stream(server: Server, name: str) -> None:
    server.vendors.reply(THOUGHT, BUSY)
    streamed_reply = CLIENTS[name].streamed(server)
    assert (streamed_reply.reasoning, streamed_reply.answer) == (REASONING, "")
    assert "overloaded (529)" in str(streamed_reply.error)
    check_resumed(server, server.ids[-1])


@ALL
def test_a_claude_that_breaks_off_ends_the_stream(server: Server, name: str) -> None:
    server.vendors.reply(THOUGHT, claude_stream(TEXTS).failing(4, Cut()))
    streamed_reply = CLIENTS[name].streamed(server)
    assert (streamed_reply.reasoning, streamed_reply.answer) == (REASONING, TEXTS[0])
    kept = server.kept(server.ids[-1])
    assert (kept["answer"], kept["status"]) == (TEXTS[0], "incomplete")


# ------------------------------------------------------------------------------------- cost caps


@pytest.fixture(scope="module")
def frugal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("frugal"), "--max-cost", "0.000001") as server:
        yield server


@BOTH
@ALL
def test_a_turn_over_the_cap_is_refused_before_anything_is_sent(
    frugal: Server, name: str, stream: bool
) -> None:
    error = CLIENTS[name].refused(frugal, stream=stream)
    check(error, name, "APIStatusError", "PaymentRequiredError", 402)
    assert "max_cost is $0.000001" in error.message
    assert frugal.vendors.counts() == (0, 0)


# --------------------------------------------------------------------------------------- too many


@BOTH
def test_more_replies_than_allowed_are_told_to_come_back(vendors: Vendors, stream: bool) -> None:
    gate = threading.Event()
    vendors.reply(THOUGHT, answering(1, gate))
    with serving(vendors, "--streams", "1") as server:
        first = in_thread(lambda: CLIENTS["chat"].whole(server).choices[0].message.content)
        vendors.claude.wait_for_requests(1)
        for name, client in CLIENTS.items():
            error = client.refused(server, stream=stream)
            check(error, name, "InternalServerError", "ServiceUnavailableError", 503)
            assert error.response.headers["retry-after"] == "5"
        gate.set()
        assert first() == ANSWER
        assert vendors.counts() == (1, 1)
