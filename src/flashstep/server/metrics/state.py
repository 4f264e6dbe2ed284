"""Metrics that are read when somebody asks: what runs and waits now, and the engine's own counters."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flashstep.backends.base import EngineStats
from flashstep.server.limits.drain import Drain
from flashstep.server.limits.queue import Queue
from flashstep.server.served_model import ServedModel
from flashstep.server.traces.writer import WriterStats


class StateCollector(Collector):
    """Reads model, queue and drain. trace_stats: what became of trace records; None = none are kept. The
    engine's counters, but for the restarts, begin again with each engine, as those of a process do."""

    def __init__(
        self, model: ServedModel, queue: Queue, drain: Drain, trace_stats: Callable[[], WriterStats] | None
    ) -> None:
        self._model = model
        self._queue = queue
        self._drain = drain
        self._trace_stats = trace_stats

    def collect(self) -> Iterator[Metric]:
        """A snapshot."""
        stats = self._model.stats()
        labels = {"model": self._model.model_name}
        yield from _gauges(
            labels,
            num_requests_running=("Sequences that the engine computes now.", stats.num_running),
            num_requests_waiting=(
                "Requests that wait, in the server's queue or the engine's.",
                self._queue.num_waiting + stats.num_waiting,
            ),
            queue_places_taken=("Places of the engine that requests hold now.", self._queue.num_taken),
            kv_cache_usage_ratio=("Used part of the KV cache, 0 to 1.", stats.kv_usage),
            draining=("1 while the server stops and takes no new requests.", self._drain.is_draining()),
            healthy=("1 while requests can be answered.", self._model.is_healthy()),
        )
        yield from _counters(
            labels,
            engine_steps=("Passes of the model's layers.", stats.num_steps),
            engine_restarts=("Engines started because the one before died.", stats.num_restarts),
            num_preemptions=(
                "Sequences that lost their KV blocks and were computed anew.",
                stats.num_preemptions,
            ),
            spec_decode_verifications=("Steps of a sequence that verified drafts.", stats.num_verifications),
        )
        yield from _drafts(stats, labels["model"])
        refused = CounterMetricFamily(
            "flashstep_requests_refused",
            "Requests answered 503: the queue was full, the wait in it too long, or the server stopping.",
            labels=("model", "reason"),
        )
        for reason, count in (*self._queue.num_refused.items(), ("draining", self._drain.num_refused)):
            refused.add_metric((labels["model"], reason), count)
        yield refused
        if self._trace_stats is not None:
            traces = self._trace_stats()
            yield from _counters(
                labels,
                trace_records_dropped=("Trace records that came too fast to be kept.", traces.num_dropped),
                trace_records_lost=("Trace records that could not be written.", traces.num_lost),
            )


def _gauges(labels: dict[str, str], **values: tuple[str, float]) -> Iterator[Metric]:
    for name, (text, value) in values.items():
        family = GaugeMetricFamily(f"flashstep_{name}", text, labels=tuple(labels))
        family.add_metric(tuple(labels.values()), value)
        yield family


def _counters(labels: dict[str, str], **values: tuple[str, float]) -> Iterator[Metric]:
    for name, (text, value) in values.items():
        family = CounterMetricFamily(f"flashstep_{name}", text, labels=tuple(labels))
        family.add_metric(tuple(labels.values()), value)
        yield family


def _drafts(stats: EngineStats, model: str) -> Iterator[Metric]:
    pairs = (
        ("drafted", "Draft tokens that were verified", stats.drafted_by_position),
        ("accepted", "Draft tokens that were kept", stats.accepted_by_position),
    )
    for name, text, counts in pairs:
        family = CounterMetricFamily(
            f"flashstep_spec_decode_{name}_tokens",
            f"{text}, by how many places ahead they were; 1 is the next token but one.",
            labels=("model", "position"),
        )
        for i, count in enumerate(counts, start=1):
            family.add_metric((model, str(i)), count)
        yield family
