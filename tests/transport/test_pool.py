"""What we rely on in httpcore and httpx, and the proxies of the environment."""

from __future__ import annotations

import ssl
import time

import h11
import httpcore
import httpx
import pytest

from deepreasoning_cli.transport import TransportLimits
from deepreasoning_cli.transport.pool import (
    ERRORS,
    REQUEST_SENT,
    BodyStream,
    PoolTransport,
    create_pool,
)
from support.calls import to
from support.loopback import Loopback, Reply, json_reply, sse


def connect(backend: httpcore.NetworkBackend | None = None) -> httpx.Client:
    pool = create_pool(
        httpx.create_ssl_context(), backend or httpcore.SyncBackend(), TransportLimits()
    )
    return httpx.Client(transport=PoolTransport(pool))


class BrokenBackend(httpcore.MockBackend):
    """Has a bug."""

    def connect_tcp(self, *_arguments: object, **_options: object) -> httpcore.NetworkStream:
        raise LookupError("a bug")


def test_a_bug_below_the_pool_is_not_taken_for_a_proxy_without_socks() -> None:
    with connect(BrokenBackend([])) as client, pytest.raises(LookupError, match="a bug"):
        client.post("http://a.example/")


def test_what_is_no_socks_proxy_is_told_as_a_proxy() -> None:
    backend = httpcore.MockBackend([b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here speaks TLS
    pool = create_pool(context, backend, TransportLimits(), "socks5://p.example:1")
    with httpx.Client(transport=PoolTransport(pool)) as client, pytest.raises(httpx.ProxyError):
        client.post("http://a.example/")


def test_httpcore_says_when_a_request_is_out() -> None:
    events: list[str] = []
    with Loopback(json_reply(200, {})) as vendor, connect() as client:
        extensions = {"trace": lambda name, _info: events.append(name)}
        client.post(to(vendor.url).url, content=b"{}", extensions=extensions)
    assert REQUEST_SENT in events, (
        f"httpcore changed the name of its trace event {REQUEST_SENT}:"
        " the reasoner would not be stopped, and that costs money"
    )
    reply = next(name for name in events if "response" in name)
    assert events.index(REQUEST_SENT) < events.index(reply), (
        f"httpcore changed the moment of {REQUEST_SENT}:"
        " the reasoner would be stopped late, and that costs money"
    )


def test_every_error_of_httpcore_is_one_of_httpx() -> None:
    names = {name for name in httpcore.__all__ if name.endswith(("Error", "Timeout"))}
    names |= {"UnsupportedProtocol"}
    abstract = {"NetworkError", "ProtocolError"}
    mapped = {kind.__name__ for kind in ERRORS}
    assert mapped == names - abstract, "httpcore changed its errors: name the new ones in ERRORS"
    assert all(ours.__name__ == kind.__name__ for kind, ours in ERRORS.items())


class FailingBackend(httpcore.MockBackend):
    def __init__(self, error: type[Exception]) -> None:
        super().__init__([])
        self.error = error

    def connect_tcp(self, *_args: object, **_named: object) -> httpcore.NetworkStream:
        raise self.error("why")


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_keeps_its_name_its_words_and_its_cause(error: type[Exception]) -> None:
    with connect(FailingBackend(error)) as client, pytest.raises(ERRORS[error]) as caught:
        client.get("http://a.example")
    assert (type(caught.value), str(caught.value)) == (ERRORS[error], "why")
    assert type(caught.value.__cause__) is error


def test_an_error_in_the_body_is_one_of_httpx() -> None:
    broken = Reply(framing="raw", body=[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
    with (
        Loopback(broken) as vendor,
        connect() as client,
        client.stream("GET", to(vendor.url).url) as response,
        pytest.raises(httpx.RemoteProtocolError, match="closed") as caught,
    ):
        response.read()
    assert isinstance(caught.value.__cause__, httpcore.RemoteProtocolError)


def test_a_body_that_is_not_read_to_its_end_closes_its_connection() -> None:
    endless = Reply(body=[sse({"a": 1})] * 100_000)
    with Loopback(endless) as vendor, connect() as client:
        with client.stream("GET", to(vendor.url).url) as response:
            next(response.iter_bytes())
        vendor.connections[0].wait_closed()
        assert vendor.connections[0].closed_by == "peer"


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
PLAIN = b"5\r\nhello\r\nC\r\n\r\n\r\n0\r\n\r\nyou\r\n"
BODY = b"hello\r\n\r\n0\r\n\r\nyou"
EXTENDED = b"3;name=value\r\n, I\r\n1\r\n!\r\n"
LAST = b"0\r\n\r\n"
ORIGIN = httpcore.Origin(b"http", b"a.example", 80)


def replies(*reads: bytes) -> PoolTransport:
    """A pool whose one connection reads this."""
    backend = httpcore.MockBackend(list(reads))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here speaks TLS
    return PoolTransport(create_pool(context, backend, TransportLimits()))


def read_body(transport: PoolTransport) -> list[bytes]:
    """The pieces of the body."""
    request = httpx.Request("POST", "http://a.example/", content=b"{}")
    response = transport.handle_request(request)
    assert isinstance(response.stream, httpx.SyncByteStream)
    pieces = []
    try:
        for piece in response.stream:
            pieces.append(piece)
    except httpx.RemoteProtocolError as error:
        pieces.append(str(error).encode())
    response.close()
    return pieces


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (PLAIN + LAST, BODY),
        (PLAIN + EXTENDED + LAST, BODY + b", I!"),
        (PLAIN + b"0\r\nname: value\r\n\r\n", BODY),
        (LAST, b""),
    ],
)
def test_a_chunked_body_is_whole_at_every_cut_and_its_connection_stays(
    body: bytes, text: bytes
) -> None:
    for wire in (HEAD + body, HINTS + HEAD + body):
        for cut in range(1, len(wire)):
            transport = replies(wire[:cut], wire[cut:])
            assert b"".join(read_body(transport)) == text
            assert transport.has_idle(ORIGIN)
        assert b"".join(read_body(replies(*(bytes([byte]) for byte in wire)))) == text


def test_h11_gets_the_head_and_the_end_of_a_chunked_body(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []
    receive = h11.Connection.receive_data

    def record(connection: h11.Connection, data: bytes) -> None:
        received.append(data)
        receive(connection, data)

    monkeypatch.setattr(h11.Connection, "receive_data", record)
    assert read_body(replies(HEAD + PLAIN, PLAIN + LAST)) == [BODY, BODY]
    assert received == [HEAD, LAST]


def test_a_chunk_is_handed_out_before_all_of_it_has_come() -> None:
    assert read_body(replies(HEAD + b"8\r\nab", b"cd", b"efgh", b"\r", b"\n" + LAST)) == [
        b"ab",
        b"cd",
        b"efgh",
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (PLAIN, "incomplete chunked read"),
        (PLAIN + b"4\r\n", "incomplete chunked read"),
        (PLAIN + b"5", "unexpectedly closed"),
        (PLAIN + b"1\r\n", "incomplete chunked read"),
        (PLAIN + b"0\r\n", "incomplete chunked read"),
        (PLAIN + b"0\r\n\r", "unexpectedly closed"),
        (PLAIN + b"x\r\n", "illegal chunk header"),
        (PLAIN + b"-5\r\n", "illegal chunk header"),
        (PLAIN[:-2] + b"5\r\nhello\r\n", "malformed chunk footer"),
    ],
)
def test_a_broken_chunk_is_an_error_after_the_text_before_it(body: bytes, error: str) -> None:
    for reads in ([HEAD + body], [HEAD, body], [bytes([byte]) for byte in HEAD + body]):
        transport = replies(*reads)
        *pieces, last = read_body(transport)
        assert b"".join(pieces) == BODY
        assert error in last.decode()
        assert not transport.has_idle(ORIGIN)


def test_what_follows_a_reply_unasked_costs_the_connection() -> None:
    transport = replies(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert read_body(transport) == []
    assert not transport.has_idle(ORIGIN)


def test_a_body_without_chunks_is_read_as_it_comes() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"
    assert read_body(replies(head, b"a\n\nb\n\n", b"c\n\nd\n\n")) == [b"a\n\nb\n\n", b"c\n\nd\n\n"]


class Dribbling(httpcore.NetworkStream):
    """A peer that sends a byte every tenth of a second, for ever."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        time.sleep(0.1)
        return b"x"

    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(("own", "given"), [(None, 0.3), (0.3, None), (9.0, 0.3)])
def test_a_head_that_comes_a_byte_at_a_time_is_given_up(
    own: float | None, given: float | None
) -> None:
    stream = BodyStream(Dribbling(), own)
    stream.write(b"GET")
    with pytest.raises(httpcore.ReadTimeout):
        b"".join(stream.read(1, given) for _ in range(50))


def test_what_is_written_begins_a_new_wait() -> None:
    stream = BodyStream(Dribbling(), 0.3)
    for _ in range(6):
        stream.write(b"GET")
        assert stream.read(1) == b"x"
