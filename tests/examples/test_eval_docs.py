"""docs/eval.md: the questions are those that are made, the report is that of such answers."""

from __future__ import annotations

import os
import random
import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Final

from deepreasoning_cli.evaluation.arms import make_arms
from deepreasoning_cli.evaluation.checkers import CheckResult
from deepreasoning_cli.evaluation.made_questions import make_rows
from deepreasoning_cli.evaluation.question_file import CHECKERS, read_row, read_rows
from deepreasoning_cli.evaluation.report import EvaluationReport
from deepreasoning_cli.evaluation.turns import ArmOutcome, QuestionOutcome

PATH: Final = Path(__file__).parents[2] / "docs" / "eval.md"
PAGE: Final = PATH.read_text("utf-8")
ACCURACIES: Final = {"sonnet alone": 0.6, "sonnet + reasoning": 0.85, "reasoner alone": 0.7}
COSTS: Final = {
    "sonnet alone": Decimal("0.0091"),
    "sonnet + reasoning": Decimal("0.0142"),
    "reasoner alone": Decimal("0.0021"),
}
SECONDS: Final = {"sonnet alone": 9.4, "sonnet + reasoning": 48.2, "reasoner alone": 41.0}


def simulated_report() -> list[str]:
    """The report of 60 made questions that the arms get right as often as `ACCURACIES` says."""
    draws = random.Random(11)
    arms = make_arms(["reasoning", "reasoner"], ["sonnet"], [])
    outcomes = [
        QuestionOutcome(
            row=row,
            arms=[
                ArmOutcome(
                    arm=arm,
                    row=row,
                    check=CheckResult(draws.random() < ACCURACIES[arm.name]),
                    cost=COSTS[arm.name],
                    seconds=SECONDS[arm.name],
                )
                for arm in arms
            ],
        )
        for row in read_rows(BytesIO("\n".join(make_rows(60, 7)).encode()), "made")
    ]
    return [line.rstrip() for line in EvaluationReport(arms, outcomes).lines(None)]


def test_the_page_shows_made_questions_and_a_report() -> None:
    blocks = {"json": list(make_rows(3, 7)), "text": simulated_report()}
    page = PAGE
    for kind, lines in blocks.items():
        shown = re.compile(rf"(?<=^```{kind}\n).*?(?=^```)", re.M | re.S)
        text = "\n".join(lines) + "\n"
        page = shown.sub(lambda _, text=text: text, page)  # type: ignore[misc]
    if os.environ.get("WRITE_DOCS"):
        PATH.write_text(page, "utf-8")
    assert page == PATH.read_text("utf-8")


def test_the_page_has_every_checker() -> None:
    rows = re.findall(r'^\| `("(\w+)": .*?)` \|', PAGE, re.M)
    assert {name for _, name in rows} == set(CHECKERS)
    for fields, _ in rows:
        row = read_row(f'{{"prompt": "?", {fields}}}', 1, allow_run=True)
        assert row.prompt == "?"
