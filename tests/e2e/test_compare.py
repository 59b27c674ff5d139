"""`compare`: one chain of thought is paid for once, and several models answer from it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from support.chatting import turns
from support.loopback import (
    Cut,
    Received,
    Reply,
    Stall,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.runner import CompletedRun, run, run_in_pty
from support.screen import Terminal
from support.vendors import OWN_ANSWER, REASONING, THOUGHTS, Vendors, error_of, turn_id

IS_LONG: Final = bool(os.environ.get("DEEPREASONING_LONG_COMPARE"))
FIVE: Final = (
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
)
MODELS: Final = tuple(word for model in FIVE for word in ("-m", model))
COMPARE: Final = ("compare", "6 x 7?", *MODELS)


def asked(request: Received) -> str:
    """The model that a request asks."""
    return str(request.body["model"])


def texts_of(model: str) -> tuple[str, str, str]:
    return "The answer of ", model, ": it is **42**."


def answer_of(model: str) -> str:
    return "".join(texts_of(model))


def by_model(request: Received) -> Reply:
    """An answer that only this model gives."""
    return claude_stream(texts_of(asked(request)), model=asked(request))


def but(model: str, reply: Reply) -> Callable[[Received], Reply]:
    """That model gets the reply, all others answer."""
    return lambda request: reply if asked(request) == model else by_model(request)


def compared(result: CompletedRun) -> dict[str, Any]:
    """The object of `--json`."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def in_pipe(models: tuple[str, ...] = FIVE) -> bytes:
    """What a pipe gets."""
    return "\n".join(f"# {model}\n\n{answer_of(model)}\n" for model in models).encode()


@pytest.fixture
def answering(vendors: Vendors) -> Vendors:
    """The reasoner thinks once; Claude answers each model in its own words."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(by_model)
    return vendors


def test_five_models_answer_from_one_chain_of_thought(answering: Vendors) -> None:
    result = answering.run(*COMPARE, "--json")
    assert (result.code, result.stderr) == (0, b"")
    assert answering.counts() == (1, 5)
    found = compared(result)
    assert found["reasoning"] == REASONING
    assert [(each["model"], each["answer"], each["status"]) for each in found["answers"]] == [
        (model, answer_of(model), "complete") for model in FIVE
    ]
    assert all(REASONING in str(request.body) for request in answering.claude.requests)
    parts = [found["reasoner"], *found["answers"]]
    assert Decimal(found["cost_usd"]) == sum(Decimal(part["cost_usd"]) for part in parts)
    spent = json.loads(answering.run("price", "--spent", "--json").stdout)
    assert Decimal(spent["cost_usd"]) == Decimal(found["cost_usd"])


def test_a_pipe_gets_the_answers_in_the_order_of_the_models(answering: Vendors) -> None:
    result = answering.run(*COMPARE)
    assert (result.code, result.stdout) == (0, in_pipe())
    table = result.stderr.decode().splitlines()
    assert [line.split()[0] for line in table[1:6]] == list(FIVE)
    assert table[7].startswith("they end in the same number, 42; ")


def test_each_answer_is_a_turn_of_the_history(answering: Vendors) -> None:
    found = compared(answering.run(*COMPARE, "--json"))
    kept = {turn.start.id: (turn.answer, turn.reasoning) for turn in turns()}
    assert kept == {each["id"]: (each["answer"], REASONING) for each in found["answers"]}
    last = found["answers"][-1]
    shown = json.loads(answering.run("history", "show", last["id"], "--json").stdout)
    assert (shown["answer"], shown["reasoning"]) == (last["answer"], REASONING)
    assert found["id"] == found["answers"][0]["id"]


def test_one_that_fails_is_finished_by_resume_alone(answering: Vendors) -> None:
    answering.claude.forget()
    answering.claude.reply(but(FIVE[2], error_reply_anthropic(400, "invalid_request_error", "No.")))
    failed = answering.run(*COMPARE)
    assert failed.code == 6
    others = (*FIVE[:2], *FIVE[3:])
    assert failed.stdout == in_pipe(others)
    assert b"1 of 5 answers are missing: claude-haiku-5-5: " in failed.stderr
    answering.claude.forget()
    answering.claude.reply(by_model)
    resumed = answering.run("resume", turn_id(failed), "--json")
    assert (resumed.code, answering.counts()) == (0, (1, 1))
    found = compared(resumed)
    assert [each["answer"] for each in found["answers"]] == list(map(answer_of, FIVE))
    spent = json.loads(answering.run("price", "--spent", "--json").stdout)
    assert Decimal(spent["cost_usd"]) == Decimal(found["cost_usd"])


@pytest.mark.skipif(not IS_LONG, reason="DEEPREASONING_LONG_COMPARE is not set")
def test_one_that_fails_twice_is_finished_the_third_time(answering: Vendors) -> None:
    cut = by_model_cut(FIVE[2])
    answering.claude.forget()
    answering.claude.reply(cut)
    failed = answering.run(*COMPARE)
    assert failed.code == 6
    for reply, code in ((error_reply_anthropic(400, "invalid_request_error", "No."), 6), (None, 0)):
        answering.claude.forget()
        answering.claude.reply(reply or by_model)
        resumed = answering.run("resume", turn_id(failed), "--json")
        assert (resumed.code, answering.counts()) == (code, (1, 1))
    found = compared(resumed)
    assert {each["status"] for each in found["answers"]} == {"complete"}
    assert found["answers"][2]["answer"].startswith("".join(texts_of(FIVE[2])[:2]))
    spent = json.loads(answering.run("price", "--spent", "--json").stdout)
    assert Decimal(spent["cost_usd"]) == Decimal(found["cost_usd"])


def by_model_cut(model: str) -> Callable[[Received], Reply]:
    """All answer, but that model's answer is cut after two pieces."""
    return lambda request: (
        by_model(request).failing(5, Cut()) if asked(request) == model else by_model(request)
    )


