"""`history delete`: select turns, ask for confirmation, erase them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from deepreasoning_cli import paths
from deepreasoning_cli.cli.chat.prompt_history import FILE_NAME, PromptHistory
from deepreasoning_cli.cli.dates import parse_time
from deepreasoning_cli.cli.history.access import count_turns, require_session
from deepreasoning_cli.cli.history.display import format_when
from deepreasoning_cli.cli.messages import ask_to_confirm
from deepreasoning_cli.connect import FILE_NAME as LAST_ORIGIN
from deepreasoning_cli.connect import LastOrigin
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.queries import TurnSummary
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.attachments import summarize_prompt
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.terminal import terminal_size, truncate

SHOWN = 10  # turns that are shown before they are erased


@dataclass(frozen=True, slots=True)
class Deletion:
    """Turns by name, those of a session, those before a time (aware), or, with none of it, all."""

    names: Sequence[str]
    before: datetime | None
    session: str | None = None

    def erase(self, store: Store, *, confirmed: bool) -> int:
        """Erase them; return how many. Raises UsageError where nobody can be asked."""
        rows = self._rows(store)
        prompts = {row.id: row.prompt for row in rows}
        everything = not self.names and self.before is None and self.session is None
        empty = not (prompts or everything)
        if not confirmed and (empty or not _confirm(self._question(rows), rows)):
            return 0
        history = PromptHistory(paths.data_dir() / FILE_NAME)
        if everything:
            history.forget_all()
            LastOrigin(paths.data_dir() / LAST_ORIGIN, connects=False).remember(None)
            return store.delete_all()
        history.forget(prompts, self.before)
        if empty:
            return 0
        return store.delete_older(self.before) if self.before else store.delete(prompts)

    def _rows(self, store: Store) -> Sequence[TurnSummary]:
        """The turns to erase."""
        if self.names:
            found = {row.id: row for row in map(store.summary, self.names)}
            return list(found.values())
        if self.session is not None:
            require_session(store, self.session)
        return [
            row
            for row in store.listing(session=self.session)
            if self.before is None or row.started < self.before
        ]

    def _question(self, rows: Sequence[TurnSummary]) -> str:
        count = count_turns(len(rows))
        if self.session is not None:
            count = f"session {single_line(self.session)}, {count},"
        elif self.before is not None:
            count = f"{count} from before {self.before.astimezone():%Y-%m-%d %H:%M}"
        elif not self.names:
            count = f"the whole history, {count},"
        return f"Delete {count} for good?"


def select(
    names: Sequence[str], older_than: str | None, session: str | None, *, everything: bool
) -> Deletion:
    """The turns that the options name. Raises UsageError unless exactly one option is used."""
    given = [bool(names), older_than is not None, session is not None, everything]
    if given.count(True) != 1:
        hint = "by number or id, or use --session NAME, --older-than 30d or --all"
        raise UsageError("name the turns to delete", hint=hint)
    before = None if older_than is None else parse_time("--older-than", older_than)
    return Deletion(names, before, session)


def _confirm(question: str, rows: Sequence[TurnSummary]) -> bool:
    """Show the turns and ask. Raises UsageError where nobody can be asked."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "refusing to delete without confirmation",
            kind="unconfirmed",
            hint="add --yes to delete without asking",
        )
    for row in rows[:SHOWN]:
        line = f"{format_when(row.started)}  {single_line(summarize_prompt(row.prompt))}"
        typer.echo(truncate(f"  {line}", terminal_size()[0] - 1), err=True)
    if len(rows) > SHOWN:
        typer.echo(f"  … and {len(rows) - SHOWN:,} more", err=True)
    return ask_to_confirm(question)
