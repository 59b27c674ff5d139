"""A response → its decoded payloads, one of JSON or many server-sent events.

A response that stalls is given up.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, cast

import httpx
from httpx_sse import EventSource

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.pipeline.events import DONE, Payload
from deepreasoning_cli.transport import errors
from deepreasoning_cli.transport.request import AttemptFailed, Request, Timeouts, TransportLimits
from deepreasoning_cli.transport.retry import is_retryable
from deepreasoning_cli.wire.client.errors import error_in, has_text, to_exception

BAD_IN_A_ROW = 3
LIMITS = TransportLimits()


def read_response(
    response: httpx.Response, request: Request, timeouts: Timeouts, limits: TransportLimits
) -> Iterator[Payload]:
    """The payloads of the response to `request`.

    Raises AttemptFailed for a response that is no success, or that begins with an error and brings
    no text; UnavailableError for what is no reply of an API.
    """
    if not response.is_success:
        raise errors.status_error(response, request)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        decoded = payloads(response, timeouts, limits)
    elif kind.endswith("json"):
        decoded = iter([_json_object(StallGuard(response, timeouts, limits), request)])
    else:
        raise errors.page_error(response, request)
    for first in decoded:
        details = None if has_text(first) else error_in(first)
        if details:
            error = to_exception(details, request.account)
            raise AttemptFailed(error, is_retryable(details.kind, {}))
        yield first
        yield from decoded


def _json_object(guard: StallGuard, request: Request) -> Payload:
    text = "".join(guard.iter_text()).strip()  # empty lines before it: DeepSeek's keep-alive
    if not text:
        raise errors.empty_error(request)
    payload = errors.json_object(text)
    if payload is None:
        raise UnavailableError(f"{request.host} sent unreadable JSON", kind="bad_reply")
    return payload


class StallGuard:
    """A response as httpx-sse reads it: strict UTF-8, no BOM, the no-progress clock running.

    A gap between two reads counts for at most the read timeout, so that a program that was
    suspended in between does not give up the moment it goes on.
    """

    def __init__(
        self, response: httpx.Response, timeouts: Timeouts, limits: TransportLimits = LIMITS
    ) -> None:
        self.headers = {"content-type": "text/event-stream"}
        self._response = response
        self._timeouts = timeouts
        self._limits = limits
        self._limit = timeouts.first_progress
        self._waited = 0.0
        self._pending = 0

    def progressed(self) -> None:
        """An event of the reply has come."""
        self._limit = self._timeouts.progress
        self._waited = 0.0
        self._pending = 0

    def iter_text(self) -> Iterator[str]:
        """The decoded text; raises UnavailableError when nothing but keep-alives comes."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        last = self._limits.now()
        for data in self._response.iter_bytes():
            text = decoder.decode(data)
            last = self._watch(last, len(text))
            if text:
                yield text
                last = (
                    self._limits.now()
                )  # how long the reader took over it is not the server's silence

    def _watch(self, last: float, size: int) -> float:
        now = self._limits.now()
        self._waited += min(now - last, self._timeouts.read)
        self._pending += size
        if self._waited > self._limit:
            raise UnavailableError(
                f"nothing but keep-alives for {self._limit:.0f} s", kind="timeout"
            )
        if self._pending > self._limits.largest_event:
            raise UnavailableError("one event of the reply passes 16 MB", kind="bad_reply")
        return now


def payloads(
    response: httpx.Response, timeouts: Timeouts, limits: TransportLimits = LIMITS
) -> Iterator[Payload]:
    """The JSON objects of a stream, DONE where it says `[DONE]`; pings and junk are skipped.

    Raises UnavailableError when three events in a row are not JSON, and what `StallGuard` raises.
    """
    guard = StallGuard(response, timeouts, limits)
    source = EventSource(cast(Any, guard))  # it reads only what StallGuard has of a response
    bad = 0
    for event in source.iter_sse():
        if not event.data:
            continue
        if event.data.strip() == "[DONE]":
            yield DONE
            return
        try:
            payload = json.loads(event.data)
        except (ValueError, RecursionError):
            bad += 1
            if bad == BAD_IN_A_ROW:
                raise UnavailableError("the reply is not readable", kind="bad_reply") from None
            continue
        bad = 0
        if isinstance(payload, dict) and payload.get("type") != "ping":
            guard.progressed()
            yield payload
