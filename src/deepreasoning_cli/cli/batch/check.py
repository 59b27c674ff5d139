"""Every row is looked at before anything is paid for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Self

import typer

from deepreasoning_cli.cli.messages import message, warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.cheap import claude_of
from deepreasoning_cli.library.many import NOTHING, ManyTurns
from deepreasoning_cli.library.question_rows import BadRow, Row, RowError, prompt_digest
from deepreasoning_cli.library.row_turns import RowTurns, settings_key
from deepreasoning_cli.pipeline.money import (
    RateCard,
    Usage,
    decimal_usd,
    estimate_tokens,
    format_usd,
)
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.sanitize import dump_json, sanitize
from deepreasoning_cli.views.notes import UNCALLED
from deepreasoning_cli.wire.client.message_batches import SHARE

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost

MOST_SHOWN: Final = 20  # bad rows
TYPICAL: Final = 1  # of the low, the typical and the high case of a forecast


@dataclass(slots=True)
class RowGroup:
    """Rows with the same settings: the plan of the first, how many, and the tokens of all."""

    plan: Plan
    count: int = 0
    tokens: int = 0


class RowCheck:
    """Looks at every row before anything is paid for."""

    def __init__(self, row_turns: RowTurns, answers: AnswersFile, *, batched: bool) -> None:
        self._row_turns = row_turns
        self._answers = answers
        self._lines: dict[str, int] = {}
        self._bad_lines: set[int] = set()
        self._shown: list[str] = []
        self._refused: dict[str, str] = {}  # by the settings that cannot be batched: why
        self._warnings: dict[str, None] = {}
        self._batched = batched
        self.answered = 0
        self.over: set[str] = set()
        self.claude: ClaudeProvider | None = None
        """Who answers, where batches are sent."""
        self.plans: dict[str, RowGroup] = {}

    @property
    def count(self) -> int:
        """The rows that can be asked."""
        return len(self._lines)

    def add(self, row: Row | BadRow) -> None:
        """Look at one row."""
        try:
            if isinstance(row, BadRow):
                raise RowError(row.why)
            if row.key in self._lines:
                raise RowError(f"has the id {row.id!r}, as line {self._lines[row.key]} has")
            done = self._answers.done.get(row.key)
            if done is None:
                self._check(row)
            elif done == prompt_digest(row.prompt):
                self.answered += 1
            else:
                raise RowError(f"has another prompt than the answer of {row.id!r} in the output")
            self._lines[row.key] = row.line
        except RowError as error:
            self._bad_lines.add(row.line)
            if len(self._shown) < MOST_SHOWN:
                self._shown.append(str(BadRow(row.line, str(error))))

    def _check(self, row: Row) -> None:
        plan = self._row_turns.check(row)
        key = settings_key(row)
        if plan and self._batched:
            try:
                self.claude = claude_of(plan)
            except RowError as error:
                self._refused[key] = str(error)
        if key in self._refused:
            raise RowError(self._refused[key])
        if plan and key not in self.plans:
            self.plans[key] = RowGroup(plan)
            self._warnings |= dict.fromkeys(plan.warnings)
        self.plans[key].count += 1
        self.plans[key].tokens += estimate_tokens(row.prompt)

    def reasoner_rates(self, row: Row) -> RateCard | None:
        """What the row's reasoner costs; None where nobody reasons, or it is unknown."""
        group = self.plans.get(settings_key(row))
        return group.plan.reasoner.rates if group and group.plan.reasoner else None

    def report(self, options: GlobalOptions, *, skip_bad: bool) -> None:
        """Name the bad rows, and what else there is to warn of.

        Raises UsageError unless bad rows are to be skipped, or where all are bad.
        """
        bad = len(self._bad_lines)
        shown = [*self._shown]
        if bad > len(shown):
            shown.append(f"and {bad - len(shown):,} more")
        if bad and not skip_bad:
            raise UsageError(
                f"{bad:,} of {bad + self.count:,} rows cannot be asked; nothing was sent",
                kind="bad_rows",
                hint=(*shown, "--skip-bad leaves them out"),
            )
        for text in shown:
            warn(options, f"left out: {text}")
        for text in self._warnings:
            warn(options, text)
        backends = dict.fromkeys(group.plan.backend for group in self.plans.values())
        for backend in backends.keys() & UNCALLED.keys():
            message(replace(options, quiet=False), "", UNCALLED[backend])
        if not self.count:
            raise UsageError(
                "there is no row to ask",
                kind="empty_prompt",
                hint="check that the file is the right one",
            )

    def left(self, rows: Iterator[Row | BadRow]) -> Iterator[Row]:
        """The rows that are to be asked, in their order."""
        for row in rows:
            if isinstance(row, BadRow) or row.key in self._answers.done or row.key in self.over:
                continue
            if self._lines.get(row.key) == row.line:
                yield row


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsEstimate:
    """What `rows` will cost in USD by the user's own turns: at list prices, and with `--cheap`.

    The list price of a reasoner with peak hours is that of now. `unknown` are models whose rates
    nobody knows: both sums are without them.
    """

    rows: int
    listed: Decimal
    cheap: Decimal
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, groups: Collection[RowGroup], turns: ManyTurns) -> Self:
        """The estimate for rows in groups of the same settings."""
        from deepreasoning_cli.cli.price.estimate import UsageForecast

        past: Sequence[StageCost] = ()
        if turns.has_history():
            with turns.history() as store:
                past = store.spending()
        forecast = UsageForecast.of(past)
        thought, written = forecast.reasoning[TYPICAL], forecast.answer[TYPICAL]
        listed, cheap, now = NOTHING, NOTHING, datetime.now(UTC)
        unknown: dict[str, None] = {}
        for group in groups:
            reasoner, answerer = group.plan.reasoner, group.plan.answerer
            read = group.tokens
            if reasoner:
                usage = Usage(read, group.count * thought)
                read += group.count * thought
                if reasoner.rates:
                    listed += reasoner.rates.at(now).cost(usage)
                    cheap += reasoner.rates.base.cost(usage)
                else:
                    unknown[reasoner.model] = None
            if answerer and answerer.rates:
                cost = answerer.rates.base.cost(Usage(read, group.count * written))
                listed, cheap = listed + cost, cheap + cost * SHARE
            elif answerer:
                unknown[answerer.model] = None
        rows = sum(group.count for group in groups)
        return cls(rows=rows, listed=listed, cheap=cheap, unknown=tuple(unknown))

    def words(self, *, cheaply: bool) -> str:
        """`3 rows: ≈$0.0345; without --cheap ≈$0.0571`."""
        words = f"{self.rows:,} rows: {format_usd(self.listed, estimated=True)}"
        if cheaply:
            paid = format_usd(self.cheap, estimated=True)
            listed = format_usd(self.listed, estimated=True)
            words = f"{self.rows:,} rows: {paid}; without --cheap {listed}"
        if self.unknown:
            words += f"; without {' and '.join(self.unknown)}, whose cost is unknown"
        return words


def show_dry_run(
    checked: RowCheck, estimate: RowsEstimate, *, cheaply: bool, as_json: bool
) -> None:
    """Print what the first row that is left would send, and what all of them may cost."""
    from deepreasoning_cli.cli.dry_run import plan_object, show_plan

    plans = [group.plan for group in checked.plans.values()]
    if as_json:
        usd = None if estimate.unknown else estimate.cheap if cheaply else estimate.listed
        counts = {"rows": checked.count, "answered": checked.answered, "left": estimate.rows}
        first = plan_object(plans[0]) if plans else None
        typer.echo(dump_json({**counts, "estimate_usd": decimal_usd(usd), "first": first}))
        return
    if plans:
        show_plan(plans[0], as_json=False)
    typer.echo(sanitize(estimate.words(cheaply=cheaply)))
