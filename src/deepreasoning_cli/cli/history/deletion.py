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
from deepreasoning_cli.cli.history.access import count_turns, find_turn
from deepreasoning_cli.connect import FILE_NAME as LAST_ORIGIN
from deepreasoning_cli.connect import LastOrigin
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.store import Store


@dataclass(frozen=True, slots=True)
class Deletion:
    """Turns by name, or those before a time (aware), or, with neither, all."""

    names: Sequence[str]
    before: datetime | None

    def erase(self, store: Store, *, confirmed: bool) -> int:
        """Erase them; return how many. Raises UsageError where nobody can be asked."""
        prompts = self._prompts(store)
        everything = not self.names and self.before is None
        empty = not (prompts or everything)
        if not confirmed and (
            empty or not _confirm(f"Erase {self._description(list(prompts))} for good?")
        ):
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

    def _prompts(self, store: Store) -> dict[str, str]:
        """The prompts of the turns, by id."""
        if self.names:
            turns = (find_turn(store, name).start for name in self.names)
            return {turn.id: turn.prompt for turn in turns}
        return {
            row.id: row.prompt
            for row in store.listing()
            if self.before is None or row.started < self.before
        }

    def _description(self, ids: Sequence[str]) -> str:
        count = count_turns(len(ids))
        if self.names:
            return f"{count} ({', '.join(ids)})" if len(ids) < 4 else count
        if self.before is None:
            return f"the whole history, {count},"
        return f"{count} from before {self.before.astimezone():%Y-%m-%d %H:%M}"


def select(names: Sequence[str], older_than: str | None, *, everything: bool) -> Deletion:
    """The turns that the options name. Raises UsageError unless exactly one option is used."""
    if [bool(names), older_than is not None, everything].count(True) != 1:
        raise UsageError(
            "what is to be erased?", hint="name turns by their ids, or --older-than 30d, or --all"
        )
    return Deletion(names, None if older_than is None else parse_time("--older-than", older_than))


def _confirm(question: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "nobody is here to be asked whether it may be erased",
            kind="unconfirmed",
            hint="--yes erases without asking",
        )
    return typer.confirm(question, default=False, err=True)
