"""The SQLite file of the records: opening, schema, writing, and the room it may take.

Write-ahead logging with synchronous=NORMAL: a process that is killed loses nothing that was
committed, a machine that loses power at most the last commits; neither leaves a broken file. Several
servers may share a file. Only its owner may read it, since it holds what people wrote.

A file that is no database, or a broken one, is moved aside and a new one begun: traces are worth less
than the service that they describe. `PRAGMA user_version` counts the migrations that were applied.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from flashstep.errors import ConfigError

logger = logging.getLogger("flashstep.traces")

# Each entry takes the file one version further. Entries are never changed, only added. Their statements are
# told apart by semicolons, so none may be in a comment or a string.
MIGRATIONS = (
    """
    CREATE TABLE records (
        id INTEGER PRIMARY KEY,       -- in the order in which calls ended, whatever the clock said
        trace_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        arrived_at REAL NOT NULL,     -- seconds since 1970
        is_generation INTEGER NOT NULL,
        is_failed INTEGER NOT NULL,
        total_s REAL NOT NULL,
        record TEXT NOT NULL,         -- JSON
        content TEXT,                 -- JSON, or NULL where it is not kept
        UNIQUE (trace_id, request_id)
    );
    CREATE INDEX records_by_arrival ON records (arrived_at);
    CREATE INDEX records_by_duration ON records (total_s) WHERE is_generation;
    CREATE INDEX records_failed ON records (id) WHERE is_failed;
    CREATE INDEX records_refused ON records (id) WHERE NOT is_generation;
    """,
)
BUSY_TIMEOUT_MS = 5000
_MAX_LOG_BYTES = 16 << 20
# Calls that were refused before they became generations can come from anybody, in any number; they may
# not push out the records of answers.
_MAX_REFUSED = 10_000
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Row = tuple[str, str, float, bool, bool, float, str, str | None]


def open_database(path: Path, *, is_suspect: bool = False) -> "Database":
    """The database at `path`, made when it is missing, replaced when it is broken. `is_suspect` looks
    through the whole file first. Raises ConfigError when there can be none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(path):  # two servers that find the same broken file must not both move it
            try:
                return Database(path, is_suspect=is_suspect)
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                _move_aside(path, error)
                return Database(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"the trace store {path} cannot be used: {error}; name another file with --trace-store, "
            "or keep no records with --trace-store off"
        ) from error


def is_corrupt(error: sqlite3.Error) -> bool:
    """True when an error says that the file itself is broken."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where Python raised it, not SQLite
    return code is not None and code & 0xFF in _CORRUPT


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Apply what is missing, all of it or nothing. Raises ConfigError for a file of a later version."""
    if _version(connection) == len(migrations):
        return  # without writing: that would fail on a full disk
    with _transaction(connection):  # a second server waits here and then finds it done
        version = _version(connection)
        if version > len(migrations):
            raise ConfigError(
                f"the trace store has version {version} and this flashstep knows {len(migrations)}; "
                "name another file with --trace-store, or update flashstep"
            )
        for script in migrations[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


class Database:
    """One connection for writing; used by one thread at a time. Raises sqlite3.Error."""

    def __init__(self, path: Path, *, is_suspect: bool = False) -> None:
        self.path = path
        _create(path)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        with ExitStack() as unless_opened:
            unless_opened.callback(self._connection.close)
            self._configure()
            if is_suspect:
                self._check()
            migrate(self._connection)
            unless_opened.pop_all()
        self._inode = os.stat(path).st_ino

    def insert(self, rows: Sequence[Row]) -> None:
        """Write all rows in one transaction."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO records (trace_id, request_id, arrived_at, is_generation, is_failed, "
                "total_s, record, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def used_bytes(self) -> int:
        """Bytes that hold something; deleted records leave room that is filled again first."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def prune(self, *, arrived_before: float, max_bytes: int) -> int:
        """Delete what is too old or too much and give the room back; returns how many records went.

        arrived_before: seconds since 1970. Beyond `max_bytes` the oldest go until a tenth is free.
        """
        with self._transaction():
            num_deleted = self._delete("arrived_at < ?", arrived_before)
            num_deleted += self._delete(
                "NOT is_generation AND id <= (SELECT id FROM records WHERE NOT is_generation "
                "ORDER BY id DESC LIMIT 1 OFFSET ?)",
                _MAX_REFUSED,
            )
        if self.used_bytes() > max_bytes:
            num_deleted += self._delete_oldest(max_bytes - max_bytes // 10)
        if num_deleted:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return num_deleted

    def is_in_place(self) -> bool:
        """False when the file was deleted or replaced under us, so that what we write is lost."""
        try:
            return os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def _configure(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            logger.warning("%s: the file system allows no write-ahead log, only %r", self.path, mode)
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA journal_size_limit = {_MAX_LOG_BYTES}")

    def _check(self) -> None:
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            error = sqlite3.DatabaseError(f"the integrity check found: {verdict}")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

    def _delete_oldest(self, goal_bytes: int) -> int:
        num_deleted = 0
        while self.used_bytes() > goal_bytes:
            (first, last) = self._connection.execute("SELECT min(id), max(id) FROM records").fetchone()
            if first is None:
                break
            with self._transaction():  # in twentieths: a bounded transaction, and not much too far
                num_deleted += self._delete("id <= ?", first + (last - first) // 20)
        return num_deleted

    def _delete(self, condition: str, value: float) -> int:
        return self._connection.execute(f"DELETE FROM records WHERE {condition}", (value,)).rowcount

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _transaction(self) -> AbstractContextManager[None]:
        return _transaction(self._connection)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # something failed; a full disk may have rolled it back already
            connection.execute("ROLLBACK")


def _create(path: Path) -> None:
    """An empty file that only its owner may read. An existing one is not even opened: closing it would
    take away the locks that other connections of this process have on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _move_aside(path: Path, error: sqlite3.Error) -> None:
    """Rename a broken file, its write-ahead log too: a log must not be applied to another file."""
    aside = f"{path}.broken-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}"
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(f"{path}{suffix}"):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    logger.warning("the trace store %s is broken (%s); moved to %s, a new one is begun", path, error, aside)
