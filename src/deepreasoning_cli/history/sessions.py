"""Conversations: their turns in order, and who may continue one."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, Self

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.files import make_private_folder
from deepreasoning_cli.history.decoder import decode
from deepreasoning_cli.history.journal_format import Warn
from deepreasoning_cli.history.locks import close_and_remove, try_lock_path
from deepreasoning_cli.history.mapping import LARGEST
from deepreasoning_cli.history.queries import readable
from deepreasoning_cli.pipeline.attachments import summarize_prompt

FOLDER: Final = "sessions"
LONGEST_PROMPT: Final = 300  # characters in a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A conversation: how many turns it has, and when its last one began (aware).

    `first_prompt` is the beginning of its own first question, and the names of what was attached.
    """

    name: str
    turns: int
    last: datetime
    forked_from: str | None
    first_prompt: str = ""


class Claim:
    """A session that this process alone continues, until the claim is left.

    `forked_from` names the session that was asked for, where another process had it.
    """

    def __init__(
        self, name: str, forked_from: str | None, release: Callable[[], None] | None
    ) -> None:
        self.name = name
        self.forked_from = forked_from
        self._release = release

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._release:
            with suppress(OSError):
                self._release()


def lock_session(folder: Path, session: str) -> Callable[[], None] | None:
    """Lock the session; what releases it, or None where another process has it. Raises OSError.

    The name of the lock file tells nothing of the session's.
    """
    path = folder / FOLDER / hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()
    make_private_folder(path.parent)
    descriptor = try_lock_path(path)
    return None if descriptor is None else partial(close_and_remove, descriptor, path)


def join(connection: sqlite3.Connection, turn: str, session: str) -> None:
    """Make a turn that has no session the last of one."""
    connection.execute(
        "UPDATE turns SET session = ?1, place ="
        " (SELECT coalesce(max(place), 0) + 1 FROM turns WHERE session = ?1)"
        " WHERE id = ?2 AND session IS NULL",
        (session, turn),
    )


def fork(connection: sqlite3.Connection, session: str) -> str:
    """A new session that begins with the turns `session` has now; return its name."""
    query = (
        "SELECT 1 FROM turns WHERE session = ?1 UNION ALL SELECT 1 FROM forks WHERE session = ?1"
    )
    names = (f"{session}-{number}" for number in count(2))
    name = next(each for each in names if not connection.execute(query, (each,)).fetchone())
    newest = connection.execute("SELECT coalesce(max(seq), 0) FROM turns").fetchone()[0]
    connection.execute("INSERT INTO forks VALUES (?, ?, ?)", (name, session, newest))
    return name


def branch(connection: sqlite3.Connection, session: str, new: str, upto: int) -> None:
    """Let the session `new` begin with the first `upto` turns of `session`."""
    shared = session_rows(connection, session)[:upto]
    last = shared[-1]["seq"] if shared else 0
    connection.execute("INSERT OR REPLACE INTO forks VALUES (?, ?, ?)", (new, session, last))


def leave(connection: sqlite3.Connection, turn: str, session: str) -> None:
    """Take the last turn out of the session; the history keeps it, and so do its branches.

    One from before the session's fork stays where it is: the fork begins earlier, ahead of it.
    """
    query = "SELECT seq, session FROM turns WHERE id = ?"
    row = connection.execute(query, (turn,)).fetchone()
    if row and row["session"] == session:
        successor = _successor(connection, row["seq"], session)
        connection.execute(
            "UPDATE turns SET session = ?1, place ="
            " (SELECT coalesce(min(place), 1) - 1 FROM turns WHERE session = ?1) WHERE seq = ?2",
            (successor, row["seq"]),
        )
    elif row:
        connection.execute("UPDATE forks SET last = ? WHERE session = ?", (row["seq"] - 1, session))


def _successor(connection: sqlite3.Connection, seq: int, session: str) -> str | None:
    """The branch that the turn goes to; others that begin with it branch off from there."""
    query = "SELECT min(session) FROM forks WHERE origin = ? AND last >= ?"
    successor: str | None = connection.execute(query, (session, seq)).fetchone()[0]
    connection.execute(
        "UPDATE forks SET origin = ?1, last = ?2"
        " WHERE origin = ?3 AND last >= ?2 AND session <> ?1",
        (successor, seq, session),
    )
    return successor


def sessions(connection: sqlite3.Connection, warn: Warn) -> list[Session]:
    """All sessions that have turns of their own, the one used last first."""
    rows = connection.execute(
        "SELECT own.session AS name, own.turns, newest.started AS last,"
        " forks.origin AS forked_from, (SELECT first.prompt FROM turns AS first"
        "   WHERE first.session = own.session ORDER BY first.place LIMIT 1) AS first_prompt"
        " FROM (SELECT session, count(*) AS turns, max(seq) AS newest FROM turns"
        "   WHERE session NOTNULL GROUP BY session) AS own"
        " JOIN turns AS newest ON newest.seq = own.newest"
        " LEFT JOIN forks ON forks.session = own.session ORDER BY own.newest DESC"
    )

    def session(row: sqlite3.Row) -> Session:
        first_prompt = summarize_prompt(row["first_prompt"], LONGEST_PROMPT)
        return decode(Session, dict(row), first_prompt=first_prompt)

    return list(readable(rows, session, warn))


def rename(connection: sqlite3.Connection, session: str, new: str) -> None:
    """Give the session another name. Raises UsageError where it has no turns, or `new` has."""
    if not session_rows(connection, session):
        hint = "`deepreasoning history sessions` lists them"
        raise UsageError(f"there is no session '{session}'", kind="unknown_session", hint=hint)
    if session_rows(connection, new):
        hint = "choose another name"
        raise UsageError(f"there is a session '{new}' already", kind="session_exists", hint=hint)
    for change in (
        "UPDATE turns SET session = ?2 WHERE session = ?1",
        "UPDATE forks SET session = ?2 WHERE session = ?1",
        "UPDATE forks SET origin = ?2 WHERE origin = ?1",
    ):
        connection.execute(change, (session, new))


def session_rows(connection: sqlite3.Connection, session: str) -> list[sqlite3.Row]:
    """The whole rows of a session's turns in order, those before its fork included."""
    rows: list[sqlite3.Row] = []
    name: str | None = session
    last = LARGEST
    seen: set[str] = set()
    while name is not None and name not in seen:  # a damaged file may lead in a circle
        seen.add(name)
        rows += connection.execute(
            "SELECT * FROM turns WHERE session = ? AND seq <= ? ORDER BY place DESC", (name, last)
        )
        origin = connection.execute("SELECT * FROM forks WHERE session = ?", (name,)).fetchone()
        name = origin and origin["origin"]
        last = min(last, origin["last"]) if origin else last
    return rows[::-1]
