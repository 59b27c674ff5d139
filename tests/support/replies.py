"""What a scripted vendor answers: the parts of a reply, and builders faithful to each vendor."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing until the peer hangs up, at most so many seconds; then go on."""

    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Send nothing until the test sets the event."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Cut:
    """Close with a clean FIN at once, whatever of the body is unsent."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Close with a TCP reset at once."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Say that no more will come, but stay and listen until the peer hangs up."""


@dataclass(frozen=True, slots=True)
class Call:
    """Send nothing until the test's function has returned."""

    function: Callable[[], object]


Step = Pause | Stall | Gate | Cut | Reset | HalfClose | Call
Framing = Literal["chunked", "length", "close", "raw"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: `before` happens ahead of the status line, then head, then `body`.

    Each bytes piece of the body leaves on its own. `framing` says how the body ends: `chunked`
    (a chunk for each piece), `length` (content-length), `close` (by closing the connection), or
    `raw` (the pieces are everything: no status line, no headers, then close).
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Sequence[bytes | Step] = ()
    content_type: str = "text/event-stream"
    framing: Framing = "chunked"
    before: Sequence[Step] = ()

    @property
    def whole(self) -> bytes:
        """The body without its steps."""
        return b"".join(piece for piece in self.body if isinstance(piece, bytes))

    def failing(self, after: int, *steps: Step | bytes) -> Reply:
        """The same reply up to its first `after` pieces, and `steps` in place of the rest."""
        places = [at for at, piece in enumerate(self.body) if isinstance(piece, bytes)]
        end = places[after] if after < len(places) else len(self.body)
        return replace(self, body=(*self.body[:end], *steps))


def sse(data: Payload | str, event: str | None = None) -> bytes:
    """One server-sent event; a dict is written as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode()


def paced(pieces: Sequence[bytes], seconds: float) -> tuple[bytes | Step, ...]:
    """The pieces with a pause between any two."""
    if not seconds:
        return tuple(pieces)
    return tuple(part for piece in pieces for part in (Pause(seconds), piece))[1:]


DEEPSEEK_USAGE: Final[Payload] = {
    "prompt_tokens": 20,
    "completion_tokens": 50,
    "total_tokens": 70,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 40},
    "prompt_cache_hit_tokens": 0,
    "prompt_cache_miss_tokens": 20,
}
CLAUDE_USAGE: Final[Payload] = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 30,
    "service_tier": "standard",
}


def reasoner_stream(
    thoughts: Sequence[str],
    content: Sequence[str] = (),
    *,
    model: str = "deepseek-flash",
    usage: Payload | None = DEEPSEEK_USAGE,
    usage_on: Literal["finish", "extra"] = "extra",
    finish: str = "stop",
    done: bool = True,
    field: str = "reasoning_content",
    pace: float = 0,
) -> Reply:
    """A Chat Completions stream of thoughts, then content; facts: api-facts 2.5, 2.8.

    `field` is where the host puts the reasoning: `reasoning_content`, `reasoning`, `thinking`,
    `reasoning_details` (beside `reasoning`, as OpenRouter does), or `<think>` (inline).
    `usage` comes on the finish chunk or on an extra one with no choices; None: not at all.
    """

    def chunk(choices: list[Payload], counted: Payload | None = None) -> bytes:
        head = {"id": "930c60df-3d0b-4c6e-9d4f", "object": "chat.completion.chunk"}
        facts = {"created": 1795392000, "model": model, "system_fingerprint": "fp_loopback"}
        return sse({**head, **facts, "choices": choices, "usage": counted})

    def delta(said: Payload, reason: str | None = None) -> list[Payload]:
        return [{"index": 0, "delta": said, "logprobs": None, "finish_reason": reason}]

    inline = field == "<think>"
    opening: Payload = {"role": "assistant", "content": "" if inline else None}
    said = [opening if inline else opening | _thought(field, "")]
    if inline:
        said += [{"content": text} for text in ("<think>\n", *thoughts, "\n</think>\n\n")]
    else:
        said += [{"content": None} | _thought(field, text) for text in thoughts]
    said += [{"content": text} if inline else _text(field, text) for text in content]
    on_finish = usage if usage_on == "finish" else None
    pieces = [chunk(delta(part)) for part in said]
    pieces.append(chunk(delta({"content": ""}, finish), on_finish))
    if usage is not None and usage_on == "extra":
        pieces.append(chunk([], usage))
    if done:
        pieces.append(sse("[DONE]"))
    return Reply(body=paced(pieces, pace))


def _thought(field: str, text: str) -> Payload:
    if field != "reasoning_details":
        return {field: text}
    details = [{"type": "reasoning.text", "text": text, "index": 0, "format": "unknown"}]
    return {"reasoning": text, "reasoning_details": details if text else []}


def _text(field: str, text: str) -> Payload:
    return {"content": text, ("reasoning" if field == "reasoning_details" else field): None}


def claude_stream(
    texts: Sequence[str],
    *,
    model: str = "claude-sonnet-5-5",
    stop_reason: str = "end_turn",
    usage: Payload = CLAUDE_USAGE,
    pace: float = 0,
    thinking: Sequence[str] = (),
    calls: Sequence[tuple[str, str, Payload]] = (),
) -> Reply:
    """A Messages stream: a thinking block if there is any, then the text, then the calls of tools
    (id, name, input); facts: api-facts 1.6.

    `usage` holds the final counts; `message_start` gives its own with one output token.
    """
    message: Payload = {
        "id": "msg_01Loopback",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 1},
    }
    events: list[Payload] = [{"type": "message_start", "message": message}]
    blocks = [block for block in (_thinking_block(thinking), _text_block(texts)) if block]
    blocks += [_call_block(*call) for call in calls]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "ping"}] if index == 0 else []
        events += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ending: Payload = {"stop_reason": stop_reason, "stop_sequence": None}
    if stop_reason == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    counted = ("output_tokens", "output_tokens_details")
    final = {name: usage[name] for name in counted if name in usage}
    events.append({"type": "message_delta", "delta": ending, "usage": final})
    events.append({"type": "message_stop"})
    return Reply(body=paced([sse(event, event["type"]) for event in events], pace))


Block = tuple[Payload, list[Payload]]


def _thinking_block(thinking: Sequence[str]) -> Block | None:
    if not thinking:
        return None
    deltas: list[Payload] = [{"type": "thinking_delta", "thinking": text} for text in thinking]
    deltas.append({"type": "signature_delta", "signature": "EqQBCgIYAhIM"})
    return {"type": "thinking", "thinking": "", "signature": ""}, deltas


def _text_block(texts: Sequence[str]) -> Block | None:
    if not texts:
        return None
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]


def _call_block(call_id: str, name: str, values: Payload) -> Block:
    """The input comes in pieces of JSON, the first of them empty."""
    text = json.dumps(values)
    pieces = ["", *(text[at : at + 7] for at in range(0, len(text), 7))]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}, deltas


def json_reply(status: int, obj: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON body with its length."""
    body = json.dumps(obj, ensure_ascii=False).encode()
    return Reply(status, headers or {}, [body], "application/json", "length")


def error_reply_openai(
    status: int,
    message: str,
    *,
    type: str = "invalid_request_error",  # noqa: A002 - the field's own name
    code: str | int | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The error envelope of Chat Completions hosts; facts: api-facts 2.7."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return json_reply(status, {"error": error}, headers)


def error_reply_anthropic(
    status: int,
    type: str,  # noqa: A002 - the field's own name
    message: str,
    *,
    error_code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The error envelope of the Messages API, with its request id; facts: api-facts 1.7."""
    error: Payload = {"type": type, "message": message}
    if error_code:
        error["details"] = {"error_code": error_code}
    request_id = "req_011Loopback"
    body = {"type": "error", "error": error, "request_id": request_id}
    return json_reply(status, body, {"request-id": request_id, **(headers or {})})


def html_reply(status: int, title: str) -> Reply:
    """What a proxy or CDN in front of the vendor says."""
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1>\r\n"
    body = f"{page}</body>\r\n</html>\r\n".encode()
    return Reply(status, {"server": "cloudflare"}, [body], "text/html; charset=UTF-8", "length")
