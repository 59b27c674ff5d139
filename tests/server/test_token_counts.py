"""The tokens of a request where nobody can be asked for them, and of what is no request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepreasoning_cli.server.app import application
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from support.asgi_calls import Answer, call, pieces
from support.serving import MESSAGES, RESPONSES, post_scope, question

FORMATS = {f"{MESSAGES}/count_tokens": MESSAGES, f"{RESPONSES}/input_tokens": RESPONSES}
each_path = pytest.mark.parametrize("path", FORMATS)
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-0000", "DEEPSEEK_API_KEY": "sk-0000"}


def count(path: str, keys: dict[str, str], flags: dict[str, Any], **fields: Any) -> Answer:
    service = Service(load_settings(None, {"history": False, **flags}, keys))
    body = question(FORMATS[path], **fields)
    return call(application(service), post_scope(path), pieces(body))


@each_path
@pytest.mark.parametrize(
    ("keys", "flags"),
    [
        ({"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"}, {}),
        ({"OPENROUTER_API_KEY": "sk-or-0"}, {}),
        (KEYS, {"backend": "demo"}),
        (KEYS, {"answerer": ("deepseek",)}),
    ],
)
def test_where_another_host_answers_there_is_an_estimate(
    path: str, keys: dict[str, str], flags: dict[str, Any]
) -> None:
    answer = count(path, keys, flags)
    name = {"object": "response.input_tokens"} if FORMATS[path] == RESPONSES else {}
    assert (answer.status, answer.json) == (200, name | {"input_tokens": 7, "estimated": True})


def test_what_claude_code_counts_is_counted_without_a_turn() -> None:
    """`/context` sends the system prompt in pieces, then each tool beside a word."""
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    tools = [{"name": "Bash", "description": "Runs it.", "input_schema": schema}]
    service = Service(load_settings(None, {"history": False, "backend": "demo"}, KEYS))
    scope = post_scope(f"{MESSAGES}/count_tokens") | {"query_string": b"beta=true"}
    counts = []
    for fields in ({}, {"tools": tools}):
        asked = {"model": "deepreasoning", "messages": [{"role": "user", "content": "foo"}]}
        answer = call(application(service), scope, pieces(json.dumps(asked | fields).encode()))
        assert (answer.status, answer.json["estimated"]) == (200, True)
        counts.append(answer.json["input_tokens"])
    assert counts[0] < counts[1]


def test_callers_who_bring_keys_count_with_their_own() -> None:
    answer = count(f"{MESSAGES}/count_tokens", KEYS, {"serve.byok": True})
    assert (answer.status, answer.json["error"]["type"]) == (401, "authentication_error")


@each_path
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "gpt-5"}, 404, "model_not_found"),
        ({"model": "deepreasoning/claude-3-opus-20240229"}, 404, "model_retired"),
        ({"temperature": 7}, 400, "invalid_request"),
    ],
)
def test_what_no_turn_takes_is_not_counted(
    path: str, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = count(path, KEYS, {}, **fields)
    error = answer.json["error"]
    assert answer.status == status
    assert (error.get("code") or error["details"]["error_code"]) == code
