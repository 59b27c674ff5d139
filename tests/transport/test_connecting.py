from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import httpx
import pytest
import trustme
from pytest_httpx import HTTPXMock

from deepreasoning_cli import connect
from deepreasoning_cli.errors import ConfigError, UnavailableError
from deepreasoning_cli.transport import Timeouts, Transport
from deepreasoning_cli.transport.pool import DeferredContext
from support.calls import HOST, REQUEST, URL, Witness, outcome, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import Loopback, Reply, json_reply, refusing_url

NETWORK = "check the network, then try again"


@pytest.mark.parametrize(
    ("errno", "waits"), [(socket.EAI_NONAME, []), (socket.EAI_AGAIN, [0.5, 1.0])]
)
def test_an_unknown_host_is_looked_up_again_only_when_the_resolver_is_busy(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, errno: int, waits: list[float]
) -> None:
    def lookup(*_args: object, **_named: object) -> None:
        raise socket.gaierror(errno, "no")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    message = f"cannot find {HOST} (name lookup failed)"
    assert outcome(seen.failure()) == (UnavailableError, "dns", message, NETWORK, None, None, 5)
    assert seen.waits == waits


def test_a_refused_connection_names_host_and_port(seen: Witness) -> None:
    url = refusing_url()
    message = f"cannot connect to {url.partition('//')[2]} (connection refused)"
    failure = seen.failure(to(url))
    assert outcome(failure) == (UnavailableError, "connect", message, NETWORK, None, None, 5)
    assert seen.waits == [0.5, 1.0]


def test_an_unreachable_network_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    def unreachable(*_args: object, **_named: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.1", 443))])
    assert seen.failure().message == f"cannot connect to {HOST} (no connection)"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (httpx.ConnectTimeout("slow"), "timeout", f"{HOST} does not answer the connection"),
        (httpx.ReadTimeout("slow"), "timeout", f"{HOST} has been silent for too long"),
        (httpx.WriteTimeout("slow"), "timeout", f"{HOST} has been silent for too long"),
        (httpx.ReadError("gone"), "connection_lost", f"the connection to {HOST} was lost"),
        (httpx.WriteError("gone"), "connection_lost", f"the connection to {HOST} was lost"),
    ],
)
def test_a_lost_connection_is_worded_and_tried_again(
    httpx_mock: HTTPXMock, seen: Witness, error: httpx.HTTPError, kind: str, message: str
) -> None:
    httpx_mock.add_exception(error, is_reusable=True)
    assert outcome(seen.failure()) == (UnavailableError, kind, message, NETWORK, None, None, 5)
    assert (len(httpx_mock.get_requests()), seen.waits) == (3, [0.5, 1.0])


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        (httpx.WriteError("gone"), ssl.SSLEOFError(8, "EOF"), "the connection to {} was lost"),
        (httpx.ReadError("gone"), ssl.SSLError(1, "bad mac"), "the connection to {} was lost"),
        (httpx.ConnectError("gone"), ssl.SSLEOFError(8, "EOF"), "cannot connect to {} (no "
         "connection)"),
    ],
)  # fmt: skip
def test_a_hang_up_under_tls_is_a_lost_connection_and_no_fault_of_tls(
    httpx_mock: HTTPXMock,
    seen: Witness,
    error: httpx.HTTPError,
    cause: Exception,
    message: str,
) -> None:
    error.__cause__ = cause
    httpx_mock.add_exception(error, is_reusable=True)
    assert (seen.failure().message, seen.waits) == (message.format(HOST), [0.5, 1.0])


def test_a_connection_for_which_there_is_no_file_left_is_not_tried_again(
    httpx_mock: HTTPXMock, seen: Witness
) -> None:
    error = httpx.ConnectError("gone")
    error.__cause__ = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    httpx_mock.add_exception(error)
    failure = seen.failure()
    assert (type(failure), failure.kind) == (ConfigError, "too_many_files")
    assert failure.message == "cannot open another file: Too many open files"
    assert seen.waits == []


def test_an_untrusted_certificate_is_final(seen: Witness) -> None:
    with Loopback(json_reply(200, {}), tls=True) as vendor:
        failure = seen.failure(to(vendor.url))
        host = vendor.url.partition("//")[2]
        assert vendor.requests == []
        assert len(vendor.connections) == 1
    message = f"cannot trust {host}: unable to get local issuer certificate"
    hint = "set SSL_CERT_FILE to the CA bundle that your network uses"
    assert outcome(failure) == (UnavailableError, "tls", message, hint, None, None, 5)
    assert seen.waits == []


