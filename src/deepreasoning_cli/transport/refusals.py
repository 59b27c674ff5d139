"""A reply that is no answer, as an error of ours: a status that says no, a page, nothing at all."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport.request import Request
from deepreasoning_cli.wire.client.errors import (
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
