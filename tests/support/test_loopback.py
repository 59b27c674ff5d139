from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import closing

import httpx
import pytest

from support.loopback import (
    Cut,
    Gate,
    Loopback,
    Pause,
    Reply,
    Reset,
    Stall,
    json_reply,
    refusing_url,
)

ASK = {"model": "m", "stream": True}


def dial(vendor: Loopback) -> socket.socket:
    host, port = vendor.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_request_is_recorded_whole_with_its_time() -> None:
    before = time.monotonic()
    with Loopback(json_reply(200, {"ok": True})) as vendor:
        reply = httpx.post(f"{vendor.url}/v1/x?y=1", json=ASK, headers={"X-Key": "abc"})
        (request,) = vendor.wait_for_requests(1)
    assert (reply.status_code, reply.json()) == (200, {"ok": True})
    assert (request.method, request.path) == ("POST", "/v1/x?y=1")
    assert (request.headers["x-key"], request.body) == ("abc", ASK)
    assert json.loads(request.raw) == ASK
    assert before < request.at < time.monotonic()


def test_a_request_body_in_chunks_is_put_together() -> None:
    with Loopback(json_reply(200, {})) as vendor:
        httpx.post(vendor.url, content=iter([b'{"a"', b": 1}"]))
    assert vendor.requests[0].raw == b'{"a": 1}'
    assert vendor.requests[0].body == {"a": 1}


def test_a_body_that_is_no_json_is_none() -> None:
    with Loopback(json_reply(200, {})) as vendor:
        httpx.post(vendor.url, content=b"plain")
    assert (vendor.requests[0].body, vendor.requests[0].raw) == (None, b"plain")


def test_a_connection_that_is_kept_serves_several_requests() -> None:
    with Loopback(json_reply(200, 1), json_reply(503, 2), json_reply(200, 3)) as vendor:
        with httpx.Client() as client:
            replies = [client.post(vendor.url, json=n) for n in range(4)]
        vendor.connections[0].wait_closed()
    assert [(r.status_code, r.json()) for r in replies] == [(200, 1), (503, 2), (200, 3), (200, 3)]
    assert len(vendor.connections) == 1
    assert vendor.connections[0].closed_by == "peer"
    assert [request.body for request in vendor.connections[0].requests] == [0, 1, 2, 3]


