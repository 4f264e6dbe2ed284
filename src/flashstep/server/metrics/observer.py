"""Turns what happens to generations and calls into metrics; runs in the event loop."""

import re
import time
from collections.abc import Iterable

from starlette.routing import compile_path

from flashstep.errors import FlashstepError
from flashstep.server.call import Call
from flashstep.server.generation import Generation, failure_of
from flashstep.server.metrics.instruments import Instruments
from flashstep.types import Event, Finish, LogprobsDelta, Timings, Usage

_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
_OTHER = "other"


class MetricsObserver:
    """Watches generations of one model, and calls."""

    def __init__(self, instruments: Instruments, model_name: str) -> None:
        self._instruments = instruments
        self._model_name = model_name
        self._exact: frozenset[str] = frozenset()
        self._templates: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def know_routes(self, paths: Iterable[str]) -> None:
        """From now on count calls of these path templates under their own names, others as "other"."""
        paths = tuple(paths)
        self._exact = frozenset(path for path in paths if "{" not in path)
        self._templates = tuple((path, compile_path(path)[0]) for path in paths if "{" in path)

    def begin(self, call: Call, generation: Generation, request_id: str) -> "GenerationMeter":
        """A generation was accepted."""
        return GenerationMeter(self._instruments, call, self._model_name, generation.endpoint)

    def call_ended(self, call: Call) -> None:
        """A call is over and has its status."""
        method = call.method if call.method in _METHODS else _OTHER
        self._instruments.http_requests.labels(self._route(call.path), method, str(call.status)).inc()

    def key_refused(self, key_name: str, limit: str) -> None:
        """A call went over a limit of its key."""
        self._instruments.rate_limited.labels(key_name, limit).inc()

    def _route(self, path: str) -> str:
        if path in self._exact:
            return path
        return next((name for name, pattern in self._templates if pattern.match(path)), _OTHER)


class GenerationMeter:
    """Measures one generation."""

    def __init__(self, instruments: Instruments, call: Call, model: str, endpoint: str) -> None:
        self._instruments = instruments
        self._labels = (model, endpoint)
        self._exemplar = {"trace_id": call.trace_id}
        self._arrived_s = call.arrived_s
        self._began_s = time.monotonic()
        self._last_s: dict[int, float] = {}  # of each answer's last piece
        self._unfinished: dict[int, Usage] = {}  # what answers without an end have used so far

    def event(self, index: int, event: Event) -> None:
        """Answer number `index` went on."""
        now_s = time.monotonic()
        if isinstance(event, Finish):
            self._unfinished.pop(index, None)
            self._finish(event, now_s)
        elif not isinstance(event, LogprobsDelta):
            if event.usage is not None:
                self._unfinished[index] = event.usage
            self._piece(index, now_s)

    def end(self, error: BaseException | None) -> None:
        """The generation is over. What was broken off has been computed, and counts."""
        for usage in self._unfinished.values():
            self._count_tokens(usage)
        self._unfinished.clear()
        if error is not None:
            kind = error.type if isinstance(error, FlashstepError) else "server_error"
            kind = kind if isinstance(error, Exception) else "disconnect"
            self._instruments.request_failure.labels(*self._labels, kind).inc()

    def _piece(self, index: int, now_s: float) -> None:
        last_s = self._last_s.get(index)
        if last_s is not None:
            self._instruments.inter_token_latency.labels(*self._labels).observe(now_s - last_s)
        elif not self._last_s:
            first = self._instruments.time_to_first_token.labels(*self._labels)
            first.observe(now_s - self._arrived_s, self._exemplar)
        self._last_s[index] = now_s

    def _finish(self, finish: Finish, now_s: float) -> None:
        its, labels, usage = self._instruments, self._labels, finish.usage
        its.e2e_latency.labels(*labels).observe(now_s - self._arrived_s, self._exemplar)
        if failure_of(finish) is None:  # else the generation counts as a failure, at its end
            its.request_success.labels(*labels, finish.reason).inc()
        if finish.stop_reason == "repetition":
            its.repetition_stops.labels(*labels).inc()
        self._count_tokens(usage)
        its.prompt_length.labels(*labels).observe(usage.prompt_tokens)
        its.generation_length.labels(*labels).observe(usage.completion_tokens)
        self._phases(finish.timings, now_s)

    def _count_tokens(self, usage: Usage) -> None:
        its, labels = self._instruments, self._labels
        its.prompt_tokens.labels(*labels).inc(usage.prompt_tokens)
        its.prefix_cache_queries.labels(*labels).inc(usage.prompt_tokens)
        its.prefix_cache_hits.labels(*labels).inc(usage.cached_tokens)
        its.generation_tokens.labels(*labels).inc(usage.completion_tokens)
        its.reasoning_tokens.labels(*labels).inc(usage.reasoning_tokens)

    def _phases(self, timings: Timings, now_s: float) -> None:
        """The backend counts from when it got the request, which is behind the server's own queue."""
        admitted_s, first_s, finished_s = timings.admitted_s, timings.first_token_s, timings.finished_s
        if admitted_s is None or finished_s is None:
            return
        asked_s = max(self._began_s, now_s - finished_s)
        self._instruments.queue_time.labels(*self._labels).observe(asked_s - self._began_s + admitted_s)
        if first_s is not None:
            self._instruments.prefill_time.labels(*self._labels).observe(first_s - admitted_s)
            self._instruments.decode_time.labels(*self._labels).observe(finished_s - first_s)
