"""The messages of a request → a prompt that Claude takes: sides in turn, each call with its result.

Clients of three formats send the same in three ways: `content` reads the parts of a message in any
of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Literal

from deepreasoning_cli.pipeline.events import Message, Prompt, ToolCall
from deepreasoning_cli.pipeline.tools import MessagePart, ToolResult, text_of
from deepreasoning_cli.sanitize import repair_surrogates
from deepreasoning_cli.wire.server.request import BadRequest, Fields
from deepreasoning_cli.wire.server.tool_definitions import (
    MEDIA,
    joined_name,
    read_arguments,
    read_media,
    read_tool_input,
)

Role = Literal["user", "assistant"]
Places = dict[str, str]
"""Where calls or results stand in the request, by the calls' ids."""
BEGIN: Final = "(Begin the conversation.)"
"""What stands in front of an assistant's message that is the first: Claude and others begin with
the user's."""
REMINDER: Final = ("<system-reminder>", "</system-reminder>")
"""Around what Claude Code puts beside the results of tools, and around system prompts that come
late: no new message of the user's."""
TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""The types of text parts, in all three formats."""
THOUGHTS: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text"})
"""Types of parts that are left out: a model does not get earlier reasoning again."""
INLINE_THOUGHT: Final = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
"""The same in front of a reply, as gptme and chat pages put it there that have no other place."""
TWICE: Final = "has the id of another"
ONLY: Final[dict[str, tuple[object, ...]]] = {
    "function_call": (),
    "audio": (),
    "prefix": (False,),
}
"""Fields of a message that are accepted only with these values."""


@dataclass(slots=True)
class _Turn:
    """What one side says before the other does; `asks`: something new of the user's is in it."""

    role: Role
    parts: list[MessagePart] = field(default_factory=list)
    places: Places = field(default_factory=dict)
    asks: bool = False

    @property
    def says_something(self) -> bool:
        return any(not isinstance(part, str) or part.strip() for part in self.parts)


@dataclass(slots=True)
class Conversation:
    """The messages of a request, which are in its field `place`; several system prompts are one."""

    place: str
    systems: list[str] = field(default_factory=list)
    _turns: list[_Turn] = field(default_factory=list)

    def add(self, role: Role, parts: Sequence[MessagePart], places: Mapping[str, str] = {}) -> None:
        """A message, or an item of one. A reply that says nothing leaves no turn."""
        new = _Turn(role, list(parts))
        if role == "assistant" and not new.says_something:
            return
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        turn = self._turns[-1]
        if double := next(iter(places.keys() & turn.places), None):
            raise BadRequest(f"{places[double]} {TWICE}", places[double])
        turn.places |= places
        turn.parts += new.parts
        turn.asks = turn.asks or any(map(_asks, parts))

    def add_message(self, message: Fields) -> None:
        """A message with a role, with its calls of tools."""
        message.reject_unless(ONLY)
        places: Places = {}
        match message.text("role"):
            case "tool":
                call_id = required_id(message, "tool_call_id", places)
                self.add("user", [tool_result(message, call_id, "content")], places)
            case "system" | "developer":
                self._add_system(system_text(message))
            case "user":
                parts = content(message, "user", places)
                self.add("user", _said_by(message.text("name") or "", parts), places)
            case "assistant":
                self.add("assistant", content(message, "assistant", places), places)
                given = message.get("tool_calls") is not None
                for call in message.objects("tool_calls") if given else ():
                    places = {}
                    self.add("assistant", [_chat_call(call, places)], places)
            case _:
                message.refuse("role", "must be system, developer, user, assistant or tool")

    def _add_system(self, text: str) -> None:
        """A system prompt. One that comes after a reply stays at its place, as a reminder: in
        front of all, where it was not before, it would cost the vendor's cache.
        """
        if text and any(turn.role == "assistant" for turn in self._turns):
            begins, ends = REMINDER
            self.add("user", [f"{begins}\n{text}\n{ends}"])
        else:
            self.systems.append(text)

    def prompt(self) -> Prompt:
        """All of it. Raises BadRequest where it is not a conversation that can be answered.

        Claude 4.6 and newer refuse a last message of the assistant's (api-facts.md, section 1.8).
        """
        turns = self._turns
        if not turns and (question := next(filter(str.strip, reversed(self.systems)), None)):
            self.systems.remove(question)  # where nothing else is said, that is the question
            turns = [_Turn("user", [question])]
        if turns and turns[0].role == "assistant":
            turns = [_Turn("user", [BEGIN]), *turns]
        if fault := _fault_of(turns):
            raise BadRequest(f"{self.place} {fault}", self.place)
        _require_results(turns)
        names: dict[str, str] = {}
        messages = tuple(_message(turn, names) for turn in turns)
        asking = [place for place, turn in enumerate(turns) if _is_question(turn)]
        is_last = not asking or asking[-1] == len(turns) - 1
        system = _join(self.systems) or None
        return Prompt(messages, system, question_at=-1 if is_last else asking[-1])


def _said_by(name: str, parts: list[MessagePart]) -> list[MessagePart]:
    """The parts in the name of one of several users, which models have no field for."""
    if not (words := " ".join(name.split())):
        return parts
    if parts and isinstance(parts[0], str):
        return [f"{words}: {parts[0]}", *parts[1:]]
    return [f"{words}:", *parts]


def _asks(part: MessagePart) -> bool:
    """Whether it is something new of the user's: neither a result nor a reminder beside one."""
    if not isinstance(part, str):
        return not isinstance(part, ToolResult)
    text = part.strip()
    begins, ends = REMINDER
    return bool(text) and not (text.startswith(begins) and text.endswith(ends))


