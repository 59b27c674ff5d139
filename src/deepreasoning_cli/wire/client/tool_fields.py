"""Tools, calls, results, images and documents in the words of the vendors' formats.

Sources: types/tool_param.py, tool_choice_param.py, tool_result_block_param.py of the anthropic SDK,
types/chat of the openai SDK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from deepreasoning_cli.pipeline.events import Message, Payload, ToolCall
from deepreasoning_cli.pipeline.tools import (
    AnswerOptions,
    Document,
    Image,
    MessagePart,
    Tool,
    ToolChoice,
    ToolResult,
)

NO_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
"""What Claude refuses in the id of a call; ids of other vendors, as in a session that began there,
have it."""

SCHEMAS_BY_NAME: Final = frozenset({"properties", "$defs", "definitions"})
LISTS_OF_SCHEMAS: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
HELD_TO: Final = frozenset(
    {
        *("type", "enum", "const", "description", "title", "required", "default", "$ref"),
        "additionalProperties",
    }
)
HELD_TO_VALUES: Final = {
    "minItems": (0, 1),
    "format": (
        *("date-time", "time", "date", "duration"),
        *("email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
    ),
}
NOT_TOLD: Final = frozenset({"$schema", "$id", "$comment"})
"""What `closed_schema` does with the words of a schema."""


def messages_options(options: AnswerOptions) -> Payload:
    """The fields of Messages for the tools, for which of them to call, and for the answer."""
    fields: Payload = {}
    if options.stop_sequences:
        fields["stop_sequences"] = list(options.stop_sequences)
    if options.output_format and options.output_format.schema is not None:
        schema = closed_schema(options.output_format.schema)
        fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if not options.tools:
        return fields
    fields["tools"] = [_messages_tool(tool) for tool in options.tools]
    choice = options.tool_choice
    if choice != ToolChoice():
        fields["tool_choice"] = {"type": choice.mode}
        if choice.name:
            fields["tool_choice"]["name"] = choice.name
        if not choice.parallel and choice.mode != "none":
            fields["tool_choice"]["disable_parallel_tool_use"] = True
    return fields


def _messages_tool(tool: Tool) -> Payload:
    return _named(tool) | {"input_schema": {"type": "object"} | tool.schema} | _strictness(tool)


def _named(tool: Tool) -> Payload:
    said = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **said}


def _strictness(tool: Tool) -> Payload:
    return {"strict": True} if tool.strict else {}


def closed_schema(schema: Payload) -> Payload:
    """The schema as Claude's structured outputs take it: an object that does not say whether it
    has other properties has none, and what Claude cannot be held to is told in the description
    (lib/_parse/_transform.py of the anthropic SDK).
    """
    closed: Payload = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in SCHEMAS_BY_NAME and isinstance(value, dict):
            closed[name] = {key: _closed(each) for key, each in value.items()}
        elif name in LISTS_OF_SCHEMAS and isinstance(value, list):
            closed[LISTS_OF_SCHEMAS[name]] = [_closed(each) for each in value]
        elif name == "items":
            closed[name] = _closed(value)
        elif name in HELD_TO or value in HELD_TO_VALUES.get(name, ()):
            closed[name] = value
        elif name not in NOT_TOLD:
            told.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
    if closed.get("type") == "object" or "properties" in closed:
        closed.setdefault("additionalProperties", False)
    if told:
        said = [str(closed["description"])] if "description" in closed else []
        closed["description"] = "\n".join([*said, f"({', '.join(told)})"])
    return closed


def _closed(schema: object) -> object:
    return closed_schema(schema) if isinstance(schema, dict) else schema


def content_blocks(parts: Iterable[MessagePart]) -> list[Payload]:
    """The content of a message of Messages; a text of nothing but white space is refused there."""
    blocks = []
    for part in parts:
        match part:
            case str():
                blocks += [{"type": "text", "text": part}] if part.strip() else []
            case ToolCall(call_id, name, arguments):
                tool_input = json.loads(arguments or "{}")
                call = {"type": "tool_use", "id": NO_ID.sub("_", call_id), "name": name}
                blocks.append(call | {"input": tool_input})
            case ToolResult():
                blocks.append(_result_block(part))
            case _:
                blocks.append(_media_block(part))
    return blocks


def _result_block(result: ToolResult) -> Payload:
    block: Payload = {"type": "tool_result", "tool_use_id": NO_ID.sub("_", result.call_id)}
    if content := content_blocks(result.content):
        block["content"] = content
    return block | ({"is_error": True} if result.is_error else {})


def _media_block(media: Image | Document) -> Payload:
    is_text = media.media_type == "text/plain" and not media.url
    source: Payload = {"type": "url", "url": media.url}
    if media.url is None:
        kind = "text" if is_text else "base64"
        source = {"type": kind, "media_type": media.media_type, "data": media.data}
    if isinstance(media, Image):
        return {"type": "image", "source": source}
    title: Payload = {"title": media.title} if media.title else {}
    return {"type": "document", "source": source, **title}


def chat_options(options: AnswerOptions) -> Payload:
    """The fields of Chat Completions for the tools, for which of them to call, and for the
    answer.
    """
    fields: Payload = {}
    if options.stop_sequences:
        fields["stop"] = list(options.stop_sequences)
    if options.output_format:
        fields["response_format"] = _response_format(options.output_format.schema)
    if not options.tools:
        return fields
    fields["tools"] = [_chat_tool(tool) for tool in options.tools]
    choice = options.tool_choice
    if choice.mode == "tool":
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode != "auto":
        fields["tool_choice"] = {"any": "required", "none": "none"}[choice.mode]
    return fields | ({} if choice.parallel else {"parallel_tool_calls": False})


def _response_format(schema: Payload | None) -> Payload:
    if schema is None:
        return {"type": "json_object"}
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}


def _chat_tool(tool: Tool) -> Payload:
    parameters = {"parameters": {"type": "object"} | tool.schema}
    return {"type": "function", "function": _named(tool) | parameters | _strictness(tool)}


def chat_messages(message: Message) -> Iterator[Payload]:
    """The messages of Chat Completions that a message with parts comes to.

    Each result is one of its own, of text alone: its images follow in the user's.
    """
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    rest: list[str | Image | Document] = []
    for result in results:
        texts = [each for each in result.content if isinstance(each, str)]
        rest += [each for each in result.content if not isinstance(each, str)]
        content = "\n".join(["error:", *texts] if result.is_error else texts)
        yield {"role": "tool", "tool_call_id": result.call_id, "content": content}
    rest += [part for part in message.parts if isinstance(part, str | Image | Document)]
    if calls:
        said = "".join(part for part in rest if isinstance(part, str))
        reply: Payload = {"role": message.role, "content": said or None}
        yield reply | {"tool_calls": [_chat_call(call) for call in calls]}
    elif rest:
        yield {"role": message.role, "content": [_chat_part(part) for part in rest]}


def _chat_call(call: ToolCall) -> Payload:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _chat_part(part: str | Image | Document) -> Payload:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": url}}
    if part.media_type == "text/plain":
        return {"type": "text", "text": part.text}
    return {"type": "file", "file": {"filename": part.title or "document.pdf", "file_data": url}}
