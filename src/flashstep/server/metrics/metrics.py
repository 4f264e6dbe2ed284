"""The metrics of one server: what is counted as it happens, and what is read when asked."""

from importlib.metadata import version

from flashstep.server.limits.guard import Guard
from flashstep.server.metrics.endpoint import MetricsEndpoint
from flashstep.server.metrics.instruments import Instruments
from flashstep.server.metrics.observer import MetricsObserver
from flashstep.server.metrics.state import StateCollector
from flashstep.server.served_model import ServedModel
from flashstep.server.traces.tracing import Tracing


class Metrics:
    """observer: to be told of generations and calls. endpoint: shows it all."""

    def __init__(self, model: ServedModel, guard: Guard, tracing: Tracing | None) -> None:
        instruments = Instruments()
        instruments.describe_build(
            version=version("flashstep"), model=model.model_name, fingerprint=model.fingerprint
        )
        trace_stats = None if tracing is None else tracing.stats
        instruments.registry.register(StateCollector(model, guard.queue, guard.drain, trace_stats))
        self.observer = MetricsObserver(instruments, model.model_name)
        self.endpoint = MetricsEndpoint(instruments.registry)
