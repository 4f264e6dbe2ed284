"""Keeps records in the database file, whatever happens to the file or the disk.

Used by the writer's thread alone, except for `__init__`. A batch that cannot be written is lost and
counted, never repeated: what comes after must not pile up behind it.

Age is told by a clock that was set once, at start, and then runs with the monotonic one: a clock that
jumps a year ahead must not delete a year of records.
"""

import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from flashstep.errors import ConfigError
from flashstep.server.traces.codec import json_text, record_json
from flashstep.server.traces.database import Database, Row, is_corrupt, open_database
from flashstep.server.traces.record import TraceRecord

logger = logging.getLogger("flashstep.traces")

_DAY_S = 86_400.0


class TraceStore:
    """Records on disk, bounded by age and size. Raises ConfigError when there can be no such file."""

    def __init__(self, path: Path, *, max_days: float, max_bytes: int) -> None:
        self._path = path
        self._max_age_s = max_days * _DAY_S
        self._max_bytes = max_bytes
        self._started_at = time.time() - time.monotonic()
        self._database: Database | None = open_database(path)

    def write(self, records: Sequence[TraceRecord]) -> None:
        """Write a batch. Raises sqlite3.Error or OSError when it is lost; later ones may succeed."""
        rows = [_row(record) for record in records]
        try:
            database = self._opened()
            database.insert(rows)
            if database.used_bytes() > self._max_bytes:
                self._prune(database)
        except sqlite3.Error as error:
            self._recover(error)
            raise

    def tend(self) -> None:
        """Delete what is too old; to be called every minute or so, also when nothing is written.
        Raises like `write`."""
        try:
            if self._database is not None and not self._database.is_in_place():
                logger.warning("the trace store %s was moved or deleted; a new one is begun", self._path)
                self._close()
            self._prune(self._opened())
        except sqlite3.Error as error:
            self._recover(error)
            raise

    def close(self) -> None:
        """Give the file back."""
        self._close()

    def _opened(self) -> Database:
        if self._database is None:
            try:
                self._database = open_database(self._path)
            except ConfigError as error:  # at start it ends the server, but not once it runs
                raise OSError(error.message) from error
        return self._database

    def _prune(self, database: Database) -> None:
        now = self._started_at + time.monotonic()
        num_deleted = database.prune(arrived_before=now - self._max_age_s, max_bytes=self._max_bytes)
        if num_deleted:
            logger.info("%d trace records were too old or too many and are deleted", num_deleted)

    def _recover(self, error: sqlite3.Error) -> None:
        """After an error begin with a new connection; after corruption with a checked or new file."""
        self._close()
        if is_corrupt(error):
            try:
                self._database = open_database(self._path, is_suspect=True)
            except ConfigError as cause:
                logger.error("%s", cause.message)

    def _close(self) -> None:
        if self._database is not None:
            database, self._database = self._database, None
            database.close()


def _row(record: TraceRecord) -> Row:
    return (
        record.trace_id,
        record.request_id,
        record.arrived_at,
        record.is_generation,
        record.outcome == "failed",
        record.total_s,
        record_json(record),
        None if record.content is None else json_text(record.content),
    )
