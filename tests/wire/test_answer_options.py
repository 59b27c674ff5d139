"""JSON that fits a schema, and where to stop: read in each format, sent to each host."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.pipeline.events import End, Message, Prompt, Text
from deepreasoning_cli.pipeline.tools import AnswerOptions, OutputFormat, Tool
from deepreasoning_cli.wire.client import chat_completions as chat_client
from deepreasoning_cli.wire.client import messages as messages_client
from deepreasoning_cli.wire.client.tool_fields import closed_schema
from deepreasoning_cli.wire.server import chat_completions, messages, responses
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.request import BadRequest
from deepreasoning_cli.wire.server.writer import Head

QUESTION = [{"role": "user", "content": "?"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "schema": SCHEMA}
PROMPT = Prompt((Message("user", "?"),))


def read(name: str, **fields: Any) -> AnswerOptions | None:
    reader = {"chat": chat_completions, "responses": responses, "messages": messages}[name]
    place = "input" if name == "responses" else "messages"
    body: dict[str, Any] = {"model": "m", place: QUESTION, **fields}
    options: AnswerOptions | None = reader.read_request(body).prompt.options
    return options


WRAPPED = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"response_format": WRAPPED}),
    ("responses", {"text": {"format": JSON_SCHEMA | {"name": "a", "strict": True}}}),
    ("messages", {"output_config": {"format": JSON_SCHEMA}}),
    ("messages", {"output_format": JSON_SCHEMA}),
]
OBJECTS: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"response_format": {"type": "json_object"}}),
    ("responses", {"text": {"format": {"type": "json_object"}}}),
]


@pytest.mark.parametrize(("name", "fields"), FORMATS)
def test_a_schema_is_read_where_each_format_has_it(name: str, fields: dict[str, Any]) -> None:
    assert read(name, **fields) == AnswerOptions(output_format=OutputFormat(SCHEMA))


@pytest.mark.parametrize(("name", "fields"), OBJECTS)
def test_json_without_a_schema_is_read_too(name: str, fields: dict[str, Any]) -> None:
    assert read(name, **fields) == AnswerOptions(output_format=OutputFormat())


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("chat", {"response_format": {"type": "text"}}),
        ("chat", {"response_format": None}),
        ("responses", {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ("messages", {"output_config": {"format": None}}),
        ("chat", {"stop": None}),
        ("chat", {"stop": ["", ""]}),
        ("messages", {"stop_sequences": []}),
    ],
)
def test_text_is_what_an_answer_is_anyway(name: str, fields: dict[str, Any]) -> None:
    assert read(name, **fields) is None


@pytest.mark.parametrize(
    ("name", "fields", "place", "kind"),
    [
        ("chat", {"response_format": {"type": "grammar"}}, "response_format.type", "value"),
        ("chat", {"response_format": {}}, "response_format.type", "value"),
        ("chat", {"response_format": "json"}, "response_format", None),
        ("chat", {"response_format": {"type": "json_schema"}}, "response_format.schema", None),
        (
            "chat",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
            None,
        ),
        ("responses", {"text": {"format": JSON_SCHEMA | {"schema": []}}}, "text.format.schema", ""),
        ("responses", {"text": []}, "text", None),
        ("messages", {"output_config": []}, "output_config", None),
        ("chat", {"stop": 7}, "stop", None),
        ("chat", {"stop": ["a", None]}, "stop", None),
        ("chat", {"stop": "\n"}, "stop", "value"),
        ("messages", {"stop_sequences": ["END", " "]}, "stop_sequences", "value"),
    ],
)
def test_what_claude_cannot_do_is_refused_by_its_field(
    name: str, fields: dict[str, Any], place: str, kind: str | None
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(name, **fields)
    assert caught.value.field == place
    assert caught.value.kind == (f"unsupported_{kind}" if kind else "invalid_request")


@pytest.mark.parametrize(
    ("name", "field"), [("chat", "stop"), ("messages", "stop_sequences"), ("messages", "stop")]
)
def test_stop_sequences_are_read_by_both_names(name: str, field: str) -> None:
    expected = AnswerOptions(stop_sequences=("END", "\n\nUser:"))
    assert read(name, **{field: ["END", "\n\nUser:", "END", ""]}) == expected
    assert read(name, **{field: "END"}) == AnswerOptions(stop_sequences=("END",))


def sent_to_claude(extra: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    prompt = Prompt(PROMPT.messages, options.pop("system", None), options=AnswerOptions(**options))
    return messages_client.request_body(
        prompt, model="c", max_tokens=9, samplers={}, extra=extra or {}
    )


def test_claude_is_held_to_the_schema_beside_its_effort() -> None:
    effort = {"output_config": {"effort": "low"}}
    body = sent_to_claude(effort, output_format=OutputFormat(SCHEMA))
    assert body["output_config"] == {"effort": "low", "format": JSON_SCHEMA}
    assert "system" not in body
    assert sent_to_claude(effort, stop_sequences=("END",))["output_config"] == {"effort": "low"}


def test_claude_stops_where_the_caller_says() -> None:
    body = sent_to_claude(stop_sequences=("END",), tools=(Tool("t", "", {}),))
    assert body["stop_sequences"] == ["END"]
    assert [tool["name"] for tool in body["tools"]] == ["t"]
    assert "output_config" not in body


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_claude_is_asked_for_json_in_words_where_there_is_no_schema(system: str | None) -> None:
    body = sent_to_claude(output_format=OutputFormat(), system=system)
    assert "output_config" not in body
    assert body["system"].startswith(system or "Answer with one JSON object")
    assert body["system"].endswith("no code fence.")


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (None, {"type": "json_object"}),
        (
            SCHEMA,
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
        ),
    ],
)
def test_other_hosts_are_asked_in_the_words_of_chat_completions(schema: Any, sent: Any) -> None:
    options = AnswerOptions(output_format=OutputFormat(schema), stop_sequences=("END",))
    body = chat_client.request_body(
        Prompt(PROMPT.messages, options=options), model="m", samplers={}
    )
    assert (body["response_format"], body["stop"]) == (sent, ["END"])
    assert "tools" not in body


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (SCHEMA, SCHEMA),
        ({"type": "object"}, {"type": "object", "additionalProperties": False}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        (
            {"$schema": "x", "$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": True}}}},
            {
                "$ref": "#/$defs/a",
                "$defs": {"a": {"properties": {"b": True}, "additionalProperties": False}},
            },
        ),
        (
            {"oneOf": [{"type": "null"}, {"type": "array", "items": {"type": "object"}}]},
            {
                "anyOf": [
                    {"type": "null"},
                    {"type": "array", "items": {"type": "object", "additionalProperties": False}},
                ]
            },
        ),
        (
            {"type": "integer", "minimum": 1, "description": "How many.", "maximum": 9},
            {"type": "integer", "description": "How many.\n(minimum: 1, maximum: 9)"},
        ),
        ({"type": "string", "pattern": "é+"}, {"type": "string", "description": '(pattern: "é+")'}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        (
            {"type": "string", "format": "byte"},
            {"type": "string", "description": '(format: "byte")'},
        ),
        ({"type": "array", "minItems": 1}, {"type": "array", "minItems": 1}),
        ({"type": "array", "minItems": 2}, {"type": "array", "description": "(minItems: 2)"}),
        ({"properties": 7, "anyOf": {}}, {"description": "(properties: 7, anyOf: {})"}),
    ],
)
def test_a_schema_is_sent_as_claude_takes_it(schema: Any, closed: Any) -> None:
    assert closed_schema(schema) == closed


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (End("stop_sequence", "END"), "END"),
        (End("stop_sequence"), None),
        (End("refusal", "harm"), None),
    ],
)
def test_messages_say_which_text_ended_the_answer(end: End, told: str | None) -> None:
    writer, whole = MessagesWriter(Head("1", "m", 0)), MessagesWriter(Head("1", "m", 0))
    for part in (Text("a"), end):
        events = writer.feed(part)
        whole.reply.add(part)
    assert events[-2]["delta"] == {"stop_reason": end.reason, "stop_sequence": told}
    assert (whole.whole()["stop_reason"], whole.whole()["stop_sequence"]) == (end.reason, told)
