"""What a request asks of the answer besides its text: tools, JSON that fits, and where to stop."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.pipeline.events import Prompt, ToolCall
from deepreasoning_cli.pipeline.tools import AUTO, AnswerOptions, OutputFormat, Tool, ToolChoice
from deepreasoning_cli.wire.server.request import Fields
from deepreasoning_cli.wire.server.tool_definitions import read_choice, read_tools, well_formed

STOPS: Final = ("stop", "stop_sequences")
"""The field for texts that end the answer, in Chat Completions and in Messages."""


def read_options(
    request: Fields, prompt: Prompt, output_format: OutputFormat | None
) -> AnswerOptions | None:
    """What the request asks of the answer besides text; None where that is nothing.

    `output_format` is what the format's own field says. Calls that are in the messages need their
    tools again: Claude refuses them otherwise.
    """
    tools, choice = read_choice(request, read_tools(request))
    if not tools:
        calls = (part for message in prompt.messages for part in message.parts)
        names = dict.fromkeys(call.name for call in calls if isinstance(call, ToolCall))
        tools, choice = [Tool(name, "", {}) for name in names], ToolChoice("none")
    options = AnswerOptions(
        tools=tuple(tools),
        tool_choice=choice if tools else AUTO,
        stop_sequences=_read_stop_sequences(request),
        output_format=output_format,
        top_k=_read_top_k(request),
    )
    return None if options == AnswerOptions() else options


def read_output_format(fields: Fields, name: str) -> OutputFormat | None:
    """The format in the field `name`; None for text.

    A schema stands in `json_schema` in Chat Completions, elsewhere beside the type.
    """
    if fields.get(name) is None:
        return None
    wanted = fields.within(name)
    match wanted.text("type"):
        case "text":
            return None
        case "json_object":
            return OutputFormat()
        case "json_schema":
            inner = "json_schema" if wanted.get("json_schema") is not None else None
            source = wanted.within(inner) if inner else wanted
            if source.get("schema") is None:
                source.refuse("schema", "is required")
            return OutputFormat(well_formed(source, "schema"))
    return wanted.refuse("type", "must be text, json_object or json_schema", "unsupported_value")


TOP_K: Final = (-1, 1_000_000)
"""0 and -1 are how others write that every token may come."""


def _read_top_k(request: Fields) -> int | None:
    """How many of the likeliest tokens may come next."""
    value = request.number("top_k", *TOP_K, whole=True)
    return int(value) if value is not None and value > 0 else None


def _read_stop_sequences(request: Fields) -> tuple[str, ...]:
    """The texts that end the answer. Claude takes none that is white space alone."""
    stops: list[str] = []
    for name in STOPS:
        given = request.get(name)
        if given is None:
            continue
        each = given if isinstance(given, list) else [given]
        if not all(isinstance(text, str) for text in each):
            request.refuse(name, "must be a string or a list of strings")
        if any(text and not text.strip() for text in each):
            why = "must not be white space alone: Claude stops at no such text"
            request.refuse(name, why, "unsupported_value")
        stops += [text for text in each if text]
    return tuple(dict.fromkeys(stops))
