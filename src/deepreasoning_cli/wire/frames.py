"""Payloads as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from deepreasoning_cli.events import DONE, Payload

ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: some clients end a line at U+2028, which cuts it in two."""
MARK: Final = "\0"


def event_name(payload: Payload) -> str | None:
    """The event's name: its `type`, in the formats that have one; Chat Completions has none."""
    name = payload.get("type")
    return name if isinstance(name, str) else None


def frame(payload: Payload) -> bytes:
    """The event's bytes."""
    if payload == DONE:
        return b"data: [DONE]\n\n"
    name = event_name(payload)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {ENCODE(payload)}\n\n".encode("ascii")


def framed(payloads: Iterable[Payload]) -> bytes:
    """The bytes of several events."""
    return b"".join(map(frame, payloads))


def around(marked: Payload) -> tuple[str, str]:
    """What stands before and after the one text that is `MARK` in the event's bytes.

    Frames that differ in that text alone need no JSON but its own. Where an earlier text is the
    same, the last one counts.
    """
    before, _, after = frame(marked).decode("ascii").rpartition(ENCODE(MARK))
    return before, after
