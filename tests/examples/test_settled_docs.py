"""docs/settled.md: what `eval` says of `--stop settled` on scripted questions.

The pipeline, the probes and `eval` are those of the program; the models are scripted.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.evaluation.significance import mcnemar
from deepreasoning_cli.library.many import ManyTurns
from deepreasoning_cli.pipeline.events import Chunk, End, Prompt, Text, Thought
from deepreasoning_cli.pipeline.money import RateCard, Usage
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.wiring.resources import TurnRequest
from support.scripted_models import ScriptedModel

PATH: Final = Path(__file__).parents[2] / "docs" / "settled.md"
PAGE: Final = PATH.read_text("utf-8")
RULE: Final = f"|---|---:|---:|---|{'---:|' * 5}\n"
LONG: Final = "DEEPREASONING_LONG_SETTLED"
QUESTIONS: Final = 2_000 if os.environ.get(LONG) else 300
STEP: Final = 50  # tokens of a thought
NUMBER: Final = re.compile(r"question number (\d+)")
CANDIDATE: Final = re.compile(r"So far: (-?\d+)\.")


@dataclass(frozen=True, slots=True)
class World:
    """Where in its chain of thought the reasoner has an answer: shares of its length, drawn between
    two; each further span is where it changes its mind.
    """

    name: str
    spans: Sequence[Sequence[tuple[float, float]]]
    """One of these for each question, by chance."""


EARLY: Final = ((0.1, 0.3),)
LATE: Final = ((0.7, 0.95),)
TURNS: Final = ((0.1, 0.3), (0.5, 0.9))
WORLDS: Final = (
    World("settles early", (EARLY,)),
    World("settles late", (LATE,)),
    World("changes its mind", (TURNS,)),
    World("all three alike", (EARLY, LATE, TURNS)),
)


def right_answer(number: int) -> int:
    return 7 * number + 3


def chain(world: World, number: int) -> list[str]:
    """The chain of thought about that question: one in ten ends with a wrong answer."""
    draws = random.Random(f"{world.name} {number}")
    steps = round(min(max(draws.lognormvariate(7.8, 0.6), 600), 12_000) / STEP)
    spans = draws.choice(world.spans)
    places = [int(steps * draws.uniform(*span)) for span in spans]
    final = right_answer(number) if draws.random() < 0.9 else draws.randrange(-999, 0)
    answers = [draws.randrange(-999, 0) for _ in places[1:]] + [final]
    said = dict(zip(places, answers, strict=True))
    thoughts = []
    answer = None
    for step in range(steps):
        answer = said.get(step, answer)
        words = f"So far: {answer}. " if answer is not None and step % 3 == 0 else ""
        words = f"So far: {answer}. " if step in said else words
        thoughts.append(words.ljust(4 * STEP, "x"))
    return thoughts


@dataclass(kw_only=True)
class WritingModel(ScriptedModel):
    """Answers by `write`, which is told the question's number and all that is read."""

    write: Callable[[int, str], Sequence[Chunk]]
    spent: list[Decimal] = field(default_factory=list)

    def reply(self, prompt: Prompt) -> Iterator[Chunk]:
        text = prompt.messages[-1].text
        match = NUMBER.search(text)
        assert match
        written = 0
        for chunk in self.write(int(match[1]), text):
            yield chunk
            written += len(getattr(chunk, "text", "")) // 4 + 1
        usage = Usage(prompt.tokens, written)
        assert self.rates
        self.spent.append(self.rates.base.cost(usage))
        yield usage
        yield End("end_turn")


def last_candidate(text: str) -> int | None:
    found = CANDIDATE.findall(text)
    return int(found[-1]) if found else None


def haikus_answer(number: int, text: str) -> Sequence[Chunk]:
    """What the notes say, misread once in twenty; without it, in three of ten its own guess, which
    is always the same.
    """
    draws, seen = random.Random(f"haiku {number} {len(text)}"), last_candidate(text)
    if seen is None:
        guess = random.Random(f"guess {number}").randrange(1, 9_999)
        return [Text(str(guess) if draws.random() < 0.3 else "undecided")]
    return [Text(str(seen if draws.random() < 0.95 else draws.randrange(-999, 0)))]


def sonnets_answer(number: int, text: str) -> Sequence[Chunk]:
    """The notes' answer, or right half of the time."""
    draws, seen = random.Random(f"sonnet {number}"), last_candidate(text)
    own = right_answer(number) if draws.random() < 0.5 else -1
    return [Text("It is as follows. " * 40), Text(f"\n\nAnswer: {own if seen is None else seen}")]


class AtOnce:
    """A thread that has ended when it has been started: a probe is answered by the next thought."""

    def __init__(self, target: Callable[[], None], **_: object) -> None:
        self.start = target


@dataclass
class Judged:
    """What `eval` has said of a world, with or without the option."""

    right: dict[str, bool]
    cost: Decimal
    thoughts: int
    probes: Decimal


