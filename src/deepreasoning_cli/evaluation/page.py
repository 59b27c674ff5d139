"""The report as one page of HTML: plots are SVG in it, nothing is loaded, no script runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final

from deepreasoning_cli.evaluation.report import COLUMNS, ArmReport, EvaluationReport
from deepreasoning_cli.pipeline.money import format_usd
from deepreasoning_cli.sanitize import single_line

LONGEST: Final = 300  # characters of a prompt
WIDTH: Final = 760
LEFT: Final = 220  # where plots begin, right of the names
RIGHT: Final = 40
ROW: Final = 30
HEIGHT: Final = 320  # of the plot of money
STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1d1f23; --soft: #6a7078; --line: #d8dce1;
  --mark: #2b6cb0; --front: #c05621; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa2ab; --line: #3a4048;
  --mark: #63a4e8; --front: #f0965a; --paper: #16181b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
td:not(:last-child) { white-space: nowrap; } .questions td:last-child { min-width: 20rem; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
.verdict { font-size: 1.1rem; } .no { color: var(--soft); }
"""


def report_page(report: EvaluationReport) -> str:
    """The page. All text from files and models in it is escaped, and on one line."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Evaluation of {report.questions} questions</title>",
        f"<style>\n{STYLE}</style></head><body>",
        f"<h1>Evaluation of {report.questions} questions</h1>",
        f'<p class="verdict">{_text(report.verdict)}.</p>',
        *(f"<p>{_text(note)}.</p>" for note in report.notes()),
        *_table([column.title for column in COLUMNS], [arm.cells() for arm in report.arms]),
        "<h2>Right answers, with 95 % intervals</h2>",
        *interval_plot(report.arms),
        "<h2>Right answers and dollars a question</h2>",
        *money_plot(report.arms),
        "<h2>Questions</h2>",
        *_questions(report),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def interval_plot(arms: Sequence[ArmReport]) -> Iterator[str]:
    """A row for each arm: its accuracy as a dot, its interval as a line."""
    height = ROW * (len(arms) + 1)
    yield _opening(height, "accuracy of each arm with its interval")
    for percent in range(0, 101, 25):
        x = _across(percent / 100)
        yield _line(x, 0, x, height - ROW, "var(--line)", 1)
        yield _label(x, height - 10, f"{percent} %", "middle", soft=True)
    for place, arm in enumerate(arms):
        y = ROW * place + ROW / 2
        low, high = arm.result.interval
        colour = "var(--front)" if arm.is_on_front else "var(--mark)"
        yield _label(LEFT - 12, y + 4, f"{arm.arm.name} · {place + 1}", "end")
        yield _line(_across(low), y, _across(high), y, colour, 2)
        yield _dot(_across(arm.result.accuracy), y, colour, arm)
    yield "</svg>"


def money_plot(arms: Sequence[ArmReport]) -> Iterator[str]:
    """Accuracy over dollars a question; a line joins the arms that no other beats.

    The arms have the numbers that they have in the plot of intervals: names would overlap.
    """
    known = [
        (number, arm, cost)
        for number, arm in enumerate(arms, 1)
        if (cost := arm.result.cost_per_question) is not None
    ]
    if not known:
        yield "<p>No rate is known, so that nobody can say what an arm costs.</p>"
        return
    highest = _round_up(max(cost for _, _, cost in known))
    lowest = min(3, floor(4 * min(arm.result.accuracy for _, arm, _ in known))) / 4
    bottom, left = HEIGHT - 40, 70

    def up(share: float) -> float:
        return bottom - (share - lowest) / (1 - lowest) * (bottom - 20)

    def across(part: float) -> float:
        return left + part * (WIDTH - RIGHT - left)

    yield _opening(HEIGHT, "accuracy over dollars a question")
    parts = 5 if lowest >= 0.5 else round(4 * (1 - lowest))  # of ten or five percent; of a quarter
    for share in (lowest + part * (1 - lowest) / parts for part in range(parts + 1)):
        yield _line(left, up(share), WIDTH - RIGHT, up(share), "var(--line)", 1)
        yield _label(left - 12, up(share) + 4, f"{100 * share:g} %", "end", soft=True)
    for part in range(5):
        dollars = format_usd(highest * part / 4)
        yield _label(across(part / 4), HEIGHT - 14, dollars, "middle", soft=True)
    points = [
        (number, arm, across(float(cost / highest)), up(arm.result.accuracy))
        for number, arm, cost in known
    ]
    front = sorted((x, y) for _, arm, x, y in points if arm.is_on_front)
    for (x, y), (next_x, next_y) in pairwise(front):
        yield _line(x, y, next_x, next_y, "var(--front)", 1.5)
    for number, arm, x, y in points:
        yield _dot(x, y, "var(--front)" if arm.is_on_front else "var(--mark)", arm)
        yield _label(x, y - 10, str(number), "middle")
    yield "</svg>"


def _questions(report: EvaluationReport) -> Iterator[str]:
    """Which arm got which question right."""
    rows = []
    for outcome in report.outcomes:
        marks = [
            "?" if one.check.right is None else "✓" if one.check.right else "✗"
            for one in outcome.arms
        ]
        rows.append([outcome.row.id, *marks, single_line(outcome.row.prompt, LONGEST)])
    titles = ["id", *(arm.arm.name for arm in report.arms), "question"]
    return _table(titles, rows, name="questions")


def _table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, name: str = "arms"
) -> Iterator[str]:
    yield f'<div class="scroll"><table class="{name}"><tr>'
    yield "".join(f"<th>{_text(title)}</th>" for title in titles) + "</tr>"
    for row in rows:
        cells = (
            f'<td class="no">{cell}</td>' if cell == "✗" else f"<td>{_text(cell)}</td>"
            for cell in row
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table></div>"


def _text(text: str) -> str:
    return escape(single_line(text, 1_000))


def _across(share: float) -> float:
    """How far from the left a share of the whole width is."""
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _round_up(cost: Decimal) -> Decimal:
    """One, two or five times a power of ten that is no less; 1 for nothing."""
    if not cost:
        return Decimal(1)
    power = Decimal(10) ** floor(log10(cost))
    return power * next(step for step in (1, 2, 5, 10) if step >= ceil(cost / power * 10) / 10)


def _opening(height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float) -> str:
    ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _dot(x: float, y: float, colour: str, arm: ArmReport) -> str:
    told = f"{arm.arm.name}: {' · '.join(filter(None, arm.cells()[1:3]))}"
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"'
    return f"<circle {place}><title>{_text(told)}</title></circle>"


def _label(x: float, y: float, text: str, anchor: str, *, soft: bool = False) -> str:
    style = ' class="soft"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{_text(text)}</text>'
