"""`price --spent`: what was spent, as a table with bars, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.history.queries import GROUPINGS, CostSum, StageCost, group_costs, sum_costs
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.views.terminal import cell_width

LONGEST_BAR = 40
SHORTEST_BAR = 8
FIELDS = ("turns", "stages", "input_tokens", "output_tokens", "cost_usd", "unknown", "estimated")
EIGHTHS = " ▏▎▍▌▋▊▉█"


def read_spending(
    given: Globals, loaded: LoadedSettings, since: datetime | None = None
) -> list[StageCost] | None:
    """What was paid for since then (aware; None: ever); None where nothing was ever kept.

    Turns that dead processes left behind count too, where the settings keep a history. Raises
    as the store does.
    """
    archive = HistoryAccess(paths.data_dir(), partial(message, given))
    return archive.spending(since, recovers=loaded.settings.history)


@dataclass(frozen=True, slots=True)
class SpendingReport:
    """What was spent `since` then (aware; None: ever), grouped `by` day, model, stage, session."""

    rows: Sequence[StageCost]
    since: datetime | None
    by: str

    @property
    def total(self) -> CostSum:
        """All of it."""
        return sum_costs(self.rows)

    def groups(self) -> list[tuple[str, CostSum]]:
        """Days in their order, everything else the dearest first."""
        found = group_costs(self.rows, GROUPINGS[self.by]).items()
        if self.by == "day":
            return sorted(found)
        return sorted(found, key=lambda group: -(group[1].cost or Decimal(0)))


def text(report: SpendingReport, width: int | None, *, unicode: bool) -> str:
    """The table, a bar to each group where there is room, and the sum."""
    since = f" since {report.since.astimezone():%Y-%m-%d %H:%M}" if report.since else ""
    if not report.rows:
        return f"Nothing was spent{since}."
    groups = report.groups()
    rows = [[name, *_cells(each)] for name, each in groups]
    rows.append(["total", *_cells(report.total)])
    lines = list(table(_columns(report.by), rows, width).lines)
    charted = [*lines[:1], *_with_bars(lines[1:-1], groups, width, unicode), lines[-1]]
    return "\n".join([f"Spent{since}, USD", "", *charted, *_notes(report.total)])


def _columns(by: str) -> tuple[Column, ...]:
    return (
        Column(by, min_width=10),
        Column("turns", right=True, drop_order=1),
        Column("tokens in", right=True, drop_order=3),
        Column("tokens out", right=True, drop_order=2),
        Column("cost", right=True),
    )


def _cells(each: CostSum) -> list[str]:
    cost = format_usd(each.cost, estimated=each.estimated)
    if each.unknown and each.cost is not None:
        cost += " + unknown"
    return [f"{each.turns:,}", f"{each.input_tokens:,}", f"{each.output_tokens:,}", cost]


def _with_bars(
    lines: Sequence[str], groups: Sequence[tuple[str, CostSum]], width: int | None, unicode: bool
) -> Iterator[str]:
    """Each line with its bar behind it; without, where the terminal is too narrow."""
    taken = max(map(cell_width, lines)) + 2
    room = LONGEST_BAR if width is None else min(LONGEST_BAR, width - taken)
    largest = max(each.cost or Decimal(0) for _, each in groups)
    for line, (_, each) in zip(lines, groups, strict=True):
        drawn = bar(each.cost or Decimal(0), largest, room, unicode=unicode)
        padding = " " * (taken - cell_width(line))
        yield f"{line}{padding}{drawn}".rstrip() if room >= SHORTEST_BAR else line


def _notes(total: CostSum) -> Iterator[str]:
    if total.unknown:
        stages = "1 stage" if total.unknown == 1 else f"{total.unknown:,} stages"
        yield ""
        yield f"The cost of {stages} is unknown and not in the sum."


def as_json(report: SpendingReport) -> dict[str, object]:
    """One object; money as decimal strings, None where nothing of a group has a known cost."""
    return {
        "since": report.since.isoformat() if report.since else None,
        "by": report.by,
        "groups": [{report.by: name, **_fields(each)} for name, each in report.groups()],
        **_fields(report.total),
    }


def as_csv(report: SpendingReport) -> str:
    """A heading and a line for each group; an unknown cost is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([report.by, *FIELDS])
    for name, each in report.groups():
        writer.writerow([single_line(name, 1000), *_fields(each).values()])
    return out.getvalue().rstrip("\n")


def _fields(each: CostSum) -> dict[str, object]:
    values = (
        each.turns,
        each.stages,
        each.input_tokens,
        each.output_tokens,
        decimal_usd(each.cost),
        each.unknown,
        each.estimated,
    )
    return dict(zip(FIELDS, values, strict=True))


def bar(value: Decimal, largest: Decimal, width: int, *, unicode: bool) -> str:
    """A bar for `value` in at most `width` cells, which `largest` fills.

    Eighths of a cell where the terminal has them, else whole `#`. What is above 0 is always seen.
    """
    if value <= 0 or largest <= 0 or width < 1:
        return ""
    if not unicode:
        return "#" * max(1, int(value * width / largest))
    eighths = max(1, int(value * width * 8 / largest))
    whole, rest = divmod(eighths, 8)
    return EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")
