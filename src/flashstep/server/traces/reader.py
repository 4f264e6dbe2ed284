"""Looks records up in the database file, beside servers that write it.

Each question opens the file anew and changes nothing. Raises ConfigError when there is no such file or
it cannot be read.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flashstep.errors import ConfigError
from flashstep.server.traces.codec import record_from_json
from flashstep.server.traces.database import BUSY_TIMEOUT_MS, MIGRATIONS
from flashstep.server.traces.record import TraceRecord

MAX_MATCHES = 10  # of `ids`


class TraceReader:
    """Reads one store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def trace(self, trace_id: str) -> list[TraceRecord]:
        """All records of one trace with their content, in the order in which they ended."""
        return self._records("WHERE trace_id = ? ORDER BY id", (trace_id,), with_content=True)

    def ids(self, prefix: str) -> list[str]:
        """Trace ids that begin with `prefix`, at most ten."""
        end = prefix + "\U0010ffff"
        rows = self._rows(
            "SELECT DISTINCT trace_id FROM records WHERE trace_id >= ? AND trace_id < ? LIMIT ?",
            (prefix, end, MAX_MATCHES),
        )
        return [trace_id for (trace_id,) in rows]

    def last(self, num_records: int) -> list[TraceRecord]:
        """The latest records without content, latest first."""
        return self._records("ORDER BY id DESC LIMIT ?", (num_records,))

    def failed(self, num_records: int) -> list[TraceRecord]:
        """The latest records of what failed, latest first; a client that left is no failure."""
        return self._records("WHERE is_failed ORDER BY id DESC LIMIT ?", (num_records,))

    def slow(self, num_records: int, *, min_s: float = 0.0) -> list[TraceRecord]:
        """The generations that took longest, from `min_s` seconds on, slowest first."""
        return self._records(
            "WHERE is_generation AND total_s >= ? ORDER BY total_s DESC LIMIT ?", (min_s, num_records)
        )

    def _records(
        self, clause: str, values: Sequence[object], *, with_content: bool = False
    ) -> list[TraceRecord]:
        content = "content" if with_content else "NULL"
        rows = self._rows(f"SELECT record, {content} FROM records {clause}", values)
        return [record_from_json(record, content) for record, content in rows]

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, tuple(values)).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self._path.is_file():
            raise ConfigError(
                f"there is no trace store {self._path}; `flashstep serve` makes one, "
                "and --trace-store names another file"
            )
        try:
            # Read and write, as far as the file's rights allow: after a crash the log has to be applied.
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_MS / 1000
            )
            with closing(connection):
                connection.execute("PRAGMA query_only = ON")
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version != len(MIGRATIONS):
                    raise ConfigError(
                        f"the trace store {self._path} has version {version}, and this flashstep reads "
                        f"{len(MIGRATIONS)}; use the flashstep that wrote it, or start its server once more"
                    )
                yield connection
        except sqlite3.Error as error:
            raise ConfigError(f"the trace store {self._path} cannot be read: {error}") from error
