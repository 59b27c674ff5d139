from __future__ import annotations

import gc
import gzip
import socket
import threading
import time
import zlib
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.pipeline.events import DONE
from deepreasoning_cli.transport import Timeouts, TransportLimits
from support.calls import CANARY, HOST, REQUEST, Witness, outcome, said, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import (
    Cut,
    Gate,
    Loopback,
    Pause,
    Reply,
    Reset,
    Stall,
    Step,
    claude_stream,
    json_reply,
    reasoner_stream,
    sse,
)

NETWORK = "check the network, then try again"
PATIENCE = "try again later; --timeout sets how long it is waited for"
NOTHING = f"{HOST} sent an empty answer"
EMPTY = (UnavailableError, "bad_reply", NOTHING, "try again later", None, None, 5)


def test_a_captive_portal_is_no_answer(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(html=f"<html><title>Welcome {CANARY}</title>please log in")
    message = f'{HOST} sent a web page instead of an API reply: "Welcome [key]"'
    hint = "check the base URL and whether the network asks for a login"
    assert outcome(seen.failure()) == (UnavailableError, "bad_reply", message, hint, 200, None, 5)
    assert seen.waits == []


def test_a_page_without_a_title_is_only_called_a_page(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(html="<html><body>log in")
    assert seen.failure().message == f"{HOST} sent a web page instead of an API reply"


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
def test_an_empty_success_is_said_to_be_empty(
    httpx_mock: HTTPXMock, seen: Witness, status: int, headers: dict[str, str]
) -> None:
    httpx_mock.add_response(status, headers=headers, content=b"\n\n")
    assert (outcome(seen.failure()), seen.waits) == (EMPTY, [])


def test_a_fetch_without_any_payload_is_said_to_be_empty(
    httpx_mock: HTTPXMock, seen: Witness
) -> None:
    httpx_mock.add_response(headers={"content-type": "text/event-stream"})
    with seen.transport() as transport, pytest.raises(UnavailableError) as caught:
        transport.fetch(REQUEST)
    assert outcome(caught.value) == EMPTY


def test_a_stream_without_any_event_has_no_payloads(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(headers={"content-type": "text/event-stream"})
    assert seen.answer() == []


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]
)
def test_a_whole_json_reply_is_one_payload(httpx_mock: HTTPXMock, seen: Witness, kind: str) -> None:
    body = "\ufeff\r\n\n\n" + '{"choices": [{"message": "é\u2028"}]}\n'
    httpx_mock.add_response(headers={"content-type": kind}, content=body.encode())
    assert seen.answer() == [{"choices": [{"message": "é\u2028"}]}]


@pytest.mark.parametrize("body", ["[]", "null", '"text"', '{"a": ', "[" * 100_000])
def test_json_of_another_shape_is_unreadable(
    httpx_mock: HTTPXMock, seen: Witness, body: str
) -> None:
    httpx_mock.add_response(headers={"content-type": "application/json"}, content=body.encode())
    failure = seen.failure()
    assert (failure.kind, failure.message) == ("bad_reply", f"{HOST} sent unreadable JSON")


def test_an_event_stream_may_name_its_charset(httpx_mock: HTTPXMock, seen: Witness) -> None:
    headers = {"content-type": "Text/Event-Stream; charset=utf-8"}
    httpx_mock.add_response(headers=headers, content=said({"a": 1}, "[DONE]", {"late": 1}))
    assert seen.answer() == [{"a": 1}, DONE]


def test_a_real_stream_comes_through_with_the_request_that_was_made(seen: Witness) -> None:
    with Loopback(claude_stream(["Hel", "lo"])) as vendor:
        types = [payload["type"] for payload in seen.answer(to(vendor.url))]
        [received] = vendor.requests
    assert types == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.body == REQUEST.body
    wanted = ("accept", "accept-encoding", "content-type", "authorization")
    assert {name: received.headers[name] for name in wanted} == {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "authorization": f"Bearer {CANARY}",
    }


def test_a_clean_cut_just_ends_the_payloads(seen: Witness) -> None:
    whole = reasoner_stream(["a", "b"])
    cut = Reply(body=(*whole.body[:2], b'data: {"half": ', Cut()), framing="close")
    with Loopback(cut) as vendor:
        assert len(seen.answer(to(vendor.url))) == 2
        assert len(vendor.requests) == 1


@pytest.mark.parametrize("end", [Reset(), Cut()])  # a chunked body says when it is whole
def test_a_broken_stream_is_a_lost_connection_and_keeps_what_came(
    seen: Witness, end: Reset | Cut
) -> None:
    read = threading.Event()
    reply = reasoner_stream(["a", "b"]).failing(2, Gate(read), end)
    with Loopback(reply) as vendor, seen.transport() as transport:
        stream = transport.stream(to(vendor.url))
        assert [next(stream)["object"], next(stream)["object"]] == ["chat.completion.chunk"] * 2
        read.set()
        with pytest.raises(UnavailableError) as caught:
            next(stream)
        host = vendor.url.partition("//")[2]
        assert len(vendor.requests) == 1
    message = f"the connection to {host} was lost"
    assert outcome(caught.value) == (
        (UnavailableError, "connection_lost", message, NETWORK, None, None, 5)
    )
    assert (seen.waits, seen.told) == ([], [])


def test_closing_the_stream_closes_the_connection_at_once(seen: Witness) -> None:
    gc.disable()  # no help from the collector
    try:
        reply = reasoner_stream(["a", "b"]).failing(2, Stall())
        with Loopback(reply) as vendor, seen.transport() as transport:
            stream = transport.stream(to(vendor.url))
            next(stream)
            stream.close()
            vendor.connections[0].wait_closed()
            assert vendor.connections[0].closed_by == "peer"
    finally:
        gc.enable()


def test_a_fetch_leaves_the_connection_for_the_next_call(seen: Witness) -> None:
    with Loopback(json_reply(200, {"id": 1})) as vendor, seen.transport() as transport:
        assert [transport.fetch(to(vendor.url)) for _ in range(2)] == [{"id": 1}] * 2
        assert (len(vendor.connections), len(vendor.requests)) == (1, 2)


def test_headers_that_never_come_end_by_the_silence_clock(seen: Witness) -> None:
    reply = Reply(before=[Stall()])
    with Loopback(reply) as vendor:
        failure = seen.failure(to(vendor.url), Timeouts(read=0.2))
        host = vendor.url.partition("//")[2]
        assert len(vendor.wait_for_requests(3)) == 3
    message = f"{host} has been silent for too long"
    assert outcome(failure) == (UnavailableError, "timeout", message, NETWORK, None, None, 5)
    assert seen.waits == [0.5, 1.0]


def test_a_stall_in_mid_stream_ends_by_the_silence_clock(seen: Witness) -> None:
    reply = reasoner_stream(["a", "b"]).failing(2, Stall())
    with Loopback(reply) as vendor:
        failure = seen.failure(to(vendor.url), Timeouts(read=0.5))
        host = vendor.url.partition("//")[2]
        assert len(vendor.requests) == 1
    assert (failure.kind, failure.message) == ("timeout", f"{host} has been silent for too long")


def alive(seconds: float) -> list[bytes | Step]:
    return [b": keep-alive\n\n", Pause(0.02)] * round(seconds / 0.02)


@pytest.mark.parametrize(("after", "limit"), [(0, "1"), (1, "0")])
def test_keep_alives_alone_end_by_the_no_progress_clock(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, after: int, limit: str
) -> None:
    reply = reasoner_stream(["a", "b"]).failing(after, *alive(100))
    clocks = Timeouts(read=60, first_progress=0.6, progress=0.3)
    with Loopback(reply) as vendor:
        start = time.monotonic()
        failure = seen.failure(to(vendor.url), clocks)
        took = time.monotonic() - start
        assert len(vendor.requests) == 1
    message = f"nothing but keep-alives for {limit} s"
    assert outcome(failure) == (UnavailableError, "timeout", message, PATIENCE, None, None, 5)
    assert took > 0.25


EMPTY_EVENTS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": []},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}},
    {"type": "response.in_progress", "response": {"id": "r"}},
    {"type": "response.output_text.delta", "delta": ""},
]


