"""Everything about traces that a server owns: the store, the exporter and the thread that feeds them."""

from collections.abc import Iterator
from contextlib import contextmanager

from flashstep.server.traces.reader import TraceReader
from flashstep.server.traces.record import TraceRecord
from flashstep.server.traces.recorder import TraceObserver
from flashstep.server.traces.redaction import Redaction
from flashstep.server.traces.settings import TraceSettings
from flashstep.server.traces.store import TraceStore
from flashstep.server.traces.writer import RecordWriter, Sink, WriterStats

_FLUSH_S = 2.0


class Tracing:
    """The traces of one process. Made by `open_tracing`."""

    def __init__(self, settings: TraceSettings, writer: RecordWriter) -> None:
        self._settings = settings
        self._writer = writer
        self._reader = TraceReader(settings.store) if settings.store is not None else None

    def observer(self, loaded_model: str) -> TraceObserver:
        """What watches the generations and calls of a server with this model."""
        return TraceObserver(
            self._writer.put,
            loaded_model=loaded_model,
            keep_content=self._settings.keep_content and self._settings.store is not None,
            keep_quotes=self._settings.keep_content,
            with_token_ids=not self._settings.redact,
        )

    def lookup(self, trace_id: str) -> list[TraceRecord]:
        """The records of a trace, also those that were handed over just now; empty without a store.
        Waits for the writer, so not for the event loop. Raises ConfigError when the store is unreadable."""
        if self._reader is None:
            return []
        self._writer.flush(_FLUSH_S)
        return self._reader.trace(trace_id)

    def stats(self) -> WriterStats:
        """What became of the records so far; cheap."""
        return self._writer.stats()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was recorded so far is written; False when that takes too long."""
        return self._writer.flush(timeout_s)


@contextmanager
def open_tracing(settings: TraceSettings) -> Iterator[Tracing | None]:
    """Record until the block ends, then write what is left; None when nobody wants the records.
    Raises ConfigError when store or exporter cannot work."""
    if not settings.is_on:
        yield None
        return
    sinks: list[Sink] = []
    if settings.store is not None:
        sinks.append(TraceStore(settings.store, max_days=settings.max_days, max_bytes=settings.max_bytes))
    if settings.otlp_endpoint is not None:
        from flashstep.server.traces.otlp import otlp_sink  # an extra; its import takes a moment

        sinks.append(otlp_sink(settings.otlp_endpoint))  # last: closing it may have to wait for a collector
    writer = RecordWriter(sinks, Redaction(settings.redact))
    try:
        yield Tracing(settings, writer)
    finally:
        writer.close()
