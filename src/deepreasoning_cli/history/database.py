"""The open database: made, migrated, repaired; every use goes through `read` or `write`."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UnavailableError, WriteError
from deepreasoning_cli.files import close_to_others, make_private_folder, sync_folder
from deepreasoning_cli.history.journal_format import Warn
from deepreasoning_cli.history.locks import NEW_FILE, create_private, hold
from deepreasoning_cli.history.salvage import (
    BESIDE,
    has_sound_header,
    nobody_writes,
    salvage,
    set_aside,
)
from deepreasoning_cli.history.schema import (
    DatabaseState,
    begin,
    migrate,
    state_of,
    text_of,
    version,
)
from deepreasoning_cli.paths import APP

NAME: Final = "history.db"
MAKING: Final = "history.repair"
WHOLE: Final = "history.repaired"
"""A repaired database while it is made, and when it is whole and waits for its name."""
PARTS: Final = (NAME, f"{NAME}-wal", f"{NAME}-shm", "journal", "sessions", "reserved")
"""What the data folder has of the history."""
LOCK_TIMEOUT: Final = 30.0  # seconds
WITHOUT_WAL: Final = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN}
)
T = TypeVar("T")
Values = TypeVarTuple("Values")


class Database:
    """`history.db` in the data folder; `warn` is told of repairs.

    Raises ConfigError, UnavailableError and WriteError, never sqlite3's own errors.
    """

    def __init__(self, folder: Path, warn: Warn) -> None:
        self.path = folder / NAME
        self._warn = warn
        self._refusal: DeepReasoningError | None = None
        try:
            self._connection, self._identity = self._open_known()
        except (*FAULTS, OSError) as exc:
            raise as_failure(exc, self.path) from exc

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def read(self, work: Callable[[sqlite3.Connection, *Values], T], *values: *Values) -> T:
        """What `work` returns; where it meets damage, repair the database and ask once more.

        A full disk can still be read. One failed read is no damage: it is tried again first.
        """
        try:
            return work(self._connection, *values)
        except FAULTS as exc:
            if self._refusal or not (is_broken(exc) or code(exc) in UNREADABLE):
                raise as_failure(exc, self.path) from exc
        try:
            self._reopen()
            try:
                return work(self._connection, *values)
            except FAULTS as exc:
                if self._refusal or not is_broken(exc):
                    raise
            self._repair()
            return work(self._connection, *values)
        except (*FAULTS, OSError) as exc:
            raise as_failure(exc, self.path) from exc

    def write(self, work: Callable[[sqlite3.Connection, *Values], T], *values: *Values) -> T:
        """Do `work` in one transaction: all of it or nothing.

        It is done again where another process has put a repaired database in the place of this
        one: what was written since is in the damaged file alone.
        """
        self.require_writable()

        def transaction(connection: sqlite3.Connection) -> T:
            with begin(connection, "IMMEDIATE"):
                return work(connection, *values)

        try:
            done = self.read(transaction)
            if _identity(self.path) == self._identity:
                return done
            self._reopen()
        except (*FAULTS, OSError) as exc:
            raise as_failure(exc, self.path) from exc
        self.require_writable()
        return self.read(transaction)

    def require_writable(self) -> None:
        """Raises ConfigError or WriteError where the database can be read only."""
        if self._refusal:
            raise self._refusal

    def _reopen(self) -> None:
        self._connection.close()
        self._connection, self._identity = self._open_known()

    def _open_known(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        """The open database, and which file that is."""
        while True:
            before = _identity(self.path) if self.path.exists() else None
            connection = self._open()
            identity = _identity(self.path)
            if before in (None, identity) or self._refusal:
                return connection, identity
            connection.close()  # another process repaired it, or this one did: which is open?

    def _open(self) -> sqlite3.Connection:
        """The database for reading and writing; on a full disk for reading."""
        try:
            return self._open_writable()
        except (*FAULTS, OSError) as exc:
            failure = as_failure(exc, self.path)
            if not _is_out_of_room(exc) or not self.path.exists():
                raise
            try:
                connection = _connect_read_only(self.path)
            except sqlite3.Error:
                raise exc from None
            self._refusal = failure
            return connection

    def _open_writable(self) -> sqlite3.Connection:
        make_private_folder(self.path.parent)
        if self.path.exists() and not self.path.is_file():  # a pipe would be waited for
            raise ConfigError(f"{self.path} is no file", kind="history_unusable", hint=OTHER_FOLDER)
        if not _is_writable(self.path):
            self._refusal = ConfigError(
                f"{self.path} is read-only", kind="history_read_only", hint=OTHER_FOLDER
            )
            return _connect_read_only(self.path)
        self._close_to_others()
        state, connection = _examine(self.path)
        if connection:
            return connection
        if state is not DatabaseState.NEWER:
            with hold(self.path.with_suffix(".lock"), LOCK_TIMEOUT):
                state = self._prepare()
        if state is DatabaseState.NEWER:
            self._refusal = ConfigError(
                f"{self.path} was written by a newer version: it is read, and not changed",
                kind="history_newer",
                hint="update deepreasoning-cli",
            )
            self._warn(self._refusal.message)
            try:
                return _connect_read_only(self.path)
            except sqlite3.OperationalError as exc:  # it has other tables
                raise self._refusal from exc
        return _connect(self.path)

    def _close_to_others(self) -> None:
        """Close what is ours: a folder of another name is the user's, and may be shared."""
        folder = self.path.parent
        own = [folder] if folder.name == APP else []
        own += [folder / name for name in PARTS]
        if close_to_others(*own):
            self._warn(f"the history in {folder} was open to others; it is closed to them now")

    def _prepare(self) -> DatabaseState:
        """Bring the file up to date; nobody else does it meanwhile."""
        state, connection = _examine(self.path)
        if connection:
            connection.close()
        match state:
            case DatabaseState.MISSING:
                _create(self.path)
            case DatabaseState.OLDER:
                with closing(_connect(self.path)) as connection:
                    migrate(connection)
            case DatabaseState.BROKEN:
                self._replace()
            case _:
                return state
        return DatabaseState.CURRENT

    def _repair(self) -> None:
        self._connection.close()
        with hold(self.path.with_suffix(".lock"), LOCK_TIMEOUT):
            if _identity(self.path) == self._identity:  # else another process has repaired it
                self._replace()
        self._connection, self._identity = self._open_known()

    def _replace(self) -> None:
        """Put a repaired database in the place of the damaged one; nobody writes meanwhile.

        It is made under a name of its own. A process that dies in its middle leaves that name, and
        the next one begins anew; once it has the name of a whole one, only the names are changed.
        """
        whole, saved = self.path.with_name(WHOLE), None
        with nobody_writes(self.path, LOCK_TIMEOUT):
            if not whole.exists():
                making = self.path.with_name(MAKING)
                _create(making)
                with closing(_connect(making)) as connection:
                    saved = salvage(self.path, connection)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                making.rename(whole)
            aside = set_aside(self.path)
            whole.rename(self.path)
        sync_folder(self.path.parent)
        turns = "its turns" if saved is None else f"{saved} turns"
        self._warn(f"the history was damaged: {turns} were saved, the rest is in {aside}")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is_writable(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _examine(path: Path, *, again: bool = True) -> tuple[DatabaseState, sqlite3.Connection | None]:
    """What is there, and the open database where it can be used as it is.

    An empty file is broken: a new database gets its name only when it is whole.
    """
    if path.with_name(MAKING).exists() or path.with_name(WHOLE).exists():
        return DatabaseState.BROKEN, None  # a repair is not at its end
    if not path.exists():
        return DatabaseState.MISSING, None
    if not path.stat().st_size or not has_sound_header(path):
        return DatabaseState.BROKEN, None
    try:
        connection = _connect(path)
        try:
            state = state_of(connection)
        except BaseException:
            connection.close()
            raise
    except FAULTS as exc:
        if again and (is_broken(exc) or code(exc) in UNREADABLE):
            return _examine(path, again=False)  # a single failed read is no damage
        if is_broken(exc):
            return DatabaseState.BROKEN, None
        raise
    if state is DatabaseState.CURRENT:
        return state, connection
    connection.close()
    return state, None


def _is_out_of_room(error: Fault | OSError) -> bool:
    """Whether the disk may be full: SQLite says so in several words where WAL needs a new file."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return code(error) in NO_ROOM | UNREADABLE


def _create(path: Path) -> None:
    """Make a whole, empty database under another name, then give it its own."""
    aside = path.with_name(path.name + ".new")
    for leftover in (aside, *(path.with_name(path.name + suffix) for suffix in BESIDE)):
        leftover.unlink(missing_ok=True)
    os.close(create_private(aside, NEW_FILE))  # SQLite gives the files beside it the same mode
    with closing(_connect(aside)) as connection:
        migrate(connection)
        with suppress(sqlite3.OperationalError):  # it stays in DELETE mode where WAL is impossible
            connection.execute("PRAGMA journal_mode = WAL")
    aside.rename(path)
    sync_folder(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    connection = _connection(path, "rw")
    try:
        try:
            version(connection)
        except sqlite3.OperationalError as exc:
            if code(exc) not in WITHOUT_WAL:
                raise
            _leave_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # the journal goes once this has it
    except BaseException:
        connection.close()
        raise
    return connection


def _leave_wal(connection: sqlite3.Connection) -> None:
    """For a database that came to a network file system: WAL needs memory that is shared."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA locking_mode = NORMAL")
    version(connection)  # the exclusive lock goes with the next read


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """As it is; where not even WAL's shared memory can be made, as if nobody else used it."""
    for access in ("ro", "ro&immutable=1"):
        connection = _connection(path, access)
        try:
            connection.execute("SELECT seq FROM turns LIMIT 1").fetchone()
        except FAULTS as exc:
            connection.close()
            if not isinstance(exc, sqlite3.OperationalError):
                raise
            fault = exc
        else:
            return connection
    raise fault