@pytest.mark.parametrize("event", EMPTY_EVENTS, ids=lambda event: event.get("type", "chunk"))
@pytest.mark.parametrize("after", [0, 2])
def test_events_without_text_are_waited_for_so_long_and_no_longer(
    seen: Witness, after: int, event: dict[str, Any]
) -> None:
    empty: list[bytes | Step] = [sse(event), Pause(0.02)] * 5000
    reply = reasoner_stream(["a", "b"]).failing(after, *empty)
    with Loopback(reply) as vendor:
        start = time.monotonic()
        failure = seen.failure(to(vendor.url), Timeouts(read=60, first_progress=0.3, progress=60))
        took = time.monotonic() - start
        assert len(vendor.requests) == 1
    message = "nothing but empty events for 0 s"
    assert outcome(failure) == (UnavailableError, "timeout", message, PATIENCE, None, None, 5)
    assert took > 0.25


def test_text_among_empty_events_is_waited_for_anew(seen: Witness) -> None:
    pieces: list[bytes | Step] = [sse(EMPTY_EVENTS[0]), Pause(0.02)] * 5  # 0.1 s
    text = sse({"choices": [{"index": 0, "delta": {"reasoning": "a"}}]})
    with Loopback(Reply(body=[*pieces, text] * 25)) as vendor:
        clocks = Timeouts(read=60, first_progress=2, progress=2)
        assert len(seen.answer(to(vendor.url), clocks)) == 150


