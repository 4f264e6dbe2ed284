"""What is counted and timed as it happens; names, help texts with units, and labels.

Labels take few values, all of them from code and configuration: never anything that a client sent.
A registry of its own for each server, so that several can live in one process.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

# Seconds. Chosen for a model that answers a short question in tenths of a second on a laptop and may
# think for minutes over a long one.
_LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_TOKEN_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_TOKENS = (1, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
_BY = ("model", "endpoint")


class Instruments:
    """The instruments of one server, in `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.prompt_tokens = self._counter("prompt_tokens", "Prompt tokens of answers, cached ones included.")
        self.generation_tokens = self._counter("generation_tokens", "Generated tokens, reasoning included.")
        self.reasoning_tokens = self._counter("reasoning_tokens", "Generated tokens that were reasoning.")
        self.prefix_cache_queries = self._counter(
            "prefix_cache_queries", "Prompt tokens that were looked up in the prefix cache."
        )
        self.prefix_cache_hits = self._counter(
            "prefix_cache_hits", "Prompt tokens that were found in the prefix cache."
        )
        self.request_success = self._counter(
            "request_success", "Complete answers, by how they ended.", (*_BY, "finished_reason")
        )
        self.request_failure = self._counter(
            "request_failure",
            "Generations that gave no complete answer, by the kind of error; 'backend_error' = the engine "
            "failed or broke off, 'disconnect' = the client left.",
            (*_BY, "error"),
        )
        self.repetition_stops = self._counter(
            "repetition_stops", "Answers that the repetition guard ended.", _BY
        )
        self.e2e_latency = self._seconds(
            "e2e_request_latency", "from a request's arrival to the end of its answer"
        )
        self.time_to_first_token = self._seconds(
            "time_to_first_token", "from a request's arrival to its first token"
        )
        self.inter_token_latency = self._seconds(
            "inter_token_latency", "between pieces of an answer; a piece can hold several tokens", _TOKEN_S
        )
        self.queue_time = self._seconds(
            "request_queue_time", "from a request's acceptance to its first computation"
        )
        self.prefill_time = self._seconds(
            "request_prefill_time", "from a request's first computation to its first token"
        )
        self.decode_time = self._seconds("request_decode_time", "from a request's first token to its last")
        self.prompt_length = self._histogram("request_prompt_tokens", "Prompt tokens of an answer.", _TOKENS)
        self.generation_length = self._histogram(
            "request_generation_tokens", "Generated tokens of an answer, reasoning included.", _TOKENS
        )
        self.http_requests = self._counter(
            "http_requests", "HTTP calls by route, method and status.", ("route", "method", "status")
        )
        self.rate_limited = self._counter(
            "rate_limited", "Calls refused with 429, by the key's name and the limit.", ("key", "limit")
        )

    def describe_build(self, **labels: str) -> None:
        """Say once what is running."""
        Gauge(
            "flashstep_build_info",
            "Always 1; the labels say what is running.",
            tuple(labels),
            registry=self.registry,
        ).labels(**labels).set(1)

    def _counter(self, name: str, text: str, labels: Sequence[str] = _BY) -> Counter:
        return Counter(f"flashstep_{name}", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str, buckets: Sequence[float] = _LATENCY_S) -> Histogram:
        return self._histogram(f"{name}_seconds", f"Seconds {text}.", buckets)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"flashstep_{name}", text, _BY, buckets=buckets, registry=self.registry)