def test_last_is_the_comparison_too(answering: Vendors) -> None:
    answering.claude.forget()
    answering.claude.reply(but(FIVE[0], error_reply_anthropic(400, "invalid_request_error", "No.")))
    assert answering.run(*COMPARE).code == 6
    answering.claude.forget()
    answering.claude.reply(by_model)
    resumed = answering.run("resume")
    assert (resumed.code, resumed.stdout) == (0, in_pipe(FIVE[:1]))
    assert answering.counts() == (1, 1)


def test_a_reasoner_that_fails_costs_nothing_and_asks_nobody(vendors: Vendors) -> None:
    vendors.reasoner.reply(error_reply_openai(402, "Insufficient Balance"))
    result = vendors.run(*COMPARE, "--json")
    assert (result.code, result.stdout, vendors.counts()) == (4, b"", (1, 0))
    assert error_of(result)["stage"] == "reason"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("-m", "sonnet"), 2, b"a comparison needs two answers"),
        (("-m", "sonnet", "-m", "claude-sonnet-5-5"), 2, b"would answer twice in the same way"),
        (("-m", "sonnet", "-m", "sonnet"), 2, b"the model sonnet is named twice"),
        (("-m", "sonnet", "-m", "sonet"), 2, b"did you mean sonnet"),
        (("-m", "sonnet", "--effort", "low", "--effort", "hihg"), 2, b"effort"),
        ((*MODELS, "--effort", "low", "--effort", "high", "--effort", "max"), 2, b"15 answers"),
        (("--max-cost", "0.0001"), 4, b"max_cost is $0.0001"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_compared_is_refused_before_anything_is_paid(
    vendors: Vendors, words: tuple[str, ...], code: int, message: bytes
) -> None:
    result = vendors.run("compare", "6 x 7?", *words)
    assert (result.code, result.stdout, vendors.sent()) == (code, b"", 0)
    assert message in result.stderr


def test_efforts_and_handoffs_are_compared(answering: Vendors) -> None:
    words = ("-m", "sonnet", "--handoff", "reasoning", "--handoff", "both", "--handoff", "none")
    found = compared(answering.run("compare", "6 x 7?", *words, "--json"))
    assert [each["handoff"] for each in found["answers"]] == ["reasoning", "both", "none"]
    assert answering.counts() == (1, 3)
    seen = Counter(
        (REASONING in str(request.body), OWN_ANSWER[0] in str(request.body))
        for request in answering.claude.requests
    )
    assert seen == {(True, False): 1, (True, True): 1, (False, False): 1}


def test_reasoning_of_an_earlier_turn_is_compared(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("6 x 7?")
    vendors.claude.forget()
    vendors.claude.reply(by_model)
    result = vendors.run(*COMPARE, "--reasoning-from", "last")
    assert (result.code, result.stdout, vendors.counts()) == (0, in_pipe(), (1, 5))


@pytest.mark.parametrize("words", [COMPARE, (*COMPARE, "--handoff", "both")])
def test_a_replay_prints_what_was_recorded(answering: Vendors, words: tuple[str, ...]) -> None:
    tape = str(answering.home / "tape.jsonl")
    recorded = answering.run(*words, "--record", tape)
    assert recorded.code == 0
    sent = answering.sent()
    replayed = run(*words, "--replay", tape)
    assert (replayed.code, replayed.stdout) == (0, recorded.stdout)
    assert replayed.stderr.startswith(b"replay: these are recorded replies, no model was called\n")
    assert answering.sent() == sent


def test_nothing_is_written_where_nothing_is_to_be_kept(answering: Vendors) -> None:
    assert answering.run(*COMPARE, "--no-save").stdout == in_pipe()
    assert not (answering.home / ".local/share").exists()


def test_what_a_person_picks_is_kept(answering: Vendors) -> None:
    words = ("compare", "6 x 7?", "-m", FIVE[0], "-m", FIVE[1])
    keys = [(b"(Enter for none)", b"2\r")]
    shown = run_in_pty(*words, env=answering.environment, keys=keys)
    assert shown.code == 0
    picks = json.loads(answering.run("history", "picks", "--json").stdout)
    assert [(each["model"], each["wins"], each["comparisons"]) for each in picks] == [
        (FIVE[1], 1, 1),
        (FIVE[0], 0, 1),
    ]
    assert all(Decimal(each["cost_usd"]) > 0 for each in picks)


def test_names_are_hidden_until_one_is_picked(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(claude_stream(("Forty-two.",)))
    words = ("compare", "6 x 7?", "-m", FIVE[0], "-m", FIVE[1], "--blind")
    shown = run_in_pty(*words, env=vendors.environment, keys=[(b"(Enter for none)", b"A\r")])
    before, _, after = shown.colorless.partition(b"Which answer is best? 1 A")
    assert (shown.code, b"claude-" in before, before.count(b"Forty-two.")) == (0, False, 2)
    assert after.count(b": claude-") == 2
    (winner, _) = json.loads(vendors.run("history", "picks", "--json").stdout)
    assert f"A: {winner['model']}".encode() in after


def test_answers_stand_side_by_side_on_a_wide_terminal(answering: Vendors) -> None:
    words = ("compare", "6 x 7?", "-m", FIVE[0], "-m", FIVE[1], "--columns")
    keys = [(b"(Enter for none)", b"\r")]
    shown = run_in_pty(*words, columns=120, env=answering.environment, keys=keys)
    screen = Terminal(120, 24)
    screen.write(shown.output.decode())
    (row,) = [line for line in screen.lines() if "The answer of" in line and "│" not in line][:1]
    first, second = (f"The answer of {model}: it is 42." for model in FIVE[:2])
    assert row == first.ljust(61) + second


def test_ctrl_c_keeps_what_came_of_every_answer(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(lambda request: by_model(request).failing(5, Stall()))
    with vendors.started(*COMPARE) as process:
        wait_until_kept(vendors, 3, 2 * len(FIVE), 0)
        stopped = vendors.outcome(process, signal.SIGINT)
    assert stopped.code == 130
    kept = turns()
    assert {turn.complete for turn in kept} == {False}
    answers = [turn.answer for turn in kept]
    assert sorted(answers) == sorted("".join(texts_of(model)[:2]) for model in FIVE)
    first = min(turn.start.id for turn in kept)
    assert f"`deepreasoning resume {first}` continues from here".encode() in stopped.stderr


def test_one_cap_holds_for_all_of_it(answering: Vendors) -> None:
    result = answering.run(*COMPARE, "--max-cost", "1", "--json")
    assert result.code == 0
    refused = answering.run(*COMPARE, "--max-cost", "0.06")
    assert (refused.code, answering.counts()) == (4, (1, 5))
    assert b"are set aside for turns that run" in refused.stderr


THREE: Final = FIVE[:3]
FEW: Final = [
    ("reasoning 3", 3, {}),
    ("5 of each", None, dict.fromkeys(THREE, 5)),
    ("one whole", None, {THREE[1]: 4, THREE[2]: 0}),
]
MANY: Final = [
    *((f"reasoning {size}", size, {}) for size in (1, 4)),
    *((f"{size} of each", None, dict.fromkeys(THREE, size)) for size in (0, 2, 3)),
    ("the first whole", None, {THREE[1]: 3, THREE[2]: 5}),
]
PLACES: Final = FEW + MANY if IS_LONG else FEW
"""Where it is killed; `test_unfinished_comparison.py` takes every event, in one process."""
NAMES: Final = [name for name, *_ in PLACES]


@pytest.mark.parametrize(("thought", "answered"), [rest for _, *rest in PLACES], ids=NAMES)
def test_killed_and_resumed_it_pays_for_nothing_twice(
    vendors: Vendors, thought: int | None, answered: dict[str, int]
) -> None:
    whole, pieces = reasoner_stream(THOUGHTS, OWN_ANSWER), len(THOUGHTS)
    if thought is not None:
        pieces = sum(b'"reasoning_content": "' in each for each in sent(whole, thought)) - 1
        whole = whole.failing(thought, Stall())
    vendors.reasoner.reply(whole)

    def script(request: Received) -> Reply:
        reply, size = by_model(request), answered.get(asked(request))
        return reply if size is None else reply.failing(size, Stall())

    vendors.claude.reply(script)
    models = tuple(word for model in THREE for word in ("-m", model))
    texts = sum(
        sum(b"text_delta" in each for each in sent(claude_stream(texts_of(model)), size))
        for model, size in answered.items()
    )
    with vendors.started("compare", "6 x 7?", *models) as process:
        vendors.reasoner.wait_for_requests(1)
        if thought is None:
            vendors.claude.wait_for_requests(3)
        wait_until_kept(vendors, pieces, texts, len(THREE) - len(answered) if answered else 0)
        process.kill()
    for vendor in (vendors.reasoner, vendors.claude):
        vendor.forget()
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(by_model)
    again = ["--again"] if thought is not None else []
    resumed = vendors.run("resume", "last", "--json", *again)
    assert resumed.code == 0, resumed.stderr
    found = compared(resumed)
    assert found["reasoning"] == REASONING
    assert {each["status"] for each in found["answers"]} == {"complete"}
    assert len(vendors.reasoner.requests) == (0 if thought is None else 1)
    assert sorted(map(asked, vendors.claude.requests)) == sorted(answered or THREE)


def sent(reply: Reply, size: int) -> list[bytes]:
    """The first pieces of a reply."""
    return [piece for piece in reply.body if isinstance(piece, bytes)][:size]


def wait_until_kept(vendors: Vendors, thoughts: int, texts: int, answers: int) -> None:
    """Wait until the journals have so many pieces, and the history so many whole answers."""
    folder = vendors.home / ".local/share/deepreasoning"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        lines = b"".join(map(_text_of, folder.glob("journal/*.jsonl")))
        pieces = lines.count(b'"event":"thought"'), lines.count(b'"event":"text"')
        whole = _whole_answers(folder / "history.db")
        if whole >= answers and pieces[1] >= texts and (answers or pieces[0] >= thoughts):
            return
        time.sleep(0.02)
    raise AssertionError(f"{pieces} and {whole} of {thoughts}, {texts} and {answers} are kept")


def _text_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # it is in the history by now
        return b""


def _whole_answers(path: Path) -> int:
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        query = "SELECT count(*) FROM turns WHERE status = 'complete'"
        return int(connection.execute(query).fetchone()[0])
    except sqlite3.Error:  # it is being made
        return 0
    finally:
        connection.close()


def test_a_dry_run_shows_one_reasoner_and_all_answers(vendors: Vendors) -> None:
    result = vendors.run(*COMPARE, "--dry-run", "--json")
    stages = json.loads(result.stdout)["stages"]
    assert (result.code, vendors.sent()) == (0, 0)
    assert [stage["stage"] for stage in stages] == ["reason", *["answer"] * 5]
    assert all("the reasoner's text stands here" in str(each["request"]) for each in stages[1:])


def test_a_file_gets_what_a_pipe_would(answering: Vendors) -> None:
    file = answering.home / "answers.md"
    result = answering.run(*COMPARE, "-o", str(file))
    assert (result.code, result.stdout, file.read_bytes()) == (0, b"", in_pipe())
    answering.claude.forget()
    answering.claude.reply(but(FIVE[0], NO))
    result = answering.run(*COMPARE, "-o", str(file))
    assert (result.code, file.read_bytes()) == (6, in_pipe())
    assert (answering.home / "answers.md.partial").read_bytes() == in_pipe(FIVE[1:])


NO: Final = error_reply_anthropic(400, "invalid_request_error", "No.")


def test_each_event_is_a_line_with_its_turn(answering: Vendors) -> None:
    answering.claude.forget()
    answering.claude.reply(by_model, by_model, but(FIVE[2], NO))
    words = ("compare", "6 x 7?", *MODELS[:6], "--jsonl")
    lines = [json.loads(line) for line in answering.run(*words[:6], "--jsonl").stdout.splitlines()]
    *_, finished = lines
    assert (finished["type"], answering.counts()) == ("finished", (1, 2))
    for each in finished["answers"]:
        texts = [
            line["text"]
            for line in lines
            if line["type"] == "answer" and line["turn"] == each["id"]
        ]
        (ended,) = [line for line in lines if line["type"] == "ended" and line["id"] == each["id"]]
        assert "".join(texts) == each["answer"] == ended["answer"] == answer_of(each["model"])
    thoughts = [
        line for line in lines if line["type"] == "reasoning" and line["turn"] == finished["id"]
    ]
    assert "".join(line["text"] for line in thoughts) == REASONING
    result = answering.run(*words)
    *_, error = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.code, error["type"]) == (6, "error")
    assert error["error"]["resume"] == f"deepreasoning resume {turn_id(result)}"


@pytest.mark.parametrize("words", [("-c",), ("--session", "work")])
def test_a_comparison_in_a_conversation_is_refused_and_says_where_it_is_made(
    vendors: Vendors, words: tuple[str, ...]
) -> None:
    result = vendors.run(*COMPARE, *words)
    assert (result.code, result.stdout, vendors.sent()) == (2, b"", 0)
    assert b"there /compare does it" in result.stderr


@pytest.mark.parametrize("flag", ["--blind", "--copy"])
def test_what_needs_a_person_is_refused_in_a_script(vendors: Vendors, flag: str) -> None:
    result = vendors.run(*COMPARE, flag)
    assert (result.code, vendors.sent()) == (2, 0)
    assert f"{flag} needs a person at a terminal".encode() in result.stderr


def test_a_resumed_comparison_is_replayed_as_it_was_recorded(answering: Vendors) -> None:
    answering.claude.forget()
    answering.claude.reply(but(FIVE[2], NO))
    failed = [turn_id(answering.run(*COMPARE)) for _ in range(2)]
    answering.claude.forget()
    answering.claude.reply(by_model)
    tape = str(answering.home / "tape.jsonl")
    recorded = answering.run("resume", failed[0], "--record", tape)
    sent = answering.sent()
    replayed = answering.run("resume", failed[1], "--replay", tape)
    assert (replayed.code, replayed.stdout) == (0, recorded.stdout) == (0, in_pipe(FIVE[2:3]))
    assert answering.sent() == sent


def test_the_next_comparison_finds_its_connection_open(answering: Vendors) -> None:
    for _ in range(2):
        assert answering.run(*COMPARE).code == 0
        file = answering.home / ".local/share/deepreasoning/last-origin"
        assert file.read_text() == f"{answering.reasoner.url}\n"
    assert len(answering.reasoner.connections) == 2
