"""The tokens of a request as the official clients ask for them; Anthropic's count is free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.replies import Reply, error_reply_anthropic, json_reply
from support.serve_process import ASKED, MODEL, Server, serving_at

TOOL: dict[str, Any] = {"name": "t", "description": "d", "input_schema": {"type": "object"}}
COUNTED = json_reply(200, {"input_tokens": 17})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("house")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def of_message(server: Server, **fields: Any) -> Any:
    asked: dict[str, Any] = {"model": MODEL, "messages": ASKED, **fields}
    return server.anthropic().messages.count_tokens(**asked)


def of_response(server: Server, **fields: Any) -> Any:
    asked: dict[str, Any] = {"model": MODEL, "input": "6 x 7?", **fields}
    return server.openai().responses.input_tokens.count(**asked)


@pytest.mark.parametrize("count", [of_message, of_response])
def test_anthropic_counts_what_claude_would_read(server: Server, count: Any) -> None:
    server.vendors.claude.reply(COUNTED)
    found = count(server)
    assert (found.input_tokens, found.model_extra["estimated"]) == (17, False)
    [asked] = server.vendors.claude.requests
    assert asked.path == "/v1/messages/count_tokens"
    assert asked.body == {"model": "claude-sonnet-5-5", "messages": ASKED}
    assert server.vendors.reasoner.requests == []
    assert server.history() == []


def test_tools_and_system_are_counted_for_the_model_that_is_asked(server: Server) -> None:
    server.vendors.claude.reply(COUNTED)
    of_message(server, model="haiku", system="Be brief.", tools=[TOOL])
    [asked] = server.vendors.claude.requests
    assert (asked.body["model"], asked.body["system"]) == ("claude-haiku-5-5", "Be brief.")
    assert [tool["name"] for tool in asked.body["tools"]] == ["t"]


@pytest.mark.parametrize("count", [of_message, of_response])
@pytest.mark.parametrize(
    "reply",
    [
        error_reply_anthropic(400, "invalid_request_error", "no"),
        error_reply_anthropic(401, "authentication_error", "invalid x-api-key"),
        json_reply(200, {"tokens": "many"}),
    ],
)
def test_without_that_count_there_is_an_estimate(server: Server, count: Any, reply: Reply) -> None:
    server.vendors.claude.reply(reply)
    found = count(server)
    assert found.model_extra["estimated"]
    assert 0 < found.input_tokens < 17
    server.said("tokens are estimated")
