"""`eval` between two vendors: what is asked, what it costs, and what it says of it."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import Received
from support.replies import (
    CLAUDE_USAGE,
    Reply,
    claude_stream,
    error_reply_anthropic,
    reasoner_stream,
)
from support.runner import read_until
from support.vendors import Vendors

QUESTION: Final = re.compile(r"question number (\d+)")
ARMS: Final = ("--arm", "reasoner", "--arm", "reasoning", "--arm", "answer", "--arm", "both")
PATIENCE: Final = 120.0  # seconds
KILLED: Final = -9
MOST_BILLED: Final = Decimal("0.0005")  # USD for a call: 100 and 30 tokens of Sonnet, or less


def text_of(request: Received) -> str:
    return json.dumps(request.body, ensure_ascii=False)


def number_of(request: Received) -> int:
    match = QUESTION.search(text_of(request))
    assert match, request.body
    return int(match[1])


@dataclass(slots=True)
class QuestionVendors:
    """Vendors that get right what each arm is scripted to; `log` has who was asked about what."""

    vendors: Vendors
    right: dict[str, Callable[[int], bool]]
    log: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vendors.reasoner.reply(self.reason)
        self.vendors.claude.reply(self.answer)

    def _written(self, arm: str, number: int) -> str:
        return f"Answer: {number if self.right[arm](number) else -1}"

    def reason(self, request: Received) -> Reply:
        number = number_of(request)
        self.log.append(("reasoner", number))
        return reasoner_stream([f"thoughts on {number}; "], [self._written("reasoner", number)])

    def answer(self, request: Received) -> Reply:
        number, text = number_of(request), text_of(request)
        thought, drafted = f"thoughts on {number};" in text, "Answer: " in text
        arm = {(0, 0): "alone", (1, 0): "reasoning", (0, 1): "answer", (1, 1): "both"}[
            thought, drafted
        ]
        self.log.append((arm, number))
        return claude_stream([self._written(arm, number)])

    def asked(self, who: str) -> Counter[int]:
        return Counter(number for each, number in self.log if each == who)


def write_questions(path: Path, count: int, **fields: Any) -> None:
    rows = (
        {"id": f"q{n}", "prompt": f"question number {n}", **(fields or {"number": n})}
        for n in range(1, count + 1)
    )
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "q.jsonl"


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def forget_answers(source: Path) -> None:
    """Leave what a run leaves that is killed behind its last answer, before that is written."""
    kept = source.with_name("q.answers.jsonl")
    begun = [json.dumps({"row": line["id"], "turn": line["turn"]}) for line in lines_in(kept)]
    kept.write_bytes(b"")
    kept.with_name(f"{kept.name}.state").write_text("".join(f"{line}\n" for line in begun))


EVERY: Final[dict[str, Callable[[int], bool]]] = {
    "reasoner": lambda number: number % 2 == 0,
    "alone": lambda number: number % 2 == 0,
    "reasoning": lambda number: number % 10 != 0,
    "answer": lambda number: number % 2 == 0,
    "both": lambda number: True,
}


def test_every_arm_is_asked_once_and_the_reasoner_once_a_question(
    vendors: Vendors, source: Path
) -> None:
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 20)
    told = vendors.run("eval", str(source), *ARMS, "--yes", "--json", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    once = Counter(range(1, 21))
    assert {who: world.asked(who) for who in EVERY} == dict.fromkeys(EVERY, once)
    report = json.loads(told.stdout)
    assert {arm["name"]: arm["right"] for arm in report["arms"]} == {
        "sonnet alone": 10,
        "sonnet + reasoning": 18,
        "sonnet + answer": 10,
        "sonnet + both": 20,
        "reasoner alone": 10,
    }
    assert report["verdict"].startswith(
        "sonnet + both is better than sonnet alone: 100 % right against 50 % (p = 0.008)"
    )
    lines = lines_in(source.with_name("q.answers.jsonl"))
    assert len(lines) == 100
    paid = sum(Decimal(line["cost_usd"]) for line in lines)
    assert Decimal(report["paid_usd"]) == paid
    own: dict[str, Decimal] = defaultdict(Decimal)  # USD of each arm's own calls
    for line in lines:
        own[line["id"].split(" · ")[1]] += Decimal(line["cost_usd"])
    reasoned = own.pop("reasoner with its answer")
    assert {arm["name"]: Decimal(arm["cost_usd"]) for arm in report["arms"]} == {
        "sonnet alone": own["sonnet alone"],
        **{name: own[name] + reasoned for name in own if "+" in name},
        "reasoner alone": reasoned,
    }
    again = vendors.run("eval", str(source), *ARMS, "--json", timeout=PATIENCE)
    assert len(world.log) == 100
    assert json.loads(again.stdout)["arms"] == report["arms"]
    assert json.loads(again.stdout)["paid_usd"] == "0"


def test_what_claude_cost_is_the_vendor_s_usage_to_the_digit(
    vendors: Vendors, source: Path
) -> None:
    QuestionVendors(vendors, EVERY)
    write_questions(source, 5)
    command = ("eval", str(source), "--arm", "alone", "-m", "sonnet", "-m", "haiku", "--yes")
    told = vendors.run(*command, "--json", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    assert vendors.counts() == (0, 10)
    report = json.loads(told.stdout)
    one = vendors.ask("--handoff", "none", "question number 1", "--json")
    each = Decimal(json.loads(one.stdout)["cost_usd"])
    assert each > 0
    assert (
        json.loads(one.stdout)["answerer"]["usage"]["output_tokens"]
        == (CLAUDE_USAGE["output_tokens"])
    )
    [sonnet, haiku] = report["arms"]
    assert (sonnet["name"], Decimal(sonnet["cost_usd"])) == ("sonnet alone", 5 * each)
    assert Decimal(report["paid_usd"]) == Decimal(sonnet["cost_usd"]) + Decimal(haiku["cost_usd"])


def test_a_run_that_is_killed_pays_for_nothing_twice(vendors: Vendors, source: Path) -> None:
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 24)
    command = ("eval", str(source), *ARMS, "--yes", "-j", "4")
    for goal in (10, 40, 70):
        with vendors.started(*command) as process:
            vendors.claude.wait_for_requests(goal, PATIENCE)
            process.kill()
            process.communicate(timeout=PATIENCE)
            assert process.returncode == KILLED
    done = vendors.run(*command, "--json", timeout=PATIENCE)
    assert done.code == 0, done.stderr
    assert {arm["name"]: arm["right"] for arm in json.loads(done.stdout)["arms"]} == {
        "sonnet alone": 12,
        "sonnet + reasoning": 22,
        "sonnet + answer": 12,
        "sonnet + both": 24,
        "reasoner alone": 12,
    }
    for who in EVERY:
        asked = world.asked(who)
        assert len(asked) == 24
    # only what ran at the moment of a kill may have been asked for twice
    assert len(world.log) <= 24 * 5 + 3 * 4
    answered: set[int] = set()
    for who, number in world.log:
        if who in ("reasoning", "answer", "both"):
            answered.add(number)
        elif who == "reasoner":
            assert number not in answered, "reasoning that Claude has read was paid for again"
    assert not source.with_name("q.answers.jsonl.state").exists()


def test_what_a_killed_run_had_not_written_down_is_taken_from_the_history(
    vendors: Vendors, source: Path
) -> None:
    """As if it had been killed behind the last answer, and the disk had lost the file."""
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 4)
    command = ("eval", str(source), *ARMS, "--yes", "--json")
    first = vendors.run(*command, timeout=PATIENCE)
    asked = len(world.log)
    forget_answers(source)
    second = vendors.run(*command, timeout=PATIENCE)
    assert second.code == 0, second.stderr
    assert len(world.log) == asked
    without_seconds = [
        [{**arm, "seconds": None} for arm in json.loads(told.stdout)["arms"]]
        for told in (first, second)
    ]
    assert without_seconds[0] == without_seconds[1]


def test_who_ends_it_by_a_signal_is_told_how_it_goes_on(vendors: Vendors, source: Path) -> None:
    world = QuestionVendors(vendors, EVERY)
    goes_on = threading.Event()

    def answer(request: Received) -> Reply:
        assert goes_on.wait(PATIENCE)
        return world.answer(request)

    vendors.claude.forget()
    vendors.claude.reply(answer)
    write_questions(source, 2)
    with vendors.started("eval", str(source), "--yes", "-j", "2") as process:
        vendors.claude.wait_for_requests(2, PATIENCE)
        process.send_signal(signal.SIGTERM)
        told = vendors.outcome(process)
        goes_on.set()
    assert told.code == 143
    assert told.stderr.endswith(b"run it again to go on\n")


def test_ctrl_c_ends_it_and_the_next_run_goes_on(vendors: Vendors, source: Path) -> None:
    world = QuestionVendors(vendors, EVERY)
    goes_on = threading.Event()

    def answer(request: Received) -> Reply:
        if number_of(request) > 4:
            assert goes_on.wait(PATIENCE)
        return world.answer(request)

    vendors.claude.forget()
    vendors.claude.reply(answer)
    write_questions(source, 16)
    command = ("eval", str(source), "--yes", "-j", "2")
    with vendors.started(*command) as process:
        vendors.claude.wait_for_requests(10, PATIENCE)
        process.send_signal(signal.SIGINT)
        read_until(process.stderr, b"stopping;", PATIENCE)
        goes_on.set()
        told = vendors.outcome(process)
    assert told.code == 130
    assert b"run it again to go on" in told.stderr
    assert len(world.log) <= 4 * 3 + 2 * 3
    assert vendors.run(*command, timeout=PATIENCE).code == 0
    for who in ("reasoner", "alone", "reasoning"):
        assert set(world.asked(who)) == set(range(1, 17))
    assert len(world.log) <= 16 * 3 + 2 * 2


def test_a_recorded_evaluation_is_replayed(vendors: Vendors, source: Path) -> None:
    QuestionVendors(vendors, EVERY)
    write_questions(source, 3)
    tape = source.with_name("tape.jsonl")
    command = ("eval", str(source), *ARMS, "--json")
    first = vendors.run(*command, "--yes", "--record", str(tape), timeout=PATIENCE)
    assert first.code == 0, first.stderr
    sent = vendors.sent()
    replayed = ("--replay", str(tape), "-o", str(source.with_name("other.jsonl")))
    second = vendors.run(*command, *replayed, timeout=PATIENCE)
    assert second.code == 0, second.stderr
    assert vendors.sent() == sent
    assert b"replay: these are recorded replies, no model was called" in second.stderr
    rights = [[arm["right"] for arm in json.loads(told.stdout)["arms"]] for told in (first, second)]
    assert rights[0] == rights[1]


@pytest.mark.parametrize("ending", ["refusal", "max_tokens"])
def test_an_answer_that_the_model_ends_itself_is_wrong_and_not_asked_again(
    vendors: Vendors, source: Path, ending: str
) -> None:
    QuestionVendors(vendors, EVERY)
    vendors.claude.forget()
    vendors.claude.reply(claude_stream(["I"], stop_reason=ending))
    write_questions(source, 2)
    told = vendors.run("eval", str(source), "--yes", "--json", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    assert [(arm["asked"], arm["right"]) for arm in json.loads(told.stdout)["arms"]] == [(2, 0)] * 2
    sent = vendors.sent()
    assert vendors.run("eval", str(source), timeout=PATIENCE).code == 0
    forget_answers(source)
    again = vendors.run("eval", str(source), "--yes", "--json", timeout=PATIENCE)
    assert [arm["right"] for arm in json.loads(again.stdout)["arms"]] == [0, 0]
    assert vendors.sent() == sent


def test_a_reasoner_that_says_nothing_is_wrong_and_not_asked_again(
    vendors: Vendors, source: Path
) -> None:
    QuestionVendors(vendors, EVERY)
    vendors.reasoner.forget()
    vendors.reasoner.reply(reasoner_stream([], ["Answer: 1"]))
    write_questions(source, 2)
    told = vendors.run("eval", str(source), "--yes", "--json", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    assert [(arm["asked"], arm["right"]) for arm in json.loads(told.stdout)["arms"]] == [
        (2, 1),
        (2, 0),
    ]
    counts = vendors.counts()
    assert counts == (2, 2)
    assert vendors.run("eval", str(source), timeout=PATIENCE).code == 0
    assert vendors.counts() == counts


def test_a_file_of_another_command_is_left_as_it_is(vendors: Vendors, source: Path) -> None:
    write_questions(source, 1)
    other = source.with_name("other.jsonl")
    text = '{"id": "a", "prompt": "?", "error": null, "answer": "b"}\n'
    other.write_text(text)
    told = vendors.run("eval", str(source), "--yes", "-o", str(other))
    assert told.code == 2
    assert b"has no answers of an evaluation" in told.stderr
    assert (other.read_text(), vendors.sent()) == (text, 0)


def test_an_answer_that_failed_is_asked_again_and_nothing_else(
    vendors: Vendors, source: Path
) -> None:
    world = QuestionVendors(vendors, EVERY)
    refuses = True

    def answer(request: Received) -> Reply:
        if number_of(request) == 3 and refuses:
            return error_reply_anthropic(400, "invalid_request_error", "not this one")
        return world.answer(request)

    vendors.claude.forget()
    vendors.claude.reply(answer)
    write_questions(source, 6)
    command = ("eval", str(source), "--yes", "--json")
    first = vendors.run(*command, timeout=PATIENCE)
    assert first.code == 6
    assert json.loads(first.stderr.splitlines()[-1])["error"]["message"].startswith(
        "2 answers are missing: "
    )
    report = json.loads(first.stdout)
    assert [arm["asked"] for arm in report["arms"]] == [5, 5]
    assert [each["id"] for each in report["failed"]] == ["q3", "q3"]
    drafts = {line["draft"] for line in lines_in(source.with_name("q.answers.jsonl"))}
    assert drafts == {""}, "the reasoner's own answer was paid for, which no arm needs"
    refuses = False
    second = vendors.run(*command, timeout=PATIENCE)
    assert second.code == 0, second.stderr
    assert [arm["asked"] for arm in json.loads(second.stdout)["arms"]] == [6, 6]
    for who in ("reasoner", "alone", "reasoning"):
        assert world.asked(who) == Counter(range(1, 7))


def test_a_changed_prompt_is_asked_anew_and_a_changed_checker_is_not(
    vendors: Vendors, source: Path
) -> None:
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 3)
    command = ("eval", str(source), "--yes", "--json")
    vendors.run(*command, timeout=PATIENCE)
    assert len(world.log) == 9
    write_questions(source, 3, contains="answer")
    told = vendors.run(*command, timeout=PATIENCE)
    assert [arm["right"] for arm in json.loads(told.stdout)["arms"]] == [3, 3]
    assert len(world.log) == 9
    source.write_text(source.read_text().replace("number 3", "number 4"))
    assert vendors.run(*command, timeout=PATIENCE).code == 0
    assert world.log[9:] == [("reasoner", 4), ("alone", 4), ("reasoning", 4)]


@pytest.mark.parametrize(
    ("rows", "args", "said"),
    [
        ('{"prompt": "a", "number": 1}', (), b"refusing to begin: 1 question: 3 calls, about $"),
        ('{"prompt": "a"}', ("--yes",), b"hint: line 1: needs one of expect, regex"),
        ('{"prompt": "a", "run": "true"}', ("--yes",), b"hint: line 1: runs a command, which"),
        ('{"prompt": "a", "number": 1}', ("--yes", "-m", "sonet"), b"did you mean sonnet"),
        ('{"prompt": "a", "number": 1}', ("--yes", "--arm", "alone"), b"nothing to compare"),
        ('{"prompt": "a", "judge": "b"}', ("--yes", "--judge", "opuz"), b"did you mean opus"),
        ('{"prompt": "a", "number": 1}', ("--yes", "--arm", "reason"), b"did you mean reasoner"),
        ('{"prompt": "a", "number": 1}', ("--make", "3"), b"use either FILE or --make"),
    ],
)
def test_a_wrong_call_sends_nothing(
    vendors: Vendors, source: Path, rows: str, args: tuple[str, ...], said: bytes
) -> None:
    source.write_text(rows)
    told = vendors.run("eval", str(source), *args)
    assert told.code in (2, 4)
    assert said in told.stderr
    assert vendors.sent() == 0
    assert list(source.parent.glob("q.answers*")) == []


def test_a_cap_holds_for_all_and_the_next_run_goes_on(vendors: Vendors, source: Path) -> None:
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 12)
    command = ("eval", str(source), "--yes", "--json")
    refused = vendors.run(*command, "--max-cost", "0.01", timeout=PATIENCE)
    assert refused.code == 4, refused.stderr
    assert (
        "--max-cost allows more\n" in json.loads(refused.stderr.splitlines()[-1])["error"]["hint"]
    )
    kept = source.with_name("q.answers.jsonl")
    spent = sum(Decimal(line["cost_usd"]) for line in lines_in(kept))
    assert spent <= Decimal("0.01") + MOST_BILLED
    done = vendors.run(*command, timeout=PATIENCE)
    assert done.code == 0, done.stderr
    assert [arm["asked"] for arm in json.loads(done.stdout)["arms"]] == [12, 12]
    for who in ("reasoner", "alone", "reasoning"):
        assert set(world.asked(who)) == set(range(1, 13))


def test_a_judge_is_asked_once_an_answer_and_called_an_opinion(
    vendors: Vendors, source: Path
) -> None:
    world = QuestionVendors(vendors, EVERY)
    judged: list[dict[str, Any]] = []

    def answer(request: Received) -> Reply:
        text = text_of(request)
        if "Judge an answer by one criterion" not in text:
            return world.answer(request)
        judged.append(request.body)
        right = "true" if "Answer: 1" in text else "false"
        return claude_stream([f'{{"why": "so it is", "right": {right}}}'])

    vendors.claude.forget()
    vendors.claude.reply(answer)
    write_questions(source, 2)
    assert vendors.run("eval", str(source), "--yes", timeout=PATIENCE).code == 0
    write_questions(source, 2, judge="It names the number.")
    unasked = vendors.run("eval", str(source), timeout=PATIENCE)
    assert (unasked.code, judged) == (2, [])
    told = vendors.run("eval", str(source), "--yes", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    assert b"note: answers were judged by a model: what is right is its opinion" in told.stdout
    assert len(judged) == 3  # two arms gave the same answer to the second question
    assert judged[0]["output_config"]["format"]["schema"]["required"] == ["why", "right"]
    again = vendors.run("eval", str(source), "--json", timeout=PATIENCE)
    assert json.loads(again.stdout)["opinion"] is True
    assert len(judged) == 3


def test_where_no_answer_could_be_checked_that_is_said(vendors: Vendors, source: Path) -> None:
    QuestionVendors(vendors, EVERY)
    write_questions(source, 1, run=["no-such-checker"])
    told = vendors.run("eval", str(source), "--yes", "--allow-run", timeout=PATIENCE)
    assert told.code == 0
    assert b"note: q1, sonnet alone: not checked: the command cannot be started: " in told.stdout
    assert told.stdout.endswith(b"\nno question was answered and checked\n")


def test_a_command_checks_answers_where_that_is_allowed(vendors: Vendors, source: Path) -> None:
    QuestionVendors(vendors, EVERY)
    write_questions(source, 4, run="grep -qv -- -1")
    told = vendors.run("eval", str(source), "--yes", "--allow-run", "--json", timeout=PATIENCE)
    assert told.code == 0, told.stderr
    assert [arm["right"] for arm in json.loads(told.stdout)["arms"]] == [2, 4]


def test_without_a_history_nothing_is_kept_but_the_answers(vendors: Vendors, source: Path) -> None:
    world = QuestionVendors(vendors, EVERY)
    write_questions(source, 2)
    command = ("eval", str(source), "--yes", "--no-save")
    assert vendors.run(*command, timeout=PATIENCE).code == 0
    assert vendors.run(*command, "--arm", "both", timeout=PATIENCE).code == 0
    assert list(vendors.home.rglob("*.db")) == []
    assert world.asked("alone") == world.asked("both") == Counter([1, 2])


def test_the_estimate_is_of_what_is_missing_and_by_the_user_s_own_turns(
    vendors: Vendors, source: Path
) -> None:
    QuestionVendors(vendors, EVERY)
    estimates = []
    command = ("eval", str(source), "--arm", "alone", "-m", "sonnet", "-m", "haiku")
    for count in (6, 12):
        write_questions(source, count)
        refused = vendors.run(*command, "--effort", "none")
        said = re.search(rb"begin: 6 questions: 12 calls, about \$([\d.]+),", refused.stderr)
        assert said, refused.stderr
        estimates.append(Decimal(said[1].decode()))
        assert vendors.run(*command, "--effort", "none", "--yes", timeout=PATIENCE).code == 0
    assert CLAUDE_USAGE["output_tokens"] == 30, "against 600, which are assumed"
    assert estimates[1] < estimates[0] / 10


def test_made_questions_are_printed_and_read(vendors: Vendors, source: Path) -> None:
    made = vendors.run("eval", "--make", "8", "--seed", "3")
    assert made.code == 0
    source.write_bytes(made.stdout)
    told = vendors.run("eval", str(source))
    assert b"refusing to begin: 8 questions: 24 calls, about $" in told.stderr
    assert vendors.sent() == 0
