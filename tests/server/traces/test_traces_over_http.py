"""Every call leaves its record, through the real server into the real store and back."""

import json
import logging
import re
import threading
import time
from contextlib import contextmanager

import pytest

from flashstep.errors import ContextLengthExceeded, EngineDead, InvalidRequest, Overloaded
from flashstep.server.settings import ServerSettings
from flashstep.server.traces.codec import shown_json
from flashstep.server.traces.reader import TraceReader
from flashstep.server.traces.settings import TraceSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, Timings, ToolCallDelta, Usage
from server.running_server import STRAWBERRY, PlayedModel, ask, forever, serving
from server.test_server_disconnect import send_and_hang_up

TIMEOUT_S = 10
SECRET = "sk-verysecret123"


@contextmanager
def tracing_server(folder, *, json_mode=False, **traces):
    """A server that keeps its records in `folder`."""
    settings = TraceSettings(store=folder / "traces.db", **traces)
    with serving(PlayedModel(), ServerSettings(json_mode=json_mode, traces=settings)) as running:
        yield running


@pytest.fixture(scope="module")
def shared_traced(tmp_path_factory):
    with tracing_server(tmp_path_factory.mktemp("traces")) as running:
        yield running


@pytest.fixture
def traced(shared_traced):
    """The shared server with a fresh script and no calls seen."""
    model = shared_traced.model
    model.script, model.calls, model.arrived = STRAWBERRY, [], threading.Semaphore(0)
    return shared_traced


def records_of(server, trace_id: str, num_records: int = 1, **kwargs) -> list[dict]:
    """What the server tells of a trace, as soon as it has so many records."""
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        response = server.get(f"/v1/traces/{trace_id}", **kwargs)
        if response.status_code == 200 and len(response.json()["records"]) >= num_records:
            return response.json()["records"]
    raise AssertionError(f"{num_records} records of {trace_id} were expected, got {response.text}")


def record_of(server, response) -> dict:
    (record,) = records_of(server, response.headers["x-trace-id"])
    return record


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_leaves_all_that_is_known_of_it(traced, stream):
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    timings = Timings(0.1, 0.3, 0.4, 0.6, num_drafted=9, num_accepted=5)
    traced.model.script = [
        *STRAWBERRY[:-1],
        ToolCallDelta(0, "call_1", "look_up"),
        ToolCallDelta(0, arguments='{"word": "berry"}'),
        Finish("tool_calls", Usage(12, 7, 4, 8), timings),
    ]
    response = traced.post(
        ask(stream=stream, temperature=0.25, seed=7, stop=["END"], tools=[tool]),
        headers={"User-Agent": "a-client/1.0"},
    )
    record = record_of(traced, response)
    assert record["trace_id"] == response.headers["x-trace-id"]
    assert record["request_id"].startswith("chatcmpl-")
    assert (record["endpoint"], record["model"], record["loaded_model"]) == (
        "chat.completions",
        "step-3.5-flash",
        "flashstep-nano",
    )
    assert (record["status"], record["outcome"], record["error"]) == (200, "ok", None)
    assert (record["client"], record["user_agent"]) == (None, "a-client/1.0")
    assert record["params"]["temperature"] == 0.25
    assert record["params"]["seed"] == 7
    assert record["params"]["stop"] == ["END"]
    assert record["params"].get("stream", False) == stream
    assert record["tool_names"] == ["look_up"]
    (answer,) = record["answers"]
    assert answer["finish_reason"] == "tool_calls"
    assert (answer["num_drafted"], answer["num_accepted"]) == (9, 5)
    assert (
        record["usage"]
        == answer["usage"]
        == {
            "prompt_tokens": 12,
            "completion_tokens": 7,
            "reasoning_tokens": 4,
            "cached_tokens": 8,
        }
    )
    assert record["content"]["messages"] == [{"role": "user", "content": "hi"}]
    assert record["content"]["tools"] == [tool]
    (output,) = record["content"]["output"]
    assert output["reasoning"] == "s-t-r-a-w-b-e-r-r-y: three r."
    assert output["content"] == "There are 3."
    assert output["tool_calls"] == [{"id": "call_1", "name": "look_up", "arguments": {"word": "berry"}}]
    names = [phase["name"] for phase in record["phases"]]
    assert names == ["request", "queue", "prefill", "reasoning", "answer", "sending"]
    marks = record["marks"]
    assert marks["first_token_s"] - marks["admitted_s"] == pytest.approx(0.2)
    assert marks["last_token_s"] - marks["admitted_s"] == pytest.approx(0.5)


