"""What is to be erased, the question before it, and the deed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import typer

from deepreasoning_cli.cli.history import finding, periods
from deepreasoning_cli.cli.history.opening import counted
from deepreasoning_cli.errors import UsageError, WriteError
from deepreasoning_cli.history.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """Turns by name, or those before a time (aware), or, with neither, all."""

    names: Sequence[str]
    before: datetime | None

    def erase(self, store: Store, *, sure: bool) -> int:
        """Erase them; return how many. Raises UsageError where nobody can be asked."""
        ids = self._ids(store)
        everything = not self.names and self.before is None
        if not ids and not everything:
            return 0
        if not sure and not _agreed(f"Erase {self._described(ids)} for good?"):
            return 0
        if everything:
            _forget_what_was_typed()
            return store.delete_all()
        return store.delete_older(self.before) if self.before else store.delete(ids)

    def _ids(self, store: Store) -> list[str]:
        if self.names:
            return list(dict.fromkeys(finding.turn(store, name).opened.id for name in self.names))
        before = self.before
        return [row.id for row in store.listing() if before is None or row.started < before]

    def _described(self, ids: Sequence[str]) -> str:
        if self.names:
            return f"{counted(len(ids))} ({', '.join(ids)})" if len(ids) < 4 else counted(len(ids))
        if self.before is None:
            return f"the whole history, {counted(len(ids))},"
        return f"{counted(len(ids))} from before {self.before.astimezone():%Y-%m-%d %H:%M}"


def wanted(names: Sequence[str], older_than: str | None, *, everything: bool) -> Wanted:
    """What the call asks for. Raises UsageError unless that is exactly one thing."""
    if [bool(names), older_than is not None, everything].count(True) != 1:
        raise UsageError(
            "what is to be erased?", hint="name turns by their ids, or --older-than 30d, or --all"
        )
    before = periods.moment("--older-than", older_than) if older_than is not None else None
    return Wanted(names, before)


def _forget_what_was_typed() -> None:
    """The chat's line editor keeps the questions too."""
    from deepreasoning_cli import paths
    from deepreasoning_cli.cli.chat.run import PROMPTS

    try:
        (paths.data_dir() / PROMPTS).unlink(missing_ok=True)
    except OSError as exc:
        raise WriteError(f"cannot erase what was typed in chats: {exc.strerror}") from exc


def _agreed(question: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "nobody is here to be asked whether it may be erased",
            kind="unconfirmed",
            hint="--yes erases without asking",
        )
    return typer.confirm(question, default=False, err=True)
