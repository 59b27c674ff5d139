"""A payload as a server-sent event."""

from __future__ import annotations

import json

from deepreasoning_cli.events import DONE, Payload


def event_name(payload: Payload) -> str | None:
    """The event's name: its `type`, in the formats that have one; Chat Completions has none."""
    name = payload.get("type")
    return name if isinstance(name, str) else None


def frame(payload: Payload) -> bytes:
    """The event's bytes. ASCII: some clients end a line at U+2028, which cuts JSON in two."""
    if payload == DONE:
        return b"data: [DONE]\n\n"
    name = event_name(payload)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode("ascii")
