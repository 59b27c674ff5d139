"""What all requests of a process share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpcore
import pytest

from deepreasoning_cli import paths
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError
from deepreasoning_cli.greenlets import greenlet_spawn
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.keys import validate
from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.pipeline.tools import AnswerOptions, OutputFormat
from deepreasoning_cli.server import create_app
from deepreasoning_cli.server.errors import to_failure
from deepreasoning_cli.server.observe import log_to_stderr
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.server.request import ChatRequest, RequestParameters
from support.loopback import Loopback, json_reply
from support.sample_turns import reason_events

OWNERS = {"DEEPSEEK_API_KEY": "sk-owner-deepseek", "ANTHROPIC_API_KEY": "sk-owner-ant"}
CALLERS = {
    "deepseek": validate("deepseek", "sk-caller-deepseek", "a test"),
    "anthropic": validate("anthropic", "sk-caller-ant", "a test"),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OWNERS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """What is logged goes to stderr."""
    with log_to_stderr("text", debug=True):
        yield


def service(*, debug: bool = False, **settings: Any) -> Service:
    flags = {name.replace("__", "."): value for name, value in settings.items()}
    return Service(load_settings(None, flags), debug=debug)


def chat_request(model: str = "deepreasoning", **parameters: Any) -> ChatRequest:
    prompt = Prompt((Message("user", "Two?"),), "Be brief.")
    return ChatRequest(model, prompt, RequestParameters(**parameters), stream=True)


def test_a_turn_has_the_id_that_the_caller_is_told() -> None:
    plan = service().plan(chat_request(), None, "01turn")
    assert (plan.id, plan.question, plan.prompt.system) == ("01turn", "Two?", "Be brief.")
    assert plan.prompt == Prompt((Message("user", "Two?"),), "Be brief.")


@pytest.mark.parametrize(
    ("wanted", "settings", "answerer"),
    [
        (chat_request(), {"model": "haiku"}, "claude-haiku-"),
        (chat_request("deepreasoning/haiku"), {}, "claude-haiku-"),
        (chat_request("deepreasoning/"), {"model": "haiku"}, "claude-haiku-"),
        (chat_request("deepreasoning", anthropic_model="haiku"), {}, "claude-haiku-"),
        (chat_request("deepreasoning/opus", anthropic_model="haiku"), {}, "claude-haiku-"),
    ],
)
def test_the_model_is_that_of_the_request_or_of_the_settings(
    wanted: ChatRequest, settings: dict[str, Any], answerer: str
) -> None:
    plan = service(**settings).plan(wanted, None, "1")
    assert plan.answerer is not None
    assert plan.answerer.model.startswith(answerer)


def test_a_claude_that_is_retired_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        service().plan(chat_request("deepreasoning/claude-3-opus-20240229"), None, "1")
    assert caught.value.kind == "model_retired"


@pytest.mark.parametrize("name", ["sonet", "gpt-4o"])
def test_a_claude_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        service().plan(chat_request("deepreasoning", anthropic_model=name), None, "1")
    assert (caught.value.kind, to_failure(caught.value, "1").status) == ("model_unknown", 404)


def test_what_a_request_asks_for_is_as_if_typed_and_for_it_alone() -> None:
    ours = service(temperature=0.1)
    plan = ours.plan(chat_request(temperature=1.5, max_tokens=7), None, "1")
    settings = ours._settings_for(chat_request(temperature=1.5, max_tokens=7), None)
    assert (settings.settings.temperature, settings.settings.max_tokens) == (1.5, 7)
    assert settings.is_typed("temperature")
    assert settings.origins["temperature"] == "flag of the request"
    assert (ours.loaded.settings.temperature, plan.id) == (0.1, "1")


def test_a_caller_with_keys_uses_no_other() -> None:
    ours = service(serve__byok=True, reasoner="openrouter", backend="auto")
    plan: Any = ours.plan(chat_request(), CALLERS, "1")
    assert plan.reasoner.key == CALLERS["deepseek"]
    assert plan.answerer.key == CALLERS["anthropic"]
    loaded = ours._settings_for(chat_request(), CALLERS)
    assert (loaded.has_key("linkup"), loaded.key("deepseek")) == (False, CALLERS["deepseek"])


def test_a_search_needs_a_key_of_the_callers_own() -> None:
    ours = service(serve__byok=True)
    with pytest.raises(ConfigError, match="no key for linkup"):
        ours.plan(chat_request(web_search_linkup=True), CALLERS, "1")


def test_only_caps_that_look_back_make_planning_wait() -> None:
    assert service(max_cost="1").plans_at_once(chat_request(), "me")
    assert not service(daily_cost="1").plans_at_once(chat_request(), "me")
    assert not service(monthly_cost="1").plans_at_once(chat_request(), "me")


def test_a_service_that_can_answer_is_prepared_once_for_all_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tmp_path / "count"
    command = f"sh -c 'echo run >> {count}; echo sk-of-the-command'"
    monkeypatch.delenv("DEEPSEEK_API_KEY")
    ours = service(keys__deepseek__command=command)
    ours.prepare()
    plan: Any = ours.plan(chat_request(), None, "1")
    assert plan.reasoner.key.value == "sk-of-the-command"
    assert count.read_text() == "run\n"


def test_a_service_that_can_answer_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWNERS:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError) as caught:
        service().prepare()
    assert caught.value.kind == "key_missing"
    service(serve__byok=True).prepare()


def left_behind() -> None:
    """The journal of a process that died."""
    from deepreasoning_cli.history.journal_format import event_line
    from support.sample_turns import WHEN, turn_started

    folder = paths.data_dir() / "journal"
    folder.mkdir(parents=True)
    lines = [
        event_line(turn_started(), 0.0, WHEN),
        *(event_line(event, 0.1) for event in reason_events()[:3]),
    ]
    (folder / "turn1.jsonl").write_bytes(b"".join(lines))


def kept() -> list[str]:
    with Store.open(paths.data_dir(), lambda _: None) as store:
        return [row.id for row in store.listing()]


def test_what_dead_processes_left_is_taken_up_once(capsys: pytest.CaptureFixture[str]) -> None:
    left_behind()
    service(history=False).recover_orphans()
    service(serve__byok=True).recover_orphans()
    assert capsys.readouterr().err == ""
    ours = service()
    ours.recover_orphans()
    ours.recover_orphans()
    assert kept() == ["turn1"]
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("note: recovered ")


def test_a_request_and_its_reply_are_logged_to_whom_debugs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for debug in (False, True):
        with Loopback(json_reply(200, {"id": 1})) as vendor, service(debug=debug) as ours:

            async def main(url: str = vendor.url, ours: Service = ours) -> object:
                request = Request(url, {}, validate("x", "sk-canary-7Fq0pXw2Zr9", "a test"))
                with ours:
                    return await greenlet_spawn(lambda: ours._transport.fetch(request))

            assert asyncio.run(main()) == {"id": 1}
        lines = capsys.readouterr().err.splitlines()
        assert [line[:9] for line in lines] == ["debug: > ", "debug: < "] * debug
        assert "canary" not in "".join(lines)


def test_a_closed_stderr_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    service().warn("nobody hears it")


def test_what_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    service().warn("two\nlines\x1b[31m")
    assert capsys.readouterr().err.count("\n") == 1


def test_the_app_is_made_from_the_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_SERVE__PORT", "many")
    with pytest.raises(ConfigError, match="DEEPREASONING_SERVE__PORT must be a port"):
        create_app()
    monkeypatch.delenv("DEEPREASONING_SERVE__PORT")
    assert callable(create_app(flags={"backend": "demo", "serve": {"byok": True}}))
    with pytest.raises(UsageError, match="--port"):
        create_app(flags={"serve": {"port": "many"}})


def test_a_service_closes_what_waits_for_use() -> None:
    with service() as ours:
        pool: Any = ours._transport._client._transport
    assert isinstance(pool._pool, httpcore.ConnectionPool)
    assert ours._transport._client.is_closed


@pytest.mark.parametrize(("json", "lists"), [(False, True), (True, False)])
def test_an_answer_that_must_be_json_has_no_list_of_sources(
    monkeypatch: pytest.MonkeyPatch, json: bool, lists: bool
) -> None:
    monkeypatch.setenv("LINKUP_API_KEY", "sk-owner-linkup")
    options = AnswerOptions(output_format=OutputFormat()) if json else None
    request = chat_request(web_search_linkup=True)
    prompt = replace(request.prompt, options=options)
    plan = service().plan(replace(request, prompt=prompt), None, "1")
    assert plan.search is not None
    assert plan.search.lists is lists
