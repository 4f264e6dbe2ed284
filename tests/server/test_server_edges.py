"""Around the endpoints: keys, trace ids, paths, limits, models, health, CORS, exact bytes."""

import json
import re

import httpx
import openai
import pytest

from flashstep.errors import ConfigError
from flashstep.server.chat_completions.openai_wire import OpenAIWriter
from flashstep.server.chat_completions.wire import AnswerStyle
from flashstep.server.http.frame import DONE, frame
from flashstep.server.serve import bind
from flashstep.server.service import Answer
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, ToolCallDelta
from server.running_server import USAGE, PlayedModel, ask, serving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def locked():
    """A server that takes two keys, small bodies and one browser origin."""
    settings = ServerSettings(
        api_keys=("key-one", "key-two"), max_body_bytes=1000, cors_origins=("https://app.test",)
    )
    with serving(PlayedModel(), settings) as running:
        yield running


@pytest.mark.parametrize("key", ["key-one", "key-two"])
def test_each_accepted_key_opens_the_server(locked, key):
    assert locked.openai(key).chat.completions.create(**ask()).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/nowhere"])
@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "no API key"),
        ("Bearer wrong", "incorrect API key"),
        ("Bearer", "Bearer scheme"),
        ("Bearer schlüssel".encode(), "incorrect API key"),
        ("Basic a2V5", "Bearer scheme"),
    ],
    ids=str,
)
def test_without_an_accepted_key_the_answer_says_which_header_was_expected(
    locked, path, authorization, words
):
    headers = {} if authorization is None else {"Authorization": authorization}
    response = locked.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    error = response.json()["error"]
    assert words in error["message"]
    assert "Authorization: Bearer <key>" in error["message"]
    assert error["type"] == "invalid_api_key"
    assert error["trace_id"] == response.headers["x-trace-id"]


def test_the_openai_client_sees_an_authentication_error(locked):
    with pytest.raises(openai.AuthenticationError):
        locked.openai("wrong").models.list()


def test_health_needs_no_key(locked):
    assert locked.get("/health").json() == {"status": "ok", "model": "flashstep-nano"}


def test_a_body_over_the_limit_is_413_and_names_the_limit(locked):
    body = ask(messages=[{"role": "user", "content": "x" * 3000}])
    response = locked.post(body, headers={"Authorization": "Bearer key-one"})
    assert response.status_code == 413
    assert "1000 bytes" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/nowhere"])
def test_an_allowed_origin_may_read_answers_and_errors(locked, path):
    origin = {"Origin": "https://app.test", "Authorization": "Bearer key-one"}
    response = locked.get(path, headers=origin)
    assert response.headers["access-control-allow-origin"] == "https://app.test"
    assert "X-Trace-Id" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in locked.get(path, headers={"Origin": "https://x.test"}).headers


def test_a_preflight_needs_no_key(locked):
    headers = {"Origin": "https://app.test", "Access-Control-Request-Method": "POST"}
    assert httpx.options(f"{locked.url}/v1/chat/completions", headers=headers).status_code == 200