def judge(world: World, folder: Path, *options: str) -> Judged:
    """Run `eval` over the questions of that world."""
    haiku: list[Decimal] = []

    def as_scripted(plan: Plan) -> Plan:
        def think(number: int, _: str) -> Sequence[Chunk]:
            return [*map(Thought, chain(world, number)), Text("own")]

        if plan.reasoner and plan.reasoner.rates:
            card = RateCard(plan.reasoner.rates.base)  # at any hour
            name = plan.reasoner.model
            plan = replace(plan, reasoner=WritingModel(model=name, rates=card, write=think))
        if plan.answerer:
            name, rates = plan.answerer.model, plan.answerer.rates
            sonnet = WritingModel(model=name, rates=rates, write=sonnets_answer)
            plan = replace(plan, answerer=sonnet)
        if plan.probing:
            asked = plan.probing.provider
            probe = WritingModel(
                model=asked.model, rates=asked.rates, write=haikus_answer, spent=haiku
            )
            plan = replace(plan, probing=replace(plan.probing, provider=probe))
        return plan

    class ScriptedTurns(ManyTurns):
        def plan(self, request: TurnRequest, turn: str | None = None) -> Plan:
            return as_scripted(super().plan(request, turn))

    source = folder / "questions.jsonl"
    rows = (
        {"id": f"q{n}", "prompt": f"This is question number {n}.", "number": right_answer(n)}
        for n in range(QUESTIONS)
    )
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answers = folder / f"{len(options)}.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deepreasoning_cli.cli.eval.evaluation.ManyTurns", ScriptedTurns)
        patch.setattr("deepreasoning_cli.pipeline.probes.Thread", AtOnce)
        words = ["--quiet", "eval", str(source), "-o", str(answers), "--yes", "--json"]
        told = CliRunner().invoke(app, [*words, "--no-save", "-j", "1", *options])
    assert told.exit_code == 0, told.output
    report: dict[str, Any] = json.loads(told.stdout)
    [_, pair] = report["arms"]
    right, thoughts = {}, 0
    for line in map(json.loads, answers.read_text().splitlines()):
        row = line["id"].partition(" ")[0]
        if " · sonnet + reasoning · " in line["id"]:
            right[row] = line["answer"].endswith(f" {right_answer(int(row[1:]))}")
        thoughts += len(line["reasoning"]) // 4
    assert sum(right.values()) == pair["right"]
    return Judged(right, Decimal(pair["cost_usd"]), thoughts, sum(haiku, Decimal(0)))


def table_row(world: World, whole: Judged, settled: Judged) -> str:
    """A row of the page's table."""
    lost = sum(whole.right[row] and not settled.right[row] for row in whole.right)
    won = sum(settled.right[row] and not whole.right[row] for row in whole.right)
    share = 100 / QUESTIONS
    cells = [
        world.name,
        f"{sum(whole.right.values()) * share:.0f} %",
        f"{sum(settled.right.values()) * share:.0f} %",
        f"{lost}, {won} (p {_p(mcnemar(lost, won))})",
        f"{whole.thoughts // QUESTIONS:,}",
        f"{settled.thoughts // QUESTIONS:,}",
        f"${whole.cost / QUESTIONS:.4f}",
        f"${settled.cost / QUESTIONS:.4f}",
        f"${settled.probes / QUESTIONS:.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


@pytest.fixture
def keys(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that nothing is sent with."""
    for name in ("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-0123456789abcdef")


@pytest.mark.usefixtures("keys")
def test_what_it_saves_and_what_it_costs_in_scripted_worlds(tmp_path: Path) -> None:
    rows = []
    for world in WORLDS:
        whole, settled = judge(world, tmp_path), judge(world, tmp_path, "--stop", "settled")
        (tmp_path / "0.jsonl").unlink()
        (tmp_path / "2.jsonl").unlink()
        rows.append(table_row(world, whole, settled))
        assert settled.thoughts < whole.thoughts
        assert settled.probes > 0
        saved = whole.cost - settled.cost
        if world.spans == (EARLY,):  # what it is for: half of the thoughts, and few answers
            assert settled.thoughts < whole.thoughts * 0.6
            assert saved > settled.probes
            lost = sum(whole.right.values()) - sum(settled.right.values())
            assert lost <= QUESTIONS * 0.05
        if world.spans == (TURNS,):  # what it cannot know: that is what the page warns of
            assert sum(settled.right.values()) < sum(whole.right.values()) * 0.6
    if os.environ.get(LONG):
        print("\n".join(rows))
        return
    before, rule, rest = PAGE.partition(RULE)
    page = "\n".join([before + rule.rstrip(), *rows, "", rest.partition("\n\n")[2]])
    if os.environ.get("WRITE_PAGE"):
        PATH.write_text(page, "utf-8")
    assert page == PATH.read_text("utf-8")
