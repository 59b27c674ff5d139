"""Read a conversation out of a request's messages, which all formats write nearly alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NoReturn

from deepreasoning_cli.events import Message, Prompt
from deepreasoning_cli.text import well_formed
from deepreasoning_cli.wire.asked import BadRequest
from deepreasoning_cli.wire.fields import Fields

TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""The parts of a message that are text, in the words of all three formats."""
THOUGHTS: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text"})
"""Parts of an earlier reply that clients send back; reasoning is not sent to a model again."""
ONLY_TEXT: Final[dict[str, tuple[object, ...]]] = {
    "tool_calls": ([],),
    "function_call": (),
    "audio": (),
    "prefix": (False,),
}
"""What may stand in a message besides text only in these values."""


@dataclass(slots=True)
class Dialogue:
    """The messages as far as they are read; `place` is the field they stand in."""

    place: str
    systems: list[str] = field(default_factory=list)
    turns: list[Message] = field(default_factory=list)

    def add_message(self, message: Fields) -> None:
        """Note one message. Raises BadRequest for a role or content that is no text."""
        message.reject_unless(ONLY_TEXT)
        match message.text("role"):
            case "system" | "developer":
                self.add_system(message_text(message))
            case "user":
                self.turns.append(Message("user", message_text(message)))
            case "assistant":
                # a reply of thoughts alone, or none at all, leaves no turn
                if (reply_text := message_text(message, reply=True)).strip():
                    self.turns.append(Message("assistant", reply_text))
            case _:
                message.refuse("role", "must be system, developer, user or assistant")

    def add_system(self, text: str) -> None:
        """Note a system prompt; several become one."""
        if text.strip():
            self.systems.append(text)

    def prompt(self) -> Prompt:
        """The conversation: a user's message first and last, and neither side twice in a row.

        Raises BadRequest where the caller's does not come to that. Claude 4.6 and newer refuse a
        last message of the assistant's (api-facts.md, section 1.8).
        """
        sides = groupby(self.turns, key=lambda turn: turn.role)
        turns = [Message(role, _join(turn.text for turn in side)) for role, side in sides]
        if not all(turn.text for turn in turns):
            self._refuse("has a message of the user's without text")
        match [turn.role for turn in turns]:
            case []:
                self._refuse("must have a message of the user's")
            case ["assistant", *_]:
                self._refuse("must begin with a message of the user's")
            case [*_, "assistant"]:
                self._refuse(
                    "must end with a message of the user's: "
                    "beginning the answer for the model (prefill) is not supported"
                )
        return Prompt(tuple(turns), _join(self.systems) or None)

    def _refuse(self, why: str) -> NoReturn:
        raise BadRequest(f"{self.place} {why}", self.place)


def message_text(message: Fields, name: str = "content", *, reply: bool = False) -> str:
    """The text of a message: a string, or parts that are text.

    A `reply` of an earlier turn may be empty, hold thoughts, which are left out, and a refusal.
    """
    value = message.get(name)
    if reply and value is None:
        return message.text("refusal") or ""
    if isinstance(value, str):
        return well_formed(value)
    if not isinstance(value, list):
        message.refuse(name, "must be a string or a list of parts")
    parts = [_part_text(part, reply=reply) for part in message.objects(name)]
    # what a user attaches are pieces of their own; a reply's are one text that was cut
    return "".join(parts) if reply else _join(parts)


def _part_text(part: Fields, *, reply: bool) -> str:
    kind = part.text("type")
    if reply and kind in THOUGHTS:
        return ""
    name = "refusal" if reply and kind == "refusal" else "text"
    if kind not in TEXTS and name == "text":
        part.refuse("type", "is not supported: only text is")
    text = part.text(name)
    return part.refuse(name, "must be a string") if text is None else text


def _join(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