def test_phases_follow_each_other_without_gaps_when_the_backend_tells_no_times(traced):
    record = record_of(traced, traced.post(ask()))
    phases = record["phases"]
    assert [phase["name"] for phase in phases] == ["request", "prefill", "reasoning", "answer", "sending"]
    assert phases[0]["start_s"] == 0
    for left, right in zip(phases, phases[1:], strict=False):
        assert left["start_s"] <= left["end_s"] == right["start_s"]
    assert phases[-1]["end_s"] == record["total_s"]


def test_without_content_neither_prompt_nor_output_is_anywhere_in_the_store(tmp_path):
    with tracing_server(tmp_path, keep_content=False) as server:
        server.model.script = [TextDelta("the output 5150"), Finish("stop", Usage(12, 7))]
        response = server.post(ask(messages=[{"role": "user", "content": "the prompt 4711"}]))
        record = record_of(server, response)
        assert record["content"] is None
        assert record["usage"]["prompt_tokens"] == 12
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert record["trace_id"].encode() in stored
    assert b"4711" not in stored
    assert b"5150" not in stored


def test_without_content_neither_stop_strings_nor_schemas_are_kept(tmp_path):
    schema = {"type": "object", "properties": {"a": {"enum": [SECRET]}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with tracing_server(tmp_path, keep_content=False, json_mode=True) as server:
        server.model.script = [TextDelta("{}"), Finish("stop", stop_reason=SECRET)]
        record = record_of(server, server.post(ask(stop=[SECRET], response_format=form, seed=7)))
        assert server.model.calls[0].rule.json_schema == schema
        server.model.script = [TextDelta("{}"), Finish("stop", stop_reason="repetition")]
        repeating = record_of(server, server.post(ask()))
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert record["params"]["seed"] == 7
    assert not record["params"].keys() & {"stop", "rule"}
    assert record["answers"][0]["stop_reason"] is None
    assert repeating["answers"][0]["stop_reason"] == "repetition"
    assert SECRET.encode() not in stored


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"messages": [{"role": "user", "content": {"text": SECRET}}]}, "messages[0].content: refused;"),
        ({"messages": [{"role": SECRET, "content": "hi"}]}, "messages[0].role: refused;"),
        ({"logit_bias": {SECRET: "high"}}, "logit_bias: refused;"),
        ({"guided_regex": SECRET}, "guided_regex: refused (unsupported_parameter);"),
        ({"model": SECRET}, "model: refused (model_not_found);"),
    ],
    ids=["content", "role", "name of a member", "unsupported", "model"],
)
def test_without_content_what_is_said_of_a_wrong_request_does_not_quote_it(tmp_path, wrong, said, caplog):
    caplog.set_level(logging.INFO, "flashstep.server")
    with tracing_server(tmp_path, keep_content=False) as server:
        response = server.post(ask(**wrong))
        record = record_of(server, response)
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert SECRET in response.json()["error"]["message"], "who sent it is told in full"
    assert record["error"]["type"] == "invalid_request_error"
    assert record["error"]["message"].startswith(said)
    assert said in caplog.text
    assert SECRET not in caplog.text
    assert SECRET.encode() not in stored


def test_without_content_a_template_or_grammar_that_refuses_is_not_quoted_either(tmp_path):
    with tracing_server(tmp_path, keep_content=False) as server:
        server.model.script = [InvalidRequest(f"messages: refused {SECRET}", param="messages")]
        record = record_of(server, server.post(ask()))
        assert record["answers"], "it came as far as the model"
        server.model.script = [ContextLengthExceeded("5000 tokens, and the context has 4096")]
        too_long = record_of(server, server.post(ask()))
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert record["error"]["message"].startswith("messages: refused;")
    assert too_long["error"]["message"] == "5000 tokens, and the context has 4096"
    assert SECRET.encode() not in stored


def test_configured_patterns_are_taken_out_of_everything_that_is_stored(tmp_path):
    with tracing_server(tmp_path, redact=("sk-[a-z0-9]+", r"\b\d{16}\b")) as server:
        server.model.script = [
            ReasoningDelta(f"they said {SECRET}"),
            TextDelta("card 4111111111111111"),
            ToolCallDelta(0, "call_1", "pay"),
            ToolCallDelta(0, arguments=f'{{"key": ["{SECRET}"]}}'),
            Finish("error", error=f"could not use {SECRET}"),
        ]
        messages = [{"role": "user", "content": f"my key is {SECRET}."}]
        response = server.post(ask(messages=messages, stop=[SECRET]), headers={"User-Agent": SECRET})
        record = record_of(server, response)
        refused = server.post(ask(model=SECRET))
        assert record_of(server, refused)["error"]["message"].count("[redacted]") == 1
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert record["content"]["messages"][0]["content"] == "my key is [redacted]."
    assert record["content"]["output"][0]["content"] == "card [redacted]"
    assert SECRET.encode() not in stored
    assert b"4111111111111111" not in stored


