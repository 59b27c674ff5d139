"""What a client's request has besides text: tools, their calls and results, images, documents.

They go to the answerer as they are; the reasoner reads a description of them in words.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from deepreasoning_cli.pipeline.conversation import fit_to_context
from deepreasoning_cli.pipeline.events import Message, Payload, Prompt, ToolCall
from deepreasoning_cli.pipeline.media import image_tokens, pdf_tokens


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of the client's: `schema` is the JSON schema of its arguments.

    `strict` has the vendor hold the model to the schema.
    """

    name: str
    description: str
    schema: Payload
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model may call a tool (`auto`), must call any or the one of `name`, or none.

    `parallel` lets it make several calls at once.
    """

    mode: Literal["auto", "any", "tool", "none"] = "auto"
    name: str | None = None
    parallel: bool = True

    @property
    def is_forced(self) -> bool:
        """Whether it has to call one."""
        return self.mode in ("any", "tool")


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What the answer must be: JSON that fits `schema`, any JSON object where that is None."""

    schema: Payload | None = None


AUTO = ToolChoice()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """What a client asks of the answer besides its text; the reasoner gets none of it as it is."""

    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = AUTO
    stop_sequences: tuple[str, ...] = ()
    output_format: OutputFormat | None = None
    top_k: int | None = None

    @property
    def text(self) -> str:
        """What of it the answerer reads, for estimates."""
        schemas = [json.dumps(tool.schema) for tool in self.tools]
        if self.output_format and self.output_format.schema:
            schemas.append(json.dumps(self.output_format.schema))
        words = [f"{tool.name}: {tool.description}" for tool in self.tools]
        return "\n".join([*words, *schemas])


