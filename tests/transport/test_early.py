"""Connections that are begun before a transport is there, and the file that says where to."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import getproxies_environment

import httpx
import pytest

from deepreasoning_cli import connect
from deepreasoning_cli.connect import (
    EarlyConnection,
    HttpOrigin,
    LastOrigin,
    create_context,
    is_proxied,
)
from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.transport import Timeouts, Transport
from support.calls import Witness, outcome, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import Loopback, json_reply, refusing_url

OK = json_reply(200, {"id": 1})
posix_only = pytest.mark.skipif(os.name != "posix", reason="owners and modes")


def eventually(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def begun(url: str, timeout: float = connect.CONNECT_TIMEOUT) -> EarlyConnection:
    origin = HttpOrigin.of(url)
    assert origin
    return EarlyConnection(origin, timeout)


def using(
    seen: Witness, early: EarlyConnection | None, timeouts: Timeouts | None = None
) -> Transport:
    return Transport(
        timeouts,
        notify=seen.told.append,
        log=seen.lines.append,
        sleep=seen.waits.append,
        early=early,
    )


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def vendor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with Loopback(OK, tls=request.param) as vendor:
        if request.param:
            monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))
        yield vendor


def test_an_early_connection_serves_the_first_request(vendor: Loopback, seen: Witness) -> None:
    early = begun(vendor.url)
    eventually(lambda: early.is_open)
    with using(seen, early) as transport:
        for _ in range(3):  # the pool keeps it
            assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert transport.first_origin == early.origin
    assert (len(vendor.connections), len(vendor.requests), seen.waits) == (1, 3, [])


def test_one_that_is_still_being_opened_is_waited_for(vendor: Loopback, seen: Witness) -> None:
    with using(seen, begun(vendor.url)) as transport:
        assert transport.fetch(to(vendor.url)) == {"id": 1}
    assert len(vendor.connections) == 1


def test_over_an_early_connection_the_signal_comes_when_the_request_is_out(
    vendor: Loopback, seen: Witness
) -> None:
    early = begun(vendor.url)
    eventually(lambda: early.is_open)
    calls: list[int] = []
    with using(seen, early) as transport:
        list(
            transport.stream(to(vendor.url), lambda: calls.append(len(vendor.wait_for_requests(1))))
        )
    assert calls == [1]


def test_it_asks_for_the_protocol_that_httpcore_speaks(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(OK, tls=True) as vendor:
        monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))
        assert vendor._context
        vendor._context.set_alpn_protocols(["h2", "http/1.1"])
        secured = begun(vendor.url).take(5)
        assert isinstance(secured, ssl.SSLSocket)
        assert (secured.selected_alpn_protocol(), secured.server_hostname) == (
            "http/1.1",
            "127.0.0.1",
        )
        secured.close()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "neither"])
def test_it_trusts_whom_httpx_trusts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    if variable != "neither":
        with Loopback(tls=True) as vendor:
            (tmp_path / "own.pem").write_bytes(vendor.ca_file.read_bytes())
        is_file = variable == "SSL_CERT_FILE"
        monkeypatch.setenv(variable, str(tmp_path / "own.pem" if is_file else tmp_path))
    ours, theirs = create_context(), httpx.create_ssl_context()
    assert ours.get_ca_certs() == theirs.get_ca_certs()
    for name in ("verify_mode", "check_hostname", "options", "minimum_version", "verify_flags"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_one_that_leads_elsewhere_is_closed_unused(seen: Witness) -> None:
    with Loopback() as other, Loopback(OK) as vendor:
        early = begun(other.url)
        eventually(lambda: early.is_open)
        with using(seen, early) as transport:
            assert transport.fetch(to(vendor.url)) == {"id": 1}
            eventually(lambda: other.connections)
            other.connections[0].wait_closed()
        assert (other.connections[0].closed_by, other.requests) == ("peer", [])


def test_another_scheme_is_another_origin(seen: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(OK, tls=True) as vendor:
        monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))
        plain = begun(vendor.url.replace("https", "http"))
        eventually(lambda: plain.is_open)
        with using(seen, plain) as transport:
            assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert len(vendor.connections) == 2


def test_one_that_no_request_needs_is_closed_with_the_transport(
    vendor: Loopback, seen: Witness
) -> None:
    others = set(threading.enumerate())
    early = begun(vendor.url)
    eventually(lambda: early.is_open)
    with using(seen, early):
        pass
    eventually(lambda: vendor.connections)
    vendor.connections[0].wait_closed()
    assert (vendor.connections[0].closed_by, vendor.requests) == ("peer", [])
    eventually(lambda: set(threading.enumerate()) <= others)


def test_one_that_nobody_takes_is_closed_when_it_is_old(
    vendor: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "IDLE_SECONDS", 0.05)
    early = begun(vendor.url)
    eventually(lambda: vendor.connections)
    vendor.connections[0].wait_closed()
    assert (early.take(1), vendor.requests) == (None, [])


def test_one_that_opens_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    real = socket.create_connection

    def late(*args: object, **named: object) -> socket.socket:
        go.wait(60)
        return real(*args, **named)  # type: ignore[arg-type]  # handed through

    with Loopback() as vendor:
        monkeypatch.setattr(socket, "create_connection", late)
        early = begun(vendor.url)
        early.close()
        go.set()
        eventually(lambda: vendor.connections)
        vendor.connections[0].wait_closed()
        assert (vendor.connections[0].closed_by, early.is_open) == ("peer", False)


def test_one_that_the_vendor_has_closed_costs_no_retry(seen: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        early = begun(f"http://127.0.0.1:{listener.getsockname()[1]}")
        peer, _ = listener.accept()
        eventually(lambda: early.is_open)
        peer.close()

        def answer() -> None:
            second, _ = listener.accept()
            second.settimeout(60)
            with second:
                second.recv(65536)
                second.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    b'content-length: 9\r\n\r\n{"id": 1}'
                )

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with using(seen, early) as transport:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert transport.fetch(to(url)) == {"id": 1}
        thread.join(60)
    assert seen.waits == []


def failure(seen: Witness, url: str, early: EarlyConnection | None, timeouts: Timeouts) -> tuple:  # type: ignore[type-arg]
    seen.waits.clear()
    with using(seen, early, timeouts) as transport, pytest.raises(UnavailableError) as caught:
        transport.fetch(to(url))
    return (*outcome(caught.value), list(seen.waits))


@pytest.mark.parametrize("fault", ["refused", "untrusted", "no name", "no TLS"])
def test_what_fails_early_fails_and_is_tried_again_as_without_it(
    seen: Witness, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with Loopback(OK, tls=True) as untrusted, Loopback(OK) as plain:
        url = {
            "refused": refusing_url(),
            "untrusted": untrusted.url,
            "no name": "http://nowhere.invalid",
            "no TLS": plain.url.replace("http", "https"),
        }[fault]

        def lookup(*_args: object, **_named: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "no")

        if fault == "no name":
            monkeypatch.setattr(socket, "getaddrinfo", lookup)
        timeouts = Timeouts(connect=5)
        early = begun(url)
        assert failure(seen, url, early, timeouts) == failure(seen, url, None, timeouts)


@pytest.mark.parametrize("limits", [(0.2, 0.2), (10, 0.2)], ids=["its own", "the request's"])
def test_a_time_out_is_not_waited_for_twice(seen: Witness, limits: tuple[float, float]) -> None:
    own, requests = limits
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the handshake is never answered
        silent.settimeout(60)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        early = begun(url, own)
        accepted: list[socket.socket] = []
        thread = threading.Thread(
            target=lambda: accepted.extend(silent.accept()[0] for _ in range(3)), daemon=True
        )
        thread.start()
        got = failure(seen, url, early, Timeouts(connect=requests))
        thread.join(60)  # one early and two again: the early one was the first attempt
        for each in accepted:
            each.close()
        assert (got[1], got[-1], len(accepted)) == ("timeout", [0.5, 1.0], 3)


def test_an_old_failure_does_not_count(seen: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "RECENT_SECONDS", 0.0)
    url = refusing_url()
    early = begun(url)
    port = int(url.rpartition(":")[2])
    eventually(lambda: early._is_done.is_set())
    assert early.take(1) is None
    assert early.origin.port == port


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_nothing_is_opened_where_there_is_a_proxy(
    vendor: Loopback, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, refusing_url())
    early = begun(vendor.url)
    assert (early.take(5), vendor.connections) == (None, [])


@pytest.mark.parametrize(
    "name", ["http_proxy", "HTTPS_PROXY", "all_proxy", "All_Proxy", "no_proxy"]
)
@pytest.mark.parametrize("value", ["", "http://127.0.0.1:9"])
def test_a_proxy_is_found_where_urllib_finds_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for known in list(os.environ):
        if known.lower().endswith("_proxy"):
            monkeypatch.delenv(known)
    monkeypatch.setenv(name, value)
    proxies = getproxies_environment()
    assert is_proxied() == any(proxies.get(kind) for kind in ("http", "https", "all"))


def test_nothing_is_opened_where_the_ca_bundle_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with Loopback() as plain, Loopback(tls=True) as secure:
        assert [begun(each.url).take(5) for each in (plain, secure)] == [None, None]
        assert plain.connections + secure.connections == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.deepseek.com", ("https", "api.deepseek.com", 443)),
        ("http://GPU:8000/v1", ("http", "gpu", 8000)),
        ("https://[::1]:8443/v1", ("https", "::1", 8443)),
        ("ftp://a.example", None),
        ("http://[::1", None),
        ("http://a.example:99999", None),
        ("", None),
    ],
)
def test_the_origin_of_an_address(url: str, origin: tuple[str, str, int] | None) -> None:
    assert HttpOrigin.of(url) == origin


SOMEWHERE = HttpOrigin("https", "api.deepseek.com", 443)


def known(file: Path) -> HttpOrigin | None:
    """What a run would connect to; nothing is opened."""
    return connect._read(file)


def test_an_origin_that_is_remembered_is_known_to_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "data" / "last-origin"
    for origin in (SOMEWHERE, HttpOrigin("http", "::1", 8080), HttpOrigin("http", "gpu_1", 1)):
        LastOrigin(file, connects=False).remember(origin)
        assert known(file) == origin
    assert file.read_text() == "http://gpu_1:1\n"
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    LastOrigin(file, connects=False).remember(None)
    LastOrigin(file, connects=False).remember(None)
    assert list(file.parent.iterdir()) == []


def test_what_cannot_be_remembered_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for origin in (SOMEWHERE, None):
        LastOrigin(tmp_path / "file" / "last-origin", connects=False).remember(origin)


def test_the_origin_that_is_known_already_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "last-origin"
    url = refusing_url()
    file.write_text(f"{url}\n")
    before = file.stat()
    last = LastOrigin(file)
    last.remember(HttpOrigin.of(url))
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


GOOD = b"https://api.deepseek.com:443\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        GOOD[:-1],
        GOOD * 2,
        b"x" * 10_000_000,
        b"https://" + b"a" * 254 + b":443\n",
        b"\xff\xfe\x00",
        b"ftp://api.deepseek.com:21\n",
        b"https://api.deepseek.com:0\n",
        b"https://api.deepseek.com:65536\n",
        b"https://api.deepseek.com:99999\n",
        b"https://user@api.deepseek.com:443\n",
        b"https://API.deepseek.com:443\n",
        b"https://api.deepseek.com:443/path\n",
        b"https://api deepseek:443\n",
        b"https://a\x00b:443\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_a_file_with_anything_else_in_it_is_ignored(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "last-origin"
    file.write_bytes(data)
    assert known(file) is None
    assert LastOrigin(file).connection is None


@posix_only
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "link", "loop", "open to the group"])
def test_a_file_that_may_be_somebody_elses_is_ignored(tmp_path: Path, kind: str) -> None:
    file, good = tmp_path / "last-origin", tmp_path / "good"
    good.write_bytes(GOOD)
    match kind:
        case "folder":
            file.mkdir()
        case "fifo":
            os.mkfifo(file)
        case "link":
            file.symlink_to(good)
        case "loop":
            file.symlink_to(file)
        case "open to the group":
            file.write_bytes(GOOD)
            file.chmod(0o620)
    assert known(file) is None
    file.unlink(missing_ok=True) if kind != "folder" else file.rmdir()
    file.write_bytes(GOOD)
    file.chmod(0o644)
    assert known(file) == SOMEWHERE


@posix_only
def test_a_file_of_another_owner_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "last-origin"
    file.write_bytes(GOOD)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert known(file) is None


@pytest.mark.parametrize(
    ("variable", "value", "connects"),
    [
        ("DEEPREASONING_CONNECT_AHEAD", "false", False),
        ("DEEPREASONING_CONNECT_AHEAD", "0", False),
        ("DEEPREASONING_CONNECT_AHEAD", "true", True),
        ("DEEPREASONING_BACKEND", "demo", False),
        ("UNRELATED", "1", True),
    ],
)
def test_the_environment_can_say_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, connects: bool
) -> None:
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv(variable, value)
    (tmp_path / "last-origin").write_text(f"{refusing_url()}\n")
    assert (connect.connect_to_last().connection is not None) == connects
