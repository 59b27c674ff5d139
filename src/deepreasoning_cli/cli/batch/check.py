"""Every row is looked at before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deepreasoning_cli.cli.messages import warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.row_turns import RowTurns
from deepreasoning_cli.library.rows import BadRow, Row, RowError, prompt_digest

MOST_SHOWN: Final = 20  # bad rows


class RowCheck:
    """Looks at every row before anything is paid for."""

    def __init__(self, row_turns: RowTurns, answers: AnswersFile) -> None:
        self._row_turns = row_turns
        self._answers = answers
        self._lines: dict[str, int] = {}
        self._bad_lines: set[int] = set()
        self._shown: list[str] = []
        self.answered = 0

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
                self._row_turns.check(row)
            elif done == prompt_digest(row.prompt):
                self.answered += 1
            else:
                raise RowError(f"has another prompt than the answer of {row.id!r} in the output")
            self._lines[row.key] = row.line
        except RowError as error:
            self._bad_lines.add(row.line)
            if len(self._shown) < MOST_SHOWN:
                self._shown.append(str(BadRow(row.line, str(error))))

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
            raise UsageError("there is no row to ask", kind="empty_prompt", hint="look at IN")

    def left(self, rows: Iterator[Row | BadRow]) -> Iterator[Row]:
        """The rows that are to be asked, in their order."""

        for row in rows:
            if isinstance(row, BadRow) or row.key in self._answers.done:
                continue
            if self._lines.get(row.key) == row.line:
                yield row
