"""Find the chain of thought: in a field of its own, in parts of the content, or between tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    HiddenThought,
    Payload,
    Text,
    Thought,
    ToolCallStarted,
)
from deepreasoning_cli.wire.client.payload import as_dict, as_dicts, as_text

FIELDS: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""Where hosts put the chain of thought, the same text at times under several names at once."""
PLAIN: Final = frozenset({*FIELDS[:3], "role", "content", "refusal", "tool_calls"})
WRAPPERS: Final = frozenset({"provider_specific_fields", "model_extra", "extra_fields"})
"""Where gateways put fields that they do not know."""
ABOUT_THOUGHT: Final = re.compile(r"reasoning|think|thought|summary_text", re.IGNORECASE)
"""The names of other fields, and of parts: `reasoning_text`, `thinking_blocks`."""
NO_TEXT: Final = re.compile(
    r"signature|format|effort|token|budget|type|enabled|count|finish|status|model|level|time"
    r"|duration|language|(^|_)(id|index|mode|name)$",
    re.IGNORECASE,
)
"""What stands in such a name where the value is not the thought itself."""
SEALED: Final = re.compile(r"encrypt|redact|opaque", re.IGNORECASE)
"""What stands in it where the thought is kept from the reader."""
TEXTS: Final = ("text", "thinking", "reasoning", "content", "summary", "thought")
"""The fields of an object that may hold its text; the first that has some counts."""
DEEPEST: Final = 6  # lists and objects in each other: no host has more
TAGS: Final[Mapping[str, str]] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
}
"""What opens and closes a chain of thought in the text: R1's tag first, then those of Gemini's
compatible API, Seed, Magistral and Kimi."""

Piece = Thought | Text


@lru_cache(maxsize=256)
def _holds_thought(name: str) -> bool:
    """Whether a field or part of this name holds thought that can be read."""
    return bool(ABOUT_THOUGHT.search(name)) and not (NO_TEXT.search(name) or SEALED.search(name))


def nested_text(value: object, depth: int = DEEPEST) -> str:
    """All text of a string, of an object that has some, or of a list of these."""
    if isinstance(value, str) or not depth:
        return as_text(value)
    if isinstance(value, list):
        return "".join(nested_text(item, depth - 1) for item in value)
    if not isinstance(value, dict) or SEALED.search(as_text(value.get("type"))):
        return ""
    names = [name for name in TEXTS if name in value] + [*filter(_holds_thought, value)]
    return next(filter(None, (nested_text(value[name], depth - 1) for name in names)), "")


def delta_pieces(delta: Payload) -> Iterator[Chunk]:
    """Thought and text in a message of Chat Completions, or in a delta to one.

    Thought among the parts of the content counts only where no field has any: it is the same.
    """
    thought, hidden = _thought_fields(delta)
    if thought:
        yield Thought(thought)
    if hidden:
        yield HiddenThought(hidden)
    content = delta.get("content")
    if isinstance(content, str):
        if content:
            yield Thought(content) if _is_marked_as_thought(delta) else Text(content)
    elif content:
        for part in content if isinstance(content, list) else [content]:
            for piece in part_pieces(part):
                if not (thought and isinstance(piece, Thought)):
                    yield piece


def part_pieces(part: object) -> tuple[Chunk, ...]:
    """The thought or text in a part of a content list; other parts have none."""
    if isinstance(part, str):
        return (Text(part),) if part else ()
    fields = as_dict(part)
    kind = as_text(fields.get("type"))
    if SEALED.search(kind):
        return (HiddenThought(),)
    named = kind if kind and kind not in ("text", "output_text") else ""
    if _holds_thought(named) or fields.get("thought") is True:
        text = nested_text(fields)
        return (Thought(text),) if text else ()
    if named:
        return ()
    if text := as_text(fields.get("text")):
        return (Text(text),)
    thoughts = (nested_text(fields[name]) for name in fields if _holds_thought(name))
    thought = next(filter(None, thoughts), "")
    return (Thought(thought),) if thought else ()


def _thought_fields(delta: Payload, *, wrapped: bool = False) -> tuple[str, int]:
    """The thought in a delta's fields, from the first that has text, and how many are sealed."""
    thought, hidden = "", 0
    for name in FIELDS[:3]:
        if (value := delta.get(name)) and (thought := nested_text(value)):
            break
    for name in delta:
        value = delta[name]
        if name in PLAIN or not value:
            continue
        found, sealed = "", 0
        if name in WRAPPERS and not wrapped:
            found, sealed = _thought_fields(as_dict(value), wrapped=True)
        elif SEALED.search(name):
            sealed = 1
        elif _holds_thought(name):
            found = "" if thought else nested_text(value)
            kinds = (as_text(item.get("type")) for item in as_dicts(value))
            sealed = sum(bool(SEALED.search(kind)) for kind in kinds)
        thought, hidden = thought or found, hidden + sealed
    return thought, hidden


