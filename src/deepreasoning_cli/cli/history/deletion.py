"""What is to be erased, the question before it, and the deed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from deepreasoning_cli import paths
from deepreasoning_cli.cli.chat.prompt_history import NAME, PromptHistory
from deepreasoning_cli.cli.dates import parse_time
from deepreasoning_cli.cli.history import access
from deepreasoning_cli.cli.history.access import count_turns
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.store import Store


@dataclass(frozen=True, slots=True)
class Deletion:
    """Turns by name, or those before a time (aware), or, with neither, all."""

    names: Sequence[str]
    before: datetime | None

    def erase(self, store: Store, *, sure: bool) -> int:
        """Erase them; return how many. Raises UsageError where nobody can be asked."""
        found = self._found(store)
        empty = not (found or self._everything)
        if not sure and (empty or not _agreed(f"Erase {self._described(list(found))} for good?")):
            return 0
        typed = PromptHistory(paths.data_dir() / NAME)
        if self._everything:
            typed.forget_all()
            return store.delete_all()
        typed.forget(found, self.before)
        if empty:
            return 0
        return store.delete_older(self.before) if self.before else store.delete(found)

    @property
    def _everything(self) -> bool:
        return not self.names and self.before is None

    def _found(self, store: Store) -> dict[str, str]:
        """The ids of the turns, with what was asked."""
        if self.names:
            asked = (access.find_turn(store, name).opened for name in self.names)
            return {each.id: each.prompt for each in asked}
        before = self.before
        rows = (row for row in store.listing() if before is None or row.started < before)
        return {row.id: row.prompt for row in rows}

    def _described(self, ids: Sequence[str]) -> str:
        if self.names:
            return (
                f"{count_turns(len(ids))} ({', '.join(ids)})"
                if len(ids) < 4
                else count_turns(len(ids))
            )
        if self.before is None:
            return f"the whole history, {count_turns(len(ids))},"
        return f"{count_turns(len(ids))} from before {self.before.astimezone():%Y-%m-%d %H:%M}"


def wanted(names: Sequence[str], older_than: str | None, *, everything: bool) -> Deletion:
    """What the call asks for. Raises UsageError unless that is exactly one thing."""
    if [bool(names), older_than is not None, everything].count(True) != 1:
        raise UsageError(
            "what is to be erased?", hint="name turns by their ids, or --older-than 30d, or --all"
        )
    before = parse_time("--older-than", older_than) if older_than is not None else None
    return Deletion(names, before)


def _agreed(question: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "nobody is here to be asked whether it may be erased",
            kind="unconfirmed",
            hint="--yes erases without asking",
        )
    return typer.confirm(question, default=False, err=True)
