"""Records as OpenTelemetry spans, sent to a collector by OTLP over HTTP.

One server span a record, under the caller's span where `traceparent` named one, with a child for each
phase. Trace ids are those of the records, so that a trace is found here and there by the same id.
Attribute names: the semantic conventions for GenAI (gen_ai.*), HTTP and exceptions; what they have no
name for is under flashstep.*. Prompts and outputs are not exported: the conventions make content an
opt-in, and ours is the store. Stop strings and error messages are as the record has them.

The SDK batches and sends in a thread of its own; when the collector is away, its queue overwrites the
oldest spans. It reads the usual variables (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, ...).
Needs the extra `otel`.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from flashstep.errors import ConfigError, how_to_install
from flashstep.server.traces.record import TraceRecord
from flashstep.server.traces.writer import Sink

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

_PATH = "/v1/traces"
_GENERATION_ATTRIBUTES = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "stop": "gen_ai.request.stop_sequences",
    "stream": "gen_ai.request.stream",
    "n": "gen_ai.request.choice.count",
}


def otlp_sink(endpoint: str) -> Sink:
    """A sink that sends to the collector with the base URL `endpoint`. Raises ConfigError when the
    packages for it are not installed."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"spans are to be sent to {endpoint}, but {error.name} is not installed; "
            f"{how_to_install('otel')}, or leave the OTLP endpoint out (the variable "
            "OTEL_EXPORTER_OTLP_ENDPOINT too)"
        ) from error
    return SpanSink(endpoint)


class SpanSink:
    """Sends spans. Called by one thread."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class RecordIds(RandomIdGenerator):
            """Gives a span without a parent the trace id of its record."""

            trace_id = 0

            def generate_trace_id(self) -> int:
                return self.trace_id

        self._ids = RecordIds()
        base = endpoint.rstrip("/")
        exporter = OTLPSpanExporter(base if base.endswith(_PATH) else base + _PATH)
        own = Resource({"service.name": "flashstep", "service.version": version("flashstep")})
        self._provider = TracerProvider(
            resource=own.merge(OTELResourceDetector().detect()),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("flashstep", version("flashstep"))

    def write(self, records: Sequence[TraceRecord]) -> None:
        """Queue the spans of each record for sending."""
        for record in records:
            self._ids.trace_id = int(record.trace_id, 16)
            _emit(self._tracer, record)

    def tend(self) -> None:
        """Nothing to do: the SDK sends by itself."""

    def close(self) -> None:
        """Send what is queued, as far as the collector takes it."""
        self._provider.shutdown()


def _emit(tracer: "Tracer", record: TraceRecord) -> None:
    from opentelemetry.trace import SpanKind, set_span_in_context

    span = tracer.start_span(
        _name(record),
        context=_parent(record),
        kind=SpanKind.SERVER,
        attributes=dict(_attributes(record)),
        start_time=_ns(record, 0.0),
    )
    inside = set_span_in_context(span)
    if record.is_generation:
        for phase in record.phases():
            child = tracer.start_span(phase.name, context=inside, start_time=_ns(record, phase.start_s))
            child.end(_ns(record, phase.end_s))
    _add_error(span, record)
    span.end(_ns(record, record.total_s))


def _parent(record: TraceRecord) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if record.parent_span_id is None:
        return Context()
    parent = SpanContext(
        int(record.trace_id, 16),
        int(record.parent_span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _add_error(span: "Span", record: TraceRecord) -> None:
    from opentelemetry.trace import Status, StatusCode

    if record.outcome == "disconnected":
        span.set_attribute("error.type", "disconnected")
        span.set_status(Status(StatusCode.ERROR, "the client left before its answer was complete"))
    if record.error is None:
        return
    span.set_attribute("error.type", record.error.type)
    span.set_status(Status(StatusCode.ERROR, record.error.message))
    attributes = {"exception.type": record.error.type, "exception.message": record.error.message}
    if record.error.stack:
        attributes["exception.stacktrace"] = record.error.stack
    span.add_event("exception", attributes, _ns(record, record.total_s))


def _name(record: TraceRecord) -> str:
    return f"{_operation(record)} {record.model}" if record.is_generation else f"POST {record.endpoint}"


def _operation(record: TraceRecord) -> str:
    return "text_completion" if record.endpoint == "completions" else "chat"


def _attributes(record: TraceRecord) -> "Iterator[tuple[str, AttributeValue]]":
    yield "http.response.status_code", record.status
    yield "flashstep.request_id", record.request_id
    for name, text in (("user_agent.original", record.user_agent), ("flashstep.client", record.client)):
        if text is not None:
            yield name, text
    if not record.is_generation:
        yield "http.request.method", "POST"
        yield "url.path", record.endpoint
        return
    yield "flashstep.endpoint", record.endpoint
    yield "gen_ai.operation.name", _operation(record)
    yield "gen_ai.provider.name", "flashstep"
    yield "gen_ai.request.model", record.model or ""
    yield "gen_ai.response.model", record.loaded_model or ""
    yield "gen_ai.response.id", record.request_id
    yield "gen_ai.response.finish_reasons", [a.finish_reason or "abort" for a in record.answers]
    for name, attribute in _GENERATION_ATTRIBUTES.items():
        if name in record.params:
            yield attribute, record.params[name]
    if record.marks.first_token_s is not None:
        yield "gen_ai.response.time_to_first_chunk", record.marks.first_token_s
    yield from _usage_attributes(record)


def _usage_attributes(record: TraceRecord) -> "Iterator[tuple[str, AttributeValue]]":
    usage = record.usage
    if usage is None:
        return
    yield "gen_ai.usage.input_tokens", usage.prompt_tokens
    yield "gen_ai.usage.output_tokens", usage.completion_tokens
    yield "gen_ai.usage.cache_read.input_tokens", usage.cached_tokens
    yield "gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens
    yield "flashstep.num_drafted", sum(answer.num_drafted for answer in record.answers)
    yield "flashstep.num_accepted", sum(answer.num_accepted for answer in record.answers)


def _ns(record: TraceRecord, after_s: float) -> int:
    return int((record.arrived_at + after_s) * 1e9)
