"""What a vendor says when it says no, whatever its envelope, in the user's words."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.events import Payload
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport.faults import LOGIN
from deepreasoning_cli.transport.request import Request
from deepreasoning_cli.transport.retry import NEVER_HEALS, meant, worth_retrying

LONGEST_MESSAGE = 500  # characters of a vendor's own words
LARGEST_PAGE = 65_536  # bytes that are read of a refusal or a page
NO_RESULT = "SEARCH_QUERY_NO_RESULT"  # Linkup says 400 to a search that finds nothing
ID_HEADERS = ("request-id", "x-request-id", "x-deepseek-request-id")
IMPLIED = {
    "rate_limit_error": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error of this type would have had (platform.claude.com, Errors)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a refusal says of itself, whatever its envelope."""

    status: int
    message: str
    code: str | None
    request_id: str | None
    target: str | None = None


def read_refusal(response: httpx.Response, request: Request) -> Reply:
    """The facts of a reply that is no success; reads what there is of its body."""
    content = _start_of(response)
    payload = _json(content)
    words = _words(payload) if payload else (_title(content), None)
    request_id = response_id(response.headers) or payload.get("request_id")
    target = response.next_request.url.netloc.decode() if response.next_request else None
    return _reply(response.status_code, words, request_id, request, target)


def _reply(
    status: int,
    words: tuple[str, str | None],
    request_id: object,
    request: Request,
    target: str | None = None,
) -> Reply:
    message, code = words
    return Reply(
        status,
        redacted(" ".join(message.split()), request.secrets)[:LONGEST_MESSAGE],
        code,
        redacted(request_id, request.secrets) if isinstance(request_id, str) else None,
        target and redacted(target, request.secrets),
    )


def response_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's own number for this reply."""
    return next((headers[name] for name in ID_HEADERS if headers.get(name)), None)


def begun_with(payload: Payload, request: Request) -> Reply | None:
    """The refusal in a success's first payload, if waiting can heal it; its status is implied.

    Anthropic documents errors after a 200 (streaming, "Error events"), OpenRouter puts the status
    into `error.code`. What waiting cannot heal is for the reader of the stream to word.
    """
    error = payload.get("error")
    if not isinstance(error, dict):
        return None
    words = _words(payload)
    numbers = (error.get("code"), IMPLIED.get(str(error.get("type"))))
    status = next((number for number in numbers if isinstance(number, int)), 200)
    status = meant(status, words[1])
    if not worth_retrying(status, {}, words[1]):
        return None
    return _reply(status, words, payload.get("request_id"), request)


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _words(payload: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message and code from the envelopes of OpenAI, Anthropic, OpenRouter, Linkup and others."""
    said: Any = payload.get("error") or payload.get("detail") or payload.get("message")
    match said:
        case {"message": str(message)} as error:
            details = error.get("details")
            inner = details.get("error_code") if isinstance(details, dict) else None
            codes = (inner, error.get("code"), error.get("type"))
            return message, next((code for code in codes if isinstance(code, str)), None)
        case str(message):
            return message, None
        case _:
            return "", None


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


def refused(reply: Reply, request: Request) -> DeepReasoningError:
    """The error for a reply that no retry heals, or whose retries are used up."""
    kind, error_type, what, hint = _verdict(reply, request)
    message = f"{request.host} {what}" + (f": {reply.message}" if reply.message else "")
    return error_type(
        message, hint=hint, kind=kind, status=reply.status, request_id=reply.request_id
    )


Verdict = tuple[str, type[DeepReasoningError], str, str]


def _verdict(reply: Reply, request: Request) -> Verdict:
    status, means = reply.status, meant(reply.status, reply.code)
    if means == 401:
        return _wrong_key(reply, request)
    if means == 402 or reply.code in NEVER_HEALS or _is_billing(reply):
        where = f" at {request.top_up}" if request.top_up else ""
        return (
            "no_credit",
            RefusedError,
            f"asks for credit ({status})",
            f"top up the account{where}",
        )
    if means == 429:
        what, hint = f"limits the rate ({status})", "try again later"
        return "rate_limit", UnavailableError, what, hint
    if means >= 500 or means in (408, 409):
        what = "is overloaded (529)" if status == 529 else f"failed ({status})"
        return (
            "overloaded" if means in (503, 529) else "server",
            UnavailableError,
            what,
            "try again later",
        )
    if 300 <= status < 400:
        what = f"redirects to {reply.target or 'nowhere'} ({status}), not followed"
        hint = "set the base URL to the address that answers"
        return "redirect", UnavailableError, what, hint
    if status == 407:
        return "proxy", UnavailableError, "is behind a proxy that asks for a login (407)", LOGIN
    return _client_fault(reply)


def _client_fault(reply: Reply) -> Verdict:
    status = reply.status
    if status == 403:
        hint = "the key lacks the right, or the region is not served"
        return "forbidden", RefusedError, "forbids it (403)", hint
    if meant(status, reply.code) == 404:
        hint = "`deepreasoning models` lists what can be asked; check the base URL too"
        return "not_found", RefusedError, f"does not know the model or the address ({status})", hint
    if status == 413 or _is_overflow(reply):
        hint = "shorten the prompt, drop files, or choose a model with a larger context"
        return "too_long", RefusedError, f"finds the request too long ({status})", hint
    if reply.code == NO_RESULT:
        return "no_result", RefusedError, "found nothing", "word the question differently"
    hint = "change the request as the message says"
    return "bad_request", RefusedError, f"refused the request ({status})", hint


def _wrong_key(reply: Reply, request: Request) -> Verdict:
    key, status = request.key, reply.status
    if key is None:
        what = f"asks for a key ({status})"
        return "key_missing", ConfigError, what, "set a key for this host"
    what = f"rejected the key {key.name} from {key.origin} ({key.masked}) ({status})"
    variable = key.origin.removeprefix("environment ")
    if variable != key.origin:  # a key set in the file would not be heard
        hint = f"correct {variable}: the environment outranks the config file"
    else:
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
