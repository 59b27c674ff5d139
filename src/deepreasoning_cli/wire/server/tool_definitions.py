"""The tools of a request, which of them is to be called, with what, and images and documents.

All shapes are read in all formats: clients of one format send those of another.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.pipeline.tools import Document, Image, Tool, ToolChoice
from deepreasoning_cli.sanitize import repair_surrogates
from deepreasoning_cli.wire.server.request import Fields, is_too_deep

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What Claude takes as the name of a tool."""
FUNCTIONS: Final = frozenset({None, "function", "custom"})
"""The types of tools that the client has itself; `custom` is Anthropic's word for them."""
NAMESPACE: Final = "namespace"
"""The type of several functions under one name, as Codex groups its own."""
WEB_SEARCHES: Final = re.compile(r"web_search\w*")
COMBINED: Final = ("oneOf", "anyOf", "allOf")
"""What Claude refuses at the top of a schema."""
MODES: Final[Mapping[str, str]] = {
    "auto": "auto",
    "none": "none",
    "any": "any",
    "required": "any",
}
"""Whether a tool is to be called, by the words of all formats."""


def read_tools(request: Fields) -> list[Tool]:
    """The functions of the client's."""
    if request.get("tools") is None:
        return []
    listed = request.objects("tools")
    grouped = [each for each in listed if each.text("type") == NAMESPACE]
    functions = [(each, "") for each in listed if each.text("type") in FUNCTIONS]
    functions += [(each, _name(group)) for group in grouped for each in group.objects("tools")]
    for each in [*(each for each in listed if each not in grouped), *(e for e, _ in functions)]:
        kind = each.text("type")
        # agents have it beside their own tools, and do without: it is not among those in the reply
        if kind not in FUNCTIONS and not (functions and WEB_SEARCHES.fullmatch(kind or "")):
            each.refuse(
                "type",
                f"is not supported: {kind} is a tool of the vendor's; only functions are",
                "unsupported_value",
            )
    tools: dict[str, Tool] = {}
    for each, namespace in functions:
        if each.get("type") == "custom" and each.get("input_schema") is None:
            why = (
                "is not supported: the input of a custom tool is no JSON; in the client, define it"
                " as a function with one string"
            )
            each.refuse("type", why, "unsupported_value")
        fields = each.within("function") if each.get("function") is not None else each
        tool = _read_tool(fields, namespace)
        if tool.name in tools:
            fields.refuse("name", "is the name of another tool, too")
        tools[tool.name] = tool
    return list(tools.values())


def _name(fields: Fields, namespace: str = "") -> str:
    name = fields.text("name") or ""
    if not NAME.fullmatch(name and joined_name(namespace, name)):
        fields.refuse("name", "must be 1 to 128 letters, digits, hyphens and underscores")
    return joined_name(namespace, name)


def joined_name(namespace: str, name: str) -> str:
    """The name by which Claude knows a function of a namespace; of none, its own."""
    return f"{namespace}__{name}" if namespace else name


def _read_tool(fields: Fields, namespace: str) -> Tool:
    name = _name(fields, namespace)
    place = "input_schema" if fields.get("input_schema") is not None else "parameters"
    schema = well_formed(fields, place)
    if schema.get("type", "object") != "object":
        fields.refuse(place, "must have the type object")
    if combined := next((word for word in COMBINED if word in schema), None):
        fields.refuse(place, f"must not have {combined} at the top: Claude takes properties there")
    description = fields.text("description") or ""
    return Tool(name, description, schema, fields.boolean("strict") or False)


def well_formed(fields: Fields, name: str) -> Payload:
    """The JSON object in the field, without halves of surrogate pairs."""
    values = fields.within(name).values
    if is_too_deep(values):
        fields.refuse(name, "is nested too deeply")
    found: Payload = json.loads(repair_surrogates(json.dumps(values, ensure_ascii=False)))
    return found


ALLOWED: Final = "allowed_tools"
"""OpenAI's choice among some of the tools, and the field for them in Chat Completions."""


def read_choice(request: Fields, tools: Sequence[Tool]) -> tuple[Sequence[Tool], ToolChoice]:
    """The tools that may be called, and whether one is to be, or which.

    Claude has no choice among some: it gets those alone that are allowed.
    """
    given = request.get("tool_choice")
    if not isinstance(given, dict) or given.get("type") != ALLOWED:
        return tools, _one_choice(request, {tool.name for tool in tools})
    choice = request.within("tool_choice")
    choice = choice.within(ALLOWED) if choice.get(ALLOWED) is not None else choice
    by_name = {tool.name: tool for tool in tools}
    allowed: dict[str, Tool] = {}
    for each in choice.objects("tools"):
        fields = each.within("function") if each.get("function") is not None else each
        name = joined_name(fields.text("namespace") or "", fields.text("name") or "")
        if name not in by_name:
            fields.refuse("name", "must be the name of one of the tools")
        allowed[name] = by_name[name]
    if not allowed:
        choice.refuse("tools", "must name at least one tool")
    mode = choice.text("mode")
    if mode not in ("auto", "required"):
        choice.refuse("mode", "must be auto or required", "unsupported_value")
    parallel = request.boolean("parallel_tool_calls") is not False
    return list(allowed.values()), ToolChoice(
        "any" if mode == "required" else "auto", None, parallel
    )


