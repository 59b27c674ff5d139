"""What a call asks, in no vendor's words: a cassette knows it by that, or says what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from deepreasoning_cli.pipeline.events import Message, Payload, Prompt, ToolCall
from deepreasoning_cli.pipeline.handoff import without_marks
from deepreasoning_cli.pipeline.tools import AUTO, AnswerOptions, Image, MessagePart, ToolResult
from deepreasoning_cli.sanitize import single_line

NAMES: Final = {
    "host": "host",
    "model": "model",
    "handoff": "hand-off",
    "effort": "effort",
    "system": "system prompt",
    "messages": "prompt",
    "query": "question",
    "tools": "tools",
}
"""What the parts of a request are called in messages; the others by their own names."""
BEFORE, SHOWN = 24, 56  # characters of a text that are shown of where it differs


def describe_prompt(prompt: Prompt) -> Payload:
    """What a model reads: without delimiters, and a digest in place of an image or a document.

    What is not set is left out.
    """
    fields: Payload = {"system": without_marks(prompt.system)} if prompt.system else {}
    fields["messages"] = list(map(_message, prompt.messages))
    return {**fields, **dict(_options(prompt.options))} if prompt.options else fields


def _message(message: Message) -> Payload:
    if message.parts:
        return {"role": message.role, "parts": list(map(_part, message.parts))}
    return {"role": message.role, "text": without_marks(message.text)}


def _part(part: MessagePart) -> Payload | str:
    match part:
        case str():
            return without_marks(part)
        case ToolCall():
            return {"call": asdict(part)}
        case ToolResult(call_id, content, is_error):
            result = {"call_id": call_id, "content": list(map(_part, content))}
            return {"result": {**result, "is_error": True} if is_error else result}
    kind = "image" if isinstance(part, Image) else "document"
    digest = hashlib.sha256((part.data or part.url or "").encode()).hexdigest()
    return {kind: part.media_type, "sha256": digest}


def _options(options: AnswerOptions) -> Iterator[tuple[str, Any]]:
    if options.tools:
        yield "tools", [asdict(tool) for tool in options.tools]
    if options.tool_choice != AUTO:
        yield "tool_choice", asdict(options.tool_choice)
    if options.stop_sequences:
        yield "stop_sequences", list(options.stop_sequences)
    if options.output_format:
        yield "output_format", asdict(options.output_format)


def fingerprint(request: Payload) -> str:
    """What equal requests have in common, in whatever order their fields are written."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Difference(NamedTuple):
    """A part in which two requests differ: its name, as it is asked now, and as it is recorded."""

    name: str
    asked: str
    recorded: str

    def __str__(self) -> str:
        return f"{self.name}: {self.asked} (recorded: {self.recorded})"


def differences(asked: Payload, recorded: Payload) -> list[Difference]:
    """All parts in which the requests differ, the prompt first."""
    found = []
    for name in sorted(asked | recorded, key=lambda each: each not in ("messages", "query")):
        one, other = asked.get(name), recorded.get(name)
        if one == other:
            continue
        if name == "messages":
            found.append(_in_messages(one or [], other or []))
        else:
            found.append(Difference(NAMES.get(name, name), *_where(_shown(one), _shown(other))))
    return found


def likeness(asked: Payload, recorded: Payload) -> tuple[int, int]:
    """How near two requests are: equal parts, and equal characters at the beginning of the last
    message. More is nearer.
    """
    equal = sum(asked.get(name) == recorded.get(name) for name in asked | recorded)
    ends = ((each.get("messages") or [each.get("query")])[-1] for each in (asked, recorded))
    return equal - len(asked | recorded), _alike(*map(_text, ends))


def _alike(one: str, other: str) -> int:
    """How many characters at the beginning of both are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _in_messages(asked: Sequence[Payload], recorded: Sequence[Payload]) -> Difference:
    if len(asked) != len(recorded):
        counts = (f"{len(each)} message{'s'[: len(each) - 1]}" for each in (asked, recorded))
        return Difference("conversation", *counts)
    last = len(asked) - 1
    pairs = zip(asked, recorded, strict=True)
    at = next(place for place, (one, other) in enumerate(pairs) if one != other)
    name = "prompt" if at == last else f"conversation, message {at + 1}"
    return Difference(name, *_where(_text(asked[at]), _text(recorded[at])))


def _text(message: Any) -> str:
    if isinstance(message, dict) and set(message) == {"role", "text"}:
        return str(message["text"])
    return message if isinstance(message, str) else _shown(message)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _where(one: str, other: str) -> Iterator[str]:
    """Both texts; of long ones what is around the first character in which they differ."""
    start = max(_alike(one, other) - BEFORE, 0)
    for text in (one, other):
        if len(text) <= SHOWN:
            yield single_line(text, SHOWN) or '""'
            continue
        shown = single_line(text[start : start + SHOWN], SHOWN)
        yield f"{'…' if start else ''}{shown}{'…' if start + SHOWN < len(text) else ''}"
