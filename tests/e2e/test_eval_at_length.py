"""`eval` in simulated worlds, and killed at every event: what it says, and what it pays.

The gate has a few worlds and kills; `DEEPREASONING_LONG_EVAL=1` has 200 worlds and every event, and
`-o faulthandler_timeout=0` gives them the time.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from support.forking import Forker
from support.loopback import Received
from support.often import RecordProperty
from support.replies import CLAUDE_USAGE, DEEPSEEK_USAGE, Reply, claude_stream, reasoner_stream
from support.runner import CompletedRun, environment, homes
from support.simulated_worlds import draw_accuracies, draw_right, is_true
from support.vendors import Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")

LONG: Final = bool(os.environ.get("DEEPREASONING_LONG_EVAL"))
WORLDS: Final = 200 if LONG else 3
STRIDE: Final = 1 if LONG else 17  # events from one kill to the next
PATIENCE: Final = 120.0  # seconds
KILLED: Final = -9
NUMBER: Final = re.compile(r"question number (\d+)")
MILLION: Final = 1_000_000
REASONER_RATES: Final = (Decimal("0.37"), Decimal("1.13"))  # USD per million, read and written
CLAUDE_RATES: Final = (Decimal(2), Decimal(10))
"""Sonnet 5.5's: platform.claude.com/docs/en/models/sonnet-5-5/overview, 2026-11-12."""
CONFIG: Final = """
[reasoners.lab]
base_url = "{url}"
model = "lab-1"
key = "lab"
rates = {{ input = 0.37, output = 1.13 }}
"""
IMPORTED: Final = ("cli.eval.evaluation", "evaluation.page")
EVAL: Final = ("eval", "-r", "lab", "--arm", "reasoner", "--arm", "reasoning", "--yes", "--json")
ARMS: Final = {
    "sonnet alone": ("alone",),
    "sonnet + reasoning": ("reasoning", "reasoner"),
    "reasoner alone": ("reasoner",),
}
"""The arms by their names, each with the calls that it is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request: who was asked about which question by which run, and what that was billed."""

    who: str
    question: str
    run: str
    text: str = field(repr=False)
    billed: Decimal

    @property
    def call(self) -> tuple[str, str]:
        """What it was for."""
        return self.who, self.question


