"""What a client's request has besides text: tools, their calls and results, images, documents.

They go to the answerer as they are; the reasoner reads a description of them in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

from deepreasoning_cli.pipeline.events import Payload, ToolCall


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
    data: str = field(default="", repr=False)
    url: str | None = None

    @property
    def text(self) -> str:
        """That there is one."""
        return f"[an image, {self.media_type}]" if self.media_type else "[an image]"


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF: `data` is base64, or a `url` that the vendor fetches; or a text of the client's."""

    media_type: str
    data: str = field(default="", repr=False)
    url: str | None = None
    title: str | None = None

    @property
    def text(self) -> str:
        """That there is one; a document that is text is that text."""
        name = f" {self.title!r}" if self.title else ""
        head = f"[a document{name}, {self.media_type}]"
        return f"{head}\n{self.data}" if self.media_type == "text/plain" else head


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


MessagePart = str | Image | Document | ToolCall | ToolResult
