"""The thread between the event loop and the disk: it never holds up who hands records over."""

import logging
import sqlite3
import threading
from contextlib import closing

import pytest

from flashstep.server.traces.reader import TraceReader
from flashstep.server.traces.redaction import Redaction
from flashstep.server.traces.writer import RecordWriter, WriterStats
from server.traces.making_records import Drafted, record, store

TIMEOUT_S = 10


class GatedSink:
    """A sink that is stuck until its gate is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.written = []
        self.is_closed = False

    def write(self, records) -> None:
        self.entered.set()
        assert self.gate.wait(TIMEOUT_S)
        self.written += records

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def gated():
    """A writer whose thread is held inside a write, with room for four more drafts."""
    sink = GatedSink()
    writer = RecordWriter([sink], Redaction(), max_queued=4, max_queued_chars=1000)
    writer.put(Drafted(record(0)))
    assert sink.entered.wait(TIMEOUT_S)
    yield writer, sink
    sink.gate.set()
    writer.close()


def test_put_returns_while_the_sink_is_stuck_and_drops_what_has_no_room(gated, caplog):
    writer, sink = gated
    with caplog.at_level(logging.ERROR, "flashstep.traces"):
        for number in range(1, 100):  # would never end if it waited for the sink
            writer.put(Drafted(record(number)))
    assert writer.stats() == WriterStats(num_written=0, num_dropped=95, num_lost=0, num_queued=4)
    assert len(caplog.records) == 1, "an overflow is logged once a minute, not once a record"
    assert "1 dropped" in caplog.text
    assert not writer.flush(0.05)
    sink.gate.set()
    assert writer.flush(TIMEOUT_S)
    assert [r.request_id for r in sink.written] == [f"chatcmpl-{i}" for i in range(5)]


def test_what_waits_is_bounded_in_characters_too(gated):
    writer, sink = gated
    for num_chars in (900, 200, 50):
        writer.put(Drafted(record(num_chars), num_chars))
    assert writer.stats().num_dropped == 1
    sink.gate.set()
    assert writer.flush(TIMEOUT_S)
    writer.put(Drafted(record(1), 10_000))  # a single big one always fits
    assert writer.flush(TIMEOUT_S)
    assert [r.request_id for r in sink.written] == [f"chatcmpl-{i}" for i in (0, 900, 50, 1)]


def test_put_does_not_wait_for_a_locked_database(tmp_path):
    path = tmp_path / "t.db"
    open_store = store(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(RecordWriter([open_store], Redaction())) as writer:
            for number in range(500):
                writer.put(Drafted(record(number)))
            assert writer.stats().num_written == 0
            other.execute("ROLLBACK")
            assert writer.flush(TIMEOUT_S)
            assert writer.stats().num_written == 500
    assert len(TraceReader(path).last(999)) == 500


def test_closing_writes_what_is_queued(tmp_path):
    path = tmp_path / "t.db"
    writer = RecordWriter([store(path)], Redaction())
    for number in range(700):
        writer.put(Drafted(record(number)))
    writer.close()
    assert len(TraceReader(path).last(999)) == 700


class FailingSink(GatedSink):
    """Refuses while it is told to."""

    error: Exception | None = OSError(28, "No space left on device")

    def write(self, records) -> None:
        if self.error is not None:
            raise self.error
        self.written += records


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), TypeError("a 100% defect")])
def test_a_failing_sink_is_logged_and_counted_and_the_others_go_on(caplog, error):
    failing, healthy = FailingSink(), FailingSink()
    failing.error, healthy.error = error, None
    with (
        caplog.at_level(logging.ERROR, "flashstep.traces"),
        closing(RecordWriter([failing, healthy], Redaction())) as writer,
    ):
        for number in range(3):
            writer.put(Drafted(record(number)))
            assert writer.flush(TIMEOUT_S)
        failing.error = None
        writer.put(Drafted(record(3)))
        assert writer.flush(TIMEOUT_S)
    assert writer.stats() == WriterStats(num_written=1, num_lost=3)
    assert [r.request_id for r in failing.written] == ["chatcmpl-3"]
    assert len(healthy.written) == 4
    assert len(caplog.records) == 1
    assert str(error) in caplog.text
    assert failing.is_closed
    assert healthy.is_closed


class Unmakeable(Drafted):
    def record(self):
        raise ValueError("cannot be made")


def test_a_draft_that_cannot_become_a_record_costs_no_other(tmp_path, caplog):
    path = tmp_path / "t.db"
    with caplog.at_level("ERROR"), closing(RecordWriter([store(path)], Redaction())) as writer:
        for draft in (Drafted(record(1)), Unmakeable(record(2)), Drafted(record(3))):
            writer.put(draft)
    assert [r.request_id for r in TraceReader(path).last(9)] == ["chatcmpl-3", "chatcmpl-1"]
    assert writer.stats().num_lost == 1
    assert "cannot be made" in caplog.text
