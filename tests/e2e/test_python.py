"""`from deepreasoning_cli import ask`: the pipeline in a Python program, against real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli import ask, compare, events
from deepreasoning_cli.errors import (
    ConfigError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from deepreasoning_cli.pipeline.events import Handoff, Stage
from support.loopback import (
    Received,
    Reply,
    Stall,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.runner import environment
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS, Vendors, refusing


@pytest.fixture(autouse=True)
def called(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> Vendors:
    """The vendors, whom this process calls."""
    for name, value in vendors.environment.items():
        monkeypatch.setenv(name, value)
    return vendors


def test_an_answer_has_its_text_reasoning_usage_and_cost(vendors: Vendors) -> None:
    vendors.reply()
    answer = ask("6 x 7?")
    assert (answer.text, answer.reasoning) == (ANSWER, REASONING)
    kept = json.loads(vendors.run("history", "show", answer.turn_id, "--json").stdout)
    assert answer.to_dict() | {"seconds": None} == kept | {"seconds": None}
    assert str(answer.cost_usd) == kept["cost_usd"]
    spent = [kept[stage]["usage"] for stage in ("reasoner", "answerer")]
    assert answer.usage.output_tokens == sum(usage["output_tokens"] for usage in spent)
    assert answer.stages[Stage.ANSWER].model == kept["answerer"]["model"]
    assert vendors.counts() == (1, 1)


def test_nothing_is_sent_before_it_is_iterated_and_events_come_in_order(vendors: Vendors) -> None:
    vendors.reply()
    answer = ask("6 x 7?", effort="low", save=False)
    assert vendors.connections() == 0
    kinds = list(dict.fromkeys(type(event).__name__ for event in answer))
    assert kinds == ["TurnStarted", "StageStarted", "Thought", "StageFinished", "Text"]
    assert next(answer, None) is None
    assert not list(vendors.home.rglob("*.db"))


def test_text_is_read_piece_by_piece(vendors: Vendors) -> None:
    vendors.reply()
    with ask("6 x 7?", save=False) as answer:
        came = [event.text for event in answer if isinstance(event, events.Text)]
    assert came == list(TEXTS)


def test_who_leaves_early_calls_nobody_else_and_keeps_what_came(vendors: Vendors) -> None:
    vendors.reply()
    with ask("6 x 7?") as answer:
        next(event for event in answer if isinstance(event, events.Thought))
    assert answer.reasoning_so_far == THOUGHTS[0]
    with pytest.raises(IncompleteError, match="closed before its end"):
        answer.text  # noqa: B018
    assert len(vendors.claude.requests) == 0
    kept = json.loads(vendors.run("history", "show", answer.turn_id, "--json").stdout)
    assert (kept["status"], kept["reasoning"]) == ("incomplete", THOUGHTS[0])


def test_an_answer_that_is_cut_raises_each_time_and_has_what_came(vendors: Vendors) -> None:
    texts = claude_stream(TEXTS)
    vendors.reply(texts=Reply(texts.status, texts.headers, texts.body[:-3]))
    answer = ask("6 x 7?")
    for _ in range(2):
        with pytest.raises(IncompleteError) as caught:
            answer.text  # noqa: B018 (reading it runs the turn)
    assert (caught.value.kind, caught.value.exit_code) == ("cut", 6)
    assert caught.value.resume == f"deepreasoning resume {answer.turn_id}"
    assert answer.text_so_far == ANSWER
    vendors.claude.reply(claude_stream(TEXTS))
    assert ask("6 x 7?", reasoning=answer, save=False).text == ANSWER
    assert len(vendors.reasoner.requests) == 1
    assert "incomplete" in repr(answer)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"model": "sonett"}, UsageError),
        ({"effort": "huge"}, UsageError),
        ({"temperature": 3.0}, UsageError),
        ({"reasoner": "nobody"}, UsageError),
        ({"prompt": "  "}, UsageError),
        ({"record": "a", "replay": "b"}, UsageError),
        ({"replay": ""}, UsageError),
        ({"replay": "no-such-tape"}, UsageError),
        ({"replay_pace": -1.0}, UsageError),
        ({"config": "/no/such/file.toml"}, ConfigError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_raised_at_once(
    vendors: Vendors, words: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(**({"prompt": "6 x 7?"} | words))
    assert vendors.connections() == 0


def test_a_refusal_of_the_vendor_is_raised_with_its_kind(vendors: Vendors) -> None:
    vendors.reply(error_reply_openai(402, "Insufficient Balance"))
    with pytest.raises(RefusedError) as caught:
        ask("6 x 7?", save=False).text  # noqa: B018
    assert (caught.value.kind, caught.value.stage, caught.value.status) == (
        "no_credit",
        "reason",
        402,
    )


def test_nobody_there_is_unavailable(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as address:
        monkeypatch.setenv("DEEPSEEK_BASE_URL", f"http://{address}")
        with pytest.raises(UnavailableError) as caught:
            ask("6 x 7?", save=False).text  # noqa: B018
    assert caught.value.exit_code == 5


def test_it_goes_on_from_an_answer_and_from_its_reasoning(vendors: Vendors) -> None:
    vendors.reply()
    first = ask("6 x 7?", system="Be brief.", save=False)
    vendors.reply()
    second = ask("And 6 x 8?", after=first, save=False)
    texts = [message.text for message in second.conversation]
    assert texts == ["6 x 7?", first.text, "And 6 x 8?", second.text]
    body = vendors.reasoner.requests[-1].body
    assert [each["content"] for each in body["messages"]] == ["Be brief.", *texts[:3]]
    again = ask("6 x 7?", reasoning=first, save=False)
    given = ask("6 x 7?", reasoning="It is 42.", save=False)
    assert (again.text, given.text) == (ANSWER, ANSWER)
    assert vendors.counts() == (2, 4)
    assert [REASONING in str(request.body) for request in vendors.claude.requests[2:]] == [
        True,
        False,
    ]


@pytest.mark.parametrize("handoff", list(Handoff))
def test_a_cassette_is_recorded_and_replayed_in_threads(
    vendors: Vendors, tmp_path: Path, handoff: Handoff
) -> None:
    tape = vendors.home / "tape.jsonl"
    vendors.reply()
    recorded = ask("6 x 7?", handoff=handoff.value, record=tape, save=False)
    expected = (recorded.text, recorded.reasoning)
    asked = vendors.connections()
    found: list[tuple[str, str, object]] = []

    def replay() -> None:
        answer = ask("6 x 7?", handoff=handoff.value, replay=tape)
        found.append((answer.text, answer.reasoning, answer.cost_usd))

    threads = [threading.Thread(target=replay, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == 4 * [(*expected, 0)]
    assert vendors.connections() == asked
    with pytest.raises(RefusedError) as caught:
        ask("6 x 8?", handoff=handoff.value, replay=tape).text  # noqa: B018
    assert caught.value.kind == "cassette_miss"


UNTOUCHED = """
import signal, sys
import deepreasoning_cli
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
ours = {name for name in sys.modules if name.startswith("deepreasoning_cli")}
assert ours == {"deepreasoning_cli"}, ours
from deepreasoning_cli import Answer, ask, errors, events
text = ask("How many r's are in strawberry?", backend="demo", save=False)
assert next(text) and isinstance(text, Answer) and events.Text and errors.UsageError
text.close()
assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}
heavy = {"typer", "rich", "prompt_toolkit", "starlette"} & set(sys.modules)
assert not heavy, heavy
try:
    deepreasoning_cli.nothing
