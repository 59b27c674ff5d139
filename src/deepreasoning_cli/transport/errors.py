"""A reply that is no answer, as an error of ours: a status that says no, a page, nothing at all."""

from __future__ import annotations

import html
import json
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import httpx

from deepreasoning_cli.errors import DeepReasoningError, UnavailableError, out_of_resources
from deepreasoning_cli.keys import redact
from deepreasoning_cli.transport.proxy import without_login
from deepreasoning_cli.transport.request import AttemptFailed, Request
from deepreasoning_cli.transport.retry import is_retryable, requested_wait
from deepreasoning_cli.wire.client.errors import (
    LONGEST_WORDS,
    PROXY_LOGIN,
    Meaning,
    read_error_body,
    to_exception,
)

GZIP = b"\x1f\x8b"
TEXT_STARTS = (b"d", b"e", b":", b"i", b"r", b"{", b"[", b"<", b"\xef", b"")
"""How an event stream, JSON or a page begins, with or without a mark of byte order."""
LARGEST_PAGE = 65_536  # bytes that are read of a refusal or a page
OTHER_CA = "set SSL_CERT_FILE to the CA bundle that your network uses"
WRONG_NAME = "check the base URL: whoever answers there has a certificate for another name"
OTHER_CERTIFICATE = "whoever runs the host has to give it another certificate"
DISTRUST = {
    9: "check this computer's clock: the certificate is not valid yet",
    10: "check this computer's clock; if it is right, whoever runs the host has to renew it",
    **dict.fromkeys((62, 64), WRONG_NAME),
    **dict.fromkeys((23, 26, 66, 67, 68), OTHER_CERTIFICATE),
}
"""What to do by OpenSSL's number of the fault (x509_vfy.h): too early, expired, another name;
revoked, for another purpose, or weak.
"""
OLD_TLS = "whoever runs the host has to let it speak TLS 1.2 or later, as a proxy has to"
CALLERS_CERTIFICATE = "it asks callers for a certificate: set a base URL that asks for a key alone"
NO_TLS = {
    "UNSUPPORTED_PROTOCOL": OLD_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": OLD_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": CALLERS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "whoever runs the host has to let it speak TLS as others do",
}
"""What to do by OpenSSL's name for what ended the talk about a connection (ssl.SSLError.reason)."""
CHECK_NETWORK = "check the network, then try again"
ID_HEADERS = ("request-id", "x-request-id", "x-deepseek-request-id")


def status_error(response: httpx.Response, request: Request, seconds: float) -> AttemptFailed:
    """The failure of a reply that is no success; reads what of its body comes in `seconds`."""
    content = b"".join(_in_time(beginning(read_body(response)), seconds))
    body = json_value(content)
    fields = body if isinstance(body, dict) else {}
    request_id = response_id(response.headers) or fields.get("request_id")
    said = body if isinstance(body, dict | list) else _title(content)
    details = read_error_body(said, response.status_code, request_id)
    meaning = None
    if 300 <= response.status_code < 400:
        details = replace(details, kind="redirect")
        meaning = _redirect(response, request)
    error = to_exception(details, request.account, meaning)
    retryable = is_retryable(error.kind, response.headers)
    if retryable:
        error.retry_after = requested_wait(response.headers, datetime.now(UTC))
    return AttemptFailed(error, retryable, error.retry_after)


def _redirect(response: httpx.Response, request: Request) -> Meaning:
    target = _redirect_target(response)
    what = f"redirects to {redact(target, request.secrets)} ({response.status_code}), not followed"
    hint = "set the base URL to the address that answers"
    if target == request.url.replace("http://", "https://", 1):
        hint = f"write the base URL with https://: {redact(target, request.secrets)}"
    return Meaning(UnavailableError, what, hint, has_status=True)


def _redirect_target(response: httpx.Response) -> str:
    """Where a redirect leads, as far as it may be shown: no login, no query."""
    if not response.next_request:
        return "nowhere"
    url = response.next_request.url
    return f"{url.scheme}://{url.netloc.decode()}{url.path}"


def read_body(response: httpx.Response) -> Iterator[bytes]:
    """The bytes of a reply as they come, decompressed.

    The label is believed only if what comes could be compressed: a gateway may have unpacked the
    text and left the label on it.
    """
    label = response.headers.get("content-encoding", "").strip().lower()
    if label in ("", "identity"):
        return response.iter_bytes()
    pieces = response.iter_raw()
    head = next(filter(None, pieces), b"")
    whole = chain([head], pieces)
    if head.lstrip()[:1] in TEXT_STARTS:
        return whole
    return httpx.Response(200, headers={"content-encoding": label}, content=whole).iter_bytes()


