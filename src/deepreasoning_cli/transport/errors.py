"""A reply that is no answer, as an error of ours: a status that says no, a page, nothing at all."""

from __future__ import annotations

import html
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport.proxy import proxy_of
from deepreasoning_cli.transport.request import Request
from deepreasoning_cli.wire.client.errors import (
    PROXY_LOGIN,
    ErrorDetails,
    Meaning,
    read_error,
    read_error_body,
    to_exception,
)

LARGEST_PAGE = 65_536  # bytes that are read of a refusal or a page
ID_HEADERS = ("request-id", "x-request-id", "x-deepseek-request-id")


def refused(response: httpx.Response, request: Request) -> DeepReasoningError:
    """The error for a reply that is no success; reads what there is of its body."""
    details = _read_details(response)
    if not 300 <= response.status_code < 400:
        return to_exception(details, request.account)
    target = response.next_request.url.netloc.decode() if response.next_request else "nowhere"
    what = f"redirects to {redacted(target, request.secrets)} ({details.status}), not followed"
    meaning = Meaning(
        UnavailableError, what, "set the base URL to the address that answers", has_status=True
    )
    return to_exception(replace(details, kind="redirect"), request.account, meaning)


def _read_details(response: httpx.Response) -> ErrorDetails:
    content = _start_of(response)
    body = _json(content)
    request_id = response_id(response.headers) or body.get("request_id")
    if body:
        return read_error_body(body, response.status_code, request_id)
    return read_error(_title(content), response.status_code, request_id)


def response_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's own number for this reply."""
    return next((headers[name] for name in ID_HEADERS if headers.get(name)), None)


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _start_of(response: httpx.Response) -> bytes:
    content = b""
    for piece in response.iter_bytes():
        content += piece
        if len(content) > LARGEST_PAGE:
            break
    return content


def _title(content: bytes) -> str:
    """An HTML page's title, else the first characters of the text: never a page whole."""
    text = content[:4096].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    if title:
        return f'"{html.unescape(title[1]).strip()[:80]}"'
    return "" if "<" in text[:200] else text[:80]


def not_an_answer(response: httpx.Response, request: Request) -> DeepReasoningError:
    """The error for a success that is no API reply: nothing, a captive portal, a proxy's page."""
    content = _start_of(response)
    if not content.strip():
        return empty(request)
    title = redacted(_title(content), request.secrets)
    return UnavailableError(
        f"{request.host} sent no API answer but a page" + (f": {title}" if title else ""),
        kind="bad_reply",
        hint="check the base URL and whether the network asks for a login",
        status=response.status_code,
    )


def empty(request: Request) -> DeepReasoningError:
    """The error for a success with nothing in it."""
    return UnavailableError(
        f"{request.host} sent an empty answer", kind="bad_reply", hint="try again later"
    )


def network_error(exc: httpx.HTTPError, request: Request) -> tuple[DeepReasoningError, bool]:
    """The error for a connection that failed, and whether trying again can heal it."""
    proxy = proxy_of(request.url)
    if isinstance(exc, httpx.ProxyError):
        return _turned_away(exc, request, proxy), False
    where = f"{request.host} through the proxy {proxy}" if proxy else request.host
    for cause in _causes(exc):
        match cause:
            case socket.gaierror():
                retry = cause.errno == socket.EAI_AGAIN
                return _unreachable(f"cannot find {where} (name lookup failed)", "dns"), retry
            case ssl.SSLCertVerificationError():
                why = redacted(cause.verify_message, request.secrets)
                hint = "set SSL_CERT_FILE to the CA bundle that your network uses"
                return _unreachable(f"cannot trust {where}: {why}", "tls", hint), False
            case ssl.SSLEOFError():
                break  # a hang-up like any other
            case ssl.SSLError() if isinstance(exc, httpx.ConnectError):
                hint = "check the base URL: does this port speak https?"
                return _unreachable(f"no TLS with {where}", "tls", hint), False
    return _from_timeout(exc, where), True


def _turned_away(exc: httpx.ProxyError, request: Request, proxy: str | None) -> DeepReasoningError:
    named = f"the proxy {proxy}" if proxy else "the proxy"
    if "407" in str(exc):
        return _unreachable(f"{named} asks for a login (407)", "proxy", PROXY_LOGIN)
    hint = "check the proxy's address and login in the environment"
    return _unreachable(f"{named} did not let {request.host} through", "proxy", hint)


def _from_timeout(exc: httpx.HTTPError, where: str) -> DeepReasoningError:
    match exc:
        case httpx.ConnectTimeout():
            return _unreachable(f"{where} does not answer the connection", "timeout")
        case httpx.TimeoutException():
            return _unreachable(f"{where} has been silent for too long", "timeout")
        case httpx.ConnectError():
            refusal = any(isinstance(cause, ConnectionRefusedError) for cause in _causes(exc))
            why = "connection refused" if refusal else "no connection"
            return _unreachable(f"cannot connect to {where} ({why})", "connect")
        case _:
            return _unreachable(f"the connection to {where} was lost", "connection_lost")


def _unreachable(
    message: str, kind: str, hint: str = "check the network, then try again"
) -> UnavailableError:
    return UnavailableError(message, kind=kind, hint=hint)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = exc
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