@dataclass(slots=True)
class BillingVendors:
    """Vendors that get right what is scripted, and bill another number of tokens each time."""

    vendors: Vendors
    right: dict[str, dict[str, bool]]
    draws: random.Random
    log: list[SentRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        for vendor in (self.vendors.reasoner, self.vendors.claude):
            vendor.forget()
        self.vendors.reasoner.reply(self.reason)
        self.vendors.claude.reply(self.answer)

    def _texts(self, who: str, question: str) -> list[str]:
        right = self.right[who][question]
        return [
            "What was asked for, ",
            "worked out, is this.\n",
            f"Answer: {question if right else -1}",
        ]

    def _note(
        self, who: str, request: Received, rates: tuple[Decimal, Decimal]
    ) -> tuple[str, int, int]:
        text = json.dumps(request.body)
        match = NUMBER.search(text)
        assert match, text
        read, written = self.draws.randint(500, 9_999), self.draws.randint(50, 9_999)
        billed = (read * rates[0] + written * rates[1]) / MILLION
        run = request.headers.get("x-api-key") or request.headers["authorization"]
        self.log.append(
            SentRequest(who=who, question=match[1], run=run[-6:], text=text, billed=billed)
        )
        return match[1], read, written

    def reason(self, request: Received) -> Reply:
        question, read, written = self._note("reasoner", request, REASONER_RATES)
        usage = DEEPSEEK_USAGE | {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_cache_miss_tokens": read,
        }
        thoughts = [f"thoughts on {question}; ", "so it is."]
        return reasoner_stream(thoughts, self._texts("reasoner", question), usage=usage)

    def answer(self, request: Received) -> Reply:
        who = "reasoning" if "thoughts on" in json.dumps(request.body) else "alone"
        question, read, written = self._note(who, request, CLAUDE_RATES)
        usage = CLAUDE_USAGE | {"input_tokens": read, "output_tokens": written}
        return claude_stream(self._texts(who, question), usage=usage)

    def bill(self, *who: str) -> Decimal:
        """What these were billed for all questions."""
        return sum((each.billed for each in self.log if each.who in who), Decimal(0))


@dataclass(slots=True)
class Evaluation:
    """The program in a folder of its own, forked from a process that has imported it."""

    forker: Forker
    vendors: Vendors
    folder: Path

    def __post_init__(self) -> None:
        config = self.folder / ".config/deepreasoning/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(CONFIG.format(url=f"{self.vendors.reasoner.url}/v1"))

    @property
    def source(self) -> Path:
        return self.folder / "q.jsonl"

    @property
    def data(self) -> Path:
        return self.folder / ".local/share/deepreasoning"

    def write_questions(self, count: int) -> None:
        rows = (
            {"id": f"q{n}", "prompt": f"question number {n}", "number": n} for n in range(count)
        )
        self.source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def run(self, *args: str, name: str = "first0", killed_at: int | None = None) -> CompletedRun:
        """Run it; `name` ends the keys that it has, by which its requests are known."""
        own = self.vendors.environment | homes(self.folder)
        own["ANTHROPIC_API_KEY"] = own["DEEPREASONING_KEYS__LAB"] = f"sk-ant-api03-{name}"
        out, err = self.folder / "stdout", self.folder / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr, Path(os.devnull).open() as null:
            streams = (null.fileno(), stdout.fileno(), stderr.fileno())
            command = (*EVAL, str(self.source), *args)
            running = self.forker.start(
                *command, streams=streams, env=environment(own), killed_at=killed_at
            )
            code = running.wait(PATIENCE)
        return CompletedRun(code, out.read_bytes(), err.read_bytes())


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker(*IMPORTED) as forking:
        yield forking


@pytest.mark.timeout(7_200 if LONG else 120)
def test_in_simulated_worlds_the_verdict_is_right_and_the_money_is_that_of_the_vendors(
    vendors: Vendors, forker: Forker, folder_in_memory: Path, record_property: RecordProperty
) -> None:
    draws = random.Random(2026)
    true, told, covered, intervals, asked = 0, 0, 0, 0, 0
    for number in range(WORLDS):
        accuracies = draw_accuracies(draws, number, ("reasoning", "reasoner"))
        count = draws.choice([20, 30, 40]) if LONG else 12
        right = draw_right(draws, accuracies, count, draws.random())
        world = BillingVendors(vendors, right, random.Random(number))
        place = Evaluation(forker, vendors, folder_in_memory / f"world-{number}")
        place.write_questions(count)
        result = place.run("-j", "4")
        assert result.code == 0, result.stderr
        report = json.loads(result.stdout)
        check_calls_and_money(world, report, count)
        arms = {arm["name"]: arm for arm in report["arms"]}
        said = []
        for name, (who, *_) in ARMS.items():
            arm = arms[name]
            low, high = arm["interval"]
            covered += low <= accuracies[who] <= high
            intervals += 1
            if compared := arm["comparison"]:
                difference = accuracies[who] - accuracies["alone"]
                smallest = compared["smallest_difference"]
                said.append(is_true(compared["outcome"], difference, smallest))
                told += compared["outcome"] != "no difference shown"
                assert_sentence(report["verdict"], name, compared["outcome"])
        true += all(said)
        asked += len(world.log)
        shutil.rmtree(place.folder)
    figures = {"worlds": WORLDS, "true": true, "told": told, "requests": asked}
    for name, value in {**figures, "covered": covered / intervals}.items():
        record_property(name, value)
    print(figures, f"{covered / intervals:.4f} of {intervals} intervals")
    assert true >= 0.95 * WORLDS, true
    if LONG:
        assert 0.93 <= covered / intervals <= 0.97, covered / intervals
        assert told >= WORLDS / 4, "a verdict that never tells a difference is worth nothing"


def check_calls_and_money(world: BillingVendors, report: dict[str, Any], count: int) -> None:
    """Every call was made once, and all money in the report is what the vendors billed."""
    once = {(who, str(n)): 1 for who in ("alone", "reasoning", "reasoner") for n in range(count)}
    assert Counter(each.call for each in world.log) == once
    arms = {arm["name"]: arm for arm in report["arms"]}
    assert {name: arm["right"] for name, arm in arms.items()} == {
        name: sum(world.right[who].values()) for name, (who, *_) in ARMS.items()
    }
    assert {name: Decimal(arm["cost_usd"]) for name, arm in arms.items()} == {
        name: world.bill(*calls) for name, calls in ARMS.items()
    }
    assert Decimal(report["paid_usd"]) == world.bill("alone", "reasoning", "reasoner")


def assert_sentence(verdict: str, arm: str, outcome: str) -> None:
    """The sentence says nothing of an arm that its comparison does not."""
    if outcome == "no difference shown":
        assert f"{arm} is" not in verdict
    else:
        assert outcome in verdict[verdict.index(f"{arm} is") :]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a killed run has left of a call: whether all of it, and the text."""

    whole: bool = False
    text: str = ""


def what_is_kept(place: Evaluation, scratch: Path) -> dict[tuple[str, str], Kept]:
    """What is in the file of answers, in the history and in journals, by the calls."""
    answers = place.source.with_name("q.answers.jsonl")
    state = answers.with_name(f"{answers.name}.state")
    kept: dict[tuple[str, str], Kept] = {}
    shutil.rmtree(scratch, ignore_errors=True)
    if place.data.exists():
        shutil.copytree(place.data, scratch)
        with Store.open(scratch, lambda _: None) as store:
            recover(scratch, store, lambda _: None)
            for line in whole_lines(state):
                with suppress(UsageError):  # it had not begun
                    record = store.turn(line["turn"])
                    text = record.answer or record.reasoning
                    kept[call_of(line["row"])] = Kept(record.complete, text)
    kept |= {call_of(line["id"]): Kept(whole=True) for line in whole_lines(answers)}
    return kept


def whole_lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def call_of(key: str) -> tuple[str, str]:
    """Who is asked about which question, by the id of a line."""
    row, name, _ = key.split(" · ")
    who = {"sonnet alone": "alone", "sonnet + reasoning": "reasoning"}.get(name, "reasoner")
    return who, row.removeprefix("q")


@pytest.mark.timeout(7_200 if LONG else 120)
@pytest.mark.parametrize("at_once", ["1", "2"] if LONG else ["1"])
def test_killed_at_any_event_a_second_run_pays_for_nothing_twice(
    vendors: Vendors,
    forker: Forker,
    folder_in_memory: Path,
    record_property: RecordProperty,
    at_once: str,
) -> None:
    """What is whole is not asked for again, and of an answer that was cut only the rest is.

    What had brought no text is asked for again. So is a chain of thought that was cut: half of one
    is not what is measured.
    """
    numbers = ("0", "1")
    right = {who: dict.fromkeys(numbers, True) for who in ("alone", "reasoning", "reasoner")}
    seen: Counter[str] = Counter()
    for nth in range(2, 100_000, STRIDE):
        world = BillingVendors(vendors, right, random.Random(nth))
        place = Evaluation(forker, vendors, folder_in_memory / f"killed-{nth}")
        place.write_questions(len(numbers))
        first = place.run("-j", at_once, killed_at=nth)
        if first.code == 0:
            break
        assert first.code == KILLED, (nth, first)
        kept = what_is_kept(place, folder_in_memory / "scratch")
        second = place.run("-j", at_once, name="second")
        assert second.code == 0, (nth, second)
        report = json.loads(second.stdout)
        assert [(arm["asked"], arm["right"]) for arm in report["arms"]] == [(2, 2)] * 3, nth
        seen += check_second_run(world, kept, report, nth)
        shutil.rmtree(place.folder)
    else:
        raise AssertionError("it never ran to its end")
    for name, value in (seen | {"events": nth}).items():
        record_property(name, value)
    print(f"-j {at_once}: {nth - 1} events", dict(seen))
    assert seen["whole"] > seen["kills"], "what was whole was never found"
    if LONG:
        assert min(seen["cut answers"], seen["cut reasoning"], seen["without text"]) > 0, seen


def check_second_run(
    world: BillingVendors, kept: dict[tuple[str, str], Kept], report: dict[str, Any], nth: int
) -> Counter[str]:
    """Check each call of both runs; what there was of them, counted."""
    seen = Counter({"kills": 1})
    runs = {name: [each for each in world.log if each.run == name] for name in ("first0", "second")}
    for who in world.right:
        for question in world.right[who]:
            call = (who, question)
            before, after = ([each for each in runs[name] if each.call == call] for name in runs)
            found = kept.get(call, Kept())
            assert len(before) <= 1, (nth, call)
            assert len(after) == (0 if found.whole else 1), (nth, call, found)
            if found.whole:
                seen["whole"] += 1
            elif found.text and who == "reasoner":
                seen["cut reasoning"] += 1
            elif found.text:
                assert json.dumps(found.text)[1:-1] in after[0].text, (nth, call)
                seen["cut answers"] += 1
            elif before:
                seen["without text"] += 1
    assert Decimal(report["paid_usd"]) == sum((each.billed for each in runs["second"]), Decimal(0))
    return seen
