"""Tools, calls, results and images of a client's request, and what estimates see of them."""

from __future__ import annotations

from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.pipeline.tools import (
    AnswerOptions,
    Document,
    Image,
    OutputFormat,
    Tool,
    ToolChoice,
    ToolResult,
)

READ = Tool("read", "Read a file.", {"type": "object"})


def test_a_prompt_is_plain_until_there_is_more_than_text() -> None:
    question = Prompt((Message("user", "hi"),))
    assert question.is_plain
    assert not Prompt(question.messages, options=AnswerOptions(tools=(READ,))).is_plain
    assert not Prompt((Message("user", "[an image]", (Image("", url="https://a.b"),)),)).is_plain


def test_the_text_of_a_prompt_has_its_tools_and_its_format() -> None:
    options = AnswerOptions(tools=(READ,), output_format=OutputFormat({"a": 1}))
    prompt = Prompt((Message("user", "hi"),), "Be brief.", options=options)
    assert prompt.text == 'Be brief.\nhi\nread: Read a file.\n{"type": "object"}\n{"a": 1}'


def test_a_result_is_told_in_words() -> None:
    pdf = Document("application/pdf", "cGRm", title="bill")
    plain = Document("text/plain", "so it is")
    result = ToolResult("1", ("seen", Image("image/png", "aQ=="), Image("", url="x"), pdf, plain))
    assert result.text.split("\n") == [
        "seen",
        "[an image, image/png]",
        "[an image]",
        "[a document 'bill', application/pdf]",
        "[a document, text/plain]",
        "so it is",
    ]


def test_a_choice_is_forced_where_a_tool_has_to_be_called() -> None:
    choices = (ToolChoice(), ToolChoice("any"), ToolChoice("tool", "read"), ToolChoice("none"))
    assert [choice.mode for choice in choices if choice.is_forced] == ["any", "tool"]