@pytest.mark.parametrize(
    ("script", "status", "kind", "has_stack"),
    [
        ([ReasoningDelta("hm"), RuntimeError("a defect")], 500, "RuntimeError", True),
        ([EngineDead("dead")], 503, "engine_dead", True),
        ([Finish("error", error="out of blocks")], 502, "backend_error", True),
    ],
    ids=["defect", "dead engine", "failed answer"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_failed_generation_leaves_its_error_with_the_stack(traced, script, status, kind, has_stack, stream):
    traced.model.script = script
    response = traced.post(ask(stream=stream))
    record = record_of(traced, response)
    assert record["status"] == response.status_code
    assert response.status_code == status or stream
    assert record["outcome"] == "failed"
    assert record["error"]["type"] == kind
    assert ("Traceback" in record["error"]["stack"]) == has_stack


@pytest.mark.parametrize(
    ("request_of", "status", "said"),
    [
        (lambda s: s.post(ask(temperature=9)), 400, "temperature"),
        (lambda s: s.post(content=b"{"), 400, "not valid JSON"),
        (lambda s: s.post(ask(model="gpt-4")), 404, "gpt-4"),
        (lambda s: s.post(ask(), "/v1/chat/completion"), 404, "/v1/chat/completion"),
    ],
    ids=["bad field", "no JSON", "unknown model", "unknown path"],
)
def test_a_refused_call_leaves_a_small_record(traced, request_of, status, said):
    response = request_of(traced)
    assert response.status_code == status
    record = record_of(traced, response)
    assert record["status"] == status
    assert record["outcome"] == "failed"
    assert said in record["error"]["message"]
    assert record["error"]["stack"] == ""
    assert record["answers"] == []
    assert record["content"] is None


def test_a_call_without_a_key_leaves_a_record_that_does_not_hold_what_was_sent(tmp_path):
    store = tmp_path / "traces.db"
    settings = ServerSettings(api_keys=("right",), traces=TraceSettings(store=store))
    with serving(PlayedModel(), settings) as server:
        response = server.post(ask(), headers={"Authorization": "Bearer wrong-key"})
        assert response.status_code == 401
    (record,) = TraceReader(store).trace(response.headers["x-trace-id"])
    assert (record.status, record.outcome, record.client) == (401, "failed", None)
    assert record.error.type == "invalid_api_key"
    assert "wrong-key" not in shown_json(record)


def test_browsing_leaves_nothing(traced):
    for path in ("/v1/models", "/v1/models/none", "/health", "/nothing"):
        trace_id = traced.get(path).headers["x-trace-id"]
        assert traced.get(f"/v1/traces/{trace_id}").status_code == 404


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_is_recorded_as_such(traced, stream):
    traced.model.script = [ReasoningDelta("I thi"), forever]
    send_and_hang_up(traced, ask(stream=stream), read_until=b"I thi" if stream else b"")
    assert traced.model.calls[0].aborted.wait(TIMEOUT_S)
    (record,) = records_of(traced, traced.model.calls[0].trace_id)
    assert record["outcome"] == "disconnected"
    assert record["status"] == (200 if stream else 499)
    assert record["error"] is None
    assert [answer["finish_reason"] for answer in record["answers"]] == [None]
    assert record["usage"] is None
    assert record["content"]["output"][0].get("reasoning") == "I thi"
    assert record["phases"][-1]["name"] == "answer"


def test_calls_of_one_callers_trace_are_kept_side_by_side(traced):
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace_id}-{span_id}-01"}
    for body in (ask(), ask(temperature=9), ask()):
        traced.post(body, headers=headers)
    records = records_of(traced, trace_id, 3)
    assert [record["status"] for record in records] == [200, 400, 200]
    assert len({record["request_id"] for record in records}) == 3
    assert {record["parent_span_id"] for record in records} == {span_id}


def test_a_uuid_is_found_as_it_was_given(traced):
    given = "4BF92F35-77B3-4DA6-A3CE-929D0E0E4737"
    traced.post(ask(), headers={"X-Trace-Id": given})
    [record] = records_of(traced, given)
    assert record["trace_id"] == given.replace("-", "").lower()


def test_several_answers_are_one_record(traced):
    response = traced.post(ask(n=3))
    record = record_of(traced, response)
    assert record["params"]["n"] == 3
    assert [answer["finish_reason"] for answer in record["answers"]] == ["stop"] * 3
    assert record["usage"]["completion_tokens"] == 21
    assert record["usage"]["prompt_tokens"] == 12
    assert [output["content"] for output in record["content"]["output"]] == ["There are 3."] * 3


def test_a_raw_prompt_is_kept_and_token_ids_only_where_nothing_is_redacted(traced, tmp_path):
    body = {"model": "step-3.5-flash", "prompt": [104, 105]}
    record = record_of(traced, traced.post({**body, "prompt": "hi"}, "/v1/completions"))
    assert record["content"]["prompt"] == "hi"
    assert record["endpoint"] == "completions"
    assert record_of(traced, traced.post(body, "/v1/completions"))["content"]["prompt"] == [104, 105]
    with tracing_server(tmp_path, redact=("hi",)) as server:
        record = record_of(server, server.post(body, "/v1/completions"))
        assert record["content"]["prompt"] == "(2 token ids)"


def test_odd_characters_and_numbers_do_not_break_a_record(traced):
    text = "\x00 \x1b[2J \u2028 \U0001f600 ' \" \\ %s {}"
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "x": float("inf")}},
    }
    traced.model.script = [TextDelta(text + "\ud800"), Finish("stop")]
    body = json.dumps(ask(messages=[{"role": "user", "content": text}], tools=[tool]))
    record = record_of(traced, traced.post(content=body.encode()))
    assert record["content"]["messages"][0]["content"] == text
    assert record["content"]["tools"][0]["function"]["parameters"]["x"] == "inf"
    assert record["content"]["output"][0]["content"] == text + "?"


