"""The database file: what is written can be read, whatever happened to the file, the disk or the clock."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flashstep.errors import ConfigError
from flashstep.server.traces.database import MIGRATIONS, migrate, open_database
from flashstep.server.traces.reader import TraceReader
from server.traces.making_records import record, store


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "folder" / "traces.db"
    written = [record(1), record(2, content=None, client="ada", outcome="failed")]
    with closing(store(path)) as open_store:
        open_store.write(written)
        assert [TraceReader(path).trace(r.trace_id) for r in written] == [[r] for r in written]
    assert path.stat().st_mode & 0o077 == 0, "others may read what people wrote"
    assert path.parent.stat().st_mode & 0o077 == 0


def test_one_trace_id_may_have_several_records(tmp_path):
    with closing(store(tmp_path / "t.db")) as open_store:
        open_store.write([record(1, request_id=f"chatcmpl-{i}") for i in "abc"])
        found = TraceReader(tmp_path / "t.db").trace(record(1).trace_id)
    assert [r.request_id for r in found] == ["chatcmpl-a", "chatcmpl-b", "chatcmpl-c"]


def test_lists_are_the_latest_the_failed_and_the_slow(tmp_path):
    reader = TraceReader(tmp_path / "t.db")
    with closing(store(tmp_path / "t.db")) as open_store:
        open_store.write(
            [record(i, total_s=i / 10, outcome="failed" if i % 2 else "ok") for i in range(1, 7)]
            + [record(7, total_s=99.0, answers=(), outcome="failed", status=400)]
        )
        assert [r.request_id for r in reader.last(2)] == ["chatcmpl-7", "chatcmpl-6"]
        assert [r.request_id for r in reader.failed(3)] == ["chatcmpl-7", "chatcmpl-5", "chatcmpl-3"]
        # A refused call is no slow answer.
        assert [r.total_s for r in reader.slow(10, min_s=0.5)] == [0.6, 0.5]
        assert reader.last(1)[0].content is None
        assert reader.ids("0" * 31) == [record(i).trace_id for i in range(1, 8)]


def test_the_oldest_records_go_when_all_take_too_much(tmp_path):
    path, limit = tmp_path / "t.db", 2 << 20
    with closing(store(path, max_bytes=limit)) as open_store:
        for start in range(0, 600, 20):
            open_store.write(
                [record(i, content={"prompt": os.urandom(5000).hex()}) for i in range(start, start + 20)]
            )
        left = TraceReader(path).last(1000)
        files = sum(p.stat().st_size for p in tmp_path.iterdir())
    assert left[0].request_id == "chatcmpl-599"
    assert 100 < len(left) < 250
    assert [r.request_id for r in left] == [f"chatcmpl-{i}" for i in range(599, 599 - len(left), -1)]
    assert files < 2 * limit, "room was not given back"


def test_records_beyond_their_age_go_and_refused_calls_never_push_out_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("flashstep.server.traces.database._MAX_REFUSED", 3)
    path, now = tmp_path / "t.db", time.time()
    with closing(store(path, max_days=1.0)) as open_store:
        open_store.write([record(1, arrived_at=now - 90_000), record(2, arrived_at=now - 80_000)])
        open_store.write([record(i, arrived_at=now, answers=(), outcome="failed") for i in range(3, 13)])
        open_store.tend()
    assert [r.request_id for r in TraceReader(path).last(99)] == [
        *(f"chatcmpl-{i}" for i in (12, 11, 10)),
        "chatcmpl-2",
    ]


def test_a_clock_that_jumps_deletes_nothing(tmp_path, monkeypatch):
    path, now = tmp_path / "t.db", time.time()
    with closing(store(path, max_days=1.0)) as open_store:
        open_store.write([record(1, arrived_at=now)])
        for jump_s in (4e8, -4e8):
            monkeypatch.setattr(time, "time", lambda jump_s=jump_s: now + jump_s)
            open_store.tend()
            open_store.write([record(int(abs(jump_s)) + (jump_s > 0), arrived_at=time.time())])
            assert "chatcmpl-1" in [r.request_id for r in TraceReader(path).last(9)]


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from server.traces.making_records import record, store
open_store = store(Path(sys.argv[2]))
for start in range(0, 10**9, 5):
    open_store.write([record(i, content={"prompt": "x" * 20_000}) for i in range(start, start + 5)])
    print(start + 5, flush=True)
"""


