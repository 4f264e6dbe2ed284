"""OpenAI's own SDK against the Responses endpoint: text, tools, structured output."""

import json

import openai
import pytest
from pydantic import BaseModel

from flashstep.server.settings import ServerSettings

STRAWBERRY = "s, t, r: one. Two more follow.\n</think>\nThere are 3 r."
CALL = (
    "I need the weather.\n</think>\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n"
    "</function>\n</tool_call>"
)
SCRIPT = 'print("a\\n")\nprint(2)'
RUN = (
    f"A script.\n</think>\nLet me run it.<tool_call>\n<function=run>\n<parameter=input>\n{SCRIPT}\n"
    "</parameter>\n</function>\n</tool_call>"
)
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
RUN_TOOL = {"type": "custom", "name": "run", "description": "Runs a Python script."}
ASK = {"model": "step-3.5-flash", "input": "How many r?"}


def test_create_gives_reasoning_text_and_usage(scripted):
    with scripted([STRAWBERRY]) as service:
        response = service.client.responses.create(**ASK, instructions="Count.")
    assert response.output_text == "There are 3 r."
    reasoning, message = response.output
    assert reasoning.content[0].text == "s, t, r: one. Two more follow."
    assert message.status == "completed"
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    assert service.backend.requests[0].trace_id == response.trace_id == response._request_id
    assert "system\nCount." in service.prompts[0]


def test_the_stream_helper_accumulates_the_same_response(scripted):
    with scripted([STRAWBERRY]) as service:
        whole = service.client.responses.create(**ASK)
        with service.client.responses.stream(**ASK) as stream:
            deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
            final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == whole.output_text
    assert final.usage == whole.usage


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_tool_round_trip(scripted, stream):
    asked = [{"role": "user", "content": "weather?"}]
    with scripted([CALL, STRAWBERRY]) as service:
        first = respond(service.client, stream, input=asked, tools=[WEATHER])
        [call] = [item for item in first.output if item.type == "function_call"]
        answered = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        replayed = [*asked, *(item.to_dict() for item in first.output), answered]
        second = respond(service.client, stream, input=replayed, tools=[WEATHER])
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert first.status == "completed"
    assert second.output_text == "There are 3 r."
    # The second prompt goes on exactly where the first answer ended, so that the cache holds.
    assert service.prompts[1].startswith(service.prompts[0] + CALL)
    assert "<tool_response>sunny</tool_response>" in service.prompts[1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_custom_tool_round_trip(scripted, stream):
    asked = [{"role": "user", "content": "run it"}]
    with scripted([RUN, STRAWBERRY]) as service:
        first = respond(service.client, stream, input=asked, tools=[RUN_TOOL])
        [call] = [item for item in first.output if item.type == "custom_tool_call"]
        answered = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "a\n2"}
        replayed = [*asked, *(item.to_dict() for item in first.output), answered]
        second = respond(service.client, stream, input=replayed, tools=[RUN_TOOL])
    assert call.input == SCRIPT
    assert second.output_text == "There are 3 r."
    assert service.prompts[1].startswith(service.prompts[0] + RUN)
    assert "<tool_response>a\n2</tool_response>" in service.prompts[1]


def test_a_long_custom_input_flows_while_it_is_written(scripted):
    lines = "\n".join(f'{i}: "\\{i}\u00fc\t</x>"' for i in range(200))
    answer = RUN.replace(SCRIPT, lines)
    with scripted([answer]) as service:
        events = list(service.client.responses.create(**ASK, tools=[RUN_TOOL], stream=True))
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    assert len(deltas) > 10
    assert "".join(deltas) == lines


class Count(BaseModel):
    letter: str
    count: int


def test_parse_gives_the_typed_answer_when_json_mode_is_on(scripted):
    answer = 'One, two, three.\n</think>\n{"letter": "r", "count": 3}'
    with scripted([answer], ServerSettings(json_mode=True)) as service:
        parsed = service.client.responses.parse(**ASK, text_format=Count)
        with service.client.responses.stream(**ASK, text_format=Count) as stream:
            streamed = stream.get_final_response()
    assert parsed.output_parsed == streamed.output_parsed == Count(letter="r", count=3)
    assert service.backend.requests[0].grammar
    assert parsed.text.format.type == "json_schema"


def test_json_is_refused_with_the_way_out_when_json_mode_is_off(scripted):
    with scripted([STRAWBERRY]) as service, pytest.raises(openai.BadRequestError) as raised:
        service.client.responses.parse(**ASK, text_format=Count)
    assert raised.value.param == "text.format"
    assert "--json-mode on" in raised.value.message


def test_a_schema_that_cannot_be_enforced_names_the_field_of_this_endpoint(scripted):
    text = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "no such type"}}}
    with (
        scripted([STRAWBERRY], ServerSettings(json_mode=True)) as service,
        pytest.raises(openai.BadRequestError) as raised,
    ):
        service.client.responses.create(**ASK, text=text)
    assert raised.value.param == "text.format"
    assert raised.value.message.startswith("Error code: 400")
    assert "response_format" not in raised.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_input_that_does_not_fit_is_a_400_with_the_code_agents_look_for(scripted, stream):
    with (
        scripted([STRAWBERRY], context_length=20) as service,
        pytest.raises(openai.BadRequestError) as raised,
    ):
        service.client.responses.create(model="flashstep-nano", input="x " * 200, stream=stream)
    assert raised.value.code == "context_length_exceeded"
    assert raised.value.param == "input"


def test_max_output_tokens_covers_the_reasoning(scripted):
    with scripted([STRAWBERRY]) as service:
        response = service.client.responses.create(**ASK, max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert [item.type for item in response.output] == ["reasoning"]
    assert response.usage.output_tokens == 3


def test_scores_of_the_text_arrive_in_both_forms(scripted):
    wish = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    with scripted([STRAWBERRY]) as service:
        for stream in (False, True):
            response = respond(service.client, stream, input="hi", **wish)
            scores = response.output[-1].content[0].logprobs
            assert "There are 3 r." in "".join(score.token for score in scores)
            assert len(scores[0].top_logprobs) == 1


def respond(client: openai.OpenAI, stream: bool, **fields):
    if not stream:
        return client.responses.create(model="flashstep-nano", **fields)
    with client.responses.stream(model="flashstep-nano", **fields) as events:
        return events.get_final_response()