def test_who_finds_the_queue_full_leaves_no_prompt_behind(traced):
    """Anybody can do so in any number: such records may not push out those of answers."""
    traced.model.script = [Overloaded("full")]
    response = traced.post(ask(messages=[{"role": "user", "content": "a long story " * 1000}]))
    assert response.status_code == 503
    record = record_of(traced, response)
    assert (record["status"], record["error"]["type"]) == (503, "overloaded")
    assert record["content"] is None
    assert record["request_id"].startswith("call-"), "of this kind the store keeps so many and no more"


def test_a_store_that_cannot_be_read_is_no_news_of_this_machine_s_paths(tmp_path, caplog):
    with tracing_server(tmp_path) as server:
        trace_id = server.post(ask()).headers["x-trace-id"]
        records_of(server, trace_id)
        (tmp_path / "traces.db").rename(tmp_path / "gone.db")
        response = server.get(f"/v1/traces/{trace_id}")
    assert response.status_code == 500
    assert str(tmp_path) not in response.text
    assert "the server's log has the cause" in response.json()["error"]["message"]
    assert any(str(tmp_path) in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("trace_id", ["0" * 31 + "1", "nonsense", "%27%20OR%201=1"])
def test_an_unknown_trace_is_404_in_the_form_of_all_errors(traced, trace_id):
    response = traced.get(f"/v1/traces/{trace_id}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "trace_not_found"


def test_a_server_that_keeps_no_traces_says_so(server):
    response = server.get(f"/v1/traces/{'a' * 32}")
    assert response.status_code == 404
    assert "--trace-store off" in response.json()["error"]["message"]


def test_records_are_shown_to_the_owner_of_the_key_only(tmp_path):
    settings = ServerSettings(api_keys=("adas", "bobs"), traces=TraceSettings(store=tmp_path / "t.db"))
    ada, bob = ({"Authorization": f"Bearer {key}"} for key in settings.api_keys)
    with serving(PlayedModel(), settings) as server:
        trace_id = server.post(ask(), headers=ada).headers["x-trace-id"]
        (record,) = records_of(server, trace_id, headers=ada)
        others = server.get(f"/v1/traces/{trace_id}", headers=bob)
        strangers = server.get(f"/v1/traces/{trace_id}")
    assert record["client"] == "key-1"
    assert "adas" not in json.dumps(record), "the key itself is nowhere"
    assert (others.status_code, others.json()["error"]["code"]) == (404, "trace_not_found")
    assert strangers.status_code == 401


def test_the_trace_id_is_the_same_in_header_body_and_record(traced):
    response = traced.post(ask())
    record = record_of(traced, response)
    ids = {response.headers["x-trace-id"], response.json()["trace_id"], record["trace_id"]}
    assert len(ids) == 1
    assert re.fullmatch("[0-9a-f]{32}", ids.pop())