def test_a_killed_server_leaves_a_sound_file_with_all_that_was_committed(tmp_path):
    path, tests = tmp_path / "t.db", str(Path(__file__).parents[2])
    num_written = 0
    for _ in range(2):  # the second finds what the first left behind
        command = [sys.executable, "-c", KILLED, tests, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while (num_written := int(process.stdout.readline())) < 100:
                pass
            process.send_signal(signal.SIGKILL)
            num_written = max([num_written, *(int(line) for line in process.stdout if line.endswith("\n"))])
        assert process.returncode == -signal.SIGKILL
        found = TraceReader(path).trace(record(num_written - 1).trace_id)
        assert len(found[0].content["prompt"]) == 20_000
    assert len(TraceReader(path).last(10**6)) >= num_written
    assert integrity(path) == "ok"
    with closing(store(path)) as again:
        again.write([record(10**9)])
    assert TraceReader(path).last(1)[0].request_id == f"chatcmpl-{10**9}"


@contextmanager
def files_limited_to(num_bytes: int):
    """Writing further fails, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_full_disk_refuses_is_lost_and_later_records_are_kept(tmp_path):
    path = tmp_path / "t.db"
    with closing(store(path)) as open_store:
        open_store.write([record(1)])
        with files_limited_to(200_000):
            for number in range(2, 5):
                with pytest.raises((sqlite3.Error, OSError)):
                    open_store.write([record(number, content={"prompt": "x" * 400_000})])
        open_store.write([record(5)])
        assert [r.request_id for r in TraceReader(path).last(9)] == ["chatcmpl-5", "chatcmpl-1"]
    assert integrity(path) == "ok"


def test_a_file_that_is_no_database_is_moved_aside_with_a_warning(tmp_path, caplog):
    path = tmp_path / "t.db"
    path.write_bytes(b"this is no database, it only has its name" * 200)
    with caplog.at_level("WARNING", "flashstep.traces"), closing(store(path)) as open_store:
        open_store.write([record(1)])
    assert "moved to" in caplog.text
    assert [r.request_id for r in TraceReader(path).last(9)] == ["chatcmpl-1"]
    (aside,) = tmp_path.glob("t.db.broken-*")
    assert aside.read_bytes().startswith(b"this is no database")


def test_a_database_that_breaks_while_in_use_is_replaced(tmp_path, caplog):
    path = tmp_path / "t.db"
    with closing(store(path)) as open_store:
        open_store.write([record(i) for i in range(500)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with caplog.at_level("WARNING", "flashstep.traces"), closing(store(path)) as open_store:
        with pytest.raises(sqlite3.DatabaseError):
            open_store.write([record(i) for i in range(1000, 1010)])
        open_store.write([record(1)])
        assert [r.request_id for r in TraceReader(path).last(9)] == ["chatcmpl-1"]
    assert len(list(tmp_path.glob("t.db.broken-*"))) == 1


def test_a_deleted_file_is_made_anew(tmp_path, caplog):
    path = tmp_path / "t.db"
    with caplog.at_level("WARNING", "flashstep.traces"), closing(store(path)) as open_store:
        for file in tmp_path.iterdir():
            file.unlink()
        open_store.tend()
        open_store.write([record(1)])
        assert len(TraceReader(path).last(9)) == 1


def test_two_servers_share_a_file(tmp_path):
    path = tmp_path / "t.db"
    with closing(store(path)) as one, closing(store(path)) as other:
        one.write([record(1)])
        other.write([record(2)])
        one.write([record(3)])
    assert len(TraceReader(path).last(9)) == 3


def test_missing_migrations_are_applied_once_and_in_order():
    steps = ("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; CREATE TABLE b (z)")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, steps[:1])
        connection.execute("INSERT INTO a VALUES (1)")
        for _ in range(2):
            migrate(connection, steps)
        assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, None)]
        with pytest.raises(sqlite3.Error):
            migrate(connection, (*steps, "CREATE TABLE c (x); CREATE TABLE a (x)"))
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",), ("b",)]


def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "t.db"
    open_database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    for use in (lambda: store(path), lambda: TraceReader(path).last(1)):
        with pytest.raises(ConfigError, match="version 2"):
            use()
    assert len(list(tmp_path.glob("*broken*"))) == 0


@pytest.mark.parametrize("place", ["a-file/t.db", "."], ids=["below a file", "a folder"])
def test_a_place_where_no_file_can_be_is_a_config_error(tmp_path, place):
    (tmp_path / "a-file").write_text("")
    with pytest.raises(ConfigError, match="--trace-store off"):
        store(tmp_path / place)


def test_reading_a_store_that_is_not_there_says_who_makes_it(tmp_path):
    with pytest.raises(ConfigError, match="flashstep serve"):
        TraceReader(tmp_path / "none.db").last(1)