def test_requests_sent_at_once_are_answered_in_turn() -> None:
    with Loopback(json_reply(200, 1), json_reply(200, 2)) as vendor, closing(dial(vendor)) as sock:
        sock.sendall(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [request.path for request in vendor.requests] == ["/a", "/b"]


def test_a_chunked_reply_is_exact_on_the_wire() -> None:
    with Loopback(Reply(body=[b"data: 1\n\n", b"x"])) as vendor, closing(dial(vendor)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = read_all(sock)
        vendor.connections[0].wait_closed()
    assert answer == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        b"connection: close\r\n\r\n9\r\ndata: 1\n\n\r\n1\r\nx\r\n0\r\n\r\n"
    )
    assert vendor.connections[0].bytes_sent == len(answer)
    assert vendor.connections[0].closed_by == "server"


def test_a_raw_reply_is_nothing_but_its_pieces() -> None:
    reply = Reply(body=[b"not ", b"http"], framing="raw")
    with Loopback(reply) as vendor, closing(dial(vendor)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(sock) == b"not http"


def test_a_reply_without_framing_ends_with_the_connection() -> None:
    with Loopback(Reply(529, {"Retry-After": "3"}, [b"a", b"b"], framing="close")) as vendor:
        reply = httpx.get(vendor.url)
    assert (reply.status_code, reply.headers["retry-after"], reply.text) == (529, "3", "ab")


def test_a_header_of_the_reply_beats_the_default() -> None:
    with Loopback(Reply(headers={"Content-Type": "application/json"}, body=[b"1"])) as vendor:
        assert httpx.get(vendor.url).headers["content-type"] == "application/json"


def test_each_piece_is_logged_when_it_leaves() -> None:
    with Loopback(Reply(body=[b"one", Pause(0.05), b"two"])) as vendor:
        httpx.post(vendor.url, json=ASK)
    (first, second) = vendor.connections[0].sent
    assert (first.piece, second.piece) == (b"one", b"two")
    assert 0.05 <= second.at - first.at < 0.5
    assert vendor.connections[0].opened <= vendor.requests[0].at <= first.at


def test_a_gate_holds_the_reply_until_the_test_opens_it() -> None:
    gate = threading.Event()
    reply = Reply(body=[b"one", Gate(gate), b"two"])
    with Loopback(reply) as vendor, httpx.stream("POST", vendor.url, json=ASK) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"one"
        opened = time.monotonic()
        gate.set()
        assert next(pieces) == b"two"
    assert vendor.connections[0].sent[1].at >= opened


def test_a_cut_leaves_the_body_unfinished() -> None:
    with Loopback(Reply(body=[b"one", Cut()])) as vendor:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            httpx.post(vendor.url, json=ASK)
        vendor.connections[0].wait_closed()
    assert vendor.connections[0].closed_by == "server"


def test_a_reset_is_a_reset() -> None:
    reply = Reply(body=[b"one", Pause(0.02), Reset()])
    with Loopback(reply) as vendor, closing(dial(vendor)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)


def test_a_connection_can_die_before_the_status_line() -> None:
    with Loopback(Reply(before=[Cut()]), json_reply(200, "again")) as vendor:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            httpx.post(vendor.url, json=ASK)
        assert httpx.post(vendor.url, json=ASK).json() == "again"


def test_a_stall_is_silence_that_the_client_gives_up_on() -> None:
    with Loopback(Reply(body=[b"one", Stall()])) as vendor:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(vendor.url, json=ASK, timeout=0.1)
        vendor.connections[0].wait_closed()
    assert vendor.connections[0].closed_by == "peer"


def test_a_stall_that_nobody_ends_goes_on_after_its_time() -> None:
    with Loopback(Reply(body=[b"one", Stall(0.02), b"two"])) as vendor:
        assert httpx.post(vendor.url, json=ASK).text == "onetwo"


@pytest.mark.parametrize("step", [Pause(100), Stall(100), Gate(threading.Event())])
def test_a_peer_that_leaves_is_seen_within_milliseconds(step: Pause | Stall | Gate) -> None:
    with Loopback(Reply(body=[b"one", step, b"two"])) as vendor:
        with closing(dial(vendor)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while not sock.recv(1024).endswith(b"one\r\n"):
                continue
        vendor.connections[0].wait_closed()  # long before the step is over
    assert vendor.connections[0].closed_by == "peer"
    assert [piece for _, piece in vendor.connections[0].sent] == [b"one"]


def test_a_peer_that_does_not_read_holds_the_reply_up_without_blocking_the_end() -> None:
    with Loopback(Reply(body=[b"x" * 50_000_000])) as vendor:
        sock = dial(vendor)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        sock.recv(10)
    sock.close()
    assert vendor.connections[0].bytes_sent < 50_000_000
    assert (vendor.connections[0].sent, vendor.connections[0].closed_by) == ([], "server")


def test_leaving_ends_every_thread_and_socket() -> None:
    before = set(threading.enumerate())
    with Loopback(Reply(body=[b"one", Stall()])) as vendor:
        idle, busy = dial(vendor), dial(vendor)
        busy.sendall(b"GET / HTTP/1.1\r\n\r\n")
        vendor.wait_for_requests(1)
    with idle, busy:
        assert set(threading.enumerate()) <= before
        assert [connection.closed_by for connection in vendor.connections] == ["server", "server"]
        with pytest.raises(ConnectionRefusedError):
            dial(vendor)


def test_a_request_without_a_script_fails_the_test() -> None:
    vendor = Loopback().__enter__()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{vendor.url}/v1", json=ASK)
    with pytest.raises(AssertionError, match="no reply is scripted for POST /v1"):
        vendor.__exit__(None, None, None)


def test_a_reply_that_is_added_ends_the_repeating() -> None:
    with Loopback() as vendor:
        vendor.reply(json_reply(200, 1))
        assert [httpx.get(vendor.url).json() for _ in range(3)] == [1, 1, 1]
        vendor.reply(json_reply(200, 2), json_reply(200, 3))
        assert [httpx.get(vendor.url).json() for _ in range(3)] == [2, 3, 3]


def test_what_went_wrong_in_the_vendor_is_noted_on_a_failing_test() -> None:
    with pytest.raises(httpx.RemoteProtocolError) as caught, Loopback() as vendor:
        httpx.get(f"{vendor.url}/x")
    (note,) = caught.value.__notes__
    assert note == (f"in {vendor.url}: AssertionError('no reply is scripted for GET /x')")


def test_requests_that_do_not_come_are_told() -> None:
    with (
        pytest.raises(AssertionError, match=r"0 of 1 requests after 0\.01 s"),
        Loopback() as vendor,
    ):
        vendor.wait_for_requests(1, seconds=0.01)


def test_tls_serves_those_who_trust_its_authority() -> None:
    with Loopback(Reply(body=[b"one", Pause(0.01), b"two"]), tls=True) as vendor:
        trusting = ssl.create_default_context(cafile=vendor.ca_file)
        with httpx.Client(verify=trusting) as client:
            assert [client.get(vendor.url).text for _ in range(2)] == ["onetwo", "onetwo"]
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(vendor.url)
        vendor.connections[0].wait_closed()
    assert vendor.url.startswith("https://")
    assert not vendor.ca_file.exists()


def test_tls_sees_a_peer_that_leaves() -> None:
    with Loopback(Reply(body=[b"one", Stall()]), tls=True) as vendor:
        trusting = ssl.create_default_context(cafile=vendor.ca_file)
        with httpx.Client(verify=trusting) as client, client.stream("GET", vendor.url) as response:
            assert next(response.iter_bytes()) == b"one"
        vendor.connections[0].wait_closed()
    assert vendor.connections[0].closed_by == "peer"


def test_nobody_listens_at_the_refusing_address() -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(refusing_url())
