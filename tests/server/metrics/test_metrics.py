"""/metrics after known traffic: numbers that add up, labels that no client can choose."""

import logging
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flashstep.backends.base import EngineStats
from flashstep.errors import EngineDead
from flashstep.server.keys.api_key import KeyLimits
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, TextDelta, Timings, Usage
from server.limits.keyed import serving_keys
from server.running_server import PlayedModel, ask, serving
from server.scripted_model import scripted

TIMINGS = Timings(admitted_s=0.25, first_token_s=0.75, finished_s=2.75)
TIMED = Finish("stop", Usage(12, 7, 4, 8), TIMINGS, stop_reason="repetition")
LABELS = {"model": "flashstep-nano", "endpoint": "chat.completions"}


class Drafting(PlayedModel):
    """A model whose engine has something to tell."""

    def stats(self) -> EngineStats:
        return EngineStats(
            num_running=3, num_waiting=2, kv_usage=0.5, num_preemptions=4, num_steps=99,
            num_verifications=10, drafted_by_position=(10, 9), accepted_by_position=(8, 5),
        )  # fmt: skip


@pytest.fixture
def server():
    with serving(Drafting(), ServerSettings()) as running:
        yield running


def samples(server):
    """name -> [(labels, value)] of everything that /metrics shows."""
    found = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(server, name, **labels):
    """The one value with these labels among others; 0 when there is none."""
    values = [v for given, v in samples(server).get(name, []) if labels.items() <= given.items()]
    assert len(values) <= 1, values
    return values[0] if values else 0


def test_tokens_ends_and_phases_of_an_answer_are_counted(server):
    server.model.script = [TextDelta("a"), TextDelta("b"), TextDelta("c"), TIMED]
    for _ in range(2):
        assert server.post(ask()).status_code == 200
    expected = {
        "prompt_tokens_total": 24,
        "generation_tokens_total": 14,
        "reasoning_tokens_total": 8,
        "prefix_cache_queries_total": 24,
        "prefix_cache_hits_total": 16,
        "repetition_stops_total": 2,
        "time_to_first_token_seconds_count": 2,
        "inter_token_latency_seconds_count": 4,
        "e2e_request_latency_seconds_count": 2,
        "request_prefill_time_seconds_sum": 1.0,
        "request_decode_time_seconds_sum": 4.0,
        "request_queue_time_seconds_count": 2,
        "request_prompt_tokens_sum": 24,
        "request_generation_tokens_sum": 14,
    }
    assert {name: value(server, f"flashstep_{name}", **LABELS) for name in expected} == expected
    assert value(server, "flashstep_request_success_total", finished_reason="stop") == 2


def test_each_answer_of_several_counts(server):
    server.model.script = [TextDelta("a"), TIMED]
    server.post(ask(n=3))
    assert value(server, "flashstep_request_success_total", **LABELS) == 3
    assert value(server, "flashstep_time_to_first_token_seconds_count", **LABELS) == 1


def test_the_engines_state_is_shown(server):
    expected = {
        "num_requests_running": 3,
        "num_requests_waiting": 2,
        "kv_cache_usage_ratio": 0.5,
        "num_preemptions_total": 4,
        "engine_steps_total": 99,
        "spec_decode_verifications_total": 10,
        "queue_places_taken": 0,
        "draining": 0,
        "healthy": 1,
    }
    assert {name: value(server, f"flashstep_{name}") for name in expected} == expected
    drafted = [value(server, "flashstep_spec_decode_drafted_tokens_total", position=str(i)) for i in (1, 2)]
    accepted = [value(server, "flashstep_spec_decode_accepted_tokens_total", position=str(i)) for i in (1, 2)]
    assert (drafted, accepted) == ([10, 9], [8, 5])
    server.model.healthy = False
    assert value(server, "flashstep_healthy") == 0


def test_failures_are_counted_by_kind(server):
    server.model.script = [EngineDead("gone")]
    server.post(ask())
    server.model.script = [ValueError("a defect")]
    server.post(ask())
    failures = "flashstep_request_failure_total"
    assert value(server, failures, error="engine_dead") == 1
    assert value(server, failures, error="server_error") == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("n", [1, 2])
