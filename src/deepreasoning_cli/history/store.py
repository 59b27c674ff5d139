"""What was asked and answered: one SQLite database for all turns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.history import delete, queries, recent, sessions
from deepreasoning_cli.history.database import Database
from deepreasoning_cli.history.decoder import DAMAGE
from deepreasoning_cli.history.journal_format import FOLDER, TurnOutcome, Warn, outcome_of
from deepreasoning_cli.history.mapping import read_turn, timestamp, write_turn
from deepreasoning_cli.history.queries import SearchHit, StageCost, TurnSummary
from deepreasoning_cli.history.sessions import Claim, Session, lock_session
from deepreasoning_cli.pipeline.events import StageStarted
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import repair_surrogates

if TYPE_CHECKING:
    from deepreasoning_cli.history.comparisons import ModelPicks

T = TypeVar("T")
MOST_HITS: Final = 100
MOST_DAMAGED: Final = 50  # turns that are looked at for one that is whole
NEWEST: Final = 500  # turns among which the one is that a loop of calls began with
UNFINISHED: Final = (
    "status = 'incomplete' AND"
    " (reasoning <> '' OR draft <> '' OR answer <> '' OR own_thinking <> ''"
    " OR reasoning_from NOTNULL OR sources <> '[]')"
    " AND NOT EXISTS (WITH RECURSIVE later (id, status) AS ("
    "SELECT next.id, next.status FROM turns AS next"
    " WHERE next.reasoning_from = turns.id OR next.resumes = turns.id"
    " UNION SELECT next.id, next.status FROM turns AS next"
    " JOIN later ON next.reasoning_from = later.id OR next.resumes = later.id"
    ") SELECT 1 FROM later WHERE status = 'complete')"
)
UNANSWERED: Final = (
    "SELECT * FROM turns WHERE seq > (SELECT max(seq) FROM turns) - ?"
    " AND started >= ? AND status = 'incomplete'"
    " AND fingerprint = ? AND reasoning <> ''"
    " AND ending NOT IN ('length', 'refused') AND stop_reason IS NOT 'cost_cap'"
    " AND NOT EXISTS (SELECT 1 FROM turns AS later WHERE later.seq > turns.seq"
    " AND later.fingerprint = turns.fingerprint"
    " AND (later.status = 'complete' OR later.ending IN ('length', 'refused')))"
    " ORDER BY seq DESC LIMIT 1"
)


class Store:
    """The history in one data folder. Enter it with `with`.

    Every method may raise ConfigError (a database that cannot be used or changed),
    UnavailableError (another process kept it locked for 30 seconds) and WriteError (disk full).
    """

    def __init__(self, folder: Path, database: Database, warn: Warn) -> None:
        self._folder = folder
        self._database = database
        self._warn = warn
        self._said: set[str] = set()

    @classmethod
    def open(cls, folder: Path, warn: Warn) -> Self:
        """The store in the data folder, made where there is none; `warn` is told of repairs."""
        return cls(folder, Database(folder, warn), warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._database.close()

    def save(
        self,
        record: TurnRecord,
        *,
        began: datetime | None = None,
        outcome: TurnOutcome | None = None,
        starts: Sequence[StageStarted] = (),
    ) -> None:
        """Keep a closed record; a turn with its id is replaced, and keeps its place.

        `began` (aware) is by default as long ago as the turn took, `outcome` what the record
        tells; `starts` bring the rates that the stages were priced by.
        """
        began = began or datetime.now(UTC) - timedelta(seconds=record.total)
        outcome = outcome or outcome_of(record)
        self._database.write(write_turn, record, began, outcome, starts)
        recent.add_turn(self._folder, record.start.id, record.start.prompt, record.start.session)

    def turn(self, name: str) -> TurnRecord:
        """The turn of that id, or the only one whose id begins so; `last`, or its place among all.

        Raises UsageError.
        """

        def read(connection: sqlite3.Connection) -> TurnRecord:
            row = queries.find_turn(connection, name)
            return self._whole(partial(read_turn, connection), row)

        return self._database.read(read)

    def summary(self, turn: str) -> TurnSummary:
        """The turn of that id as listings show it, with the time when it began."""
        return self._whole(queries.as_summary, self._database.read(queries.find_turn, turn))

    def last(self, session: str | None = None) -> TurnRecord | None:
        """The newest turn, of the session if one is named."""
        if session is None:
            return self._newest("TRUE")
        return next(iter(self.session_turns(session)[-1:]), None)

    def reasoned(self, fingerprint: str) -> TurnRecord | None:
        """The newest turn that answers the question known by this fingerprint from reasoning.

        It is looked for among the newest turns alone: a loop of calls is not much longer.
        """
        newest = "seq > (SELECT max(seq) FROM turns) - ?"
        query = (
            f"SELECT * FROM turns WHERE {newest} AND substr(fingerprint, 1, ?) = ?"  # noqa: S608 - our own term
            " AND reasoning != '' ORDER BY seq DESC LIMIT 1"
        )
        values = (NEWEST, len(fingerprint), fingerprint)
        turns = self._turns(lambda connection: queries.fetch(connection, query, values))
        return turns[0] if turns else None

    def unanswered(self, fingerprint: str, since: datetime) -> TurnRecord | None:
        """The newest turn of the request with this fingerprint, if it began since then (aware), has
        reasoned and was not answered, neither by itself nor by a later one.
        """
        find = partial(
            queries.fetch, query=UNANSWERED, values=(NEWEST, timestamp(since), fingerprint)
        )
        turns = self._turns(find)
        return turns[0] if turns else None

    def comparison(self, first: TurnRecord) -> list[TurnRecord]:
        """All turns of the comparison that began with this one, those that finish others too."""
        from deepreasoning_cli.history.comparisons import compared_turns

        return self._turns(partial(compared_turns, first=first.start))

    def pick(self, turn: str) -> None:
        """Note down that this answer was picked among those of its comparison."""
        from deepreasoning_cli.history.comparisons import pick_answer

        self._database.write(pick_answer, turn)

    def picked(self, comparison: str) -> TurnRecord | None:
        """The turn whose answer was picked in a comparison; None where none was."""
        from deepreasoning_cli.history.comparisons import picked_turn

        turn = self._database.read(picked_turn, comparison)
        return self.turn(turn) if turn else None

    def picks(self) -> list[ModelPicks]:
        """How often each model answered and was picked, the one picked most often first."""
        from deepreasoning_cli.history.comparisons import model_picks

        return self._database.read(model_picks)

    def last_unfinished(self) -> TurnRecord | None:
        """The newest turn that has something to go on from and was not finished by another."""
        return self._newest(UNFINISHED)

    def listing(
        self,
        *,
        session: str | None = None,
        model: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[TurnSummary]:
        """The turns that fit, newest first.

        `model` is part of the name of a model that was asked, `status` is complete, incomplete or
        an outcome, `since` is aware.
        """
        terms = {
            "session = ?": session,
            "EXISTS (SELECT 1 FROM stages WHERE turn = seq AND instr(stages.model, ?))": model,
            "? IN (status, ending)": status,
            "started >= ?": timestamp(since) if since else None,
        }
        return queries.list_turns(self._database.read, terms, limit, self._warn_once)

    def search(self, words: Sequence[str], limit: int = MOST_HITS) -> list[SearchHit]:
        """The turns whose prompt, reasoning or answer hold all words. Raises UsageError."""
        return self._database.read(queries.search_turns, words, limit, self._warn_once)

    def spending(self, since: datetime | None = None) -> list[StageCost]:
        """The stages that were paid for since then (aware; None: ever)."""
        return self._database.read(queries.stage_costs, since, self._warn_once)

    def sessions(self) -> list[Session]:
        """The sessions, the one used last first."""
        return self._database.read(sessions.sessions, self._warn_once)

    def session_turns(self, session: str) -> list[TurnRecord]:
        """The turns of a session in order; a fork begins with those of its origin."""
        name = repair_surrogates(session)
        return self._turns(lambda connection: sessions.session_rows(connection, name))

    def put_in_session(self, turn: str, session: str) -> None:
        """Make a turn that has no session the last of one, so that it can be continued."""
        self._database.write(sessions.join, turn, repair_surrogates(session))

    def leave_session(self, turn: str, session: str) -> None:
        """Take a turn out of the session, so that it is not sent again; the history keeps it."""
        self._database.write(sessions.leave, turn, repair_surrogates(session))

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""
        names = repair_surrogates(session), repair_surrogates(new)
        self._database.write(sessions.branch, *names, upto)

    def rename_session(self, session: str, new: str) -> None:
        """Give the session another name. Raises UsageError; also where another process is in it."""
        name, new_name = repair_surrogates(session), repair_surrogates(new)
        release = lock_session(self._folder, name)
        if release is None:
            hint = "leave the chat that is in it first"
            raise UsageError(f"session '{name}' is in use", kind="session_in_use", hint=hint)
        try:
            self._database.write(sessions.rename, name, new_name)
            recent.rename_session(self._folder, name, new_name)
        finally:
            release()

    def claim(self, session: str) -> Claim:
        """The session to continue, or a fork of it where another process has it claimed.

        The claim is a locked file in `sessions/`: it ends with the `with`, or with the process.
        A fork begins with the turns that the session had when it was claimed.
        """
        name = repair_surrogates(session)
        try:
            if lock := lock_session(self._folder, name):
                return Claim(name, None, lock)
            forked = self._database.write(sessions.fork, name)
            return Claim(forked, name, lock_session(self._folder, forked))
        except (OSError, DeepReasoningError):  # it goes on unclaimed: the answer comes first
            return Claim(name, None, None)

    def delete(self, ids: Iterable[str]) -> int:
        """Erase these turns (ids or their beginnings); return how many. Raises UsageError."""
        rows = [self._database.read(queries.find_turn, each) for each in ids]
        return self._erase(sorted({row["id"] for row in rows}))

    def delete_older(self, than: datetime) -> int:
        """Erase the turns that began before `than` (aware); return how many."""
        return self._erase(self._ids("started < ?", timestamp(than)))

    def delete_all(self) -> int:
        """Erase every turn, and what was set aside of damaged files; return how many turns."""
        count = self._erase(self._ids("TRUE"))
        (self._folder / recent.TURNS).unlink(missing_ok=True)
        delete.remove_journals(self._folder / FOLDER, [""])
        for path in delete.damaged_copies(self._folder):
            path.unlink(missing_ok=True)
        return count

    def _ids(self, term: str, *values: Any) -> list[str]:
        query = f"SELECT id FROM turns WHERE {term}"  # noqa: S608 - our own term
        return [row["id"] for row in self._database.read(queries.fetch, query, values)]

    def _erase(self, ids: Sequence[str]) -> int:
        recent.remove_turns(self._folder, ids)
        count = self._database.write(delete.delete, ids)
        if not self._database.read(delete.vacuum):
            self._warn("another process is reading the history: its log is emptied when it ends")
        delete.remove_journals(self._folder / FOLDER, [f"{each}." for each in ids])
        for path in delete.damaged_copies(self._folder):
            self._warn(f"{path} may still hold what was deleted")
        return count

    def _newest(self, term: str) -> TurnRecord | None:
        """The newest such turn that can be read; one that is damaged is left out, and said."""
        query = f"SELECT seq FROM turns WHERE {term} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - as above
        for number in self._database.read(queries.fetch, query, [MOST_DAMAGED]):
            values = [number["seq"]]
            row = partial(queries.fetch, query="SELECT * FROM turns WHERE seq = ?", values=values)
            if turns := self._turns(row):
                return turns[0]
        return None

    def _whole(self, read: Callable[[sqlite3.Row], T], row: sqlite3.Row) -> T:
        """What `read` makes of the row of a turn that is asked for by its name."""
        try:
            return read(row)
        except DAMAGE as exc:
            raise ConfigError(
                f"the turn {row['id']} is damaged in the history",
                kind="history_damaged",
                hint="`deepreasoning history delete` takes it out; the others are whole",
            ) from exc

    def _warn_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._warn(text)

    def _turns(self, find: Callable[[sqlite3.Connection], list[sqlite3.Row]]) -> list[TurnRecord]:
        """The turns of the rows that `find` returns."""

        def read(connection: sqlite3.Connection) -> list[TurnRecord]:
            record = partial(read_turn, connection)
            return list(queries.readable(find(connection), record, self._warn_once))

        return self._database.read(read)
