"""Whoever asks for Claude alone gets, and pays, no reasoner."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.server.errors import to_failure
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wire.server import chat_completions
from support.asgi_calls import call, scope
from support.serving import CHAT, MESSAGES, PATHS, RESPONSES, Serve, scripted_reasoner
from support.serving import serve as serve

WITHOUT_REASONER: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"reasoning_effort": "none"}),
    (RESPONSES, {"reasoning": {"effort": "none"}}),
    (MESSAGES, {"thinking": {"type": "disabled"}}),
    (MESSAGES, {"output_config": {"effort": "none"}}),
    (CHAT, {"thinking": {"type": "disabled"}}),
    (CHAT, {"reasoning": {"enabled": False}}),
    (CHAT, {"enable_thinking": False}),
    (CHAT, {"think": False}),
    (CHAT, {"max_tokens": 1}),
    (CHAT, {"max_completion_tokens": 1}),
    (RESPONSES, {"max_output_tokens": 1}),
    (MESSAGES, {"max_tokens": 1}),
    *((path, {"model": name}) for path in PATHS for name in ("haiku", "claude-sonnet-5-5")),
    (CHAT, {"model": "anthropic/claude-haiku-5.5"}),
]


@pytest.mark.parametrize(("path", "fields"), WITHOUT_REASONER)
def test_no_reasoner_is_asked_where_none_is_wanted(
    serve: Serve, path: str, fields: dict[str, Any]
) -> None:
    server = serve()
    assert server.ask(path, **fields).status == 200
    assert (server.reasoner.begun, server.answerer.begun) == (0, 1)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"reasoning_effort": "minimal"}),
        (RESPONSES, {"reasoning": {"effort": "low"}}),
        (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (MESSAGES, {"thinking": {"type": "adaptive"}}),
        (CHAT, {"reasoning": {"enabled": True}}),
        (CHAT, {"thinking": True, "reasoning": "yes", "think": "high"}),
        (CHAT, {"max_tokens": 2}),
        (CHAT, {"model": "deepreasoning/haiku"}),
    ],
)
def test_any_other_request_is_reasoned_about(
    serve: Serve, path: str, fields: dict[str, Any]
) -> None:
    server = serve()
    assert server.ask(path, **fields).status == 200
    assert server.reasoner.begun == 1


def test_a_reply_of_claude_alone_is_not_called_a_pair(serve: Serve) -> None:
    assert serve().ask(model="haiku").json["model"] == "claude-1"
    assert serve().ask(reasoning_effort="none").json["model"] == "deepreasoning/claude-1"


def test_the_models_that_can_be_asked_so_are_listed_behind_the_pairs(serve: Serve) -> None:
    app = serve().app
    ids = [each["id"] for each in call(app, scope("/v1/models")).json["data"]]
    pairs = [each for each in ids if each.startswith("deepreasoning")]
    assert ids == [*pairs, *(each.removeprefix("deepreasoning/") for each in pairs[1:])]
    for name in ids[len(pairs) :]:
        listed = call(app, scope(f"/v1/models/{name}")).json
        assert (listed["id"], "reasoner" in str(listed["pricing"])) == (name, False)


def test_what_is_no_claude_is_no_model(serve: Serve) -> None:
    server = serve(scripted_reasoner())
    for name in ("gpt-5", "claude-9", "haiku/deepreasoning", "deepreasoner"):
        answer = server.ask(model=name)
        assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert server.answerer.begun == 0


def plan_for(keys: dict[str, str], **fields: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "?"}], **fields}
    service = Service(load_settings(None, {"history": False}, keys))
    return service.plan(chat_completions.read_request(body), None, "1")


def test_claude_thinks_no_more_than_it_must_for_a_single_token() -> None:
    keys = {"DEEPSEEK_API_KEY": "sk-0", "ANTHROPIC_API_KEY": "sk-ant-0"}
    plan = plan_for(keys, model="deepreasoning/haiku", max_tokens=1)
    body = plan.answerer.request(plan.prompt).body
    assert (body["max_tokens"], body["thinking"]) == (1, {"type": "disabled"})


def test_a_gateway_that_does_all_stages_says_that_claude_cannot_be_asked_alone() -> None:
    for fields in ({"model": "haiku"}, {"model": "deepreasoning", "reasoning_effort": "none"}):
        with pytest.raises(RefusedError) as caught:
            plan_for({"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"}, **fields)
        failure = to_failure(caught.value, "1")
        assert (failure.status, failure.kind) == (400, "claude_alone_unavailable")


def test_a_claude_key_beside_the_gateways_is_enough_for_claude_alone() -> None:
    keys = {"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0", "ANTHROPIC_API_KEY": "sk-ant-0"}
    plan = plan_for(keys, model="haiku")
    assert (plan.backend, plan.reasoner) == ("direct", None)