def _is_question(turn: _Turn) -> bool:
    """Whether it is a message of the user's that brings more than results."""
    return turn.role == "user" and (turn.asks or not turn.places)


def _fault_of(turns: Sequence[_Turn]) -> str | None:
    """Why these turns are not a conversation that can be answered; None where they are."""
    if not all(turn.says_something for turn in turns):
        return "has a message of the user's without text"
    if not turns:
        return "must have a message of the user's"
    if turns[-1].role == "assistant":
        return (
            "must end with a message of the user's: "
            "beginning the answer for the model (prefill) is not supported"
        )
    return None


def _require_results(turns: Sequence[_Turn]) -> None:
    """Raise BadRequest unless each call has its result in the next message, and no other has."""
    calls: Places = {}
    for turn in turns:
        if turn.role == "assistant":
            calls = turn.places
            continue
        for call_id, place in turn.places.items():
            if call_id not in calls:
                raise BadRequest(f"{place} is of no call in the message before", place)
        for call_id, place in calls.items():
            if call_id not in turn.places:
                why = "has no result: the next message must have one for each call"
                raise BadRequest(f"{place} {why}", place)
        calls = {}


def _message(turn: _Turn, names: dict[str, str]) -> Message:
    """One side's messages as one; results come first, as Claude wants them."""
    texts = [part for part in turn.parts if isinstance(part, str)]
    if len(texts) == len(turn.parts):
        return Message(turn.role, _join(texts))
    said = [part for part in turn.parts if not isinstance(part, str) or part.strip()]
    said.sort(key=lambda part: not isinstance(part, ToolResult))
    return Message(turn.role, text_of(said, names), tuple(said))


def system_text(message: Fields, name: str = "content") -> str:
    """A system prompt: a string, or parts that are text."""
    return _join(part for part in content(message, "system", {}, name) if isinstance(part, str))


def content(
    message: Fields, role: Role | Literal["system", "tool"], places: Places, name: str = "content"
) -> list[MessagePart]:
    """The parts of a message, of a system prompt or of what a tool returned, where it is text too.

    A reply of an earlier turn may be empty or a refusal; its reasoning is left out, and its texts
    are pieces of one. Calls and results among the parts are noted in `places`.
    """
    value = message.get(name)
    if value in (None, "") and role == "assistant":
        return [message.text("refusal") or ""]
    if isinstance(value, str):
        text = repair_surrogates(value)
        return [_without_thought(text) if role == "assistant" else text]
    if not isinstance(value, list):
        message.refuse(name, "must be a string or a list of parts")
    parts = [part for each in message.objects(name) for part in _part(each, role, places)]
    if role != "assistant":
        return parts
    return [
        part
        for is_text, run in groupby(parts, key=lambda part: isinstance(part, str))
        for part in ([_without_thought("".join(map(str, run)))] if is_text else run)
    ]


def _without_thought(text: str) -> str:
    found = INLINE_THOUGHT.match(text)
    return text[found.end() :] if found else text


def _part(part: Fields, role: str, places: Places) -> Iterable[MessagePart]:
    kind = part.text("type")
    if kind in TEXTS:
        return [_required(part, "text")]
    if role == "assistant":
        if kind in THOUGHTS:
            return []
        if kind == "refusal":
            return [_required(part, "refusal")]
        if kind == "tool_use":
            return [_call_block(part, places)]
    elif kind in MEDIA and role != "system":
        return [read_media(part)]
    elif kind == "tool_result" and role == "user":
        return [_result_block(part, places)]
    what = f"a part of the type {kind}" if kind else "a part without a type"
    why = f"is not supported: {what} in a message of {role}"
    return part.refuse("type", why, "unsupported_value")


def _required(fields: Fields, name: str) -> str:
    text = fields.text(name)
    return fields.refuse(name, "must be a string") if text is None else text


def required_id(fields: Fields, name: str, places: Places) -> str:
    """The id of a call, noted in `places`."""
    call_id = fields.name(name) or fields.refuse(name, "is required")
    if call_id in places:
        fields.refuse(name, TWICE)
    places[call_id] = fields.place(name)
    return call_id


def _chat_call(call: Fields, places: Places) -> ToolCall:
    """Chat Completions' object of a call."""
    if call.text("type") not in (None, "function"):
        call.refuse("type", "must be function", "unsupported_value")
    return read_call(call.within("function"), required_id(call, "id", places))


def read_call(fields: Fields, call_id: str) -> ToolCall:
    """A call with its name, and its arguments as text."""
    name = fields.name("name") or fields.refuse("name", "is required")
    name = joined_name(fields.text("namespace") or "", name)
    return ToolCall(call_id, name, read_arguments(fields))


def _call_block(block: Fields, places: Places) -> ToolCall:
    """Claude's block of a call; its input is an object, not a text."""
    call_id = required_id(block, "id", places)
    name = block.name("name") or block.refuse("name", "is required")
    return ToolCall(call_id, name, read_tool_input(block, "input"))


def _result_block(block: Fields, places: Places) -> ToolResult:
    call_id = required_id(block, "tool_use_id", places)
    return tool_result(block, call_id, "content", is_error=block.boolean("is_error") or False)


def tool_result(fields: Fields, call_id: str, name: str, *, is_error: bool = False) -> ToolResult:
    """What a tool returned, in the field `name`: text, images and documents; nothing is allowed."""
    given = [] if fields.get(name) is None else content(fields, "tool", {}, name)
    kept = [part for part in given if not isinstance(part, ToolCall | ToolResult)]
    return ToolResult(call_id, tuple(kept), is_error)


def _join(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