def _is_marked_as_thought(delta: Payload) -> bool:
    """Whether the content is thought, as Gemini's compatible API says beside it."""
    if "extra_content" not in delta and "thought" not in delta:
        return False
    google = as_dict(as_dict(delta.get("extra_content")).get("google"))
    return delta.get("thought") is True or google.get("thought") is True


class ThinkSplitter:
    """Splits `content` into reasoning and answer; every cutting of a text gives the same two.

    A tag of `TAGS` counts at the very start only, after optional white space; the first closing
    tag ends the reasoning; without one, all of it is reasoning. White space that follows a tag is
    dropped. With `opens_thinking` the reasoning begins at once, with or without its opening tag:
    some hosts of R1 omit it (api-facts.md, section 2.8).
    """

    def __init__(self, opens_thinking: bool = False) -> None:
        self._opens_thinking = opens_thinking
        self._kind: type[Piece] | None = None  # None until something else than white space came
        self._closing = TAGS["<think>"]
        self._held = ""  # could still turn out to be a tag
        self._after_tag = False  # white space is dropped until something else comes

    def feed(self, text: str) -> list[Piece]:
        """What the next piece of `content` settles; the rest is held back."""
        if self._kind is Text and not self._after_tag:
            return _as_pieces(text, Text)
        rest, self._held = self._held + text, ""
        pieces: list[Piece] = []
        if self._kind is None:
            rest = self._decide(rest)
        if self._kind is Thought:
            thought, rest = self._thought(rest)
            pieces += _as_pieces(thought, Thought)
        if self._kind is Text:
            pieces += _as_pieces(self._trimmed(rest), Text)
        return pieces

    def close(self) -> list[Piece]:
        """What was held back when the reply ended."""
        held, self._held = self._held, ""
        kind = self._kind or self._settle()
        return _as_pieces(self._trimmed(held), kind)

    def separate(self) -> list[Piece]:
        """The reasoning comes in a field of its own: `content` is answer, unless a tag was read.

        White space held back is dropped: it is no answer, and must not end the reasoning.
        """
        if self._kind is not None:
            return []
        held, self._held = self._held, ""
        self._kind = Text
        return _as_pieces(held if held.strip() else "", Text)

    def _decide(self, rest: str) -> str:
        start = rest.lstrip()
        for opening, closing in TAGS.items():
            if start.startswith(opening):
                self._kind, self._after_tag, self._closing = Thought, True, closing
                return start[len(opening) :]
        if any(opening.startswith(start) for opening in TAGS):
            self._held = rest
            return ""
        self._settle()
        return rest

    def _settle(self) -> type[Piece]:
        """Decide without a tag."""
        self._kind = Thought if self._opens_thinking else Text
        self._after_tag = self._opens_thinking
        return self._kind

    def _thought(self, rest: str) -> tuple[str, str]:
        """The reasoning that is certain, and what follows its closing tag."""
        thought, tag, answer = self._trimmed(rest).partition(self._closing)
        if tag:
            self._kind, self._after_tag = Text, True
            return thought, answer
        certain = len(thought) - _partial_tag_length(thought, self._closing)
        self._held = thought[certain:]
        return thought[:certain], ""

    def _trimmed(self, rest: str) -> str:
        if self._after_tag:
            rest = rest.lstrip()
            self._after_tag = not rest
        return rest


def _as_pieces(text: str, kind: type[Piece]) -> list[Piece]:
    return [kind(text)] if text else []


def split_thinking(chunks: Iterable[Chunk], *, opens_thinking: bool = False) -> Iterator[Chunk]:
    """The chunks, with reasoning that stands inline in the text told apart from the answer.

    What was held back comes before the error that ends the chunks, too.
    """
    splitter = ThinkSplitter(opens_thinking)
    try:
        for chunk in chunks:
            if isinstance(chunk, Text):
                yield from splitter.feed(chunk.text)
                continue
            if isinstance(chunk, Thought):
                yield from splitter.separate()
            elif isinstance(chunk, End | ToolCallStarted):
                yield from splitter.close()
            yield chunk
    except DeepReasoningError:
        yield from splitter.close()
        raise
    yield from splitter.close()


def _partial_tag_length(text: str, tag: str) -> int:
    """How many characters at the end of `text` could be the start of `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(tag[:size])), 0)
