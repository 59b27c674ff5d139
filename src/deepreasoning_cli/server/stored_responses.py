"""Responses that a client comes back to by their ids: `previous_response_id`, `item_reference`.

A kept turn has the input of its request and the id of the response before it; what was answered is
in its record. The wire reads a request in which all of that stands in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.server.errors import Rejected

PREFIX: Final = "resp_"
RESPONSE_ID: Final = re.compile(rf"{PREFIX}([0-9a-z]{{16}})")
ITEM_ID: Final = re.compile(r"(rs|msg|fc)_([0-9a-z]{16})_([0-9]{1,4})")
"""The ids that replies have: of a response, and of an item with its place in the output."""
LONGEST: Final = 1_000_000
"""Characters of an input that is kept; what is longer, a client has to send again."""
MOST: Final = 1_000
"""Responses in a row."""
HOW: Final = (
    "send the whole conversation; responses are found for the caller that asked for them, while"
    " the server keeps turns, unless store is false"
)
Find = Callable[[str], TurnRecord | None]
"""The kept turn with an id."""


@dataclass(frozen=True, slots=True)
class StoredInput:
    """What a turn keeps of its request: who asked, the turn before it, and its own input."""

    caller: str
    previous: str | None
    input: list[Payload]
    is_kept: bool = True

    @classmethod
    def parse(cls, text: str | None, caller: str) -> Self | None:
        """What is kept; None where it is another caller's, or nothing."""
        fields: Any = json.loads(text) if text else {}
        if fields.get("caller") != caller:
            return None
        return cls(caller, fields["previous"], fields["input"])

    def to_json(self) -> str | None:
        """As text; None where it is not kept, or too long."""
        if not self.is_kept:
            return None
        fields = {"caller": self.caller, "previous": self.previous, "input": self.input}
        text = json.dumps(fields)
        return text if len(text) <= LONGEST else None


def refers(body: Payload) -> bool:
    """Whether the request needs what is kept of others."""
    items = body.get("input")
    in_items = isinstance(items, list) and any(map(_is_reference, items))
    return body.get("previous_response_id") is not None or in_items


def _is_reference(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    return item.get("type") == "item_reference" or set(item) == {"id"}


def resolve(body: Payload, caller: str, find: Find) -> tuple[Payload, StoredInput]:
    """The request with what it refers to in place, and what its turn keeps of it.

    Raises Rejected (404) for what is not kept.
    """
    given, previous = body.get("input"), body.get("previous_response_id")
    items = given if isinstance(given, list) else [{"role": "user", "content": given}]
    own = [
        each
        for place, item in enumerate(items)
        for each in (_referred(item, place, caller, find) if _is_reference(item) else [item])
    ]
    earlier = [] if previous is None else _conversation(previous, caller, find)
    rest = {name: body[name] for name in body if name != "previous_response_id"}
    stored = StoredInput(caller, str(previous).removeprefix(PREFIX) if previous else None, own)
    return rest | {"input": [*earlier, *own]}, stored


def _conversation(response: object, caller: str, find: Find) -> list[Payload]:
    """All items up to the end of that response."""
    field = "previous_response_id"
    match = RESPONSE_ID.fullmatch(str(response))
    turn = match[1] if match else None
    parts: list[list[Payload]] = []
    while turn or not parts:
        record = find(turn) if turn and len(parts) < MOST else None
        kept = StoredInput.parse(record.start.conversation, caller) if record else None
        if record is None or kept is None:
            why = f"{field}: there is no response {response} here; {HOW}"
            raise Rejected(404, "previous_response_not_found", why, field)
        parts.append([*kept.input, *_output(record)])
        turn = kept.previous
    return [item for part in reversed(parts) for item in part]


def _output(record: TurnRecord) -> Iterator[Payload]:
    """What was answered, as input."""
    if record.answer.strip():
        yield {"role": "assistant", "content": record.answer}
    for call in record.calls:
        fields = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
        yield {"type": "function_call", **fields}


def _referred(item: Payload, place: int, caller: str, find: Find) -> list[Payload]:
    """The item that is meant; none for reasoning, which a model does not get again."""
    match = ITEM_ID.fullmatch(str(item.get("id")))
    record = find(match[2]) if match else None
    if match and record and StoredInput.parse(record.start.conversation, caller):
        if match[1] == "rs":
            return []
        output = list(_output(record))
        calls = [each for each in output if "call_id" in each]
        found = [each for each in output if "role" in each]
        if match[1] == "fc":  # the calls are the last of a reply's items
            runs = len(found) + (record.reused_model is None and bool(record.thoughts))
            found = calls[max(int(match[3]) - runs, 0) :][:1]
        if found:
            return found
    field = f"input[{place}].id"
    why = f"{field}: there is no item {item.get('id')} here; {HOW}"
    raise Rejected(404, "item_not_found", why, field)
