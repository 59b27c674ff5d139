"""The page of a report: whole, well-formed, escaped, and it loads nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from deepreasoning_cli.evaluation.arms import ArmKind, EvaluationArm, make_arms
from deepreasoning_cli.evaluation.checkers import CheckResult, ExpectedText
from deepreasoning_cli.evaluation.page import _round_up, report_page
from deepreasoning_cli.evaluation.question_file import EvaluationRow
from deepreasoning_cli.evaluation.report import EvaluationReport
from deepreasoning_cli.evaluation.turns import ArmOutcome, QuestionOutcome

PROMPT = 'Is 1 < 2 & "so"?\n<script>alert(1)</script>\x1b[31m'


def outcomes(
    arms: list[EvaluationArm], count: int, cost: Decimal | None = Decimal("0.0012")
) -> list[QuestionOutcome]:
    made = []
    for number in range(count):
        row = EvaluationRow(
            id=f"q{number}", line=number, prompt=PROMPT, system=None, checker=ExpectedText("a")
        )
        answers = [
            ArmOutcome(
                arm=arm,
                row=row,
                check=CheckResult(None if number == 0 else number % (place + 2) == 0, "odd"),
                cost=None if cost is None else cost * (place + 1),
                seconds=1.5,
            )
            for place, arm in enumerate(arms)
        ]
        made.append(QuestionOutcome(row=row, arms=answers))
    return made


ARMS = make_arms(["reasoner", "reasoning"], ["<sonnet>"], [])


def parsed(page: str) -> ET.Element:
    """The body as XML, which is stricter than any browser."""
    body = re.search(r"<body>.*</body>", page, re.DOTALL)
    assert body
    return ET.fromstring(body[0])


def test_the_page_is_well_formed_and_escaped() -> None:
    page = report_page(EvaluationReport(ARMS, outcomes(ARMS, 12)))
    body = parsed(page)
    assert "<script" not in page
    assert "\x1b" not in page
    assert 'Is 1 < 2 & "so"?' in "".join(body.itertext())
    assert len(body.findall(".//circle")) == 2 * len(ARMS)
    assert len(body.findall("svg")) == 2


def test_the_page_loads_nothing() -> None:
    page = report_page(EvaluationReport(ARMS, outcomes(ARMS, 3)))
    assert not re.search(
        r"(src|href|url\(|@import|https?:)", re.sub("(default|style)-src", "", page)
    )
    assert "default-src 'none'" in page


def test_dots_are_where_the_figures_are() -> None:
    report = EvaluationReport(ARMS, outcomes(ARMS, 13))
    dots = parsed(report_page(report)).findall(".//circle")
    assert [float(dot.attrib["cx"]) for dot in dots[: len(ARMS)]] == pytest.approx(
        [220 + arm.result.accuracy * 500 for arm in report.arms], abs=0.1
    )


def test_without_rates_there_is_no_plot_of_money() -> None:
    page = report_page(EvaluationReport(ARMS, outcomes(ARMS, 3, None)))
    assert "No rate is known" in page
    assert len(parsed(page).findall("svg")) == 1


@pytest.mark.parametrize(
    ("cost", "expected"),
    [("0", "1"), ("0.0012", "0.002"), ("0.002", "0.002"), ("0.0051", "0.01"), ("3", "5")],
)
def test_an_axis_ends_at_a_round_figure(cost: str, expected: str) -> None:
    assert _round_up(Decimal(cost)) == Decimal(expected)


def test_a_report_names_what_is_missing_and_unchecked() -> None:
    made = outcomes(ARMS, 8)
    made[1].arms[0] = ArmOutcome(
        arm=ARMS[0], row=made[1].row, check=CheckResult(None, "no network"), failure="no network"
    )
    report = EvaluationReport(ARMS, made)
    assert report.notes() == [
        "p is corrected for 2 comparisons (Holm)",
        "1 answer is missing; run it again to go on",
        *(f"q0, {arm.name}: not checked: odd" for arm in ARMS),
    ]
    assert [arm.result.asked for arm in report.arms] == [6, 7, 7]
    assert report.as_json()["failed"] == [
        {"id": "q1", "arm": "<sonnet> alone", "why": "no network"}
    ]


def test_arms_are_every_kind_with_every_model_and_effort() -> None:
    arms = make_arms(["alone", "both", "reasoner"], ["opus", "haiku"], ["low", "high"])
    assert [arm.name for arm in arms] == [
        "opus (low) alone", "opus (low) + both", "opus (high) alone", "opus (high) + both",
        "haiku (low) alone", "haiku (low) + both", "haiku (high) alone", "haiku (high) + both",
        "reasoner alone",
    ]  # fmt: skip
    assert [arm.needs_draft for arm in arms[:2]] == [False, True]
    assert EvaluationArm(kind=ArmKind.REASONER) == arms[-1]
