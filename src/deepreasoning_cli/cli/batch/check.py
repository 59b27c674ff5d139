"""Every row is looked at before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deepreasoning_cli.cli.messages import warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.cheap import claude_of
from deepreasoning_cli.library.many import NOTHING, ManyTurns
from deepreasoning_cli.library.question_rows import BadRow, Row, RowError, prompt_digest
from deepreasoning_cli.library.row_turns import RowTurns, settings_key
from deepreasoning_cli.pipeline.money import RateCard, Usage, estimate_tokens, format_usd
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.wire.client.message_batches import SHARE

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
        """Look at one row. Raises UsageError where it was answered for another prompt."""

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
            self.claude = claude_of(plan)
        if plan and key not in self.plans:
            self.plans[key] = RowGroup(plan)
        self.plans[key].count += 1
        self.plans[key].tokens += estimate_tokens(row.prompt)

    def reasoner_rates(self, row: Row) -> RateCard | None:
        """What the row's reasoner costs; None where nobody reasons, or it is unknown."""
        group = self.plans.get(settings_key(row))
        return group.plan.reasoner.rates if group and group.plan.reasoner else None

    def report(self, options: GlobalOptions, *, skip_bad: bool) -> None:
        """Name the bad rows. Raises UsageError unless they are to be skipped, or all are bad."""

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


def quote(group: Mapping[str, RowGroup], turns: ManyTurns) -> str:
    """What the rows will cost by the user's own turns, at list prices and cheaply.

    The list price of a reasoner with peak hours is that of now.
    """
    from deepreasoning_cli.cli.price.estimate import UsageForecast

    with turns.history() as store:
        forecast = UsageForecast.of(store.spending())
    thought, written = forecast.reasoning[TYPICAL], forecast.answer[TYPICAL]
    listed, paid, now = NOTHING, NOTHING, datetime.now(UTC)
    for rows in group.values():
        reasoner, answerer = rows.plan.reasoner, rows.plan.answerer
        read = rows.tokens
        if reasoner and reasoner.rates:
            usage = Usage(rows.tokens, rows.count * thought)
            listed += reasoner.rates.at(now).cost(usage)
            paid += reasoner.rates.base.cost(usage)
            read += rows.count * thought
        if answerer and answerer.rates:
            usage = Usage(read, rows.count * written)
            listed += answerer.rates.base.cost(usage)
            paid += answerer.rates.base.cost(usage) * SHARE
    count = sum(rows.count for rows in group.values())
    return (
        f"{count:,} rows: {format_usd(paid, estimated=True)};"
        f" without --cheap {format_usd(listed, estimated=True)}"
    )
