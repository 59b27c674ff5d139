"""The words, names and status of an error, in whatever shape a host writes it.

Shapes seen: OpenAI, Anthropic, OpenRouter (`metadata.raw`), FastAPI (`detail`, or a list of them),
vLLM (`object: "error"`), SiliconFlow, Baidu and DashScope (`code` with `message` or `msg`), MiniMax
(`base_resp`), Google (a list with one error), Spring, AWS, Cloudflare and problem+json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.client.payload import as_dict, as_text

MESSAGES: Final = (
    *("message", "msg", "error_msg", "error_message", "errorMessage", "Message", "status_msg"),
    *("detail", "error_description", "faultstring", "reason", "error", "title"),
)
"""Where the words of an error stand, the best place first."""
INNER: Final = ("error", "errors", "detail", "fault", "base_resp", "response", "details")
"""Where an error stands inside another object."""
NUMBERS: Final = (
    *("http_code", "status_code", "statusCode", "code", "status", "error_code", "httpStatus"),
)
NAMES: Final = ("code", "type", "status", "error_type", "error_code", "__type", "reason", "error")
SAYS_NOTHING: Final = frozenset({"provider returned error", "upstream error", "bad request"})
"""What stands in place of the words where the true ones are further in."""
SUCCESS: Final = (0, 200, "0", "200", "success", "ok", "Success", "OK")
MOST_PARTS: Final = 3  # of a list of errors
DEEPEST: Final = 6


class ErrorWords(NamedTuple):
    """What an error says; `names` are its codes and types, the most exact first."""

    message: str = ""
    names: tuple[str, ...] = ()
    status: int | None = None


def read_words(error: object, depth: int = 0) -> ErrorWords:
    """What an error says: an object, a list of them, or a text, which may hold JSON itself."""
    if depth > DEEPEST:
        return ErrorWords()
    if isinstance(error, str):
        return _of_text(error, depth)
    if isinstance(error, list):
        return _of_list(error, depth)
    if isinstance(error, dict):
        return _of_object(error, depth)
    return ErrorWords()


def _of_text(text: str, depth: int) -> ErrorWords:
    """A text; where JSON with words of its own ends it, those words."""
    words = " ".join(text.split())
    before, bracket, _ = words.partition("{")
    if bracket and (inner := _parse(words[len(before) :])):
        within = read_words(inner, depth + 1)
        if within.message:
            before = before.strip(" :-[")
            said = any(letter.isalpha() for letter in before)
            message = f"{before}: {within.message}" if said else within.message
            return within._replace(message=message)
    return ErrorWords(words, (words,))


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_list(items: list[Any], depth: int) -> ErrorWords:
    """Several errors; FastAPI says of each in `loc` which field it is about."""
    parts = []
    for item in items[:MOST_PARTS]:
        words = read_words(item, depth + 1)
        place = as_dict(item).get("loc")
        if isinstance(place, list) and place and words.message:
            words = words._replace(message=f"{'.'.join(map(str, place))}: {words.message}")
        parts.append(words)
    message = "; ".join(part.message for part in parts if part.message)
    names = tuple(name for part in parts for name in part.names)
    return ErrorWords(message, names, next((p.status for p in parts if p.status), None))


def _of_object(error: Mapping[str, Any], depth: int) -> ErrorWords:
    metadata = as_dict(error.get("metadata"))
    inner = read_words(metadata.get("raw"), depth + 1)
    for name in INNER:
        if inner.message:
            break
        if isinstance(error.get(name), dict | list):
            inner = read_words(error[name], depth + 1)
    message = next(filter(None, (_line(error.get(name)) for name in MESSAGES)), "")
    if (own := read_words(message, depth + 1)).names != (message,):  # it holds JSON
        message, inner = own.message, inner if inner.names else own
    if inner.message and (not message or message.lower().rstrip(".") in SAYS_NOTHING):
        provider = as_text(metadata.get("provider_name"))
        message = f"{provider}: {inner.message}" if provider else inner.message
    if reasons := [each for each in metadata.get("reasons") or () if isinstance(each, str)]:
        message = f"{message} ({', '.join(reasons)})"
    exact = as_text(as_dict(error.get("details")).get("error_code"))
    names = (exact, *inner.names, *(as_text(error.get(name)) for name in NAMES))
    status = next(_statuses(error), None)
    return ErrorWords(message, tuple(filter(None, names)), inner.status or status)


def _line(value: object) -> str:
    return " ".join(as_text(value).split())


def _statuses(error: Mapping[str, Any]) -> Iterator[int]:
    """Every number in it that can be an HTTP status of a failure."""
    for name in NUMBERS:
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value < 600:
            yield value


def bare_error(payload: Payload) -> object:
    """A payload that is an error itself, without an envelope of any known format; else None."""
    if payload.get("object") == "error":
        return payload
    base = as_dict(payload.get("base_resp"))
    if base.get("status_code") not in (None, *SUCCESS):
        return base
    if any(payload.get(name) for name in ("choices", "output", "results", "usage", "object", "id")):
        return None
    if as_text(payload.get("type")) and not as_text(payload.get("message")):
        return None
    if any(payload.get(name) in SUCCESS for name in ("code", "status", "errcode")):
        return None
    if payload.get("success") is True or payload.get("status") is True:
        return None
    has_words = any(as_text(payload.get(name)) for name in MESSAGES)
    return payload if has_words or payload.get("detail") or payload.get("errors") else None
