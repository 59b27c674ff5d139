"""A response → its decoded payloads, one of JSON or many server-sent events.

A response that stalls is given up.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn, Protocol

import httpx

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.keys import redact_payload
from deepreasoning_cli.pipeline.events import DONE, Payload
from deepreasoning_cli.transport import errors
from deepreasoning_cli.transport.request import AttemptFailed, Request, Timeouts, TransportLimits
from deepreasoning_cli.transport.retry import is_retryable
from deepreasoning_cli.wire.client.errors import brings_text, error_in, has_text, to_exception

BAD_IN_A_ROW = 3
CHANGED = "look for a proxy that changes replies, or for another base URL"
FIELDS = (b"data", b"event", b":", b"id:", b"retry")
"""How an event stream can begin."""
LONGEST_FIELD = 5  # bytes that tell it from a page
LIMITS = TransportLimits()


def read_response(
    response: httpx.Response, request: Request, timeouts: Timeouts, limits: TransportLimits
) -> Iterator[Payload]:
    """The payloads of the response to `request`.

    Raises AttemptFailed for a response that is no success, or that begins with an error and brings
    no text; UnavailableError for what is no reply of an API.
    """
    if not response.is_success:
        raise errors.status_error(response, request, timeouts.read)
    label = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    guard = StallGuard(ReplyBody(errors.read_body(response)), timeouts, limits)
    pieces = guard.iter_bytes()
    kind, head = tell_kind(pieces, label)
    pieces = chain(head, pieces)
    if kind == "events":
        decoded = _event_payloads(guard, pieces, request.secrets)
    elif kind == "json":
        decoded = _json_payloads(pieces, request)
    else:
        content = b"".join(errors.beginning(pieces))
        raise errors.page_error(content, request, response.status_code)
    for first in decoded:
        details = None if has_text(first) else error_in(first)
        if details:
            error = to_exception(details, request.account)
            raise AttemptFailed(error, is_retryable(details.kind, {}))
        yield first
        yield from decoded


class Body(Protocol):
    """What has the bytes of a reply."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The bytes as they come."""
        ...


@dataclass(frozen=True, slots=True)
class ReplyBody:
    """The bytes of a reply, unpacked."""

    pieces: Iterator[bytes]

    def iter_bytes(self) -> Iterator[bytes]:
        """The bytes as they come."""
        return self.pieces


def tell_kind(pieces: Iterator[bytes], label: str) -> tuple[str, list[bytes]]:
    """What a reply is by its beginning, `events`, `json` or `page`, and the pieces looked at.

    Gateways drop and change the content type, which is `label`. Empty lines are what DeepSeek
    keeps a queued request alive with: they tell nothing.
    """
    is_stream = label == "text/event-stream"
    head: list[bytes] = []
    start = b""
    for piece in pieces:
        head.append(piece)
        start = (start + piece).lstrip().removeprefix(codecs.BOM_UTF8).lstrip()
        if len(start) >= (1 if is_stream else LONGEST_FIELD):
            break
    if start[:1] in (b"{", b"["):
        return "json", head
    if start.startswith(errors.GZIP):
        return "page", head
    if is_stream or start.startswith(FIELDS):
        return "events", head
    return "json" if label.endswith("json") and not start.startswith(b"<") else "page", head


def _json_payloads(pieces: Iterable[bytes], request: Request) -> Iterator[Payload]:
    """The object of a whole reply; or its chunks, an object a line."""
    data = b"".join(pieces)
    text = data.decode(
        "utf-8-sig", "replace"
    ).strip()  # empty lines before it: DeepSeek's keep-alive
    if not text:
        raise errors.empty_error(request)
    value = errors.json_value(text)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "error" in value[0]:
        value = value[0]  # as Google wraps its errors
    value = _without(request.secrets, value, text)
    if isinstance(value, dict):
        yield value
        return
    lines = [errors.json_object(line) for line in text.split("\n") if line.strip()]
    if None in lines or len(lines) < 2:
        raise UnavailableError(
            f"{request.host} sent unreadable JSON", kind="bad_reply", hint=CHANGED
        )
    yield from filter(None, lines)