def dribbled(data: bytes) -> Reply:
    """A reply that comes a byte at a time, more slowly than any test waits."""
    body = [part for byte in data for part in (bytes([byte]), Pause(0.05))]
    return Reply(framing="raw", body=[*body, Stall()])


SILENT = "has been silent for too long"
HEAD = b"HTTP/1.1 200 OK\r\nx: "
REFUSAL = b"HTTP/1.1 401 No\r\ncontent-length: 999\r\n\r\n"


@pytest.mark.parametrize(
    "data", [HEAD + b"y" * 50, b"HTTP/1.1 100 Wait\r\n\r\n" * 3, b"HTTP/1.1 200 OK\r\n"]
)
def test_a_head_that_comes_a_byte_at_a_time_ends_by_the_silence_clock(
    seen: Witness, data: bytes
) -> None:
    with Loopback(dribbled(data)) as vendor:
        failure = seen.failure(to(vendor.url), Timeouts(read=0.3))
        assert len(vendor.requests) == 3
    assert (failure.kind, failure.message.partition(" ")[2]) == ("timeout", SILENT)


CHUNKED = b"HTTP/1.1 %s\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "begins", "goes_on"),
    [
        (b"200 OK", b"5;", b"x"),
        (b"200 OK", b"", b"0"),
        (b"200 OK", b"0\r\n", b"a: b\r\n"),
        (b"401 No", b"5;", b"x"),
    ],
    ids=["chunk extension", "chunk size", "trailers", "of a refusal"],
)
def test_the_frame_of_a_body_that_never_ends_is_silence(
    seen: Witness, status: bytes, begins: bytes, goes_on: bytes
) -> None:
    head = CHUNKED % status
    frame: list[bytes | Step] = [goes_on, Pause(0.05)] * 2000  # 100 s
    with Loopback(Reply(framing="raw", body=[head, begins, *frame])) as vendor:
        failure = seen.failure(to(vendor.url), Timeouts(read=0.3))
    assert failure.kind == ("timeout" if status == b"200 OK" else "key_rejected")


@pytest.mark.parametrize(
    "then",
    [
        [b" " * 50, Stall()],
        [part for _ in range(2000) for part in (b" ", Pause(0.05))],
        [b" " * 50, Reset()],
        [b" " * 50, Cut()],
    ],
    ids=["stalled", "dribbled", "reset", "cut"],
)
def test_a_refusal_is_told_though_its_body_does_not_come(seen: Witness, then: list[Any]) -> None:
    with Loopback(Reply(framing="raw", body=[REFUSAL, *then])) as vendor:
        start = time.monotonic()
        failure = seen.failure(to(vendor.url), Timeouts(read=1.0))
        took = time.monotonic() - start
        assert len(vendor.requests) == 1
    assert (failure.kind, failure.status) == ("key_rejected", 401)
    assert took < 60


