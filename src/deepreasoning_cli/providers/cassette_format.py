"""The lines of a cassette: a header, then one for each call: what was asked, what came, the end.

It is JSON in which others can read and write: docs/cassettes.md describes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType
from typing import Any, Final, Literal, get_args

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from deepreasoning_cli.keys import redact_known, redact_known_payload
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Chunk, Payload, Source
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.search import SearchResult

VERSION: Final = 1
"""Stands in the header; a cassette of a higher version is left to the program it is from."""
DIGITS: Final = 3  # of the seconds

Piece = Chunk | SearchResult
"""What comes in a reply: a model's chunk, or a page of a search."""
TEXTS: Final[dict[str, type[Any]]] = {
    "thought": events.Thought,
    "text": events.Text,
    "arguments": events.ToolArguments,
    "model": events.ModelReported,
    "hidden": events.HiddenThought,
}
"""The pieces that have one field, by their names in a line."""
OBJECTS: Final[dict[str, type[Any]]] = {
    "call": events.ToolCallStarted,
    "usage": Usage,
    "stop": events.End,
}
"""Those that have more."""
NAMES: Final = {kind: name for name, kind in (TEXTS | OBJECTS).items()}
ERRORS: Final[dict[str, type[DeepReasoningError]]] = {
    "usage": UsageError,
    "config": ConfigError,
    "refused": RefusedError,
    "unavailable": UnavailableError,
    "incomplete": IncompleteError,
}
ERROR_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "message": (str,),
    "kind": (str,),
    "status": (int,),
    "request_id": (str,),
    "retry_after": (int, float),
}
Ending = Literal["complete", "stopped", "failed"]
ENDINGS: Final = get_args(Ending)
LARGEST: Final = 1 << 53
"""No number in a line is larger: up to here all programs read the same whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call: the `request`, as `describe` has it, and its reply.

    Each piece has its time in seconds since the call began. `error` is what a failed call raised;
    a call that was stopped was closed by who read it, before the reply came to its end.
    """

    request: Payload
    reply: Sequence[tuple[float, Piece]]
    error: DeepReasoningError | None = None
    stopped: bool = False

    @property
    def end(self) -> Ending:
        """How it ended, in a word."""
        return "failed" if self.error else "stopped" if self.stopped else "complete"


def header_line() -> bytes:
    """The first line of a file."""
    return _line({"cassette": VERSION, "program": f"deepreasoning {__version__}"})


def call_line(call: RecordedCall) -> bytes:
    """The line of a call, every key that this process knows masked in it."""
    line: Payload = {
        "request": call.request,
        "reply": [{"t": round(t, DIGITS), **_piece(piece)} for t, piece in call.reply],
        "end": call.end,
    }
    if call.error:
        line["error"] = _error(call.error)
    return _line(line)


def _line(values: Payload) -> bytes:
    text = json.dumps(values, ensure_ascii=True)
    if redact_known(text) != text:  # that looks at all of it at once, and may harm an escape
        text = json.dumps(redact_known_payload(values), ensure_ascii=True)
    return f"{text}\n".encode("ascii")


def _piece(piece: Piece) -> Payload:
    if isinstance(piece, SearchResult):
        source = piece.source
        return {"page": {"title": source.title, "url": source.url, "text": piece.text}}
    name = NAMES[type(piece)]
    values = {each.name: getattr(piece, each.name) for each in fields(piece)}
    if name in TEXTS:
        return {name: next(iter(values.values()))}
    return {
        name: {each.name: values[each.name] for each in fields(piece) if _is_said(each, values)}
    }


def _is_said(field: Field[Any], values: Mapping[str, Any]) -> bool:
    """Whether a field has to be written: it has no default, or another value than that."""
    return field.default is MISSING or values[field.name] != field.default


def _error(error: DeepReasoningError) -> Payload:
    kinds = (name for name, each in ERRORS.items() if isinstance(error, each))
    kind = next(kinds, "unavailable")
    said = {name: getattr(error, name) for name in ERROR_FIELDS if getattr(error, name) is not None}
    return {"class": kind, **said, "hints": list(error.hints)}


def read_request(line: Any) -> Payload:
    """What the call of a line asked. Raises ValueError where it is no call."""
    match line:
        case {"request": dict() as request, "reply": list()}:
            messages = request.get("messages", [])
            if isinstance(messages, list) and all(isinstance(each, dict) for each in messages):
                return request
            raise ValueError("messages: not a list of messages")
    raise ValueError("it has no request with its reply")


def read_call(line: Any) -> RecordedCall:
    """The call of a line. Raises ValueError where it is none."""
    request = read_request(line)
    try:
        end, error = line.get("end", "complete"), line.get("error")
        if end not in ENDINGS or (end == "failed") != bool(error):
            raise ValueError(f"end: not one of {', '.join(ENDINGS)}, the last with an error")
        _check_numbers([line["reply"], error])
        reply = [(_seconds(each), _read_piece(each)) for each in line["reply"]]
        failure = _read_error(error) if error else None
    except LookupError as exc:
        raise ValueError(f"it has no {exc}") from exc
    except (AttributeError, TypeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc
    return RecordedCall(request=request, reply=reply, error=failure, stopped=end == "stopped")


def _check_numbers(value: Any) -> None:
    """Raise ValueError where a number is negative, or larger than any that is written."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_numbers(each)
    elif isinstance(value, int | float) and not 0 <= value <= LARGEST:
        raise ValueError(f"{value} is not a number from 0 to {LARGEST}")


def _seconds(piece: Mapping[str, Any]) -> float:
    match piece.get("t", 0):
        case int() | float() as seconds:
            return float(seconds)
    raise ValueError("t: not a number of seconds")


def _read_piece(piece: Mapping[str, Any]) -> Piece:
    from deepreasoning_cli.history.decoder import DAMAGE, decode  # only a replay reads

    for name, value in piece.items():
        try:
            if name in TEXTS:
                return decode(TEXTS[name], {fields(TEXTS[name])[0].name: value})  # type: ignore[no-any-return]
            if name in OBJECTS:
                return decode(OBJECTS[name], value)  # type: ignore[no-any-return]
            if name == "page":
                page = decode(Source, value)
                return SearchResult(Source(page.title, page.url), page.text)
        except DAMAGE as exc:
            raise ValueError(f"{name}: {exc}") from exc
    raise ValueError(f"no piece of a reply: {', '.join(piece)}")


def _read_error(error: Mapping[str, Any]) -> DeepReasoningError:
    kind = ERRORS.get(error["class"])
    if kind is None:
        raise ValueError(f"class: not one of {', '.join(ERRORS)}")
    for name, types in ERROR_FIELDS.items():
        if not isinstance(error.get(name), (*types, NoneType)):
            raise TypeError(f"{name}: not of the type {types[-1].__name__}")
    words = {name: error.get(name) for name in ERROR_FIELDS if name != "message"}
    return kind(str(error["message"]), hint=tuple(map(str, error.get("hints", ()))), **words)