def beginning(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """As much of a refusal or a page as is read."""
    size = 0
    for piece in pieces:
        yield piece[: LARGEST_PAGE - size]
        size += len(piece)
        if size >= LARGEST_PAGE:
            return


def _in_time(pieces: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """What comes in `seconds`, and before the connection is lost: the status has said enough."""
    until = time.monotonic() + seconds
    with suppress(httpx.TransportError):
        for piece in pieces:
            yield piece
            if time.monotonic() >= until:
                return


def response_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's own number for this reply."""
    return next((headers[name] for name in ID_HEADERS if headers.get(name)), None)


def json_value(text: str | bytes) -> Any:
    """The value that a JSON text stands for; None for what is no JSON."""
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return None


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`, but an integer of more digits than Python reads is infinite: what stands
    beside it was paid for.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(text, parse_int=float)


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that `text` is; None for anything else."""
    value = json_value(text)
    return value if isinstance(value, dict) else None


def _title(content: bytes) -> str:
    """An HTML page's title, else the first characters of the text: never a page whole."""
    text = content[:4096].decode("utf-8", "replace")
    if content.startswith(GZIP):
        return "compressed data that is not labelled so"
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    if title:
        return f'"{html.unescape(title[1]).strip()[:80]}"'
    is_page = re.match(r"\s*<(!doctype|\?xml|html|head|body|\w+[ >])", text, re.IGNORECASE)
    return "" if is_page else text[:LONGEST_WORDS]


def page_error(content: bytes, request: Request, status: int) -> DeepReasoningError:
    """The error for a success that is no API reply: nothing, a captive portal, a proxy's page.

    `content` is its beginning.
    """
    if not content.strip():
        return empty_error(request)
    title = redact(_title(content), request.secrets)
    return UnavailableError(
        f"{request.host} sent a web page instead of an API reply" + (f": {title}" if title else ""),
        kind="bad_reply",
        hint="check the base URL and whether the network asks for a login",
        status=status,
    )


def empty_error(request: Request) -> DeepReasoningError:
    """The error for a success with nothing in it."""
    return UnavailableError(
        f"{request.host} sent an empty answer", kind="bad_reply", hint="try again later"
    )


def network_error(exc: httpx.HTTPError, request: Request) -> AttemptFailed:
    """The failure of a connection, with whether trying again can heal it."""
    if isinstance(exc, httpx.DecodingError):
        what = f"{request.host} sent a badly compressed reply"
        hint = "look for a proxy that changes replies, or for another base URL"
        return AttemptFailed(UnavailableError(what, kind="bad_reply", hint=hint), retryable=False)
    proxy = exc.request.extensions.get("proxy")
    name = f"the proxy {without_login(proxy)}" if proxy else "the proxy"
    if isinstance(exc, httpx.ProxyError):
        return _from_proxy(exc, name, request.host)
    where = f"{request.host} through {name}" if proxy else request.host
    for cause in _causes(exc):
        if scarce := out_of_resources(cause):
            return AttemptFailed(scarce, retryable=False)
        match cause:
            case socket.gaierror():
                retryable = cause.errno == socket.EAI_AGAIN
                return _failed(
                    f"cannot find {where} (name lookup failed)", "dns", retryable=retryable
                )
            case ssl.SSLCertVerificationError():
                why = redact(cause.verify_message, request.secrets)
                hint = DISTRUST.get(cause.verify_code, OTHER_CA)
                return _failed(f"cannot trust {where}: {why}", "tls", hint, retryable=False)
            case ssl.SSLEOFError():
                break  # a hang-up like any other
            case ssl.SSLError() if isinstance(exc, httpx.ConnectError) or _reason(cause) in NO_TLS:
                hint = NO_TLS.get(_reason(cause), "check the base URL: does this port speak https?")
                return _failed(f"no TLS with {where}", "tls", hint, retryable=False)
    return _failed(*_from_class(exc, where))


def _reason(error: ssl.SSLError) -> str:
    return getattr(error, "reason", None) or ""  # only OpenSSL's own errors have one


def _from_proxy(exc: httpx.ProxyError, name: str, host: str) -> AttemptFailed:
    if "407" in str(exc):
        return _failed(f"{name} asks for a login (407)", "proxy", PROXY_LOGIN, retryable=False)
    hint = "check the proxy's address and login in the environment"
    return _failed(f"{name} did not let {host} through", "proxy", hint, retryable=False)


def _from_class(exc: httpx.HTTPError, where: str) -> tuple[str, str]:
    match exc:
        case httpx.ConnectTimeout():
            return f"{where} does not answer the connection", "timeout"
        case httpx.TimeoutException():
            return f"{where} has been silent for too long", "timeout"
        case httpx.ConnectError():
            is_refused = any(isinstance(cause, ConnectionRefusedError) for cause in _causes(exc))
            why = "connection refused" if is_refused else "no connection"
            return f"cannot connect to {where} ({why})", "connect"
        case _:
            return f"the connection to {where} was lost", "connection_lost"


def _failed(
    message: str, kind: str, hint: str = CHECK_NETWORK, *, retryable: bool = True
) -> AttemptFailed:
    return AttemptFailed(UnavailableError(message, kind=kind, hint=hint), retryable)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
