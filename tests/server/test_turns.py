"""A question from its body to its last byte: what is told, when, and what becomes of a turn."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from deepreasoning_cli import paths
from deepreasoning_cli.errors import (
    ConfigError,
    IncompleteError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.history.journal import Disk
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import DONE, End, Payload, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.server.handler import TurnHandler
from support.asgi_calls import Answer
from support.serving import (
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    Caller,
    Serve,
    scripted_answerer,
    scripted_reasoner,
)
from support.serving import serve as serve

BRING = "; callers bring their own keys here"

REQUEST_ID = {CHAT: "x-request-id", RESPONSES: "x-request-id", MESSAGES: "request-id"}


def events(body: bytes) -> list[Payload]:
    """What a stream says, without its comments; DONE for `[DONE]`."""
    found = []
    for block in body.decode().split("\n\n")[:-1]:
        *_, data = block.split("\n")
        if data.startswith("data: "):
            said = data.removeprefix("data: ")
            found.append(DONE if said == "[DONE]" else json.loads(said))
    return found


def texts_of(answer: Answer | bytes) -> tuple[str, str]:
    """The reasoning and the text of a stream."""
    said = {"reasoning": "", "text": ""}
    for event in events(answer if isinstance(answer, bytes) else answer.body):
        for choice in event.get("choices", ()):
            said["reasoning"] += choice["delta"].get("reasoning_content", "")
            said["text"] += choice["delta"].get("content", "")
        delta: Any = event.get("delta")
        match event.get("type"):
            case "response.reasoning_summary_text.delta":
                said["reasoning"] += delta
            case "response.output_text.delta":
                said["text"] += delta
            case "content_block_delta":
                said["reasoning"] += delta.get("thinking", "")
                said["text"] += delta.get("text", "")
    return said["reasoning"], said["text"]


def error_in(payload: Payload) -> str:
    """The kind in an error's envelope."""
    found = payload["error"]
    code: str = found.get("details", {}).get("error_code") or found["code"]
    return code


def last_words(body: bytes) -> str:
    """The message of the error that a stream ended with."""
    last = events(body)[-1]
    message: str = last.get("response", last)["error"]["message"]
    return message


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_says_what_the_models_say_under_the_turns_id(serve: Serve, path: str) -> None:
    answer = serve().ask(path, stream=True)
    assert (answer.status, texts_of(answer)) == (200, ("Six sevens.", "Forty-two."))
    request_id = answer.headers.pop(REQUEST_ID[path])
    assert answer.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    assert request_id in answer.body.decode()


WHOLES: dict[str, Any] = {
    CHAT: lambda said: (
        said["choices"][0]["message"]["reasoning_content"],
        said["choices"][0]["message"]["content"],
        said["choices"][0]["finish_reason"],
    ),
    RESPONSES: lambda said: (
        said["output"][0]["content"][0]["text"],
        said["output"][1]["content"][0]["text"],
        said["status"],
    ),
    MESSAGES: lambda said: (
        said["content"][0]["thinking"],
        said["content"][1]["text"],
        said["stop_reason"],
    ),
}


