"""Titles, tags, follow-ups and summaries, as clients send them, buy no chain of thought."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.server.helper_requests import BEGINNINGS, is_helper_request
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wire.server import chat_completions
from support.serving import CHAT, MESSAGES, RESPONSES, Serve
from support.serving import serve as serve

SHELL: dict[str, Any] = {
    "name": "Bash",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}
REMINDER = "<system-reminder>\nNo co-authors.\n</system-reminder>\n"
SUMMARY = (
    "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n\n- Do NOT use Read, Bash, Grep, "
    "Glob, Edit, Write, or ANY other tool.\n\nYour task is to create a detailed summary of the "
    "conversation so far."
)
CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 32000,
    "metadata": {"user_id": '{"device_id":"92b2","session_id":"8fd6"}'},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.5ce;"},
        {"type": "text", "text": "You are a Claude agent."},
    ],
    "tools": [SHELL],
}
QUESTION: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "text", "text": REMINDER}, {"type": "text", "text": "List it."}],
    },
    {"role": "system", "content": [{"type": "text", "text": "# Environment\nLinux."}]},
]
CALL = {"type": "tool_use", "id": "toolu_0", "name": "Bash", "input": {"command": "ls"}}
THOUGHT = {"type": "thinking", "thinking": "Let me think.", "signature": ""}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_0", "content": "a.txt"}
COMPACTIONS: list[list[dict[str, Any]]] = [
    [{"role": "assistant", "content": "a.txt"}, {"role": "user", "content": SUMMARY}],
    [
        {"role": "assistant", "content": [THOUGHT, CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": SUMMARY}]},
    ],
    [
        {"role": "assistant", "content": "a.txt"},
        {"role": "user", "content": REMINDER + REMINDER + SUMMARY},
    ],
]
TITLE = "### Task:\nGenerate a concise title summarizing the chat history.\n### Guidelines:\n"
FROM_PAGES = "### Task:\nRespond to the user query using the provided context.\n### Guidelines:\n"
HELPERS: list[tuple[str, dict[str, Any]]] = [
    *((MESSAGES, CLAUDE_CODE | {"messages": [*QUESTION, *rest]}) for rest in COMPACTIONS),
    (CHAT, {"messages": [{"role": "user", "content": TITLE}], "stream": False}),
    (
        CHAT,
        {
            "temperature": 0.0,
            "top_p": 0.1,
            "messages": [
                {
                    "role": "system",
                    "content": [{"type": "text", "text": "Generate concise conversation titles."}],
                },
                {"role": "user", "content": [{"type": "text", "text": "Create a 2-4 word title."}]},
            ],
        },
    ),
    (
        RESPONSES,
        {
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": "<environment_context>\n  <cwd>/x</cwd>\n</environment_context>",
                },
                {
                    "type": "message",
                    "role": "user",
                    "content": "Generate a concise, single-line task title of at most 36 signs.",
                },
            ],
            "text": {
                "format": {
                    "type": "json_schema",
                    "strict": True,
                    "name": "codex_output_schema",
                    "schema": {
                        "type": "object",
                        "properties": {"title": {"type": "string"}},
                        "required": ["title"],
                        "additionalProperties": False,
                    },
                }
            },
        },
    ),
    (
        RESPONSES,
        {
            "input": [
                {"type": "message", "role": "user", "content": "List it."},
                {"type": "message", "role": "assistant", "content": "a.txt"},
                {
                    "type": "message",
                    "role": "user",
                    "content": "You are performing a CONTEXT CHECKPOINT COMPACTION. Create a",
                },
            ]
        },
    ),
]


@pytest.mark.parametrize(("path", "fields"), HELPERS)
def test_claude_alone_writes_them(serve: Serve, path: str, fields: dict[str, Any]) -> None:
    server = serve()
    assert server.ask(path, **fields).status == 200
    assert (server.reasoner.begun, server.answerer.begun) == (0, 1)


@pytest.mark.parametrize(("path", "fields"), HELPERS)
def test_who_wants_a_chain_of_thought_each_time_gets_one(
    serve: Serve, path: str, fields: dict[str, Any]
) -> None:
    server = serve()
    assert server.ask(path, **fields, reason="always").status == 200
    assert (server.reasoner.begun, server.answerer.begun) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        f"Why does this not work?\n\n{TITLE}",
        f"{REMINDER}What is a title?",
        f"<system-reminder>{TITLE}",
        f"<b>What is this?</b> {REMINDER}",
        FROM_PAGES,
        "Generate a title",
    ],
)
def test_a_question_that_looks_a_little_like_one_is_reasoned_about(serve: Serve, text: str) -> None:
    server = serve()
    assert server.ask(CHAT, messages=[{"role": "user", "content": text}]).status == 200
    assert server.reasoner.begun == 1


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_the_first_words_count_in_a_system_prompt_and_in_the_last_message(beginning: str) -> None:
    asked = Message("user", "6 x 7?")
    said = (asked, Message("assistant", "42"))
    helper = Message("user", f"{beginning} And so on.")
    assert is_helper_request(Prompt((*said, helper), "Be brief."))
    assert is_helper_request(Prompt((asked,), helper.text))
    assert not is_helper_request(Prompt((helper, said[1], asked), "Be brief."))
    assert not is_helper_request(Prompt((asked,), f"Be brief. {helper.text}"))


def test_where_claude_cannot_be_asked_alone_the_pair_writes_them() -> None:
    keys = {"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"}
    service = Service(load_settings(None, {"history": False}, keys))
    body = {"model": "deepreasoning", "messages": [{"role": "user", "content": TITLE}]}
    assert service.plan(chat_completions.read_request(body), None, "1").backend == "gateway"
