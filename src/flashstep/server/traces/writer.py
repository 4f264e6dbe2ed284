"""The thread between the event loop and everything slow: disk, network, making JSON.

`put` costs one append to a bounded queue and never waits for the thread, a disk or a lock that is held
during either. What does not fit is dropped and counted: a server must not grow, or stop, because of
its traces.
"""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flashstep.server.traces.record import TraceRecord
from flashstep.server.traces.recorder import Draft
from flashstep.server.traces.redaction import Redaction

logger = logging.getLogger("flashstep.traces")

_MAX_BATCH = 256
_TEND_S = 60.0
_COMPLAIN_S = 60.0


class Sink(Protocol):
    """Where records end. Called by the writer's thread alone."""

    def write(self, records: Sequence[TraceRecord]) -> None:
        """Take a batch. What it raises is logged, and the batch counts as lost."""
        ...

    def tend(self) -> None:
        """Called about every minute."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


@dataclass(frozen=True, slots=True)
class WriterStats:
    """Counts since the start. num_dropped: came too fast or too big for the queue. num_lost: batches
    of a sink failed. num_queued: wait now."""

    num_written: int = 0
    num_dropped: int = 0
    num_lost: int = 0
    num_queued: int = 0


class RecordWriter:
    """Makes records of drafts and gives them to the sinks, in its own thread until `close`.

    max_queued, max_queued_chars: drafts beyond these are dropped; a single big one always fits.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        redaction: Redaction,
        *,
        max_queued: int = 1024,
        max_queued_chars: int = 64 << 20,
    ) -> None:
        self._sinks = tuple(sinks)
        self._redaction = redaction
        self._queue: queue.Queue[Draft | threading.Event | None] = queue.Queue(max_queued)
        self._max_queued_chars = max_queued_chars
        # Each is changed by one thread only, so their difference needs no lock.
        self._chars_in = 0
        self._chars_out = 0
        self._num_written = 0
        self._num_dropped = 0
        self._num_lost = 0
        self._complained_s = -_COMPLAIN_S
        self._thread = threading.Thread(target=self._run, name="flashstep-traces", daemon=True)
        self._thread.start()

    def put(self, draft: Draft) -> None:
        """Hand a draft over; returns at once, whether it was taken or dropped. One thread may call."""
        num_chars = draft.num_chars
        waiting_chars = self._chars_in - self._chars_out
        try:
            if waiting_chars and waiting_chars + num_chars > self._max_queued_chars:
                raise queue.Full
            self._queue.put_nowait(draft)
        except queue.Full:
            self._num_dropped += 1
            if self._may_complain():
                logger.error(
                    "trace records come faster than they can be written; %d dropped so far", self._num_dropped
                )
        else:
            self._chars_in += num_chars

    def stats(self) -> WriterStats:
        """Counts; cheap."""
        return WriterStats(self._num_written, self._num_dropped, self._num_lost, self._queue.qsize())

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put so far is written or lost; False when that takes too long."""
        done = threading.Event()
        try:
            self._queue.put(done, timeout=timeout_s)
        except queue.Full:
            return False
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, then end. What a stuck disk holds up beyond `timeout_s` is lost."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            logger.error("the trace writer is stuck; %d records are lost", self._queue.qsize())
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._tend()
        tended_s = time.monotonic()
        is_open = True
        while is_open:
            batch, markers, is_open = self._next(tended_s + _TEND_S - time.monotonic())
            self._write(batch)
            for marker in markers:
                marker.set()
            if time.monotonic() - tended_s >= _TEND_S:
                self._tend()
                tended_s = time.monotonic()
        for sink in self._sinks:
            sink.close()

    def _next(self, timeout_s: float) -> tuple[list[Draft], list[threading.Event], bool]:
        """What is queued, up to a batch; waits for the first. The last is False at the end."""
        batch: list[Draft] = []
        markers: list[threading.Event] = []
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
            while item is not None:
                if isinstance(item, threading.Event):
                    markers.append(item)
                else:
                    batch.append(item)
                if len(batch) >= _MAX_BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            return batch, markers, True
        return batch, markers, item is not None

    def _write(self, drafts: Sequence[Draft]) -> None:
        records = [record for draft in drafts if (record := self._made(draft)) is not None]
        self._chars_out += sum(draft.num_chars for draft in drafts)
        if not records:
            return
        num_lost = self._num_lost
        for sink in self._sinks:
            try:
                sink.write(records)
            except Exception as error:  # nothing that a disk or collector does may end the thread
                self._num_lost = num_lost + len(records)
                self._complain("trace records could not be written: %s; %d lost so far", error)
        if self._num_lost == num_lost:
            self._num_written += len(records)

    def _made(self, draft: Draft) -> TraceRecord | None:
        try:
            return self._redaction.record(draft.record())
        except Exception as error:  # a defect in one record must not end all traces
            self._num_lost += 1
            self._complain("a trace record could not be made: %r; %d lost so far", error)
            return None

    def _tend(self) -> None:
        for sink in self._sinks:
            try:
                sink.tend()
            except Exception as error:  # as in _write
                self._complain("the trace store could not be tended: %s; %d records lost so far", error)

    def _complain(self, message: str, error: Exception) -> None:
        if self._may_complain():
            logger.error(message, error, self._num_lost, exc_info=error)

    def _may_complain(self) -> bool:
        """At most once a minute: what fails once here fails for every call."""
        now_s = time.monotonic()
        if now_s - self._complained_s < _COMPLAIN_S:
            return False
        self._complained_s = now_s
        return True