def _one_choice(request: Fields, names: set[str]) -> ToolChoice:
    parallel = request.boolean("parallel_tool_calls") is not False
    given = request.get("tool_choice")
    fields = Fields({}, "tool_choice")
    word = request.text("tool_choice") if isinstance(given, str) else "auto"
    if given is not None and not isinstance(given, str):
        fields = request.within("tool_choice")
        word = fields.text("type")
        parallel = parallel and not fields.boolean("disable_parallel_tool_use")
    if word in ("function", "tool"):
        fields = fields.within("function") if fields.get("function") is not None else fields
        name = fields.text("name")
        if name not in names:
            fields.refuse("name", "must be the name of one of the tools")
        return ToolChoice("tool", name, parallel)
    mode = MODES.get(word or "")
    if mode is None:
        known = ", ".join([*MODES, "or one function"])
        request.refuse("tool_choice", f"must be {known}", "unsupported_value")
    if mode == "any":
        if not names:
            request.refuse("tool_choice", "needs tools")
        return ToolChoice("any", None, parallel)
    return ToolChoice("none" if word == "none" else "auto", None, parallel)


def read_tool_input(fields: Fields, name: str) -> str:
    """The input of a call, a JSON object in the field, as text."""
    return json.dumps(well_formed(fields, name), ensure_ascii=False)


def read_arguments(fields: Fields, name: str = "arguments") -> str:
    """The arguments of a call as text; empty ones are those of a tool that takes none."""
    text = fields.text(name) or ""
    try:
        values = json.loads(text or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        fields.refuse(name, "must be a JSON object, as text")
    return read_tool_input(Fields({name: values}, fields.path), name)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF: Final = "application/pdf"
TEXT: Final = "text/plain"
"""What Claude takes (platform.claude.com, build-with-claude/vision and pdf-support)."""
BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
DATA_URL: Final = re.compile(r"data:([^;,]*)[^,]*;base64,")
MEDIA: Final = frozenset({"image", "image_url", "input_image", "document", "file", "input_file"})
"""The types of parts that are images and documents, in all three formats."""


def read_media(part: Fields) -> Image | Document:
    """The image or document. Its address is the vendor's to fetch, never ours."""
    match part.text("type"):
        case "image_url":
            url = part.get("image_url")
            within = part if isinstance(url, str) else part.within("image_url")
            return _image(within, "image_url" if isinstance(url, str) else "url")
        case "input_image":
            return _image(part, "image_url")
        case "file":
            return _file(part.within("file"), "file_url")
        case "input_file":
            return _file(part, "file_url")
        case "image":
            return Image(*_source(part.within("source"), IMAGES))
    source, title = part.within("source"), part.text("title")
    if source.get("type") == "text":
        text = source.text("data") or source.refuse("data", "is required")
        return Document(TEXT, text, title=title)
    return Document(*_source(source, (PDF,)), title)


def _source(source: Fields, accepted: Sequence[str]) -> tuple[str, str, str | None]:
    """Claude's own shape: what it is and its data, or where it is."""
    match source.text("type"):
        case "url":
            return "", "", _address(source, "url")
        case "base64":
            media_type = _accepted(source, "media_type", source.text("media_type"), accepted)
            return media_type, _base64(source, "data", source.text("data") or ""), None
    return source.refuse("type", "must be base64 or url", "unsupported_value")


def _image(fields: Fields, name: str) -> Image:
    _refuse_id(fields)
    if data := DATA_URL.match(fields.text(name) or ""):
        media_type = _accepted(fields, name, data[1], IMAGES)
        return Image(media_type, _base64(fields, name, str(fields.get(name))[data.end() :]))
    return Image("", url=_address(fields, name))


def _file(fields: Fields, url: str) -> Document:
    _refuse_id(fields)
    title = fields.text("filename")
    if fields.get(url) is not None:
        return Document("", url=_address(fields, url), title=title)
    text = fields.text("file_data") or fields.refuse("file_data", "is required")
    found = DATA_URL.match(text)
    media_type = _accepted(fields, "file_data", found[1] if found else PDF, (PDF, TEXT))
    data = _base64(fields, "file_data", text[found.end() :] if found else text)
    if media_type == TEXT:
        data = base64.b64decode(data).decode("utf-8", "replace")
    return Document(media_type, data, title=title)


def _refuse_id(fields: Fields) -> None:
    if fields.get("file_id") is not None:
        fields.refuse("file_id", "is not supported: send the data", "unsupported_parameter")


def _address(fields: Fields, name: str) -> str:
    url = fields.text(name) or ""
    if not url.lower().startswith(("https://", "http://")) or not url.isprintable():
        fields.refuse(name, "must be an address that begins with https://, or base64 data")
    return url


def _accepted(fields: Fields, name: str, media_type: str | None, accepted: Sequence[str]) -> str:
    kind = "image/jpeg" if media_type == "image/jpg" else media_type
    if kind not in accepted:
        why = f"must be one of {', '.join(accepted)}"
        fields.refuse(name, why, "unsupported_value")
    return str(kind)


def _base64(fields: Fields, name: str, data: str) -> str:
    data = "".join(data.split())
    if len(data) % 4 or not BASE64.fullmatch(data):
        fields.refuse(name, "must be base64")
    return data
