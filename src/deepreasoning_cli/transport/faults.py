"""What goes wrong on the way, in the user's words: foreign errors end here."""

from __future__ import annotations

import html
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport.request import Request
from deepreasoning_cli.transport.retry import NEVER_HEALS

LONGEST_MESSAGE = 500  # characters of a vendor's own words


@dataclass(frozen=True, slots=True)
class Reply:
    """What a refusal says of itself, whatever its envelope."""

    status: int
    message: str
    code: str | None
    request_id: str | None


def read_refusal(response: httpx.Response, secrets: tuple[str, ...]) -> Reply:
    """The facts of a reply that is no success; its body must have been read."""
    headers = response.headers
    request_id = headers.get("request-id") or headers.get("x-request-id")
    payload = _json(response.content)
    message, code = _words(payload) if payload else (_title(response), None)
    request_id = request_id or payload.get("request_id")
    return Reply(
        response.status_code,
        redacted(" ".join(message.split()), secrets)[:LONGEST_MESSAGE],
        code,
        request_id if isinstance(request_id, str) else None,
    )


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _words(payload: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message and code from the envelopes of OpenAI, Anthropic, OpenRouter, Linkup and others."""
    match payload.get("error", payload.get("detail", payload.get("message"))):
        case {"message": str(message)} as error:
            details = error.get("details")
            inner = details.get("error_code") if isinstance(details, dict) else None
            codes = (inner, error.get("code"), error.get("type"))
            return message, next((code for code in codes if isinstance(code, str)), None)
        case str(message):
            return message, None
        case _:
            return "", None


def _title(response: httpx.Response) -> str:
    """An HTML page's title, else the first characters of the text: never a page whole."""
    text = response.content[:4096].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    if title:
        return f'"{html.unescape(title[1]).strip()[:80]}"'
    return "" if "<" in text[:200] else text[:80]


def refused(reply: Reply, request: Request) -> DeepReasoningError:
    """The error for a reply that no retry heals, or whose retries are used up."""
    kind, error_type, what, hint = _verdict(reply, request)
    message = f"{request.host} {what}" + (f": {reply.message}" if reply.message else "")
    return error_type(
        message, hint=hint, kind=kind, status=reply.status, request_id=reply.request_id
    )


Verdict = tuple[str, type[DeepReasoningError], str, str]


def _verdict(reply: Reply, request: Request) -> Verdict:
    status = reply.status
    if status == 401:
        return _wrong_key(request)
    if status == 402 or reply.code in NEVER_HEALS or _is_billing(reply):
        where = f" at {request.top_up}" if request.top_up else ""
        return (
            "no_credit",
            RefusedError,
            f"asks for credit ({status})",
            f"top up the account{where}",
        )
    if status == 429:
        what, hint = "limits the rate (429)", "try again later"
        return "rate_limit", UnavailableError, what, hint
    if status >= 500 or status in (408, 409):
        what = "is overloaded (529)" if status == 529 else f"failed ({status})"
        return (
            "overloaded" if status in (503, 529) else "server",
            UnavailableError,
            what,
            "try again later",
        )
    if 300 <= status < 400:
        hint = "set the base URL to the address that answers"
        return "redirect", UnavailableError, f"redirects elsewhere ({status}), not followed", hint
    return _client_fault(reply)


def _client_fault(reply: Reply) -> Verdict:
    status = reply.status
    if status == 403:
        hint = "the key lacks the right, or the region is not served"
        return "forbidden", RefusedError, "forbids it (403)", hint
    if status == 404:
        hint = "`deepreasoning models` lists what can be asked; check the base URL too"
        return "not_found", RefusedError, "does not know the model or the address (404)", hint
    if status == 413 or _is_overflow(reply):
        hint = "shorten the prompt, drop files, or choose a model with a larger context"
        return "too_long", RefusedError, f"finds the request too long ({status})", hint
    hint = "change the request as the message says"
    return "bad_request", RefusedError, f"refused the request ({status})", hint


def _wrong_key(request: Request) -> Verdict:
    key = request.key
    if key is None:
        return "key_missing", ConfigError, "asks for a key (401)", "set a key for this host"
    what = f"rejected the key {key.name} from {key.origin} ({key.masked}) (401)"
    hint = f"replace it: `deepreasoning config set keys.{key.name}`"
    return "key_rejected", ConfigError, what, hint


def _is_billing(reply: Reply) -> bool:
    """Anthropic words an empty balance as a 400 `invalid_request_error`, or `billing_error`."""
    return reply.code == "billing_error" or (
        reply.status == 400 and "credit balance" in reply.message.lower()
    )


def _is_overflow(reply: Reply) -> bool:
    words = reply.message.lower()
    return reply.status == 400 and ("too long" in words or "context length" in words)


def lost(
    exc: httpx.HTTPError, request: Request, *, proxied: bool
) -> tuple[DeepReasoningError, bool]:
    """The error for a connection that failed, and whether trying again can heal it."""
    via = " through the proxy" if proxied else ""
    where = f"{request.host}{via}"
    causes = tuple(_causes(exc))
    for cause in causes:
        match cause:
            case socket.gaierror():
                retry = cause.errno == socket.EAI_AGAIN
                return _unreachable(f"cannot find {where} (name lookup failed)", "dns"), retry
            case ssl.SSLCertVerificationError():
                why = redacted(cause.verify_message, request.secrets)
                hint = "set SSL_CERT_FILE to the CA bundle that your network uses"
                return _unreachable(f"cannot trust {where}: {why}", "tls", hint), False
            case ssl.SSLError():
                hint = "check the base URL: does this port speak https?"
                return _unreachable(f"no TLS with {where}", "tls", hint), False
    return _worded(exc, where), not isinstance(exc, httpx.ProxyError | httpx.UnsupportedProtocol)


def _worded(exc: httpx.HTTPError, where: str) -> DeepReasoningError:
    match exc:
        case httpx.ConnectTimeout():
            return _unreachable(f"{where} does not answer the connection", "timeout")
        case httpx.TimeoutException():
            return _unreachable(f"{where} has been silent for too long", "timeout")
        case httpx.ConnectError():
            refusal = any(isinstance(cause, ConnectionRefusedError) for cause in _causes(exc))
            why = "connection refused" if refusal else "no connection"
            return _unreachable(f"cannot connect to {where} ({why})", "connect")
        case httpx.ProxyError():
            hint = "check the proxy's address and login in the environment"
            return _unreachable(f"the proxy did not let {where} through", "proxy", hint)
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


def not_an_answer(response: httpx.Response, request: Request) -> DeepReasoningError:
    """The error for a success that is no API reply: a captive portal, a proxy's page."""
    title = _title(response)
    words = f": {title}" if title else ""
    return UnavailableError(
        f"{request.host} sent no API answer but a page{words}",
        kind="bad_reply",
        hint="check the base URL and whether the network asks for a login",
        status=response.status_code,
    )
