"""Payloads as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from deepreasoning_cli.events import DONE, Payload

encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: some clients end a line at U+2028, which cuts it in two."""
PLACEHOLDER: Final = "\0"


def event_name(payload: Payload) -> str | None:
    """The event's name: its `type`, in the formats that have one; Chat Completions has none."""
    name = payload.get("type")
    return name if isinstance(name, str) else None


def encode_event(payload: Payload) -> bytes:
    """The event's bytes."""
    if payload == DONE:
        return b"data: [DONE]\n\n"
    name = event_name(payload)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {encode_json(payload)}\n\n".encode("ascii")


def encode_events(payloads: Iterable[Payload]) -> bytes:
    """The bytes of several events."""
    return b"".join(map(encode_event, payloads))


def split_at_placeholder(marked: Payload) -> tuple[str, str]:
    """What stands before and after the one text that is `PLACEHOLDER` in the event's bytes.

    Frames that differ in that text alone need no JSON but its own. Where an earlier text is the
    same, the last one counts.
    """
    before, _, after = encode_event(marked).decode("ascii").rpartition(encode_json(PLACEHOLDER))
    return before, after
