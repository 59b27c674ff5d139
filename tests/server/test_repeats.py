"""A request that comes again after its answer has failed goes on from its reasoning."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from deepreasoning_cli.errors import ConfigError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    End,
    Handoff,
    Reused,
    Source,
    Sources,
    Stage,
    StageFinished,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.server import repeats
from deepreasoning_cli.server.repeats import UnansweredTurns
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wire.server.chat_completions import read_request
from support.serving import (
    PATHS,
    Caller,
    LiveServer,
    Scripted,
    Serve,
    scripted_reasoner,
)
from support.serving import serve as serve

BUSY = UnavailableError("overloaded", kind="overloaded", status=529)
REJECTED = ConfigError("rejected", kind="key_rejected", status=401)
ANSWERING = (Text("Forty-"), Text("two."), Usage(30, 5), End("end_turn"))


class Attempts:
    """What a model says at each call: the steps of one attempt after the other."""

    def __init__(self, *attempts: tuple[Any, ...]) -> None:
        self._attempts = iter(attempts)

    def __iter__(self) -> Any:
        return iter(next(self._attempts))


def failing(serve: Serve, *failures: tuple[Any, ...], **settings: Any) -> LiveServer:
    """A server whose Claude fails so, and then answers."""
    answerer = Scripted("claude-1", Attempts(*failures, ANSWERING, ANSWERING))
    return serve(scripted_reasoner(), answerer, **settings)


def reasoning_in(path: str, reply: Any) -> str:
    match path:
        case "/v1/chat/completions":
            found = reply["choices"][0]["message"].get("reasoning_content", "")
        case "/v1/responses":
            items = [item for item in reply["output"] if item["type"] == "reasoning"]
            found = items[0]["content"][0]["text"]
        case _:
            found = reply["content"][0]["thinking"]
    return str(found)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "failure",
    [
        (BUSY,),
        (REJECTED,),
        (UnavailableError("slow down", kind="rate_limit", status=429),),
        (UnavailableError("broken", kind="server", status=500),),
        (Text("Forty-"), UnavailableError("cut", kind="cut")),
        (Text("Forty-"),),  # the stream ends without its end
        (KeyError("a bug"),),
    ],
)
def test_the_reasoner_is_asked_once(serve: Serve, path: str, failure: tuple[Any, ...]) -> None:
    server = failing(serve, failure, failure)
    assert [server.ask(path).status >= 400 for _ in range(2)] == [True, True]
    answer = server.ask(path)
    assert answer.status == 200
    assert (server.reasoner.begun, server.answerer.begun) == (1, 3)
    assert reasoning_in(path, answer.json) == "Six sevens."
    first, *others = server.answerer.prompts
    assert [prompt.messages for prompt in others] == [first.messages] * 2


def test_what_is_counted_is_what_the_repeat_has_cost(serve: Serve) -> None:
    server = failing(serve, (BUSY,))
    server.ask()
    assert server.ask().json["usage"]["completion_tokens"] == 5


def test_a_stream_shows_the_reasoning_again(serve: Serve) -> None:
    server = failing(serve, (BUSY,))
    server.ask()
    assert b"Six sevens." in server.ask(stream=True).body


def test_a_question_that_was_answered_is_reasoned_about_again(serve: Serve) -> None:
    server = failing(serve, (BUSY,))
    statuses = [server.ask().status for _ in range(3)]
    assert (statuses, server.reasoner.begun) == ([529, 200, 200], 2)


@pytest.mark.parametrize(
    "change",
    [
        {"headers": [("authorization", "Bearer another")]},
        {"headers": [("x-api-key", "another")]},
        {"text": "Another?"},
        {"model": "deepreasoning/opus"},
        {"anthropic_model": "haiku"},
        {"web_search_linkup": True},
    ],
)
def test_another_request_or_caller_gets_nothing_of_it(serve: Serve, change: Any) -> None:
    server = failing(serve, (BUSY,))
    assert server.ask().status == 529
    assert server.ask(**change).status == 200
    assert server.reasoner.begun == 2


def test_reasoning_that_was_cut_is_not_taken_for_whole(serve: Serve) -> None:
    cut = (Thought("Six "), UnavailableError("cut", kind="cut"))
    whole = (Thought("Six sevens."), Usage(10, 20, 15), End("stop"))
    server = serve(Scripted("reasoner-1", Attempts(cut, whole)))
    first, second = server.ask(), server.ask()
    assert (first.status, first.headers["x-should-retry"]) == (502, "false")
    assert (second.status, server.reasoner.begun) == (200, 2)


def test_claude_alone_has_no_reasoning_to_keep(serve: Serve) -> None:
    server = failing(serve, (BUSY,))
    assert [server.ask(model="haiku").status for _ in range(2)] == [529, 200]


def test_a_caller_who_gave_up_while_claude_wrote_need_not_pay_again(serve: Serve) -> None:
    async def main() -> None:
        server = failing(serve, (Text("Forty-"), asyncio.Event()))
        caller = Caller.of(server.app, stream=True)
        await caller.until(lambda: b"Forty" in caller.body)
        caller.leave()
        await caller.task
        again = Caller.of(server.app)
        await again.task
        assert (again.status, server.reasoner.begun) == (200, 1)

    asyncio.run(main())


@pytest.mark.parametrize("cut", [(), (ToolArguments('{"path": "a'),), (ToolArguments("{}"),)])
def test_a_caller_who_gave_up_amid_a_call_need_not_pay_again(
    serve: Serve, cut: tuple[Any, ...]
) -> None:
    async def main() -> None:
        called = (Text("Let me look."), ToolCallStarted("c1", "look"), *cut, asyncio.Event())
        server = failing(serve, called)
        tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
        caller = Caller.of(server.app, stream=True, tools=tools)
        last = json.dumps(cut[0].text) if cut else "look"
        await caller.until(lambda: last.encode() in caller.body)
        caller.leave()
        await caller.task
        again = Caller.of(server.app, tools=tools)
        await again.task
        assert (again.status, server.reasoner.begun) == (200, 1)

    asyncio.run(main())


def test_the_history_knows_what_was_used_again(serve: Serve) -> None:
    server = failing(serve, (BUSY,), history=True)
    first, second = server.ask(), server.ask()
    assert (first.status, second.status) == (529, 200)
    with server.service._history.open() as store:
        kept = store.turn(second.headers["x-request-id"]).start
    assert {kept.resumes, kept.reasoning_from} == {first.headers["x-request-id"]}


# ------------------------------------------------------------------------------------- the memory


def record(turn: str, reasoning: str = "Hm.", *, reused: bool = False) -> TurnRecord:
    """A turn that has reasoned and not answered."""
    kept = TurnRecord()
    kept.apply(TurnStarted(turn, "direct", "?", Handoff.REASONING))
    if reused:
        kept.apply(Reused(reasoning, "", "r1"))
    else:
        kept.apply(Thought(reasoning))
        kept.apply(StageFinished(Stage.REASON, "r1", None, None, None, 1.0, "stop", complete=True))
    return kept


def test_what_was_kept_is_found_until_it_is_old_or_answered() -> None:
    now = [0.0]
    turns = UnansweredTurns(lambda: now[0])
    for name in ("old", "answered"):
        turns.note(name, record(name), answered=False)
    now[0] = repeats.KEPT_SECONDS
    turns.note("again", record("again", reused=True), answered=False)
    turns.note("answered", record("answered"), answered=True)
    found = turns.find("old")
    assert (found and found.turn, found and found.work.model) == ("old", "r1")
    assert turns.find("answered") is None
    now[0] += 1
    assert turns.find("old") is None
    assert turns.find("again") is not None


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_TURNS", 2)
    monkeypatch.setattr(repeats, "MOST_CHARACTERS", 10)
    turns = UnansweredTurns()
    for name in "abc":
        turns.note(name, record(name), answered=False)
    assert [bool(turns.find(name)) for name in "abc"] == [False, True, True]
    turns.note("d", record("d", "12345678"), answered=False)
    assert [bool(turns.find(name)) for name in "bcd"] == [False, False, True]
    turns.note("e", record("e", "longer than all"), answered=False)
    assert [bool(turns.find(name)) for name in "de"] == [True, False]
    assert turns._size == len("12345678")


def test_the_pages_of_a_search_are_not_bought_again() -> None:
    keys = {name: f"sk-{name}" for name in ("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY")}
    keys["LINKUP_API_KEY"] = "sk-linkup-0000"
    service = Service(load_settings(None, {"history": False}, keys))
    body = {"model": "deepreasoning", "web_search_linkup": True}
    request = read_request(body | {"messages": [{"role": "user", "content": "?"}]})
    failed = record("01failed")
    failed.apply(Sources((Source("A page", "https://a.example", "42 it is"),)))
    service.note_outcome(request, "caller", failed, answered=False)
    plan = service.plan(request, None, "02again", "caller")
    assert plan.search is not None
    assert (plan.search.searcher, plan.resumes) == (None, "01failed")
    assert [page.text for page in plan.search.found] == ["42 it is"]
    assert plan.reused is not None