@dataclass(frozen=True, slots=True)
class Image:
    """An image: `data` is base64, of the type `media_type`; or a `url` that the vendor fetches."""

    media_type: str
    data: str = ""
    url: str | None = None

    @property
    def text(self) -> str:
        """That there is one."""
        return f"[an image, {self.media_type}]" if self.media_type else "[an image]"

    @property
    def tokens(self) -> int:
        """An estimate of what it takes to look at it."""
        return image_tokens(self.data)


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF: `data` is base64, or a `url` that the vendor fetches; or a text of the client's."""

    media_type: str
    data: str = ""
    url: str | None = None
    title: str | None = None

    @property
    def text(self) -> str:
        """That there is one; a document that is text is that text."""
        name = f" {self.title!r}" if self.title else ""
        head = f"[a document{name}, {self.media_type}]"
        return f"{head}\n{self.data}" if self.media_type == "text/plain" else head

    @property
    def tokens(self) -> int:
        """An estimate of what it takes to read it; a document that is text counts as text."""
        return 0 if self.media_type == "text/plain" else pdf_tokens(self.data)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back from the call with that id: texts, images and documents."""

    call_id: str
    content: tuple[str | Image | Document, ...] = ()
    is_error: bool = False

    @property
    def text(self) -> str:
        """All of it in words."""
        return "\n".join(each if isinstance(each, str) else each.text for each in self.content)

    @property
    def tokens(self) -> int:
        """An estimate of what its images and documents take to read."""
        return sum(each.tokens for each in self.content if not isinstance(each, str))


MessagePart = str | Image | Document | ToolCall | ToolResult


TOOLS: Final = (
    "The answer will be written by another model. It can call the tools below, as often as it"
    " needs; you cannot. Think about which of them to call, with what, and what to make of what"
    " comes back. The tools:"
)
LEFT_OUT: Final = "[{count} earlier messages are left out here]"
LONGEST_LIST: Final = 16_000  # characters of all tools that the reasoner reads
SHORTEST_LINE: Final = 80
LONGEST_RESULT: Final = 8_000  # characters of a result since the question
LONGEST_EARLIER: Final = 1_000  # of one before it
LONGEST_SHOWN: Final = 400  # of a call or a result, where people read of it
RESULT: Final = re.compile(
    r"^(\[(?:result|error) of [^\n]*:\n)(.*?)(?=\n\](?:\n\n|\Z))", re.DOTALL | re.MULTILINE
)
"""A result as `text_of` writes it, up to its bracket."""


def in_words(prompt: Prompt, context: int | None, *, sees_images: bool = False) -> Prompt:
    """`prompt` for a model that only thinks: its tools, calls, results and images as text.

    One that `sees_images` gets those that are here; of one at an address it reads as others do: not
    every host fetches it, and one of the user's own should not. Long results are shortened, those
    from before the question more than the others; what does not fit into `context` tokens is left
    out, the oldest first.
    """
    question_at = prompt.question_at % len(prompt.messages)
    names: dict[str, str] = {}
    messages = []
    for place, message in enumerate(prompt.messages):
        limit = LONGEST_EARLIER if place < question_at else LONGEST_RESULT
        texts = [_words(part, names, limit) for part in message.parts] or [message.text]
        shown = _with_images(message.parts, texts) if sees_images else ()
        messages.append(Message(message.role, "\n\n".join(filter(None, texts)), shown))
    listed = _tool_list(prompt.options.tools) if prompt.options else ""
    system = "\n\n".join(filter(None, [prompt.system, listed])) or None
    *earlier, last = messages
    room = None if context is None else context - last.media_tokens
    kept, _ = fit_to_context(tuple(earlier), (system or "") + last.text, room)
    if count := len(earlier) - len(kept):
        note = LEFT_OUT.format(count=count)
        parts = (note, *last.parts) if last.parts else ()
        last = Message(last.role, f"{note}\n\n{last.text}", parts)
    return Prompt((*kept, last), system)


def _with_images(parts: Sequence[MessagePart], texts: Sequence[str]) -> tuple[str | Image, ...]:
    """The parts as `texts`, but images that are here as they are, those of a result below it.

    Nothing where there is none.
    """
    shown: list[str | Image] = []
    for part, text in zip(parts, texts, strict=False):  # a message without parts has a text alone
        if isinstance(part, Image) and part.url is None:
            shown.append(part)
            continue
        shown += [text] if text else []
        if isinstance(part, ToolResult):
            shown += [each for each in part.content if isinstance(each, Image) and not each.url]
    return tuple(shown) if any(isinstance(each, Image) for each in shown) else ()


def _tool_list(tools: Sequence[Tool]) -> str:
    """A line for each tool: its name, its arguments and what it does; short where they are many."""
    if not tools:
        return ""
    longest = max(LONGEST_LIST // len(tools), SHORTEST_LINE)
    lines = []
    for tool in tools:
        properties = tool.schema.get("properties")
        arguments = ", ".join(properties) if isinstance(properties, dict) else ""
        description = " ".join(tool.description.split())
        lines.append(_clipped(f"- {tool.name}({arguments}): {description}", longest))
    return "\n".join([TOOLS, *lines])


def _words(part: MessagePart, names: dict[str, str], limit: int) -> str:
    """A part as text; `names` are those of the tools called so far, by the calls' ids."""
    match part:
        case str():
            return part
        case ToolCall(call_id, name, arguments):
            names[call_id] = name
            return f"[called {name}({_clipped(arguments, limit)})]"
        case ToolResult(call_id):
            name, kind = names.get(call_id, "a tool"), "error" if part.is_error else "result"
            return f"[{kind} of {name}:\n{_clipped(part.text, limit)}\n]"
    return _clipped(part.text, limit)


def _clipped(text: str, limit: int) -> str:
    """The text, with its middle left out where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} [… {len(text) - 2 * half:,} characters …] {text[-half:]}"


def text_of(parts: Sequence[MessagePart], names: dict[str, str]) -> str:
    """All of a message in words, for estimates, searches and the history.

    `names` are those of the tools called so far, by the calls' ids; calls in it are added.
    """
    return "\n\n".join(filter(None, (_words(part, names, sys.maxsize) for part in parts)))


def shorten_results(text: str) -> str:
    """A message as `text_of` has it, with the middle of long results left out."""
    return RESULT.sub(lambda found: found[1] + _clipped(found[2], LONGEST_SHOWN), text)


def describe_call(call: ToolCall, *, full: bool = False) -> str:
    """The call on a line for people: `calls bash({"command": "ls"})`; short, unless `full`."""
    arguments = " ".join(call.arguments.split())
    return f"calls {call.name}({arguments if full else _clipped(arguments, LONGEST_SHOWN)})"