def _connection(path: Path, access: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={access}",
        uri=True,
        timeout=LOCK_TIMEOUT,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    connection.text_factory = text_of
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()  # it is in a cycle with its own cache: dropped, it stays open for long
        raise
    return connection


Fault = sqlite3.Error | UnicodeDecodeError
FAULTS: Final = (sqlite3.Error, UnicodeDecodeError)
"""The latter where SQLite's own words quote a damaged name."""
BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SEARCH_BROKEN: Final = ("invalid fts5 file format", "vtable constructor failed")
UNNAMED: Final = "constraint failed"  # where a constraint is ours, SQLite names its columns
"""What FTS5 says of its own tables, with the code of a faulty statement or value."""
UNREADABLE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL})
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_TOOBIG})
OTHER_FOLDER = "DEEPREASONING_DATA_DIR names another place"


def code(error: Fault) -> int:
    """SQLite's primary result code; https://www.sqlite.org/rescode.html."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def is_broken(error: Fault) -> bool:
    """Whether the file itself is damaged, or no database at all."""
    said = str(error)
    return code(error) in BROKEN or said == UNNAMED or any(map(said.__contains__, SEARCH_BROKEN))


def as_failure(error: Fault | OSError, path: Path) -> DeepReasoningError:
    """What the user is told about a database that cannot be used."""
    if isinstance(error, TimeoutError) or (not isinstance(error, OSError) and code(error) in BUSY):
        return UnavailableError(
            f"another process keeps {path} locked", kind="history_locked", hint="try again later"
        )
    if isinstance(error, OSError):
        return ConfigError(
            f"cannot use {path}: {error.strerror or error}",
            kind="history_unusable",
            hint=OTHER_FOLDER,
        )
    if code(error) in NO_ROOM:
        return WriteError(f"cannot write {path}: {error}", kind="history_full", hint="make room")
    if is_broken(error):
        hint = f"move {path} away: a new history is begun"
        return ConfigError(f"{path} is damaged: {error}", kind="history_damaged", hint=hint)
    return ConfigError(f"cannot use {path}: {error}", kind="history_unusable", hint=OTHER_FOLDER)
