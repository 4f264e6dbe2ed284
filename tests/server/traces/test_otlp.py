"""Spans as a collector gets them: over HTTP, decoded from the protocol's own messages."""

import builtins
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from flashstep.errors import ConfigError
from flashstep.server.settings import ServerSettings
from flashstep.server.traces.otlp import otlp_sink
from flashstep.server.traces.record import Failure
from flashstep.server.traces.settings import TraceSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, Timings, Usage
from server.running_server import PlayedModel, ask, serving
from server.traces.making_records import record

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """What was exported so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []

    @property
    def spans(self) -> dict[str, Span]:
        """By name; the names of one record's spans differ."""
        return {
            span.name: span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


def attributes(span: Span) -> dict[str, object]:
    def value(any_value):
        kind = any_value.WhichOneof("value")
        if kind == "array_value":
            return [value(item) for item in any_value.array_value.values]
        return getattr(any_value, kind)

    return {item.key: value(item.value) for item in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_is_a_server_span_with_a_child_for_each_phase():
    with collecting() as collector:
        settings = ServerSettings(traces=TraceSettings(otlp_endpoint=collector.url, redact=("hidden",)))
        with serving(PlayedModel(), settings) as server:
            server.model.script = [
                ReasoningDelta("hm"),
                TextDelta("yes"),
                # Shorter than any call takes, so that they lie inside of this one.
                Finish("stop", Usage(12, 7, 4, 8), Timings(1e-5, 3e-5, 4e-5, 6e-5, 9, 5)),
            ]
            response = server.post(
                ask(temperature=0.25, max_tokens=99, stop=["a hidden stop"]),
                headers={"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"},
            )
            assert response.headers["x-trace-id"] == TRACE_ID
            assert server.get(f"/v1/traces/{TRACE_ID}").status_code == 404, "no store, so nothing to show"
    assert set(collector.paths) == {"/v1/traces"}
    spans = collector.spans
    root = spans.pop("chat step-3.5-flash")
    assert root.kind == Span.SPAN_KIND_SERVER
    assert {span.trace_id.hex() for span in (root, *spans.values())} == {TRACE_ID}
    assert root.parent_span_id.hex() == SPAN_ID
    assert root.status.code == Status.STATUS_CODE_UNSET
    given = attributes(root)
    assert (
        given
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "flashstep",
            "gen_ai.request.model": "step-3.5-flash",
            "gen_ai.response.model": "flashstep-nano",
            "gen_ai.response.id": response.json()["id"],
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.max_tokens": 99,
            "gen_ai.request.stop_sequences": ["a [redacted] stop"],
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.usage.reasoning.output_tokens": 4,
            "http.response.status_code": 200,
            "flashstep.num_drafted": 9,
            "flashstep.num_accepted": 5,
        }
        == given
    )
    assert list(spans) == ["request", "queue", "prefill", "reasoning", "answer", "sending"]
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    prefill = spans["prefill"]
    assert prefill.end_time_unix_nano - prefill.start_time_unix_nano == pytest.approx(2e4, abs=2e3)
    assert spans["request"].start_time_unix_nano == root.start_time_unix_nano
    assert spans["sending"].end_time_unix_nano == root.end_time_unix_nano


def test_without_content_spans_quote_nothing_either():
    with collecting() as collector:
        traces = TraceSettings(otlp_endpoint=collector.url, keep_content=False)
        with serving(PlayedModel(), ServerSettings(traces=traces)) as server:
            server.model.script = [TextDelta("yes"), Finish("stop", stop_reason="hidden")]
            server.post(ask(stop=["hidden"], temperature=0.25))
            server.post(ask(messages=[{"role": "user", "content": {"text": "hidden"}}]))
    spans = collector.spans
    assert attributes(spans["chat step-3.5-flash"])["gen_ai.request.temperature"] == 0.25
    (event,) = spans["POST /v1/chat/completions"].events
    assert str(attributes(event)["exception.message"]).startswith("messages[0].content: refused")
    assert "hidden" not in str(collector.requests)


def test_without_a_callers_span_the_span_is_a_root_under_the_records_trace_id():
    with collecting() as collector, closing(otlp_sink(f"{collector.url}/v1/traces/")) as sink:
        sink.write([record(1, model="one"), record(2, model="two")])
        sink.close()
        spans = collector.spans
    assert spans["chat one"].trace_id.hex() == record(1).trace_id
    assert spans["chat two"].trace_id.hex() == record(2).trace_id
    assert spans["chat one"].parent_span_id == b""


def test_a_failure_is_an_error_span_with_the_exception_as_its_event():
    error = Failure("RuntimeError", "a defect", "Traceback: here")
    with collecting() as collector, closing(otlp_sink(collector.url)) as sink:
        sink.write(
            [
                record(1, outcome="failed", status=500, error=error, model="broken"),
                record(2, outcome="disconnected", status=499, model="left"),
                record(
                    3, outcome="failed", status=400, answers=(), endpoint="/v1/x", error=Failure("e", "m")
                ),
            ]
        )
        sink.close()
        spans = collector.spans
    broken = spans["chat broken"]
    assert broken.status.code == Status.STATUS_CODE_ERROR
    assert broken.status.message == "a defect"
    (event,) = broken.events
    assert attributes(event)["exception.stacktrace"] == "Traceback: here"
    assert attributes(spans["chat left"])["error.type"] == "disconnected"
    refused = attributes(spans["POST /v1/x"])
    assert (refused["url.path"], refused["http.response.status_code"]) == ("/v1/x", 400)


def test_a_missing_package_is_a_config_error_that_names_the_extra(monkeypatch):
    real_import = builtins.__import__

    def without_sdk(name, *args, **kwargs):
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_sdk)
    with pytest.raises(ConfigError, match=r"-e '\.\[otel\]'"):
        otlp_sink("http://localhost:4318")
