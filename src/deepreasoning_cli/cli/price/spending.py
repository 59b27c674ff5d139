"""`price --spent`: what was spent, as a table with bars, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.history.queries import GROUPINGS, CostSum, StageCost, group_costs, sum_costs
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.views.terminal import BOLD, UNDERLINED, cell_width, styled

LONGEST_BAR = 40
SHORTEST_BAR = 8
COLUMNS = (
    Column("turns", right=True, drop_order=1),
    Column("tokens in", right=True, drop_order=3),
    Column("tokens out", right=True, drop_order=2),
    Column("thinking", right=True, drop_order=4),
    Column("cost", right=True),
)
FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
EIGHTHS = " ▏▎▍▌▋▊▉█"


def read_spending(
    options: GlobalOptions, loaded: LoadedSettings, since: datetime | None = None
) -> list[StageCost] | None:
    """What was paid for since then (aware; None: ever); None where there is no history.

    Turns that dead processes left behind count too, where the settings keep a history. Raises
    as the store does.
    """
    history = HistoryAccess(paths.data_dir(), partial(message, options))
    return history.spending(since, recover_orphaned=loaded.settings.history)


@dataclass(frozen=True, slots=True)
class SpendingReport:
    """What was spent `since` then (aware; None: ever), grouped `by` day, model, stage, session."""

    rows: Sequence[StageCost]
    since: datetime | None
    by: str

    def groups(self) -> list[tuple[str, CostSum]]:
        """Days in their order, everything else the dearest first."""
        groups = group_costs(self.rows, GROUPINGS[self.by]).items()
        if self.by == "day":
            return sorted(groups)
        return sorted(groups, key=lambda group: -(group[1].cost or Decimal(0)))

    def as_text(self, width: int | None, *, color: bool) -> str:
        """The table, a bar to each group where there is room, and the sum."""
        since = f" since {self.since.astimezone():%Y-%m-%d %H:%M}" if self.since else ""
        if not self.rows:
            return f"Nothing was spent{since}."
        groups, total = self.groups(), sum_costs(self.rows)
        rows = [[name, *_cells(each)] for name, each in [*groups, ("total", total)]]
        heading, *lines, last = table((Column(self.by, min_width=10), *COLUMNS), rows, width).lines
        if color:
            heading, last = styled(heading, UNDERLINED), styled(last, BOLD)
        charted = _with_bars(lines, [each.cost or Decimal(0) for _, each in groups], width)
        notes = []
        if total.unknown:
            stages = "1 stage" if total.unknown == 1 else f"{total.unknown:,} stages"
            notes = ["", f"The cost of {stages} is unknown and not in the sum."]
        return "\n".join([f"Spent{since}, USD", "", heading, *charted, last, *notes])

    def as_json(self) -> dict[str, object]:
        """One object; money as decimal strings, None where nothing of a group has a known cost."""
        return {
            "since": self.since and self.since.isoformat(),
            "by": self.by,
            "groups": [{self.by: name, **_fields(each)} for name, each in self.groups()],
            **_fields(sum_costs(self.rows)),
        }


class SpendingCsv(SpendingReport):
    """The same as CSV."""

    def as_text(self, width: int | None, *, color: bool) -> str:
        """A heading and a line for each group, however wide; an unknown cost is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([self.by, *_fields(CostSum())])
        for name, each in self.groups():
            writer.writerow([_as_text(single_line(name, 1000)), *_fields(each).values()])
        return out.getvalue().rstrip("\n")


def _as_text(cell: str) -> str:
    """A name that a spreadsheet takes for no formula, also in East Asian widths.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _cells(each: CostSum) -> list[str]:
    cost = format_usd(each.cost, estimated=each.estimated)
    if each.unknown and each.cost is not None:
        cost += " + unknown"
    counts = (each.turns, each.input_tokens, each.output_tokens, each.thinking_tokens)
    return [*(f"{count:,}" for count in counts), cost]


def _fields(each: CostSum) -> dict[str, object]:
    return {
        "turns": each.turns,
        "stages": each.stages,
        "input_tokens": each.input_tokens,
        "output_tokens": each.output_tokens,
        "cost_usd": decimal_usd(each.cost),
        "unknown": each.unknown,
        "estimated": each.estimated,
        "thinking_tokens": each.thinking_tokens,
    }


def _with_bars(lines: Sequence[str], costs: Sequence[Decimal], width: int | None) -> Iterator[str]:
    """Each line with its bar behind it; without, where the terminal is too narrow."""
    indent = max(map(cell_width, lines)) + 2
    room = LONGEST_BAR if width is None else min(LONGEST_BAR, width - indent)
    unicode = terminal.is_unicode(sys.stdout)
    for line, cost in zip(lines, costs, strict=True):
        padding = " " * (indent - cell_width(line))
        drawn = bar(cost, max(costs), room, unicode=unicode)
        yield f"{line}{padding}{drawn}".rstrip() if room >= SHORTEST_BAR else line


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