def test_without_configured_origins_no_browser_page_is_let_in(server):
    response = server.get("/v1/models", headers={"Origin": "https://app.test"})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Trace-Id": TRACE_ID}, TRACE_ID),
        ({"X-Trace-Id": TRACE_ID.upper()}, TRACE_ID),
        ({"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}, TRACE_ID),
        ({"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "X-Trace-Id": "a" * 32}, TRACE_ID),
        ({"traceparent": "00-zz-1-01", "X-Trace-Id": TRACE_ID}, TRACE_ID),
        ({"traceparent": f"ff-{TRACE_ID}-00f067aa0ba902b7-01"}, None),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, None),
        ({"X-Trace-Id": "short"}, None),
        ({"X-Trace-Id": "0" * 32}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_valid_incoming_trace_id_is_kept_and_any_other_replaced(server, headers, expected):
    response = server.post(ask(), headers=headers)
    trace_id = response.headers["x-trace-id"]
    assert trace_id == expected if expected else re.fullmatch("[0-9a-f]{32}", trace_id)
    assert trace_id not in (headers.get("X-Trace-Id"), None) or expected
    assert response.headers["x-request-id"] == trace_id
    assert response.json()["trace_id"] == trace_id
    assert server.model.calls[0].trace_id == trace_id


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/chat/completions", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/chat/completions", 400),
        ("GET", "/v1/models/gpt-9", 404),
    ],
)
def test_every_error_is_an_error_object_with_its_trace_id(server, method, path, status):
    response = httpx.request(method, server.url + path, headers={"X-Trace-Id": TRACE_ID})
    assert response.status_code == status
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code", "trace_id"}
    assert error["trace_id"] == response.headers["x-trace-id"] == response.headers["x-request-id"] == TRACE_ID


def test_a_path_without_v1_gets_a_hint(server):
    message = server.post(ask(), path="/chat/completions").json()["error"]["message"]
    assert "base URL ends in /v1" in message


def test_a_wrong_method_names_the_right_ones(server):
    response = server.get("/v1/chat/completions")
    assert response.headers["allow"] == "POST"
    assert "POST" in response.json()["error"]["message"]


def test_an_unknown_model_is_404_and_the_message_lists_the_names(server):
    with pytest.raises(openai.NotFoundError) as raised:
        server.openai().chat.completions.create(**ask(model="gpt-9"))
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"
    assert "flashstep-nano, step-3.5-flash" in raised.value.message


@pytest.mark.parametrize("name", ["flashstep-nano", "step-3.5-flash"])
def test_the_answer_echoes_the_name_that_was_asked_for(server, name):
    assert server.openai().chat.completions.create(**ask(model=name)).model == name


@pytest.mark.parametrize("prefix", ["", "/step_plan"])
def test_models_lists_both_names_and_says_which_weights_are_behind_them(server, prefix):
    client = server.openai(prefix=prefix)
    models = client.models.list().data
    assert [(m.id, m.root, m.aliases, m.context_length, m.reasoning_field) for m in models] == [
        ("flashstep-nano", "flashstep-nano", ["step-3.5-flash"], 4096, "reasoning"),
        ("step-3.5-flash", "flashstep-nano", ["flashstep-nano"], 4096, "reasoning"),
    ]
    assert client.models.retrieve("step-3.5-flash") == models[1]


def test_a_model_entry_says_what_clients_of_the_hosted_service_look_for(server):
    entry = server.get("/v1/models/step-3.5-flash").json()
    assert (entry["max_input_tokens"], entry["max_model_len"]) == (4095, 4096)
    assert entry["enable_reason"] is True
    assert entry["enable_vision_input"] is False
    assert entry["reasoning_effort_support_list"] == []
    assert entry["json_mode"] is False


def test_a_model_entry_publishes_the_reasoning_field_that_the_server_uses():
    with serving(PlayedModel(), ServerSettings(reasoning_field="both", json_mode=True)) as server:
        entry = server.get("/v1/models").json()["data"][0]
    assert (entry["reasoning_field"], entry["json_mode"]) == ("both", True)


def test_a_model_named_like_the_alias_is_listed_once():
    model = PlayedModel()
    model.model_name = "step-3.5-flash"
    with serving(model, ServerSettings()) as server:
        assert [entry["id"] for entry in server.get("/v1/models").json()["data"]] == ["step-3.5-flash"]


def test_health_is_503_once_the_engine_has_ended(server):
    assert server.get("/health").status_code == 200
    server.model.healthy = False
    response = server.get("/health")
    assert response.status_code == 503
    assert response.json()["error"]["type"] == "engine_dead"


def test_health_answers_head_requests(server):
    assert httpx.head(f"{server.url}/health").status_code == 200


def test_a_taken_port_is_a_config_error_with_a_way_out():
    with bind("127.0.0.1", 0) as taken, pytest.raises(ConfigError, match=r"in use.*--port"):
        bind("127.0.0.1", taken.getsockname()[1])


def test_a_frame_is_json_or_none_at_all():
    with pytest.raises(ValueError, match="JSON"):
        frame({"x": float("nan")})


@pytest.mark.parametrize("host", ["not a host", "127.0.0..1"])
def test_an_impossible_host_is_a_config_error(host):
    with pytest.raises(ConfigError, match="check host and port"):
        bind(host, 8000)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_keys": ("",)},
        {"api_keys": ("schlüssel",)},
        {"api_keys": ("a\n",)},
        {"aliases": ("",)},
        {"temperature": 3.0},
        {"top_p": 0.0},
        {"max_body_bytes": 0},
        {"keep_alive_s": 0.0},
        {"wire": "morse"},
        {"reasoning_field": "thoughts"},
        {"max_choices": 0},
        {"hidden_thinking_tokens": -1},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_named_at_start(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        ServerSettings(**fields)


ANSWER = Answer("chatcmpl-1", TRACE_ID, 1700000000, "step-3.5-flash", "fp_1", events=None)
HEAD = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"step-3.5-flash",'
    f'"system_fingerprint":"fp_1","trace_id":"{TRACE_ID}","choices":'
)


def chunk(delta: str, ending: str = "null", end: str = "}") -> str:
    choice = f'[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{ending}}}]'
    return f"data: {HEAD}{choice}{end}\n\n"


def test_the_bytes_of_a_stream_are_these():
    writer = OpenAIWriter(ANSWER, AnswerStyle())
    events = [
        ReasoningDelta("a\nb"),
        TextDelta('"ü" 1'),
        ToolCallDelta(0, "call_1", "f"),
        ToolCallDelta(0, arguments='{"x'),
    ]
    written = writer.opening(0) + b"".join(writer.delta(0, event) for event in events)
    written += writer.finish(0, Finish("stop")) + writer.closing()
    assert written.decode() == (
        chunk('{"reasoning":null,"role":"assistant","content":""}')
        + chunk('{"reasoning":"a\\nb"}')
        + chunk('{"reasoning":null,"content":"\\"ü\\" 1"}')
        + chunk(
            '{"reasoning":null,"tool_calls":'
            '[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}'
        )
        + chunk('{"reasoning":null,"tool_calls":[{"index":0,"function":{"arguments":"{\\"x"}}]}')
        + chunk('{"reasoning":null}', '"stop","stop_reason":null')
        + "data: [DONE]\n\n"
    )


USAGE_TEXT = (
    '{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"cached_tokens":8,'
    '"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":4}}'
)


def test_the_bytes_of_a_stream_with_usage_are_these():
    writer = OpenAIWriter(ANSWER, AnswerStyle(include_usage=True))
    assert (writer.opening(0) + writer.finish(0, Finish("length", USAGE)) + writer.closing()).decode() == (
        chunk('{"reasoning":null,"role":"assistant","content":""}', end=',"usage":null}')
        + chunk('{"reasoning":null}', '"length","stop_reason":null', end=',"usage":null}')
        + f'data: {HEAD}[],"usage":{USAGE_TEXT}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_the_bytes_of_a_chunk_with_running_usage_are_these():
    writer = OpenAIWriter(ANSWER, AnswerStyle(continuous_usage=True))
    written = writer.delta(0, TextDelta("a", USAGE)) + writer.finish(
        0, Finish("stop", USAGE, stop_reason="x")
    )
    end = f',"usage":{USAGE_TEXT}}}'
    assert written.decode() == chunk('{"reasoning":null,"content":"a"}', end=end) + chunk(
        '{"reasoning":null}', '"stop","stop_reason":"x"', end=end
    )
    assert writer.closing() == DONE


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x1cb"], ids=ascii
)
def test_no_text_can_break_a_frame_in_two(text):
    frame = OpenAIWriter(ANSWER, AnswerStyle()).delta(0, TextDelta(text)).decode()
    assert frame.splitlines() == [frame.rstrip("\n"), ""]
    assert json.loads(frame[6:])["choices"][0]["delta"]["content"] == text