def failure_through(proxy: str, seen: Witness) -> str:
    failure = seen.failure(to("https://vendor.invalid"), Timeouts.all_of(0.3))
    assert proxy in failure.message
    return failure.kind


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_silent_proxy_ends_by_the_silence_clock(
    seen: Witness, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("ALL_PROXY", proxy)
        assert failure_through(proxy, seen) == "timeout"


def test_a_proxy_that_opens_a_tunnel_a_byte_at_a_time_ends_by_the_silence_clock(
    seen: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(dribbled(b"HTTP/1.1 200 Yes\r\nx: " + b"y" * 50)) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert failure_through(proxy.url, seen) == "timeout"
        assert [request.method for request in proxy.wait_for_requests(3)] == ["CONNECT"] * 3


def test_blank_lines_before_json_end_by_the_no_progress_clock(seen: Witness) -> None:
    body: list[bytes | Step] = [b"\n", Pause(0.02)] * 5000
    with Loopback(Reply(body=body, content_type="application/json")) as vendor:
        failure = seen.failure(to(vendor.url), Timeouts(read=60, first_progress=0.2))
    assert (failure.kind, failure.message) == ("timeout", "nothing but keep-alives for 0 s")


def test_a_reply_without_end_is_not_read_without_end(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(json={"a": "x" * 1000})
    with (
        seen.transport(limits=TransportLimits(largest_event=1000)) as transport,
        pytest.raises(UnavailableError) as caught,
    ):
        transport.fetch(REQUEST)
    assert caught.value.message == "one event of the reply passes 16 MB"


# --- labels that do not fit

STREAM = said({"a": 1}, {"b": "é"}, "[DONE]")
PAYLOADS = [{"a": 1}, {"b": "é"}, DONE]
WRONG_TYPES = [
    *(None, "application/json", "text/plain; charset=utf-8", "application/octet-stream"),
    *("application/x-ndjson", "text/html", "binary/octet-stream", ""),
]


@pytest.mark.parametrize("label", WRONG_TYPES)
@pytest.mark.parametrize(
    "before", [b"", b"\xef\xbb\xbf", b"\n\n", b": keep-alive\n\n", b"event: x\n", b"id: 7\n"]
)
def test_an_event_stream_is_known_by_how_it_begins(
    httpx_mock: HTTPXMock, seen: Witness, label: str | None, before: bytes
) -> None:
    headers = {} if label is None else {"content-type": label}
    httpx_mock.add_response(headers=headers, content=before + STREAM)
    assert seen.answer() == PAYLOADS


def test_an_event_stream_without_a_label_is_read_as_it_comes(seen: Witness) -> None:
    read = threading.Event()
    reply = Reply(body=(b"d", b'ata: {"a": 1}\n\n', Gate(read), STREAM), content_type="text/plain")
    with Loopback(reply) as vendor, seen.transport() as transport:
        stream = transport.stream(to(vendor.url))
        assert next(stream) == {"a": 1}
        read.set()
        assert list(stream) == PAYLOADS


@pytest.mark.parametrize("label", ["text/event-stream", "text/plain", "text/html", None])
def test_a_whole_json_reply_is_known_by_how_it_begins(
    httpx_mock: HTTPXMock, seen: Witness, label: str | None
) -> None:
    headers = {} if label is None else {"content-type": label}
    httpx_mock.add_response(headers=headers, content=b'\n{"choices": []}')
    assert seen.answer() == [{"choices": []}]


def test_chunks_that_come_an_object_a_line_are_read(httpx_mock: HTTPXMock, seen: Witness) -> None:
    headers = {"content-type": "application/x-ndjson"}
    httpx_mock.add_response(headers=headers, content=b'{"a": 1}\n{"b": "\xc3\xa9"}\n')
    assert seen.answer() == [{"a": 1}, {"b": "é"}]


@pytest.mark.parametrize("label", ["application/json", "text/event-stream"])
def test_a_page_under_the_label_of_a_reply_is_no_reply(
    httpx_mock: HTTPXMock, seen: Witness, label: str
) -> None:
    httpx_mock.add_response(headers={"content-type": label}, content=b"<html><title>Hi</title>")
    if label == "text/event-stream":
        assert seen.answer() == []
    else:
        assert seen.failure().message == f'{HOST} sent a web page instead of an API reply: "Hi"'


def packed(data: bytes, label: str | None, status: int = 200) -> Reply:
    headers = {} if label is None else {"content-encoding": label}
    return Reply(status=status, headers=headers, body=(data,), framing="close")


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (gzip.compress(STREAM, mtime=0), "gzip"),
        (zlib.compress(STREAM), "deflate"),
        *((STREAM, label) for label in ("gzip", "deflate", "br", "zstd", "GZIP", "aws-chunked")),
        (b": keep-alive\n\n" + STREAM, "gzip"),
    ],
)
def test_a_reply_is_unpacked_if_it_is_packed_whatever_its_label_says(
    seen: Witness, data: bytes, label: str | None
) -> None:
    with Loopback(packed(data, label)) as vendor:
        assert seen.answer(to(vendor.url)) == PAYLOADS
        assert len(vendor.requests) == 1


def test_a_packed_reply_without_a_label_is_refused_and_paid_for_once(seen: Witness) -> None:
    with Loopback(packed(gzip.compress(STREAM), None)) as vendor:
        failure = seen.failure(to(vendor.url))
        assert len(vendor.requests) == 1
    assert failure.message.endswith(
        "a web page instead of an API reply: compressed data that is not labelled so"
    )
    assert (failure.kind, failure.exit_code, seen.waits) == ("bad_reply", 5, [])


@pytest.mark.parametrize("label", ["gzip", "deflate"])
def test_a_reply_that_cannot_be_unpacked_is_paid_for_once(seen: Witness, label: str) -> None:
    with Loopback(packed(b"\x1f\x8b\x08 this is no gzip" + STREAM, label)) as vendor:
        failure = seen.failure(to(vendor.url))
        assert len(vendor.requests) == 1
    assert failure.message.endswith("sent a badly compressed reply")
    assert (failure.kind, failure.exit_code, seen.waits) == ("bad_reply", 5, [])


@pytest.mark.parametrize("packs", [True, False])
def test_the_words_of_a_refusal_are_read_whatever_its_label_says(
    seen: Witness, packs: bool
) -> None:
    body = b'{"error": {"message": "so it is"}}'
    reply = packed(gzip.compress(body) if packs else body, "gzip", 400)
    with Loopback(reply) as vendor:
        assert seen.failure(to(vendor.url)).message.endswith("(400): so it is")


# --- events named `error`


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ('{"message": "so it is", "code": 500}', "server", "server error (500): so it is"),
        ("so it is", "stream_error", "the reply broke off: so it is"),
        ('{"detail": "so it is"}', "stream_error", "the reply broke off: so it is"),
        ('"so it is"', "stream_error", "the reply broke off: so it is"),
        (
            '{"type": "error", "error": {"type": "invalid_request_error", "message": "so it is"}}',
            "bad_request",
            "request refused (400): so it is",
        ),
    ],
)
def test_an_event_named_error_is_one_whatever_it_holds(
    httpx_mock: HTTPXMock, seen: Witness, data: str, kind: str, words: str
) -> None:
    headers = {"content-type": "text/event-stream"}
    content = f"event: error\ndata: {data}\n\n".encode()
    httpx_mock.add_response(headers=headers, content=content, is_reusable=True)
    failure = seen.failure()
    assert (failure.kind, failure.message) == (kind, f"{HOST}: {words}")


def test_an_error_in_a_list_is_worded_as_one_that_stands_alone(seen: Witness) -> None:
    error = {"error": {"code": 400, "message": "no such model", "status": "INVALID_ARGUMENT"}}
    failures = []
    for value in (error, [error]):
        with Loopback(json_reply(200, value)) as vendor:
            failure = seen.failure(to(vendor.url))
        failures.append((failure.kind, failure.message.partition(": ")[2]))
    assert failures == [("bad_request", "request refused (400): no such model")] * 2