except AttributeError:
    print("well")
"""


def test_it_is_imported_late_and_touches_no_signal_and_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNTOUCHED],
        capture_output=True,
        env=environment({}),
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"well\n", b"")


def by_model(request: Received) -> Reply:
    return claude_stream((f"from {request.body['model']}",))


def test_models_are_compared_and_each_answer_comes_when_it_has_ended(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
    vendors.claude.reply(by_model)
    answers = compare("6 x 7?", ["sonnet", "opus", "haiku"])
    assert vendors.connections() == 0
    found = {answer.name: answer for answer in answers}
    assert {name: answer.text for name, answer in found.items()} == {
        name: f"from {name}"
        for name in ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")
    }
    assert (answers.reasoning, vendors.counts()) == (REASONING, (1, 3))
    whole = answers.to_dict()
    costs = [Decimal(part["cost_usd"]) for part in (whole["reasoner"], *whole["answers"])]
    assert answers.cost_usd == sum(costs) == Decimal(whole["cost_usd"])
    for answer in found.values():
        kept = json.loads(vendors.run("history", "show", answer.turn_id, "--json").stdout)
        assert (kept["answer"], kept["reasoning"]) == (answer.text, REASONING)


def test_a_failed_answer_of_a_comparison_comes_too_and_is_raised_last(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
    refusal = error_reply_anthropic(400, "invalid_request_error", "No.")
    vendors.claude.reply(
        lambda request: refusal if "opus" in request.body["model"] else by_model(request)
    )
    answers, found = compare("6 x 7?", ["sonnet", "opus"]), dict[str, bool]()
    with pytest.raises(IncompleteError, match="1 of 2 answers are missing") as caught:
        found.update((answer.model, answer.error is None) for answer in answers)
    assert found == {"claude-sonnet-5-5": True, "claude-opus-5-5": False}
    assert caught.value.resume == f"deepreasoning resume {answers.comparison_id}"


def test_a_comparison_that_is_closed_keeps_what_came(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
    vendors.claude.reply(lambda request: by_model(request).failing(4, Stall()))
    with compare("6 x 7?", ["sonnet", "opus"]) as answers:
        texts = 0
        for _, event in answers.events():
            texts += isinstance(event, events.Text)
            if texts == 2:
                break
    turns = json.loads(vendors.run("history", "list", "--json").stdout)
    shown = [vendors.run("history", "show", turn["id"], "--json").stdout for turn in turns]
    kept = sorted(json.loads(text)["answer"] for text in shown)
    assert kept == ["from claude-opus-5-5", "from claude-sonnet-5-5"]
