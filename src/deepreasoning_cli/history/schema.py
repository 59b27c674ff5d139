"""The tables, and how an older database becomes a current one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import Enum, auto
from typing import Final
from zlib import crc32

Migration = Sequence[str]

FIRST: Final[Migration] = (
    # small columns first: a listing then reads no page of the long texts
    """CREATE TABLE turns (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        session TEXT,
        place INTEGER,
        started TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('complete', 'incomplete')),
        ending TEXT NOT NULL,
        reasoning_complete INTEGER NOT NULL,
        stop_reason TEXT,
        reasoning_from TEXT,
        reused_model TEXT,
        reasoner TEXT,
        answerer TEXT,
        backend TEXT NOT NULL,
        handoff TEXT NOT NULL,
        model TEXT,
        cost TEXT,
        first_reasoning REAL,
        first_answer REAL,
        total REAL NOT NULL,
        sources TEXT NOT NULL,
        warnings TEXT NOT NULL,
        system TEXT,
        prompt TEXT NOT NULL,
        reasoning TEXT NOT NULL,
        draft TEXT NOT NULL DEFAULT '',
        answer TEXT NOT NULL
    )""",
    "CREATE INDEX turns_by_session ON turns (session, place)",
    "CREATE INDEX turns_by_source ON turns (reasoning_from) WHERE reasoning_from IS NOT NULL",
    """CREATE TABLE stages (
        turn INTEGER NOT NULL REFERENCES turns (seq) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        served_model TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        reasoning_tokens INTEGER,
        cached_tokens INTEGER,
        cache_write_tokens INTEGER,
        estimated INTEGER,
        cost TEXT,
        seconds REAL NOT NULL,
        stop_reason TEXT,
        complete INTEGER NOT NULL,
        rate_input TEXT,
        rate_output TEXT,
        rate_cache_read TEXT,
        rate_cache_write TEXT,
        rates_as_of TEXT,
        PRIMARY KEY (turn, stage)
    ) WITHOUT ROWID""",
    "CREATE TABLE forks (session TEXT PRIMARY KEY, origin TEXT NOT NULL, last INTEGER NOT NULL)",
    """CREATE VIRTUAL TABLE words USING fts5 (
        prompt, reasoning, answer,
        content = 'turns', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
        INSERT INTO words (rowid, prompt, reasoning, answer)
        VALUES (new.seq, new.prompt, new.reasoning, new.answer);
    END""",
    """CREATE TRIGGER turn_removed AFTER DELETE ON turns BEGIN
        INSERT INTO words (words, rowid, prompt, reasoning, answer)
        VALUES ('delete', old.seq, old.prompt, old.reasoning, old.answer);
    END""",
    """CREATE TRIGGER turn_changed AFTER UPDATE OF prompt, reasoning, answer ON turns BEGIN
        INSERT INTO words (words, rowid, prompt, reasoning, answer)
        VALUES ('delete', old.seq, old.prompt, old.reasoning, old.answer);
        INSERT INTO words (rowid, prompt, reasoning, answer)
        VALUES (new.seq, new.prompt, new.reasoning, new.answer);
    END""",
)
HOSTS: Final[Migration] = (
    "ALTER TABLE turns ADD COLUMN answerer_host TEXT",
    "ALTER TABLE turns ADD COLUMN fallbacks TEXT",
    "ALTER TABLE stages ADD COLUMN host TEXT",
)
"""Who was asked, and who stepped in for whom."""
RESUMED: Final[Migration] = (
    "ALTER TABLE turns ADD COLUMN resumes TEXT",
    "ALTER TABLE turns ADD COLUMN earlier_cost TEXT",
    "CREATE INDEX turns_by_resumed ON turns (resumes) WHERE resumes IS NOT NULL",
)
"""Which unfinished turn a turn finishes, and what the answer that it continues had cost."""
OWN_THINKING: Final[Migration] = (
    "ALTER TABLE turns ADD COLUMN own_thinking TEXT NOT NULL DEFAULT ''",
)
"""What the answerer has thought itself, as far as its vendor sums it up."""
CALLS: Final[Migration] = (
    "ALTER TABLE turns ADD COLUMN calls TEXT",
    "ALTER TABLE turns ADD COLUMN fingerprint TEXT",
    "ALTER TABLE turns ADD COLUMN conversation TEXT",
)
"""Which tools the answer calls, and the conversation that it answers: what it is known by, and for
a turn that a client can refer to later, the messages themselves. They have no index: the schema
fills one page, and one page more is one more whose damage would cost the history."""
LONG_REASONING: Final[Migration] = ("ALTER TABLE turns ADD COLUMN reasoning_rest BLOB",)
"""The UTF-8 of a chain of thought behind its first million bytes. It is the last column with
text, so that SQLite writes it piece by piece: a text is copied twice on its way into a row."""
COMPARED: Final[Migration] = (
    "ALTER TABLE turns ADD COLUMN comparison TEXT",
    "ALTER TABLE turns ADD COLUMN arms TEXT",
    "ALTER TABLE turns ADD COLUMN picked INTEGER",
)
"""Which comparison of answers a turn belongs to, what its first turn was to compare, and whether
the answer was picked. In other turns they are NULL, which takes no room behind the long text."""
MIGRATIONS: Final[Sequence[Migration]] = (
    *(FIRST, HOSTS, RESUMED, OWN_THINKING, CALLS),
    *(LONG_REASONING, COMPARED),
)
"""Step n leads from version n to version n + 1; a step that was released is never changed.

Each one changes a table: what has the newest tables is of the newest version.
"""

CHECKSUM: Final = 0xE5F9124F
"""Of the newest tables, as SQLite keeps their text: others are compared word for word."""


class DatabaseState(Enum):
    """What lies where the database should be."""

    MISSING = auto()
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()
    BROKEN = auto()


def state_of(connection: sqlite3.Connection) -> DatabaseState:
    """What the open database is. Raises sqlite3.Error.

    What has the newest tables is current, also where its number is damaged.
    """
    number, found = version(connection), _schema(connection)
    if _is_newest(found):
        connection.execute("SELECT seq FROM turns ORDER BY seq DESC LIMIT 1").fetchone()
        return DatabaseState.CURRENT
    if number > len(MIGRATIONS):
        return DatabaseState.NEWER
    if number < 1 or not _is_whole(found, number):  # of a file cut to a few bytes nothing is found
        return DatabaseState.BROKEN
    return DatabaseState.OLDER if number < len(MIGRATIONS) else DatabaseState.CURRENT


def has_whole_schema(connection: sqlite3.Connection) -> bool:
    """Whether the tables are still as their version made them. Raises sqlite3.Error.

    A damaged letter in the name of a column, or in a trigger, is none to SQLite: it would refuse
    each statement that needs the right one, for ever.
    """
    found = _schema(connection)
    return _is_newest(found) or _is_whole(found, version(connection))


def _is_newest(found: Mapping[str, str]) -> bool:
    return crc32("\n".join(found.values()).encode()) == CHECKSUM


def _is_whole(found: Mapping[str, str], number: int) -> bool:
    """Whether all that this version makes is there; what others have added does not matter."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        migrate(new, MIGRATIONS[:number])
        expected = _schema(new)
    return all(found.get(name, "").startswith(text[:-1]) for name, text in expected.items())


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    """The statements that made the tables and what belongs to them, by their names."""
    query = "SELECT name, sql FROM sqlite_schema WHERE sql NOTNULL ORDER BY name"
    return {name: text for name, text in connection.execute(query)}  # noqa: C416 - of rows


def text_of(data: bytes) -> str:
    """The text of a column; a damaged byte costs one letter, not the turn."""
    return data.decode("utf-8", "replace")


def version(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for a database without tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def begin(connection: sqlite3.Connection, mode: str) -> Iterator[None]:
    """One transaction: all that is done within the `with`, or nothing."""
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the database to the newest version, or leave it as it is. Raises sqlite3.Error."""
    with begin(connection, "EXCLUSIVE"):
        for step in migrations[version(connection) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