def test_an_answer_that_the_engine_breaks_off_is_its_failure_and_nobody_has_left(stream, n, caplog):
    caplog.set_level(logging.INFO, "flashstep.server")
    model, _ = scripted("there are three\n</think>\nthree", fail_after_tokens=4)
    with serving(model, ServerSettings()) as server:
        server.post(ask(stream=stream, n=n))
        failures = samples(server)["flashstep_request_failure_total"]
        assert value(server, "flashstep_request_success_total") == 0
        assert value(server, "flashstep_generation_tokens_total", **LABELS) > 0, "the work was done"
    assert failures == [({**LABELS, "error": "backend_error"}, 1)]
    assert "ended early" not in caplog.text


def test_an_aborted_answer_beside_a_complete_one_is_one_failure_and_one_success():
    ends = iter([Finish("stop"), Finish("abort")])

    class Halved(Drafting):
        async def chat(self, *args, **kwargs):
            yield TextDelta("a")
            yield next(ends)

    with serving(Halved(), ServerSettings()) as halved:
        assert halved.post(ask(n=2)).status_code == 502
        assert value(halved, "flashstep_request_success_total", finished_reason="stop") == 1
        assert value(halved, "flashstep_request_failure_total") == 1


def test_a_client_that_leaves_is_counted_as_that(server):
    server.model.script = [TextDelta("a", Usage(7, n)) for n in range(1, 100_000)] + [Finish("stop")]
    with server.openai() as client:
        stream = client.chat.completions.create(**ask(), stream=True)
        next(iter(stream))
        stream.close()
    assert server.model.calls[0].aborted.wait(10)
    while not value(server, "flashstep_request_failure_total", error="disconnect"):
        threading.Event().wait(0.01)
    assert value(server, "flashstep_prompt_tokens_total") == 7, "what was broken off was computed"
    assert value(server, "flashstep_generation_tokens_total") > 0


def test_calls_are_counted_by_route_and_no_client_can_make_labels(server):
    server.get("/v1/models/flashstep-nano")
    server.get("/v1/models/unknown")
    for path in ("/secret", "/v1/chat/completions/x", "/%00"):
        server.get(path)
    server.post(path="/v1/models")
    routes = {labels["route"] for labels, _ in samples(server)["flashstep_http_requests_total"]}
    assert routes <= {"/v1/models/{model_id:path}", "/v1/models", "/metrics", "other"}
    assert value(server, "flashstep_http_requests_total", route="other", status="404") == 3
    assert (
        value(server, "flashstep_http_requests_total", route="/v1/models/{model_id:path}", status="200") == 1
    )
    server.post(ask(model="x" * 50, user="y" * 50), headers={"User-Agent": "z" * 50})
    text = server.get("/metrics").text
    assert not [word for word in ("secret", "xxx", "yyy", "zzz") if word in text]


def test_refusals_are_counted_by_key_and_limit(tmp_path):
    with serving_keys(tmp_path, {"ci": KeyLimits(requests_per_minute=1)}) as keyed:
        for _ in range(3):
            keyed.server.post(ask(), headers=keyed.headers["ci"])
        assert value(keyed.server, "flashstep_rate_limited_total", key="ci", limit="requests") == 2
        assert keyed.headers["ci"]["Authorization"][10:] not in keyed.server.get("/metrics").text


def test_every_metric_has_a_help_text_that_ends_and_seconds_say_so(server):
    server.post(ask())
    families = list(text_string_to_metric_families(server.get("/metrics").text))
    ours = [family for family in families if family.name.startswith("flashstep_")]
    assert len(ours) >= 30
    assert not [family.name for family in ours if not family.documentation.endswith(".")]
    assert not [
        f.name for f in ours if f.name.endswith("_seconds") and not f.documentation.startswith("Seconds")
    ]


def test_the_build_and_the_process_are_described(server):
    found = samples(server)
    (labels, one), *_ = found["flashstep_build_info"]
    assert one == 1
    assert labels["model"] == "flashstep-nano"
    assert set(labels) == {"version", "model", "fingerprint"}
    assert found["process_resident_memory_bytes"][0][1] > 0


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/plain;version=1.0.0;escaping=x",
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=9.1.0;escaping=?",
        ",;=,",
    ],
)
def test_whatever_a_scraper_accepts_it_gets_metrics(server, accept):
    answer = server.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert "flashstep_healthy" in answer.text


def test_openmetrics_has_the_trace_ids_of_examples(server):
    trace_id = "0123456789abcdef" * 2
    server.post(ask(), headers={"X-Trace-Id": trace_id})
    answer = server.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert f'trace_id="{trace_id}"' in answer.text
    assert trace_id not in server.get("/metrics").text
