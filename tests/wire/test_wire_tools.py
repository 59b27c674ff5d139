"""Tools, calls, results, images and documents of requests: read, refused by name, and sent on."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import (
    End,
    Message,
    Payload,
    Prompt,
    ToolArguments,
    ToolCall,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.tools import (
    AnswerOptions,
    Document,
    Image,
    OutputFormat,
    Tool,
    ToolChoice,
    ToolResult,
    in_words,
)
from deepreasoning_cli.wire.client import chat_completions as chat_client
from deepreasoning_cli.wire.client import messages as messages_client
from deepreasoning_cli.wire.server import chat_completions, messages, responses
from deepreasoning_cli.wire.server.conversation import BEGIN, TWICE
from deepreasoning_cli.wire.server.request import DEEPEST, BadRequest, ChatRequest
from deepreasoning_cli.wire.server.writer import Head

READERS = {
    "chat_completions": chat_completions.read_request,
    "messages": messages.read_request,
    "responses": responses.read_request,
}
WHERE = {"chat_completions": "messages", "messages": "messages", "responses": "input"}
every_format = pytest.mark.parametrize("name", READERS)
QUESTION: Payload = {"role": "user", "content": "What is in a.txt?"}
SCHEMA: Payload = {"type": "object", "properties": {"path": {"type": "string"}}}
READ = Tool("read", "Read a file.", SCHEMA)
FLAT = {"name": "read", "description": "Read a file.", "parameters": SCHEMA}
SHAPES: list[Payload] = [
    {"type": "function", "function": FLAT},
    {"type": "function", **FLAT},
    {"name": "read", "description": "Read a file.", "input_schema": SCHEMA},
    {"type": "custom", "name": "read", "description": "Read a file.", "input_schema": SCHEMA},
]
PNG = base64.b64encode(b"\x89PNG").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
CALL = ToolCall("c1", "read", '{"path": "a.txt"}')
RESULT = ToolResult("c1", ("six",))


def ask(name: str, *turns: object, **fields: object) -> ChatRequest:
    body: Payload = {"model": "deepreasoning", WHERE[name]: list(turns) or [QUESTION], **fields}
    return READERS[name](body)


def refused(name: str, *turns: object, **fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(name, *turns, **fields)
    assert caught.value.message.startswith(caught.value.field or "the body")
    return caught.value


def options(name: str, *turns: object, **fields: object) -> AnswerOptions:
    found = ask(name, *turns, **fields).prompt.options
    assert found is not None
    return found


def called(name: str, *calls: ToolCall, text: str = "") -> list[Payload]:
    """A reply with calls, as clients of the format send it back."""
    said: list[Payload] = [{"role": "assistant", "content": text}] if text else []
    match name:
        case "messages":
            blocks: list[Payload] = [{"type": "text", "text": text}] if text else []
            blocks += [
                {"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)}
                for c in calls
            ]
            return [{"role": "assistant", "content": blocks}]
        case "responses":
            items = [
                {"call_id": c.id, "name": c.name, "arguments": c.arguments, "id": f"fc_{c.id}"}
                for c in calls
            ]
            return [*said, *({"type": "function_call"} | item for item in items)]
    sent = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in calls
    ]
    return [{"role": "assistant", "content": text or None, "tool_calls": sent}]


def came_back(name: str, *results: ToolResult) -> list[Payload]:
    """Their results, as clients of the format send them; each is one text."""
    texts = [(result.call_id, *result.content) for result in results]
    match name:
        case "messages":
            blocks = [
                {"type": "tool_result", "tool_use_id": call_id, "content": text}
                for call_id, text in texts
            ]
            return [{"role": "user", "content": blocks}]
        case "responses":
            return [
                {"type": "function_call_output", "call_id": call_id, "output": text}
                for call_id, text in texts
            ]
    return [{"role": "tool", "tool_call_id": call_id, "content": text} for call_id, text in texts]


@every_format
@pytest.mark.parametrize("shape", SHAPES)
def test_tools_are_read_in_every_shape(name: str, shape: Payload) -> None:
    assert options(name, tools=[shape]) == AnswerOptions(tools=(READ,))
    assert ask(name, tools=[shape]).prompt.messages == (Message("user", "What is in a.txt?"),)


@every_format
@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto", None, False)),
        ("required", ToolChoice("any")),
        ({"type": "any"}, ToolChoice("any")),
        ("none", ToolChoice("none")),
        ({"type": "tool", "name": "read"}, ToolChoice("tool", "read")),
        ({"type": "function", "name": "read"}, ToolChoice("tool", "read")),
        ({"type": "function", "function": {"name": "read"}}, ToolChoice("tool", "read")),
    ],
)
def test_which_tool_to_call_is_read_in_every_shape(
    name: str, choice: object, read: ToolChoice
) -> None:
    assert options(name, tools=[SHAPES[0]], tool_choice=choice).tool_choice == read


SOME: list[Payload] = [
    {"type": "function", "name": "read"},
    {"type": "function", "function": {"name": "list"}},
]


@every_format
@pytest.mark.parametrize(("mode", "read"), [("auto", "auto"), ("required", "any")])
def test_only_the_tools_that_are_allowed_are_there(name: str, mode: str, read: Any) -> None:
    tools = [SHAPES[0], {"name": "write"}, {"name": "list"}]
    choice = {"mode": mode, "tools": SOME}
    for shape in (choice, {"allowed_tools": choice}):
        found = options(name, tools=tools, tool_choice={"type": "allowed_tools"} | shape)
        assert [tool.name for tool in found.tools] == ["read", "list"]
        assert found.tool_choice == ToolChoice(read)


@every_format
@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({"mode": "auto", "tools": [{"type": "function", "name": "gone"}]}, ".tools[0].name"),
        ({"mode": "auto", "tools": [{"type": "mcp", "server_label": "a"}]}, ".tools[0].name"),
        ({"mode": "auto", "tools": []}, ".tools"),
        ({"mode": "auto"}, ".tools"),
        ({"mode": "always", "tools": SOME[:1]}, ".mode"),
        ({"tools": SOME[:1]}, ".mode"),
    ],
)
def test_allowed_tools_that_are_not_there_are_refused(
    name: str, choice: Payload, field: str
) -> None:
    asked = {"type": "allowed_tools"} | choice
    assert refused(name, tools=[SHAPES[0]], tool_choice=asked).field == f"tool_choice{field}"


@every_format
@pytest.mark.parametrize(
    "choice",
    [
        {"type": "tool", "name": "gone"},
        {"type": "function", "function": {"name": "gone"}},
        {"type": "function", "name": "gone"},
    ],
)
def test_a_tool_that_is_not_there_cannot_be_chosen(name: str, choice: Payload) -> None:
    error = refused(name, tools=[SHAPES[0]], tool_choice=choice)
    assert (error.field or "").startswith("tool_choice")
    assert error.message.endswith("name must be the name of one of the tools")


@every_format
@pytest.mark.parametrize(("given", "read"), [(40, 40), (0, None), (-1, None), (None, None)])
def test_top_k_is_for_the_answer(name: str, given: int | None, read: int | None) -> None:
    found = ask(name, top_k=given).prompt.options
    assert (found.top_k if found else None) == read
    assert refused(name, top_k="many").field == "top_k"
    assert refused(name, top_k=-2).field == "top_k"


@every_format
def test_the_name_of_a_user_stands_before_what_that_user_says(name: str) -> None:
    turns: list[Payload] = [
        {"role": "user", "name": "Ada", "content": "6 x 7?"},
        {"role": "user", "name": "Bob\n", "content": [{"type": "text", "text": "Or 6 + 7?"}]},
        {"role": "user", "name": " ", "content": "Well?"},
    ]
    (message,) = ask(name, *turns).prompt.messages
    assert message.text == "Ada: 6 x 7?\n\nBob: Or 6 + 7?\n\nWell?"
    (message,) = ask(name, turns[0] | {"content": [MEDIA[0][0]]}).prompt.messages
    assert message.parts == ("Ada:", IMAGE)
    assert refused(name, turns[0] | {"name": 7}).field == f"{WHERE[name]}[0].name"


@every_format
def test_a_refusal_of_before_is_read_and_an_empty_reply_is_none(name: str) -> None:
    refusals: list[Payload] = [
        {"content": None, "refusal": "I will not."},
        {"content": "", "refusal": "I will not."},
        {"content": [{"type": "refusal", "refusal": "I will not."}]},
    ]
    for said in refusals:
        turns = [QUESTION, {"role": "assistant"} | said, QUESTION]
        assert ask(name, *turns).prompt.messages[1] == Message("assistant", "I will not.")
    empties: list[Payload] = [{"content": None}, {"content": ""}, {"content": []}, {"content": " "}]
    for empty in empties:
        (message,) = ask(name, QUESTION, {"role": "assistant"} | empty, QUESTION).prompt.messages
        assert message.text == f"{QUESTION['content']}\n\n{QUESTION['content']}"


@every_format
def test_a_tool_may_be_strict_and_calls_one_at_a_time(name: str) -> None:
    strict = {"type": "function", "name": "now", "strict": True}
    found = options(name, tools=[strict], parallel_tool_calls=False)
    assert found.tools == (Tool("now", "", {}, strict=True),)
    assert found.tool_choice == ToolChoice(parallel=False)


@every_format
def test_a_web_search_beside_functions_is_left_out(name: str) -> None:
    search = {"type": "web_search", "external_web_access": False}
    assert options(name, tools=[SHAPES[0], search]).tools == (READ,)
    assert refused(name, tools=[search]).field == "tools[0].type"


AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Sub-agents.",
    "tools": [{"type": "function", "name": "spawn", "parameters": SCHEMA}],
}


def test_functions_of_a_namespace_have_both_names_for_claude_and_their_own_for_the_client() -> None:
    asked = ask("responses", tools=[SHAPES[1], AGENTS])
    assert asked.prompt.options is not None
    assert [tool.name for tool in asked.prompt.options.tools] == ["read", "agents__spawn"]
    writer = responses.ResponsesWriter(Head("1", "m", 1, asked.repeated))
    for part in (ToolCallStarted("c1", "agents__spawn"), ToolArguments("{}"), End("tool_use")):
        writer.feed(part)
    reply = writer.whole()
    assert reply["tools"] == [FLAT | {"type": "function", "strict": False}, AGENTS]
    (item,) = reply["output"]
    assert (item["name"], item["namespace"]) == ("spawn", "agents")
    result = {"type": "function_call_output", "call_id": "c1", "output": "so"}
    again = ask("responses", QUESTION, item, result, tools=[AGENTS]).prompt
    assert again.messages[1].parts == (ToolCall("c1", "agents__spawn", "{}"),)
    patch = {"type": "custom", "name": "patch"}
    for wrong, field in (([patch], ".type"), ([{"type": "mcp"}], ".type"), ([{}], ".name")):
        error = refused("responses", tools=[AGENTS | {"tools": wrong}])
        assert error.field == f"tools[0].tools[0]{field}"


@every_format
@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ([SHAPES[0], SHAPES[1]], "tools[1].name"),
        ([{"type": "code_interpreter"}], "tools[0].type"),
        ([SHAPES[1], {"type": "computer_20250124", "name": "computer"}], "tools[1].type"),
        ([{"type": "custom", "name": "patch", "format": {}}], "tools[0].type"),
        ([{"type": "function", "function": {}}], "tools[0].function.name"),
        ([{"name": "a b"}], "tools[0].name"),
        ([{"name": "a" * 129}], "tools[0].name"),
        ([{"name": "a", "parameters": []}], "tools[0].parameters"),
        ([{"name": "a", "parameters": {"type": "array"}}], "tools[0].parameters"),
        ([{"name": "a", "input_schema": {"anyOf": []}}], "tools[0].input_schema"),
        ([{"name": "a", "description": 7}], "tools[0].description"),
        ({}, "tools"),
        ([7], "tools[0]"),
    ],
)
def test_a_tool_that_cannot_be_is_refused_by_its_place(
    name: str, tools: object, field: str
) -> None:
    assert refused(name, tools=tools).field == field


@every_format
def test_many_tools_and_a_long_or_recursive_schema_are_taken(name: str) -> None:
    node: Payload = {"properties": {"next": {"$ref": "#/$defs/node"}}}
    schema = {"$defs": {"node": node}, "description": "x" * 1_000_000}
    tools = [{"name": f"t{number}", "parameters": schema} for number in range(2)]
    tools += [{"name": f"t{number}"} for number in range(2, 200)]
    assert len(options(name, tools=tools).tools) == 200
    for depth in (DEEPEST, 100_000):
        deep: Any = {}
        for _ in range(depth):
            deep = {"a": deep}
        tools = [{"name": "a", "parameters": deep}]
        assert refused(name, tools=tools).field == "tools[0].parameters"
        while deep:
            deep = deep.pop("a")


@every_format
def test_the_deepest_schema_that_is_taken_reaches_every_vendor(name: str) -> None:
    schema: Payload = {"type": "string"}
    for _ in range(DEEPEST // 2 - 1):
        schema = {"type": "object", "properties": {"a": schema}}
    asked = ask(name, tools=[{"name": "a", "parameters": schema}])
    options = asked.prompt.options
    assert options is not None
    asked = replace(
        asked,
        prompt=replace(asked.prompt, options=replace(options, output_format=OutputFormat(schema))),
    )
    for body in (sent_to_claude(asked), sent_to_others(asked)):
        assert json.dumps(body).count('"object"') >= DEEPEST - 2
    assert "object" in repr(asked.prompt)


@every_format
def test_calls_and_results_are_read(name: str) -> None:
    second = ToolCall("c2", "read", "{}")
    turns = [
        QUESTION,
        *called(name, CALL, second, text="Let me see."),
        *came_back(name, RESULT, ToolResult("c2", ("",))),
    ]
    prompt = ask(name, *turns, tools=[SHAPES[0]]).prompt
    assert prompt.messages == (
        Message("user", "What is in a.txt?"),
        Message(
            "assistant",
            'Let me see.\n\n[called read({"path": "a.txt"})]\n\n[called read({})]',
            ("Let me see.", CALL, second),
        ),
        Message(
            "user",
            "[result of read:\nsix\n]\n\n[result of read:\n\n]",
            (RESULT, ToolResult("c2", ("",))),
        ),
    )
    assert prompt.question_at == 0
    assert prompt.options == AnswerOptions(tools=(READ,))


@every_format
def test_what_the_user_says_after_results_is_the_question(name: str) -> None:
    turns = [QUESTION, *called(name, CALL), *came_back(name, RESULT)]
    asked = ask(name, *turns, {"role": "user", "content": "And b.txt?"}).prompt
    assert (asked.question_at, asked.messages[-1].parts) == (-1, (RESULT, "And b.txt?"))


@pytest.mark.parametrize(
    ("text", "question_at"),
    [("<system-reminder>Be quick.</system-reminder>\n", 0), ("Stop.", -1), (" ", 0)],
)
def test_a_reminder_of_claude_code_is_no_question(text: str, question_at: int) -> None:
    (results,) = came_back("messages", RESULT)
    results["content"].insert(0, {"type": "text", "text": text})
    prompt = ask("messages", QUESTION, *called("messages", CALL), results).prompt
    assert prompt.question_at == question_at
    assert prompt.messages[-1].parts[0] == RESULT  # Claude wants results first


@every_format
def test_a_system_prompt_that_comes_late_stays_where_it_is(name: str) -> None:
    late = {"role": "system", "content": "Track your tasks."}
    turns = [QUESTION, *called(name, CALL), *came_back(name, RESULT), late]
    prompt = ask(name, {"role": "system", "content": "Be brief."}, *turns).prompt
    reminder = "<system-reminder>\nTrack your tasks.\n</system-reminder>"
    assert (prompt.system, prompt.question_at) == ("Be brief.", 0)
    assert prompt.messages[-1].parts == (RESULT, reminder)
    reply = {"role": "assistant", "content": "So."}
    prompt = ask(name, QUESTION, reply, late).prompt
    assert (prompt.messages[-1], prompt.question_at) == (Message("user", reminder), -1)


@every_format
def test_calls_without_tools_bring_their_names_for_claude_wants_some(name: str) -> None:
    turns = [QUESTION, *called(name, CALL), *came_back(name, RESULT)]
    assert options(name, *turns) == AnswerOptions(
        tools=(Tool("read", "", {}),), tool_choice=ToolChoice("none")
    )


FIRST_CALL = {
    "chat_completions": "messages[1].tool_calls[0]",
    "messages": "messages[1].content[0]",
    "responses": "input[1]",
}


@every_format
def test_each_call_has_one_result_and_each_result_a_call(name: str) -> None:
    lost = refused(name, QUESTION, *called(name, CALL), {"role": "user", "content": "And?"})
    assert lost.message.endswith(": the next message must have one for each call")
    assert (lost.field or "").startswith(FIRST_CALL[name])
    foreign = refused(name, QUESTION, *came_back(name, RESULT))
    assert foreign.message.endswith("is of no call in the message before")
    twice = refused(name, QUESTION, *called(name, CALL), *came_back(name, RESULT, RESULT))
    assert twice.message.endswith(TWICE)
    double = refused(name, QUESTION, *called(name, CALL, CALL), *came_back(name, RESULT))
    assert double.message.endswith(TWICE)


@every_format
def test_a_call_is_not_the_last_word(name: str) -> None:
    assert "must end with a message of the user's" in str(
        refused(name, QUESTION, *called(name, CALL))
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "7", '{"a": NaN}', "[" * 100_000])
@pytest.mark.parametrize("name", ["chat_completions", "responses"])
def test_arguments_are_a_json_object(name: str, arguments: str) -> None:
    turns = called(name, ToolCall("c1", "read", arguments))
    error = refused(name, QUESTION, *turns, *came_back(name, RESULT))
    assert error.message.endswith(".arguments must be a JSON object, as text")


def test_arguments_may_be_empty_where_a_tool_takes_none() -> None:
    turns = called("chat_completions", ToolCall("c1", "now", ""))
    prompt = ask(
        "chat_completions", QUESTION, *turns, *came_back("chat_completions", RESULT)
    ).prompt
    assert prompt.messages[1].parts == (ToolCall("c1", "now", "{}"),)


def test_only_functions_are_called() -> None:
    call = {"id": "c1", "type": "custom", "custom": {}}
    error = refused("chat_completions", QUESTION, {"role": "assistant", "tool_calls": [call]})
    assert error.field == "messages[1].tool_calls[0].type"


IMAGE = Image("image/png", PNG)
PDF_FILE = Document("application/pdf", PDF, title="a.pdf")
DATA = f"data:image/png;base64,{PNG}"
PDF_DATA = f"data:application/pdf;base64,{PDF}"
SIX = base64.b64encode(b"six").decode()
MEDIA: list[tuple[Payload, Image | Document]] = [
    ({"type": "image_url", "image_url": {"url": DATA, "detail": "low"}}, IMAGE),
    ({"type": "image_url", "image_url": DATA}, IMAGE),
    ({"type": "image_url", "image_url": {"url": "https://a.b/c"}}, Image("", url="https://a.b/c")),
    ({"type": "input_image", "image_url": DATA.replace("png", "jpg")}, Image("image/jpeg", PNG)),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        IMAGE,
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "http://a.b"}},
        Image("", url="http://a.b"),
    ),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF_DATA}}, PDF_FILE),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}, PDF_FILE),
    ({"type": "input_file", "filename": "a.pdf", "file_data": PDF_DATA}, PDF_FILE),
    ({"type": "input_file", "file_url": "https://a.b/c"}, Document("", url="https://a.b/c")),
    (
        {"type": "input_file", "file_data": f"data:text/plain;charset=utf-8;base64,{SIX}"},
        Document("text/plain", "six"),
    ),
    (
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": f"{PDF}\n"},
        },
        PDF_FILE,
    ),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        Document("text/plain", "x"),
    ),
    (
        {"type": "document", "source": {"type": "url", "url": "https://a.b"}},
        Document("", url="https://a.b"),
    ),
]


@every_format
@pytest.mark.parametrize(("part", "read"), MEDIA)
def test_images_and_documents_are_read_in_every_shape(
    name: str, part: Payload, read: Image | Document
) -> None:
    text = {"type": "text", "text": "What is it?"}
    (message,) = ask(name, {"role": "user", "content": [text, part]}).prompt.messages
    assert message.parts == ("What is it?", read)
    assert message.text == f"What is it?\n\n{read.text}"
    (message,) = ask(name, {"role": "user", "content": [part]}).prompt.messages
    assert message.parts == (read,)


@every_format
@pytest.mark.parametrize(("part", "read"), MEDIA)
def test_a_reasoner_that_sees_gets_images_as_data_and_the_rest_in_words(
    name: str, part: Payload, read: Image | Document
) -> None:
    text = {"type": "text", "text": "What is it?"}
    prompt = ask(name, {"role": "user", "content": [text, part]}).prompt
    body = chat_client.request_body(
        in_words(prompt, None, sees_images=True), model="m", samplers={}
    )
    (message,) = body["messages"]
    if isinstance(read, Image) and not read.url:
        data = f"data:{read.media_type};base64,{PNG}"
        assert message["content"] == [text, {"type": "image_url", "image_url": {"url": data}}]
        (back,) = ask("chat_completions", message).prompt.messages
        assert back == prompt.messages[0]
    else:
        assert message["content"] == f"What is it?\n\n{read.text}"


@every_format
@pytest.mark.parametrize(
    ("part", "place", "why"),
    [
        ({"type": "image_url", "image_url": {}}, ".image_url.url", "must be an address"),
        ({"type": "image_url", "image_url": {"url": "file:///etc"}}, ".image_url.url", "must be"),
        ({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}},
         ".image_url.url", "must be one of image/jpeg, image/png, image/gif, image/webp"),
        ({"type": "input_image", "image_url": "data:image/png;base64,?"}, ".image_url",
         "must be base64"),
        ({"type": "input_image", "file_id": "file_1"}, ".file_id", "is not supported"),
        ({"type": "image", "source": {"type": "file"}}, ".source.type", "must be base64 or url"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/tiff"}},
         ".source.media_type", "must be one of"),
        ({"type": "document", "source": {"type": "text"}}, ".source.data", "is required"),
        ({"type": "document", "source": {"type": "base64", "media_type": "image/png"}},
         ".source.media_type", "must be one of application/pdf"),
        ({"type": "file", "file": {}}, ".file.file_data", "is required"),
        ({"type": "file", "file": {"file_data": DATA}}, ".file.file_data", "must be one of"),
    ],
)  # fmt: skip
def test_what_claude_does_not_take_is_refused_by_its_place(
    name: str, part: Payload, place: str, why: str
) -> None:
    error = refused(name, {"role": "user", "content": [part]})
    where = f"{WHERE[name]}[0].content[0]{place}"
    assert (error.field, error.message.startswith(f"{where} {why}")) == (where, True)


@every_format
def test_system_prompts_and_replies_have_no_images(name: str) -> None:
    image = MEDIA[0][0]
    for role in ("system", "assistant"):
        error = refused(name, {"role": role, "content": [image]}, QUESTION)
        assert error.field == f"{WHERE[name]}[0].content[0].type"


def test_results_have_images_errors_and_nothing() -> None:
    blocks = [
        {"type": "tool_result", "tool_use_id": "c1", "content": [MEDIA[4][0]], "is_error": True},
        {"type": "tool_result", "tool_use_id": "c2"},
    ]
    calls = called("messages", CALL, ToolCall("c2", "read", "{}"))
    prompt = ask("messages", QUESTION, *calls, {"role": "user", "content": blocks}).prompt
    assert prompt.messages[-1].parts == (ToolResult("c1", (IMAGE,), True), ToolResult("c2"))
    assert prompt.messages[-1].text == (
        "[error of read:\n[an image, image/png]\n]\n\n[result of read:\n\n]"
    )
    wrong = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1"}]}
    wrong["content"][0]["content"] = [{"type": "tool_reference"}]  # type: ignore[index]
    error = refused("messages", QUESTION, *called("messages", CALL), wrong)
    assert error.field == "messages[2].content[0].content[0].type"


class TestConversations:
    @every_format
    def test_the_assistant_may_be_first(self, name: str) -> None:
        hello = {"role": "assistant", "content": "Hello!"}
        assert ask(name, hello, QUESTION).prompt.messages == (
            Message("user", BEGIN),
            Message("assistant", "Hello!"),
            Message("user", "What is in a.txt?"),
        )

    @every_format
    def test_a_system_prompt_alone_is_the_question(self, name: str) -> None:
        prompts = [{"role": "system", "content": text} for text in ("Be brief.", "A poem.", " ")]
        assert ask(name, *prompts).prompt == Prompt((Message("user", "A poem."),), "Be brief.")


def sent_to_claude(request: ChatRequest) -> Payload:
    return messages_client.request_body(request.prompt, model="m", max_tokens=9, samplers={})


def sent_to_others(request: ChatRequest) -> Payload:
    return chat_client.request_body(request.prompt, model="m", samplers={})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = st.dictionaries(texts, texts | st.integers() | st.none(), max_size=3)


@given(inputs=st.lists(values, min_size=1, max_size=4), outputs=st.lists(texts, min_size=4))
@every_format
def test_calls_and_results_survive_the_way_to_both_formats(
    name: str, inputs: list[Payload], outputs: list[str]
) -> None:
    calls = [
        ToolCall(f"c{number}", "read", json.dumps(each, ensure_ascii=False))
        for number, each in enumerate(inputs)
    ]
    results = [ToolResult(call.id, (text,)) for call, text in zip(calls, outputs, strict=False)]
    turns = [QUESTION, *called(name, *calls, text="So."), *came_back(name, *results)]
    request = ask(name, *turns, tools=[SHAPES[0]], tool_choice="required")
    for sent, reader in (
        (sent_to_claude(request), messages.read_request),
        (sent_to_others(request), chat_completions.read_request),
    ):
        again = reader(sent).prompt
        assert (again.messages[0], again.options) == (
            request.prompt.messages[0],
            request.prompt.options,
        )
        assert again.messages[1].parts == request.prompt.messages[1].parts
        kept = [part for part in again.messages[2].parts if isinstance(part, ToolResult)]
        assert [each.text.strip() for each in kept] == [each.text.strip() for each in results]


def test_claude_is_sent_what_it_takes() -> None:
    media = [part for part, _ in MEDIA]
    asked = ask(
        "messages",
        {"role": "user", "content": [*media, {"type": "text", "text": " "}]},
        *called("messages", ToolCall("a.b|c", "read", "{}")),
        *came_back("messages", ToolResult("a.b|c", (" ",))),
        tools=[{"name": "read", "strict": True}],
        tool_choice={"type": "tool", "name": "read", "disable_parallel_tool_use": True},
    )
    body = sent_to_claude(asked)
    png = {"type": "base64", "media_type": "image/png", "data": PNG}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert body["messages"][0]["content"][0] == {"type": "image", "source": png}
    assert body["messages"][0]["content"][2]["source"] == {"type": "url", "url": "https://a.b/c"}
    assert {"type": "document", "source": pdf, "title": "a.pdf"} in body["messages"][0]["content"]
    assert len(body["messages"][0]["content"]) == len(media)  # white space is refused there
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "a_b_c", "name": "read", "input": {}}
    ]
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "a_b_c"}]
    assert body["tools"] == [{"name": "read", "input_schema": {"type": "object"}, "strict": True}]
    assert body["tool_choice"] == {
        "type": "tool",
        "name": "read",
        "disable_parallel_tool_use": True,
    }


def test_hosts_of_chat_completions_are_sent_what_they_take() -> None:
    media = [part for part, _ in MEDIA]
    content = [{"type": "text", "text": "no"}, media[4]]
    result = {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": content}
    asked = ask(
        "messages",
        {"role": "user", "content": media},
        *called("messages", CALL),
        {
            "role": "user",
            "content": [result | {"content": [{"type": "text", "text": "no"}, media[4]]}],
        },
        tools=[SHAPES[0]],
        tool_choice={"type": "tool", "name": "read", "disable_parallel_tool_use": True},
        system="Be brief.",
    )
    body = sent_to_others(asked)
    system, user, called_out, failed, pictures = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][0] == {"type": "image_url", "image_url": {"url": DATA}}
    assert user["content"][6]["file"] == {"filename": "a.pdf", "file_data": PDF_DATA}
    assert user["content"][10] == {"type": "text", "text": "[a document, text/plain]\nsix"}
    function = {"name": "read", "arguments": '{"path": "a.txt"}'}
    assert called_out == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    assert failed == {"role": "tool", "tool_call_id": "c1", "content": "error:\nno"}
    assert pictures == {"role": "user", "content": [user["content"][0]]}
    assert body["tools"] == [{"type": "function", "function": FLAT}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "read"}}
    assert body["parallel_tool_calls"] is False


@pytest.mark.parametrize("reason", ["question", "always", "never", None])
def test_a_request_says_when_the_reasoner_thinks(reason: str | None) -> None:
    assert ask("messages", reason=reason).reason == reason
    assert refused("messages", reason="sometimes").field == "reason"