def test_a_certificate_for_another_name_says_so(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(json_reply(200, {}), tls=True) as vendor:
        monkeypatch.setenv("SSL_CERT_FILE", str(vendor.ca_file))
        port = vendor.url.rpartition(":")[2]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _host, *rest, **named: real("127.0.0.1", *rest, **named)
        )
        failure = seen.failure(to(f"https://other.example:{port}"))
    assert (failure.kind, failure.message.partition(", ")[0]) == (
        "tls",
        f"cannot trust other.example:{port}: Hostname mismatch",
    )
    assert failure.hint == (
        "check the base URL: whoever answers there has a certificate for another name"
    )


@pytest.mark.parametrize(
    ("begins", "ends", "why", "hint"),
    [
        (
            -2,
            -1,
            "certificate has expired",
            "check this computer's clock; if it is right, whoever runs the host has to renew it",
        ),
        (
            1,
            2,
            "certificate is not yet valid",
            "check this computer's clock: the certificate is not valid yet",
        ),
    ],
)
def test_a_certificate_out_of_its_time_gets_advice_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    seen: Witness,
    tmp_path: Path,
    begins: int,
    ends: int,
    why: str,
    hint: str,
) -> None:
    now = datetime.now(UTC)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert(
        "127.0.0.1", not_before=now + timedelta(begins), not_after=now + timedelta(ends)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"

        def shake() -> None:
            peer, _ = listener.accept()
            peer.settimeout(60)
            with peer, suppress(OSError):
                context.wrap_socket(peer, server_side=True).close()

        thread = threading.Thread(target=shake, daemon=True)
        thread.start()
        failure = seen.failure(to(url))
        thread.join(60)
    assert failure.message.endswith(f": {why}")
    assert (failure.kind, failure.hint, seen.waits) == ("tls", hint, [])


@pytest.mark.parametrize("code", [23, 26, 66, 67, 68])
def test_a_certificate_that_its_owner_has_to_replace_says_so(
    httpx_mock: HTTPXMock, seen: Witness, code: int
) -> None:
    """Revoked, for another purpose, or weak."""
    cause = ssl.SSLCertVerificationError(1, "no")
    cause.verify_code, cause.verify_message = code, "unsuitable"
    error = httpx.ConnectError("no")
    error.__cause__ = cause
    httpx_mock.add_exception(error)
    failure = seen.failure()
    assert failure.message == f"cannot trust {HOST}: unsuitable"
    assert failure.hint == "whoever runs the host has to give it another certificate"
    assert seen.waits == []


@pytest.mark.parametrize("reason", ["UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"])
def test_a_host_that_speaks_old_tls_only_is_not_taken_for_a_wrong_port(
    httpx_mock: HTTPXMock, seen: Witness, reason: str
) -> None:
    cause = ssl.SSLError(1, "no")
    cause.reason = reason
    error = httpx.ConnectError("no")
    error.__cause__ = cause
    httpx_mock.add_exception(error)
    failure = seen.failure()
    assert failure.message == f"no TLS with {HOST}"
    hint = "whoever runs the host has to let it speak TLS 1.2 or later, as a proxy has to"
    assert (failure.hint, seen.waits) == (hint, [])


def test_a_host_that_asks_its_callers_for_a_certificate_is_final(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def shake() -> None:
            peer, _ = listener.accept()
            peer.settimeout(60)
            with peer, suppress(OSError):
                context.wrap_socket(peer, server_side=True).close()

        thread = threading.Thread(target=shake, daemon=True)
        thread.start()
        failure = seen.failure(to(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(60)
    hint = "it asks callers for a certificate: set a base URL that asks for a key alone"
    assert (failure.kind, failure.hint, seen.waits) == ("tls", hint, [])


@pytest.fixture
def plain_http() -> Iterator[int]:
    """A port that answers everything with a plain 400."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def answer() -> None:
            peer, _ = listener.accept()
            peer.settimeout(60)
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)


def test_a_port_that_does_not_speak_tls_is_final(seen: Witness, plain_http: int) -> None:
    failure = seen.failure(to(f"https://127.0.0.1:{plain_http}"))
    message = f"no TLS with 127.0.0.1:{plain_http}"
    hint = "check the base URL: does this port speak https?"
    assert outcome(failure) == (UnavailableError, "tls", message, hint, None, None, 5)
    assert seen.waits == []


def test_a_connection_that_never_opens_times_out(seen: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the handshake is never answered
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        failure = seen.failure(to(url), Timeouts(connect=0.05))
    assert (failure.kind, failure.message) == (
        "timeout",
        f"{url.partition('//')[2]} does not answer the connection",
    )
    assert seen.waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ftp://a.example/v1", "a.example"),
        ("http://a..b/v1", "a..b"),
        ("http://[::1/v1", "[::1"),
    ],
)
def test_an_impossible_address_is_a_matter_of_the_configuration(
    seen: Witness, url: str, host: str
) -> None:
    with seen.transport() as transport:
        transport.preconnect(url)
        with pytest.raises(ConfigError) as caught:
            list(transport.stream(replace(REQUEST, url=url)))
    hint = "write the base URL as https://host/path"
    message = f"{host} is not a valid address"
    assert outcome(caught.value) == (ConfigError, "base_url", message, hint, None, None, 3)


PROXY_HINT = "write it as http://host:port or socks5://host:port"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"HTTPS_PROXY": "quux://me:hunter2@p:1"}, "HTTPS_PROXY=quux://…@p:1"),
        ({"ALL_PROXY": "me:hun@ter2@p:port"}, "ALL_PROXY=…@p:port"),
        ({"https_proxy": "socks4://p:1", "http_proxy": ""}, "https_proxy=socks4://p:1"),
    ],
)
def test_a_wrong_proxy_setting_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Transport() as transport:
        with pytest.raises(ConfigError):
            transport.fetch(REQUEST)
        with pytest.raises(ConfigError) as caught:  # and before that, whoever asks
            transport.check_route(REQUEST.url)
    message = f"a proxy setting is wrong: look at {named}"
    assert outcome(caught.value) == ((ConfigError, "proxy", message, PROXY_HINT, None, None, 3))
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_exceptions_to_no_proxy_at_all_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    monkeypatch.setenv("NO_PROXY", "[::1]")
    with Loopback(json_reply(200, {"id": 1})) as vendor:
        assert seen.answer(to(vendor.url)) == [{"id": 1}]


@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks://127.0.0.1:9/", "NO_PROXY": "127.0.0.1"},
        {"ALL_PROXY": "carrier-pigeon://loft", "NO_PROXY": "127.0.0.0/8"},
        {"ALL_PROXY": "http://p:port", "NO_PROXY": "[::1],localhost,127.0.0.1"},
        {"HTTPS_PROXY": "quux://p:1"},
    ],
)
def test_a_wrong_proxy_matters_only_for_the_hosts_it_is_for(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Loopback(json_reply(200, {"id": 1})) as vendor, seen.transport() as transport:
        transport.check_route(vendor.url)
        assert transport.fetch(to(vendor.url)) == {"id": 1}


def proxy_at(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    """Make it the proxy, with a login; what it is called in messages."""
    monkeypatch.setenv("ALL_PROXY", url.replace("//", "//me:hunter2@"))
    return url.replace("//", "//…@")


@pytest.mark.parametrize(
    ("status", "words", "hint"),
    [
        (
            407,
            "{} asks for a login (407)",
            "write it into the proxy's address: http://user:password@host:port",
        ),
        (
            403,
            f"{{}} did not let {HOST} through",
            "check the proxy's address and login in the environment",
        ),
    ],
)
def test_a_proxy_that_turns_the_tunnel_down_is_named(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, status: int, words: str, hint: str
) -> None:
    with Loopback(Reply(status, framing="length")) as proxy:
        message = words.format(f"the proxy {proxy_at(monkeypatch, proxy.url)}")
        failure = seen.failure()
        methods = [(request.method, request.path) for request in proxy.requests]
    assert outcome(failure) == (UnavailableError, "proxy", message, hint, None, None, 5)
    assert (methods, seen.waits) == ([("CONNECT", f"{HOST}:443")], [])


def test_a_proxy_of_the_system_has_no_name_to_show(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_exception(httpx.ProxyError("403 Forbidden"))
    assert seen.failure().message == f"the proxy did not let {HOST} through"


def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch, seen: Witness) -> None:
    named = proxy_at(monkeypatch, refusing_url())
    message = f"cannot connect to {HOST} through the proxy {named} (connection refused)"
    assert (seen.failure().message, seen.waits) == (message, [0.5, 1.0])


def test_a_host_the_proxy_is_not_for_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    proxy_at(monkeypatch, refusing_url())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = refusing_url()
    message = f"cannot connect to {url.partition('//')[2]} (connection refused)"
    assert seen.failure(to(url)).message == message


def test_a_plain_address_is_asked_through_the_proxy_and_nothing_is_preconnected(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    with Loopback(json_reply(200, {"id": 1})) as proxy, Loopback() as vendor:
        proxy_at(monkeypatch, proxy.url)
        with seen.transport() as transport:
            transport.preconnect(vendor.url)
            assert transport.fetch(to(vendor.url)) == {"id": 1}
        assert [request.path for request in proxy.requests] == [to(vendor.url).url]
        assert (len(proxy.connections), vendor.connections) == (1, [])


def ca_failure(monkeypatch: pytest.MonkeyPatch, file: Path) -> ConfigError:
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigError) as caught:
        Transport()
    return caught.value


def test_a_ca_bundle_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "none.pem"
    message = f"SSL_CERT_FILE={file} does not exist"
    assert outcome(ca_failure(monkeypatch, file)) == (
        (ConfigError, "ca", message, "correct or unset it", None, None, 3)
    )


@pytest.mark.parametrize("ahead", [False, True], ids=["", "preconnected"])
def test_a_ca_bundle_that_is_none_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, seen: Witness, tmp_path: Path, ahead: bool
) -> None:
    file = tmp_path / "words.pem"
    file.write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with Loopback(json_reply(200, {}), tls=True) as vendor, seen.transport() as transport:
        if ahead:
            transport.preconnect(vendor.url)
        with pytest.raises(ConfigError) as caught:
            transport.fetch(to(vendor.url))
        assert vendor.requests == []
    message, hint = f"SSL_CERT_FILE={file} cannot be read", "correct or unset it"
    assert outcome(caught.value) == (ConfigError, "ca", message, hint, None, None, 3)
    assert seen.waits == []


def test_a_ca_bundle_of_our_own_that_is_gone_is_said(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    def gone() -> str:
        return "/nowhere/cacert.pem"

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(certifi, "where", gone)
    with Loopback(json_reply(200, {}), tls=True) as vendor:
        failure = seen.failure(to(vendor.url))
        assert vendor.requests == []
    message, hint = "the CA bundle cannot be read", "install certifi again"
    assert outcome(failure) == (ConfigError, "ca", message, hint, None, None, 3)
    assert seen.waits == []


def test_the_ca_bundle_is_loaded_for_tls_alone_once_and_where_the_connection_is_opened(
    monkeypatch: pytest.MonkeyPatch, seen: Witness
) -> None:
    threads: list[str] = []
    real = connect.create_context

    def create() -> ssl.SSLContext:
        threads.append(threading.current_thread().name)
        return real()

    monkeypatch.setattr(connect, "create_context", create)
    ok = json_reply(200, {"id": 1})
    with (
        Loopback(ok) as plain,
        Loopback(ok, tls=True) as one,
        Loopback(ok, tls=True) as other,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(one.ca_file))
        with seen.transport() as transport:
            transport.preconnect(plain.url)
            assert transport.fetch(to(plain.url)) == {"id": 1}
            assert threads == []
            transport.preconnect(one.url)
            assert transport.fetch(to(one.url)) == {"id": 1}
            assert threads == ["preconnect 127.0.0.1"]
            with suppress(UnavailableError):  # each loopback has a CA of its own
                transport.fetch(to(other.url))
    assert len(threads) == 1


def test_itself_the_deferred_context_trusts_nobody() -> None:
    context = DeferredContext(connect.TlsContext())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.get_ca_certs() == []


def test_without_a_proxy_any_address_has_a_route(seen: Witness) -> None:
    with seen.transport() as transport:
        for url in (URL, "http://[", ""):
            transport.check_route(url)