@pytest.mark.parametrize(
    ("path", "ending"), [(CHAT, "stop"), (RESPONSES, "completed"), (MESSAGES, "end_turn")]
)
def test_a_reply_that_is_no_stream_is_one_object(serve: Serve, path: str, ending: str) -> None:
    answer = serve().ask(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert WHOLES[path](answer.json) == ("Six sevens.", "Forty-two.", ending)
    assert answer.json["model"] == "deepreasoning/claude-1"
    assert answer.headers[REQUEST_ID[path]] in answer.json["id"]


def test_usage_and_cost_are_those_of_both_stages(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve()
    usage = served.ask().json["usage"]
    assert {name: usage[name] for name in ("prompt_tokens", "completion_tokens")} == {
        "prompt_tokens": 40,
        "completion_tokens": 25,
    }
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 20
    logged = served.log(capsys)
    facts = ("status", "model", "ended", "input_tokens", "output_tokens", "cost_usd")
    assert {name: logged[name] for name in facts} == {
        "status": 200,
        "model": "deepreasoning",
        "ended": "complete",
        "input_tokens": 40,
        "output_tokens": 25,
        "cost_usd": "0.00029",
    }


def test_a_stream_tells_usage_only_to_whom_asks_for_it(serve: Serve) -> None:
    served = serve()
    with_usage = served.ask(stream=True, stream_options={"include_usage": True})
    quiet = served.ask(stream=True)
    assert [
        event["usage"]["total_tokens"] for event in events(with_usage.body) if event.get("usage")
    ] == [65]
    assert [event for event in events(quiet.body) if event.get("usage")] == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_failure_before_any_text_has_its_own_status(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str, stream: bool
) -> None:
    busy = UnavailableError(
        "api.example.com is overloaded", kind="overloaded", status=529, retry_after=7.2
    )
    served = serve(scripted_reasoner(busy))
    answer = served.ask(path, stream=stream)
    assert (answer.status, error_in(answer.json)) == (529, "overloaded")
    assert answer.json["error"]["message"] == "reason: api.example.com is overloaded"
    assert answer.headers["retry-after"] == "8"
    assert len(answer.headers[REQUEST_ID[path]]) > 8
    assert (served.reasoner.closed, served.answerer.begun) == (1, 0)
    logged = served.log(capsys)
    assert (logged["status"], logged["ended"]) == (529, "overloaded")


@pytest.mark.parametrize("path", PATHS)
def test_a_failure_in_a_stream_ends_it_by_the_formats_own_event(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    lost = UnavailableError("the connection was lost", kind="connection_lost")
    served = serve(answerer=scripted_answerer(Text("Forty-"), lost))
    answer = served.ask(path, stream=True)
    assert (answer.status, texts_of(answer)) == (200, ("Six sevens.", "Forty-"))
    assert last_words(answer.body) == (
        "answer: the connection was lost; 6 characters of the answer came before"
    )
    assert served.log(capsys)["ended"] == "connection_lost"


@pytest.mark.parametrize("path", PATHS)
def test_a_reply_that_is_no_stream_and_breaks_off_is_a_failure_alone(
    serve: Serve, path: str
) -> None:
    lost = UnavailableError("the connection was lost", kind="connection_lost")
    answer = serve(answerer=scripted_answerer(Text("Forty-"), lost)).ask(path)
    assert (answer.status, error_in(answer.json)) == (502, "connection_lost")


@pytest.mark.parametrize(
    ("path", "reason", "said"),
    [
        (CHAT, "max_tokens", "length"),
        (RESPONSES, "max_tokens", "incomplete"),
        (MESSAGES, "max_tokens", "max_tokens"),
        (CHAT, "refusal", "content_filter"),
        (RESPONSES, "refusal", "incomplete"),
        (MESSAGES, "refusal", "refusal"),
    ],
)
def test_an_answer_that_met_a_limit_is_a_reply_with_that_reason(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str, reason: str, said: str
) -> None:
    served = serve(answerer=scripted_answerer(Text("Forty-"), Usage(30, 5), End(reason)))
    answer = served.ask(path)
    assert (answer.status, WHOLES[path](answer.json)[2]) == (200, said)
    assert served.log(capsys)["ended"] == reason


def test_an_answer_stopped_by_a_cap_is_cut_as_by_max_tokens(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve(
        answerer=scripted_answerer(*[Text("word ") for _ in range(2000)]), max_cost=Decimal("0.01")
    )
    answer = served.ask(stream=True, stream_options={"include_usage": True})
    reasons = [
        c["finish_reason"] for event in events(answer.body) for c in event.get("choices", ())
    ]
    assert (answer.status, reasons[-1]) == (200, "length")
    assert served.log(capsys)["ended"] == "cost_cap"


def test_a_question_that_no_cap_leaves_room_for_is_402(serve: Serve) -> None:
    served = serve(max_cost=Decimal("0.000001"))
    answer = served.ask()
    assert (answer.status, error_in(answer.json), served.reasoner.begun) == (402, "cost_cap", 0)


def test_what_was_spent_today_counts_against_the_cap_of_a_day(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-deepseek-0000")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0000")
    first = serve(history=True, backend="direct")
    assert first.ask().status == 200
    answer = serve(history=True, backend="direct", daily_cost=Decimal("0.000291")).ask()
    assert (answer.status, error_in(answer.json)) == (402, "cost_cap")


@pytest.mark.parametrize("stream", [False, True])
def test_a_bug_is_told_without_what_was_written(
    serve: Serve, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    served = serve(answerer=scripted_answerer(ValueError("the secret question")))
    answer = served.ask(stream=stream)
    if stream:
        assert (answer.status, error_in(events(answer.body)[-1])) == (200, "internal")
    else:
        assert (answer.status, error_in(answer.json)) == (502, "internal")
    assert b"secret" not in answer.body
    said, logged = capsys.readouterr().err.splitlines()
    assert said == "error: unexpected ValueError"
    assert json.loads(logged)["ended"] == "internal"


def test_a_bug_is_shown_whole_to_whom_debugs(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(scripted_reasoner(ValueError("a bug")), debug=True).ask()
    said = capsys.readouterr().err
    assert "error: unexpected Traceback (most recent call last):" in said
    assert "ValueError: a bug" in said


@pytest.mark.parametrize("stream", [False, True])
def test_a_bug_in_the_writing_of_a_reply_is_a_failure_too(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    from deepreasoning_cli.wire.server.writer import ReplyAccumulator

    def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(ReplyAccumulator, "add", broken)
    answer = serve().ask(stream=stream)
    if stream:
        assert (answer.status, error_in(events(answer.body)[-1])) == (200, "internal")
    else:
        assert (answer.status, error_in(answer.json)) == (502, "internal")
    said, logged = capsys.readouterr().err.splitlines()
    assert (said, json.loads(logged)["ended"]) == ("error: unexpected KeyError", "internal")


def test_a_bad_request_names_its_field(serve: Serve) -> None:
    answer = serve().ask(n=2)
    assert (answer.status, answer.json["error"]) == (
        400,
        {
            "message": "n is not supported, except as 1: "
            "in the client, ask for one answer at a time",
            "type": "invalid_request_error",
            "param": "n",
            "code": "unsupported_value",
        },
    )


def test_a_model_that_is_not_ours_is_not_found(serve: Serve) -> None:
    for name in ("gpt-5", "deepreasoningx", "claude/deepreasoning"):
        answer = serve().ask(model=name)
        assert (answer.status, answer.json["error"]) == (
            404,
            {
                "message": f"there is no model {name}: in the client, choose deepreasoning,"
                " or a Claude model without reasoning, such as haiku",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            },
        )


@pytest.mark.parametrize("path", PATHS)
def test_a_bad_request_is_refused_with_the_place_in_it(serve: Serve, path: str) -> None:
    answer = serve().ask(path, temperature="hot")
    assert answer.status == 400
    assert "temperature" in answer.json["error"]["message"]
    assert len(answer.headers[REQUEST_ID[path]]) > 8


def test_a_question_longer_than_the_models_read_is_refused(serve: Serve) -> None:
    reasoner = scripted_reasoner()
    reasoner.context = 500
    served = serve(reasoner, max_tokens=100)
    answer = served.ask(messages=[{"role": "user", "content": "word " * 2000}])
    assert (answer.status, error_in(answer.json), reasoner.begun) == (400, "too_long", 0)


def test_a_conversation_is_never_cut_short_silently(serve: Serve) -> None:
    reasoner = scripted_reasoner()
    reasoner.context = 500
    served = serve(reasoner, max_tokens=100)
    said = [
        {"role": "user", "content": "word " * 300},
        {"role": "assistant", "content": "word " * 300},
        {"role": "user", "content": "And now?"},
    ]
    answer = served.ask(messages=said)
    assert (answer.status, error_in(answer.json)) == (400, "context_length_exceeded")
    assert reasoner.begun == 0


def test_a_conversation_reaches_both_models(serve: Serve) -> None:
    served = serve()
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Three?"},
    ]
    assert served.ask(messages=said).status == 200
    [to_reasoner], [to_answerer] = served.reasoner.prompts, served.answerer.prompts
    assert [(m.role, m.text) for m in to_reasoner.messages] == [
        ("user", "Two?"),
        ("assistant", "Yes."),
        ("user", "Three?"),
    ]
    assert (to_reasoner.system, "Six sevens." in to_answerer.text) == ("Be brief.", True)


def kept() -> list[tuple[str, str]]:
    """Id and ending of every turn in the history."""
    with Store.open(paths.data_dir(), lambda _: None) as store:
        return [(row.id, str(row.outcome)) for row in store.listing()]


def test_turns_are_kept_under_the_id_that_the_caller_has(serve: Serve) -> None:
    answer = serve(history=True).ask()
    assert kept() == [(answer.headers["x-request-id"], "complete")]


def test_nothing_is_kept_where_nobody_wants_it(serve: Serve) -> None:
    serve(history=False).ask()
    assert not paths.data_dir().exists()


def run(main: Any) -> Any:
    """What the coroutine returns, on a loop in which nothing goes wrong unseen."""
    problems: list[dict[str, Any]] = []

    async def guarded() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: problems.append(what))
        return await main

    result = asyncio.run(guarded())
    assert problems == []
    return result


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_said_before_there_is_text_and_text_at_once(serve: Serve, path: str) -> None:
    async def main() -> None:
        think, answer = asyncio.Event(), asyncio.Event()
        served = serve(
            scripted_reasoner(think, Thought("Hm."), Usage(1, 1), End("stop")),
            scripted_answerer(answer, Text("Yes."), Usage(1, 1), End("end_turn")),
        )
        caller = Caller.of(served.app, path, stream=True)
        await caller.until(lambda: served.reasoner.begun)
        assert caller.messages == []
        think.set()
        await caller.until(lambda: served.answerer.begun)
        assert (caller.status, texts_of(caller.body)) == (200, ("Hm.", ""))
        answer.set()
        await caller.task
        assert (texts_of(caller.body), caller.is_over) == (("Hm.", "Yes."), True)

    run(main())


SLOW = 0.02


def silent_until(event: asyncio.Event) -> Any:
    return scripted_reasoner(event, Thought("Hm."), Usage(1, 1), End("stop"))


def test_a_stream_that_stays_silent_gets_comments_and_then_its_text(serve: Serve) -> None:
    async def main() -> None:
        think = asyncio.Event()
        served = serve(silent_until(think), serve__keep_alive=SLOW)
        caller = Caller.of(served.app, stream=True)
        await caller.until(lambda: caller.body.count(b": keep-alive\n\n") == 3)
        assert (caller.status, events(caller.body)) == (200, [])
        think.set()
        await caller.task
        assert (texts_of(caller.body), caller.is_over) == (("Hm.", "Forty-two."), True)
        count = caller.body.count(b"keep-alive")
        await asyncio.sleep(SLOW * 3)
        assert caller.body.count(b"keep-alive") == count

    run(main())


def test_a_stream_that_flows_gets_no_comments(serve: Serve) -> None:
    async def main() -> None:
        flow = [step for _ in range(70) for step in (Thought("a"), 0.01)]
        served = serve(scripted_reasoner(*flow, Usage(1, 1), End("stop")), serve__keep_alive=0.5)
        caller = Caller.of(served.app, stream=True)
        await caller.task
        assert b"keep-alive" not in caller.body

    run(main())


def test_a_reply_that_is_no_stream_gets_no_comments(serve: Serve) -> None:
    async def main() -> None:
        served = serve(
            scripted_reasoner(0.1, Thought("a"), Usage(1, 1), End("stop")), serve__keep_alive=SLOW
        )
        caller = Caller.of(served.app)
        await caller.task
        assert json.loads(caller.body)["object"] == "chat.completion"

    run(main())


def test_a_caller_that_takes_nothing_is_sent_one_comment_at_a_time(serve: Serve) -> None:
    async def main() -> None:
        think = asyncio.Event()
        served = serve(silent_until(think), serve__keep_alive=SLOW)
        caller = Caller.of(served.app, stream=True)
        caller.takes.clear()
        await asyncio.sleep(SLOW * 12)
        caller.takes.set()
        await caller.until(lambda: caller.body)
        assert caller.body.count(b"keep-alive") < 5  # and not all that were due
        think.set()
        await caller.task
        assert (caller.messages[0]["type"], caller.is_over) == ("http.response.start", True)

    run(main())


@pytest.mark.parametrize("path", PATHS)
def test_a_failure_after_nothing_but_comments_is_an_event_of_the_stream(
    serve: Serve, path: str
) -> None:
    async def main() -> None:
        fails = asyncio.Event()
        lost = UnavailableError("silent for too long", kind="timeout")
        served = serve(scripted_reasoner(fails, lost), serve__keep_alive=SLOW)
        caller = Caller.of(served.app, path, stream=True)
        await caller.until(lambda: b"keep-alive" in caller.body)
        fails.set()
        await caller.task
        assert (caller.status, caller.is_over) == (200, True)
        assert last_words(caller.body) == "reason: silent for too long"

    run(main())


@pytest.mark.parametrize("path", PATHS)
def test_a_plan_that_fails_after_nothing_but_comments_is_an_event_of_the_stream(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    import time

    served = serve(serve__keep_alive=SLOW, daily_cost=Decimal(1))

    def slow(*_: object) -> None:
        time.sleep(0.3)
        raise RefusedError("no", kind="model_retired")

    monkeypatch.setattr(type(served.service), "plan", slow)

    async def main() -> None:
        caller = Caller.of(served.app, path, stream=True)
        await caller.task
        assert (caller.status, caller.is_over) == (200, True)
        assert last_words(caller.body) == "no"

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("where", ["reasoner", "answerer"])
def test_a_caller_that_leaves_ends_the_calls_at_once(
    serve: Serve, capsys: pytest.CaptureFixture[str], where: str, stream: bool
) -> None:
    async def main() -> None:
        never = asyncio.Event()
        served = serve(
            scripted_reasoner(
                Thought("Hm."), *([never] if where == "reasoner" else []), End("stop")
            ),
            scripted_answerer(Text("Yes"), never),
            history=True,
        )
        caller = Caller.of(served.app, stream=stream)
        model = getattr(served, where)
        await caller.until(lambda: model.begun)
        await asyncio.sleep(0.02)
        caller.leave()
        await caller.task
        assert (served.reasoner.closed, model.closed) == (1, 1)
        if stream:
            assert [event for event in events(caller.body) if "error" in event] == []
        else:
            assert caller.messages == []
        assert [ending for _, ending in kept()] == ["stopped"]
        assert served.log(capsys)["ended"] == "caller_gone"

    run(main())


def test_a_caller_that_leaves_while_the_turn_is_planned_costs_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import threading

    planning, go = threading.Event(), threading.Event()
    served = serve(daily_cost=Decimal(1))
    plan = type(served.service).plan

    def slow(*given: Any) -> Any:
        planning.set()
        assert go.wait(60)
        return plan(*given)

    monkeypatch.setattr(type(served.service), "plan", slow)

    async def main() -> None:
        caller = Caller.of(served.app)
        await caller.until(planning.is_set)
        caller.leave()
        await caller.until(caller.task.done)
        go.set()
        assert (caller.messages, served.reasoner.begun) == ([], 0)
        assert served.log(capsys)["ended"] == "caller_gone"

    run(main())


def test_a_caller_that_has_all_and_leaves_has_had_a_complete_turn(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        served = serve(history=True)
        caller = Caller.of(served.app, stream=True)
        await caller.until(lambda: b"[DONE]" in caller.body)
        caller.leave()  # while the turn is being kept
        await caller.task
        assert served.log(capsys)["ended"] == "complete"

    run(main())
    assert [ending for _, ending in kept()] == ["complete"]


@pytest.mark.parametrize("path", PATHS)
def test_a_server_that_stops_ends_its_streams_by_an_error_event(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    async def main() -> None:
        served = serve(scripted_reasoner(Thought("Hm."), asyncio.Event()), history=True)
        caller = Caller.of(served.app, path, stream=True)
        await caller.until(lambda: caller.body)
        caller.task.cancel()
        await caller.task
        assert (caller.status, caller.is_over) == (200, True)
        assert last_words(caller.body) == "the server is shutting down; ask again"
        assert served.log(capsys)["ended"] == "shutting_down"

    run(main())
    assert [ending for _, ending in kept()] == ["stopped"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_stops_before_any_text_is_a_503(
    serve: Serve, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    async def main() -> None:
        served = serve(scripted_reasoner(asyncio.Event()))
        caller = Caller.of(served.app, stream=stream)
        await caller.until(lambda: served.reasoner.begun)
        caller.task.cancel()
        await caller.task
        assert (caller.status, error_in(json.loads(caller.body))) == (503, "shutting_down")
        assert served.log(capsys)["ended"] == "shutting_down"

    run(main())


def test_a_server_that_stops_while_a_turn_is_planned_is_a_503(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    planning, go = threading.Event(), threading.Event()
    served = serve(daily_cost=Decimal(1))

    def slow(*_: object) -> None:
        planning.set()
        go.wait(60)

    monkeypatch.setattr(type(served.service), "plan", slow)

    async def main() -> None:
        caller = Caller.of(served.app)
        await caller.until(planning.is_set)
        caller.task.cancel()
        await caller.task
        go.set()
        assert (caller.status, error_in(json.loads(caller.body))) == (503, "shutting_down")

    run(main())


def test_more_replies_than_are_wanted_at_once_are_turned_away(serve: Serve) -> None:
    async def main() -> None:
        go = asyncio.Event()
        served = serve(silent_until(go), serve__streams=2)
        first = [Caller.of(served.app, stream=True) for _ in range(2)]
        await first[0].until(lambda: served.reasoner.begun == 2)
        for path in PATHS:
            third = Caller.of(served.app, path)
            await third.task
            assert (third.status, error_in(json.loads(third.body))) == (503, "overloaded")
            assert (b"retry-after", b"5") in third.messages[0]["headers"]
        go.set()
        await asyncio.gather(*(each.task for each in first))
        last = Caller.of(served.app)
        await last.task
        assert last.status == 200

    run(main())


def test_the_handler_waits_until_turns_that_were_told_to_end_are_kept(serve: Serve) -> None:
    from support.serving import post_scope, question

    async def main() -> None:
        go = asyncio.Event()
        served = serve(silent_until(go))
        handler = TurnHandler(served.service, shutdown_seconds=0.2)
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        inbox.put_nowait({"type": "http.request", "body": question(CHAT)})

        async def send(_: object) -> None:
            return

        task = asyncio.create_task(handler(post_scope(CHAT), inbox.get, send))
        while not served.reasoner.begun:
            await asyncio.sleep(0.001)
        assert handler.streams == 1
        begun = asyncio.get_running_loop().time()
        await handler.close()
        assert 0.2 <= asyncio.get_running_loop().time() - begun < 2
        go.set()
        await handler.close()
        assert (handler.streams, task.done()) == (0, True)

    run(main())


KEYS = [("x-deepseek-api-token", "sk-caller-deepseek"), ("x-anthropic-api-token", "sk-caller-ant")]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            [],
            "the key anthropic from the header x-anthropic-api-token is empty" + BRING,
        ),
        (
            KEYS[1:],
            "the key deepseek from the header x-deepseek-api-token is empty" + BRING,
        ),
        (
            KEYS[:1],
            "the key anthropic from the header x-anthropic-api-token is empty" + BRING,
        ),
        (
            [KEYS[0], ("x-anthropic-api-token", "sk ant")],
            "the key anthropic from the header x-anthropic-api-token holds a space at position 3"
            + BRING,
        ),
    ],
)
def test_a_caller_who_should_bring_keys_and_does_not_is_told_which(
    serve: Serve, headers: list[tuple[str, str]], said: str
) -> None:
    answer = serve(serve__byok=True).ask(headers=headers)
    assert (answer.status, answer.json["error"]["message"]) == (401, said)
    assert answer.json["error"]["type"] == "authentication_error"


def test_a_caller_who_asks_claude_alone_needs_no_key_for_a_reasoner(serve: Serve) -> None:
    served = serve(serve__byok=True, backend="direct")
    assert served.ask(headers=KEYS[1:], model="haiku").status == 200


def test_a_caller_with_keys_is_answered_and_nothing_is_kept(serve: Serve) -> None:
    served = serve(serve__byok=True, history=True, backend="direct")
    answer = served.ask(headers=KEYS)
    assert (answer.status, WHOLES[CHAT](answer.json)[1]) == (200, "Forty-two.")
    assert not paths.data_dir().exists()


def test_a_callers_own_key_that_is_rejected_is_the_callers_401(serve: Serve) -> None:
    rejected = RefusedError("the key was rejected", kind="key_rejected", status=401)
    served = serve(scripted_reasoner(rejected), serve__byok=True)
    assert served.ask(headers=KEYS).status == 401


def test_an_incomplete_answer_is_a_failure(serve: Serve) -> None:
    cut = IncompleteError("the answer was cut", kind="cut", stage="answer")
    answer = serve(answerer=scripted_answerer(Text("Forty"), cut)).ask()
    assert (answer.status, error_in(answer.json)) == (502, "cut")


def test_what_is_wrong_with_the_owners_settings_is_said_to_the_owner_alone(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ConfigError("the key …abcd was rejected", kind="key_rejected", status=401)
    answer = serve(scripted_reasoner(wrong)).ask()
    assert (answer.status, error_in(answer.json)) == (403, "key_rejected")
    assert b"abcd" not in answer.body
    said, _ = capsys.readouterr().err.splitlines()
    turn = answer.headers["x-request-id"]
    assert said == f"warning: {turn}: the key …abcd was rejected"


def test_more_of_a_body_than_was_announced_ends_nothing(serve: Serve) -> None:
    async def main() -> None:
        go = asyncio.Event()
        served = serve(silent_until(go))
        caller = Caller.of(served.app)
        await caller.until(lambda: served.reasoner.begun)
        caller.inbox.put_nowait({"type": "http.request", "body": b""})
        await asyncio.sleep(0.01)
        go.set()
        await caller.task
        assert caller.status == 200

    run(main())


class Left(Caller):
    """One whose server says at the next piece that nobody is there."""

    async def take(self, message: Message) -> None:
        if self.messages and self.messages[0]["type"] == "http.response.start":
            raise OSError("the caller has left")
        await super().take(message)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_may_say_at_a_piece_that_the_caller_has_gone(
    serve: Serve, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    async def main() -> None:
        served = serve(scripted_reasoner(Thought("Hm."), Usage(1, 1), End("stop")))
        caller = Left.of(served.app, stream=stream)
        await caller.task
        assert (caller.status, caller.body) == (200, b"")
        assert served.reasoner.closed == 1
        logged = served.log(capsys)
        assert logged["ended"] == ("caller_gone" if stream else "complete")

    run(main())


def test_a_server_may_say_at_a_comment_that_the_caller_has_gone(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        go = asyncio.Event()
        served = serve(silent_until(go), serve__keep_alive=SLOW)
        caller = Left.of(served.app, stream=True)
        await caller.until(lambda: caller.messages)
        await asyncio.sleep(SLOW * 3)
        go.set()
        await caller.task
        assert served.log(capsys)["ended"] == "caller_gone"

    run(main())


def test_a_caller_that_leaves_while_a_slow_disk_begins_the_turn_leaves_no_file_behind(
    serve: Serve,
) -> None:
    import threading
    import time

    class SlowToCreate(Disk):
        def create(self, path: Path) -> int:
            opening.set()
            time.sleep(0.2)
            return super().create(path)

    opening = threading.Event()

    async def main() -> None:
        served = serve(history=True, disk=SlowToCreate())
        caller = Caller.of(served.app)
        await caller.until(opening.is_set)
        caller.leave()
        await caller.task
        assert served.reasoner.begun == 0

    run(main())
    assert [ending for _, ending in kept()] == ["stopped"]
    assert list((paths.data_dir() / "journal").iterdir()) == []


def test_messages_begin_with_an_estimate_of_the_input(serve: Serve) -> None:
    first, *_ = serve().ask(MESSAGES, stream=True).body.decode().split("\n\n")
    start = json.loads(first.partition("data: ")[2])
    assert start["message"]["usage"] == {"input_tokens": 7, "output_tokens": 0}