class StallGuard:
    """A response's body, the no-progress clock running.

    A gap between two reads counts for at most the read timeout, so that a program that was
    suspended in between does not give up the moment it goes on.
    """

    def __init__(self, body: Body, timeouts: Timeouts, limits: TransportLimits = LIMITS) -> None:
        self._body = body
        self._timeouts = timeouts
        self._limits = limits
        self._limit = timeouts.first_progress
        self._waited = 0.0
        self._waited_for_text = 0.0
        self._pending = 0

    def progressed(self, *, has_text: bool = True) -> None:
        """An event of the reply has come; some hosts keep a request alive with empty ones."""
        self._limit = self._timeouts.progress
        self._waited = 0.0
        self._pending = 0
        if has_text:
            self._waited_for_text = 0.0

    def iter_bytes(self) -> Iterator[bytes]:
        """The bytes as they come.

        Raises UnavailableError when nothing but keep-alives comes, or no event that has text.
        """
        last = self._limits.now()
        for data in self._body.iter_bytes():
            self._watch(last, len(data))
            yield data
            last = self._limits.now()  # how long the reader took over it is not silence

    def _watch(self, last: float, size: int) -> None:
        gap = min(self._limits.now() - last, self._timeouts.read)
        self._waited += gap
        self._waited_for_text += gap
        self._pending += size
        if self._waited > self._limit:
            self._give_up("keep-alives", self._limit)
        if self._waited_for_text > self._timeouts.first_progress:
            self._give_up("empty events", self._timeouts.first_progress)
        if self._pending > self._limits.largest_event:
            what = "one event of the reply passes 16 MB"
            raise UnavailableError(what, kind="bad_reply", hint=CHANGED)

    def _give_up(self, what: str, seconds: float) -> NoReturn:
        hint = "try again later; --timeout sets how long it is waited for"
        raise UnavailableError(f"nothing but {what} for {seconds:.0f} s", kind="timeout", hint=hint)


class ErrorData(bytes):
    """The data of an event that is named `error`."""


def event_data(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each server-sent event, however the stream is cut; one without an end has none.

    That of an event named `error` is ErrorData; whatever else an event has is of no use here.
    https://html.spec.whatwg.org/#parsing-an-event-stream
    """
    data: list[bytes] = []
    kind: type[bytes] = bytes
    for line in _lines(pieces):
        if line.startswith(b"data:"):
            data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif not line:
            yield kind(b"\n".join(data))
            data, kind = [], bytes
        elif line == b"data":
            data.append(b"")
        elif line.startswith(b"event:") and line[6:].strip() == b"error":
            kind = ErrorData


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines without their ends, LF, CR or CRLF; without the mark of byte order at the start.

    Bytes, unlike text, are not split at U+2028 and its like.
    """
    is_first, after_cr = True, False
    begun: list[bytes] = []
    for piece in filter(None, pieces):
        begun.append(piece[1:] if after_cr and piece.startswith(b"\n") else piece)
        after_cr = piece.endswith(b"\r")
        if b"\n" in piece or b"\r" in piece:
            text = b"".join(begun)
            lines = text.splitlines()
            begun = [] if text.endswith((b"\n", b"\r")) or not text else [lines.pop()]
            if is_first and lines:
                lines[0], is_first = lines[0].removeprefix(codecs.BOM_UTF8), False
            yield from lines


def payloads(body: Body, timeouts: Timeouts, limits: TransportLimits = LIMITS) -> Iterator[Payload]:
    """The JSON objects of a stream, DONE where it says `[DONE]`; junk is skipped, and a ping that
    comes before anything else: it is no sign of a reply.

    Raises UnavailableError when three events in a row are not JSON, and what `StallGuard` raises.
    """
    guard = StallGuard(body, timeouts, limits)
    return _event_payloads(guard, guard.iter_bytes())


def _event_payloads(
    guard: StallGuard, pieces: Iterable[bytes], secrets: Sequence[str] = ()
) -> Iterator[Payload]:
    bad, begun = 0, False
    for data in filter(None, event_data(pieces)):
        text = data.decode("utf-8", "replace")
        if text.strip() == "[DONE]":
            yield DONE
            return
        try:
            payload = _without(secrets, errors.parse_json(text), text)
            if isinstance(data, ErrorData):
                payload = _as_error(payload)
        except (ValueError, RecursionError):
            if isinstance(data, ErrorData):
                yield {"error": text.strip()}
                return
            bad += 1
            if bad == BAD_IN_A_ROW:
                raise UnavailableError(
                    "the reply is not readable", kind="bad_reply", hint=CHANGED
                ) from None
            continue
        bad = 0
        if not isinstance(payload, dict):
            continue
        if payload.get("type") != "ping":
            guard.progressed(has_text=brings_text(payload))
            begun = True
        if begun:
            yield payload


def _without(secrets: Sequence[str], value: Any, text: str) -> Any:
    """The value of a JSON text, without an echo of the key that was sent.

    What brings no text is looked through for any spelling; the others come by the thousand, and
    the text in them is masked where its pieces are put together (`providers/api.py`).
    """
    may_hide_one = "\\u00" in text or "\\/" in text or not isinstance(value, dict)
    if may_hide_one or not brings_text(value) or any(secret in text for secret in secrets):
        return redact_payload(value, secrets)
    return value


def _as_error(value: Any) -> Any:
    """The value of an event named `error`, in an envelope that readers know."""
    has_envelope = isinstance(value, dict) and (value.get("error") or "response" in value)
    return value if has_envelope else {"error": value}
