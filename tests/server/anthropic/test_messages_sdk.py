"""Anthropic's own SDK against the server: whole and streamed answers, tools, counting, errors."""

import anthropic
import httpx
import pytest
from pydantic import BaseModel

from flashstep.errors import BackendError, EngineDead, Overloaded
from flashstep.server.settings import ServerSettings
from server.running_server import PlayedModel, RunningServer, serving

ANSWER = "s, t, r: one. Two more follow.\n</think>\nThere are 3 r."
CALL = (
    "I need the weather.\n</think>\nOne moment.\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n"
    "</parameter>\n</function>\n</tool_call>"
)
WEATHER = {
    "name": "weather",
    "description": "The weather now.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HI = [{"role": "user", "content": "hi"}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


def wish(**fields) -> dict:
    return {"model": "step-3.5-flash", "max_tokens": 500, "messages": HI} | fields


def test_a_streamed_message_accumulates_to_the_whole_one(scripted):
    with scripted([CALL]) as served:
        asked = wish(thinking=THINKING, tools=[WEATHER])
        whole = served.client.messages.create(**asked)
        with served.client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
    thinking, text, call = whole.content
    assert (thinking.type, thinking.thinking) == ("thinking", "I need the weather.")
    assert thinking.signature
    assert (text.type, text.text.strip()) == ("text", "One moment.")
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert whole.stop_reason == "tool_use"
    assert whole.usage.output_tokens > whole.usage.output_tokens_details.thinking_tokens > 0
    assert [plain(block) for block in streamed.content] == [plain(block) for block in whole.content]
    assert (streamed.stop_reason, streamed.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
    assert streamed.usage == whole.usage


def plain(block) -> dict:
    """A block without the id, which differs from answer to answer."""
    return {k: v for k, v in block.model_dump(exclude_none=True).items() if k not in ("id", "parsed_output")}


def test_a_tool_round_trip_shows_the_model_its_reasoning_call_and_result(scripted):
    with scripted([CALL, ANSWER]) as served:
        asked = wish(tools=[WEATHER], thinking=THINKING)
        first = served.client.messages.create(**asked)
        call = next(block for block in first.content if block.type == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        asked["messages"] = [*HI, first.to_param(), {"role": "user", "content": [result]}]
        second = served.client.messages.create(**asked)
    assert second.content[-1].text == "There are 3 r."
    assert second.stop_reason == "end_turn"
    # Text and call stand as the model wrote them, but for the blanks between them.
    assert "<think>\nI need the weather.\n</think>\nOne moment." in served.prompts[1]
    assert "<function=weather>\n<parameter=city>\nParis\n</parameter>" in served.prompts[1]
    assert "<tool_response>sunny</tool_response>" in served.prompts[1]


def test_the_prompt_is_the_one_that_chat_completions_makes(scripted):
    chat_tool = {
        "name": "weather",
        "description": "The weather now.",
        "parameters": WEATHER["input_schema"],
    }
    with scripted([ANSWER]) as served:
        served.client.messages.create(**wish(system="Be brief.", tools=[WEATHER]))
        served.server.openai().chat.completions.create(
            model="step-3.5-flash",
            messages=[{"role": "system", "content": "Be brief."}, *HI],
            tools=[{"type": "function", "function": chat_tool}],
        )
    assert served.prompts[0] == served.prompts[1]


def test_count_tokens_tells_what_the_answer_s_usage_says(scripted):
    asked = wish(system="Be brief.", tools=[WEATHER])
    with scripted([ANSWER]) as served:
        used = served.client.messages.create(**asked).usage
        del asked["max_tokens"]
        counted = served.client.messages.count_tokens(**asked)
    assert counted.input_tokens == used.input_tokens + used.cache_read_input_tokens > 0


def test_a_base_url_under_step_plan_works(scripted):
    with scripted([ANSWER]) as served:
        client = served.client.copy(base_url=f"{served.server.url}/step_plan")
        assert client.messages.create(**wish()).content[0].text == "There are 3 r."
        assert client.messages.count_tokens(model="step-3.5-flash", messages=HI).input_tokens > 0


def test_structured_output_is_parsed_under_json_mode(scripted):
    class Count(BaseModel):
        count: int

    with scripted(['Easy.\n</think>\n{"count": 3}'], ServerSettings(json_mode=True)) as served:
        parsed = served.client.messages.parse(**wish(), output_format=Count)
    assert parsed.parsed_output == Count(count=3)
    assert served.backend.requests[0].grammar is not None


def test_a_message_names_its_model_and_its_request_id(client):
    message = client.messages.create(**wish())
    assert message.model == "step-3.5-flash"
    assert message.id.startswith("msg_")
    assert message._request_id == message.trace_id
    raw = client.messages.with_raw_response.create(**wish())
    assert raw.headers["request-id"] == raw.headers["X-Trace-Id"]


@pytest.mark.parametrize(
    ("error", "expected", "kind"),
    [
        (Overloaded("the queue is full"), anthropic.InternalServerError, "overloaded_error"),
        (EngineDead("the engine thread has ended"), anthropic.InternalServerError, "api_error"),
        (BackendError("the engine does not answer"), anthropic.InternalServerError, "api_error"),
        (KeyError("secret"), anthropic.InternalServerError, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_failure_before_the_answer_has_its_own_status_and_kind(
    server, client, error, expected, kind, stream
):
    server.model.script = (error,)
    with pytest.raises(expected) as raised:
        client.messages.create(**wish(), stream=stream)
    assert raised.value.type == kind
    assert raised.value.request_id
    assert "secret" not in raised.value.message


def test_wrong_requests_raise_the_classes_that_callers_catch(server, client):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(**wish(model="gpt"))
    assert unknown.value.type == "not_found_error"
    assert "step-3.5-flash" in unknown.value.api_message
    with pytest.raises(anthropic.BadRequestError, match="temperature") as hot:
        client.messages.create(**wish(extra_body={"temperature": 3.0}))
    assert hot.value.type == "invalid_request_error"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.list()
    wrong_method = server.get("/v1/messages")
    assert wrong_method.status_code == 405
    assert wrong_method.json()["error"]["type"] == "invalid_request_error"


def test_keys_and_large_bodies_are_refused_in_anthropic_s_form():
    settings = ServerSettings(api_keys=("right",), max_body_bytes=300)
    with serving(PlayedModel(), settings) as server:
        wrong = anthropic.Anthropic(base_url=server.url, api_key="wrong", max_retries=0)
        with wrong, pytest.raises(anthropic.AuthenticationError) as refused:
            wrong.messages.create(**wish())
        large = post(server, {"messages": "x" * 400})
    assert refused.value.type == "authentication_error"
    assert large.status_code == 413
    assert large.json()["error"]["type"] == "request_too_large"


def post(server: RunningServer, body: dict) -> httpx.Response:
    return server.post(body, "/v1/messages", headers={"Authorization": "Bearer right"})


def test_a_prompt_that_does_not_fit_says_so_in_the_words_that_agents_look_for(scripted):
    with (
        scripted([ANSWER], context_length=20) as served,
        pytest.raises(anthropic.BadRequestError, match="prompt is too long"),
    ):
        served.client.messages.create(**wish(messages=[{"role": "user", "content": "x " * 200}]))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_failure_in_mid_answer_is_raised(scripted, stream):
    with (
        scripted([ANSWER], fail_after_tokens=4) as served,
        pytest.raises(anthropic.APIStatusError, match="the generation failed"),
    ):
        list(served.client.messages.create(**wish(thinking=THINKING), stream=stream))
