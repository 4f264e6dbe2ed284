"""What users of this model have suffered from on other servers, and that none of it is true here.

The numbers are those of the collection of reports that the API was designed against. Here are those
that show at the chat endpoint; the openai client talks to the real template, decoder and parser.
"""

import json
from contextlib import contextmanager

import openai
import pytest

from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta
from server.running_server import USAGE, ask, serving
from server.scripted_model import scripted, small_tokenizer

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


def call_text(city: str, days: int = 2) -> str:
    return (
        f"<tool_call>\n<function=weather>\n<parameter=city>\n{city}\n</parameter>\n"
        f"<parameter=days>\n{days}\n</parameter>\n</function>\n</tool_call>"
    )


CALLS = f"Two.\n</think>\nLooking. {call_text('Paris')}{call_text('Köln', 3)}"


@contextmanager
def client_of(*answers: str, settings: ServerSettings | None = None, **options: object):
    """An openai client of a server that gives `answers`, and the backend that saw the requests."""
    model, backend = scripted(*answers, **options)
    with serving(model, settings or ServerSettings()) as server, server.openai() as client:
        yield client, backend


def whole_and_streamed(client: openai.OpenAI, **fields: object):
    """The same question in both forms: (choice of the whole answer, choice that the stream folds to)."""
    whole = client.chat.completions.create(**ask(**fields))
    with client.chat.completions.stream(**ask(**fields)) as stream:
        for _ in stream:
            pass
        folded = stream.current_completion_snapshot
    return whole.choices[0], folded.choices[0]


def arguments(choice) -> list[tuple[str, dict]]:
    calls = choice.message.tool_calls or ()
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


@pytest.mark.parametrize("tokens_per_output", [1, 2, 3, 5, 8, 13, 20])
def test_calls_are_the_same_however_many_tokens_come_at_once(tokens_per_output):
    """1, 2, 4: calls lost, doubled or emptied when a step brings several tokens."""
    with client_of(CALLS, tokens_per_output=tokens_per_output) as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert arguments(choice) == [
                ("weather", {"city": "Paris", "days": 2}),
                ("weather", {"city": "Köln", "days": 3}),
            ]
            assert choice.message.content == "Looking. "
            assert choice.finish_reason == "tool_calls"


def test_an_empty_call_is_no_call():
    """1: `</tool_call><tool_call><` made calls without a name."""
    with client_of(f"a\n</think>\n{call_text('Paris')}<tool_call>\n</tool_call>") as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert [name for name, _ in arguments(choice)] == ["weather"]


def test_the_end_of_thinking_in_an_earlier_turn_does_not_end_this_one():
    """3, 13: `</think>` in the prompt was taken for the answer's; thinking came as content."""
    history = [
        {"role": "user", "content": "write </think>"},
        {"role": "assistant", "content": "Here: </think> it is", "reasoning": "easy"},
        {"role": "user", "content": "again"},
    ]
    with client_of("Again.\n</think>\nDone.") as (client, _):
        for choice in whole_and_streamed(client, messages=history):
            assert (choice.message.reasoning, choice.message.content) == ("Again.", "Done.")


@pytest.mark.parametrize("end", ["", "\n</think>\n"], ids=["missing", "late"])
def test_a_call_that_ends_the_turn_inside_the_thinking_is_made(end):
    """5: a call in front of a missing or late `</think>` was lost."""
    with client_of(f"I need it.\n{call_text('Paris')}{end}") as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert arguments(choice) == [("weather", {"city": "Paris", "days": 2})]
            assert choice.message.reasoning.strip() == "I need it."


@pytest.mark.parametrize(("name", "is_call"), [("weather", True), ("bash", False), ("", False)])
def test_a_malformed_call_is_recovered_or_comes_back_as_text(name, is_call):
    """6: `<function weather>` without `=` was a 500."""
    text = f"<tool_call>\n<function {name}>\n</function>\n</tool_call>"
    with client_of(f"a\n</think>\n{text}") as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert arguments(choice) == ([("weather", {})] if is_call else [])
            assert (choice.message.content or "") == ("" if is_call else text)
            assert choice.finish_reason == ("tool_calls" if is_call else "stop")


def test_a_call_that_the_thinking_only_mentions_is_not_made():
    """7: servers ran calls that were mentioned in the thinking."""
    answer = f"I could do {call_text('Paris')} but need not.\n</think>\nNo call."
    with client_of(answer) as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert choice.message.tool_calls is None
            assert choice.message.content == "No call."
            assert "but need not." in choice.message.reasoning


def test_a_tag_in_prose_does_not_silence_the_stream():
    """8: a literal `<tool_call>` made the stream go silent for ever."""
    prose = "Write <tool_call> around it. Then more text follows, and more."
    with client_of(f"a\n</think>\n{prose}") as (client, _):
        for choice in whole_and_streamed(client, tools=[WEATHER]):
            assert choice.message.content == prose


@pytest.mark.parametrize("fields", [{}, {"tools": [WEATHER], "tool_choice": "none"}], ids=["without", "none"])
def test_without_tools_nothing_is_parsed_as_a_call(fields):
    """9: requests without tools went through the parser and text was doubled."""
    with client_of(f"a\n</think>\nx {call_text('Paris')} y") as (client, _):
        for choice in whole_and_streamed(client, **fields):
            assert choice.message.content == f"x {call_text('Paris')} y"
            assert choice.message.tool_calls is None


def history(**message: object) -> list[dict]:
    """A tool loop whose assistant turn has these members."""
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    call = {"id": "c1", "type": "function", "function": function}
    return [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call], **message},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]


def prompt_of(backend) -> str:
    return small_tokenizer().decode(list(backend.requests[-1].prompt_token_ids))


def test_arguments_of_earlier_calls_may_be_json_strings_and_wrong_ones_are_named():
    """10: a string crashed the template."""
    with client_of("a\n</think>\nSunny.") as (client, backend):
        client.chat.completions.create(**ask(messages=history(), tools=[WEATHER]))
        assert "<parameter=city>\nParis\n</parameter>" in prompt_of(backend)
        wrong = history()
        wrong[1]["tool_calls"][0]["function"]["arguments"] = "{oops"
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(**ask(messages=wrong))
    assert raised.value.param == "messages[1].tool_calls[0].function.arguments"


def test_control_tokens_do_not_leak_into_either_channel():
    """12, 14: the text of the end mark stood in the thinking."""
    with client_of("One.<|im_end|>\n</think>\nDone.<|im_end|>") as (client, _):
        for choice in whole_and_streamed(client):
            assert "<|" not in choice.message.reasoning + choice.message.content


def test_text_is_decoded_to_the_last_character():
    """15: marks of the byte alphabet in the output."""
    text = "Größe 😀 — 東京  x\t\n  y"
    with client_of(f"{text}\n</think>\n{text}") as (client, _):
        for choice in whole_and_streamed(client):
            assert choice.message.reasoning == choice.message.content == text


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 3}], ids=["by itself", "cut"])
def test_an_answer_that_only_thought_is_not_a_finished_one(fields):
    """16: empty content with finish "stop"."""
    with client_of("Thinking, and nothing else") as (client, _):
        for choice in whole_and_streamed(client, **fields):
            assert choice.message.content == ""
            assert choice.message.reasoning
            assert choice.finish_reason == "length"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "reasoning_text", None])
def test_thinking_is_replayed_in_a_tool_loop_under_each_name_or_left_out(name):
    """17: the thinking was dropped, or its absence was an error."""
    message = {name: "ask the service"} if name else {}
    with client_of("a\n</think>\nSunny.") as (client, backend):
        client.chat.completions.create(**ask(messages=history(**message), tools=[WEATHER]))
    assert ("<think>\nask the service\n</think>" in prompt_of(backend)) is bool(name)


def test_the_field_of_the_thinking_is_published_and_both_may_be_had():
    """18: clients could not know which field holds the thinking."""
    with client_of("a\n</think>\nb", settings=ServerSettings(reasoning_field="both")) as (client, _):
        assert client.models.retrieve("step-3.5-flash").reasoning_field == "both"
        message = client.chat.completions.create(**ask()).choices[0].message
    assert message.reasoning == message.reasoning_content == "a"


@pytest.mark.parametrize(
    "fields",
    [
        {"include_reasoning": False},
        {"reasoning": {"exclude": True}},
        {"reasoning": {"enabled": False}},
        {"reasoning": {"effort": "none"}},
        {"thinking": {"type": "disabled"}},
        {"reasoning_effort": "none"},
        {"reasoning_effort": "minimal"},
        {"enable_thinking": False},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
    ids=str,
)
def test_thinking_can_be_left_out_of_the_answer_and_never_fails_the_request(fields):
    """19, 20, 21: thinking reached chat channels; asking for none was a 400."""
    with client_of("secret\n</think>\n3.") as (client, backend):
        http = client.with_raw_response.chat.completions.create(**ask(), extra_body=fields)
        stream = client.chat.completions.create(**ask(), stream=True, extra_body=fields)
        assert "secret" not in "".join(chunk.to_json() for chunk in stream)
    assert "secret" not in http.text
    assert http.parse().choices[0].message.content == "3."
    asked_for_none = not ("include_reasoning" in fields or fields.get("reasoning") == {"exclude": True})
    assert (backend.requests[0].params.thinking_token_budget is not None) is asked_for_none
    assert ("x-flashstep-warning" in http.headers) is asked_for_none


def test_a_budget_for_thinking_reaches_the_engine_with_the_way_to_close_it():
    """23, 25, 26: endless thinking, and no budget for a request."""
    with client_of("a\n</think>\nb") as (client, backend):
        client.chat.completions.create(**ask(), extra_body={"thinking_token_budget": 64})
    [request] = backend.requests
    assert request.params.thinking_token_budget == 64
    assert small_tokenizer().decode(list(request.think_end_token_ids)) == "\n</think>\n"


def test_an_endless_loop_ends_with_a_marked_finish(server):
    """24: endless `<<<<`."""
    server.model.script = [
        ReasoningDelta("a"),
        TextDelta("<<<<"),
        Finish("length", USAGE, stop_reason="repetition"),
    ]
    with server.openai() as client:
        whole = client.chat.completions.create(**ask())
        *_, last = client.chat.completions.create(**ask(), stream=True)
    for choice in (whole.choices[0], last.choices[0]):
        assert (choice.finish_reason, choice.stop_reason) == ("length", "repetition")
    assert server.model.calls[0].params.repetition_guard


def test_a_form_of_answer_holds_from_the_first_token_behind_the_thinking():
    """27, 28: the first token behind `</think>` was free; a host answered 405."""
    form = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    }
    with client_of('a\n</think>\n{"a": 1}', settings=ServerSettings(json_mode=True)) as (client, backend):
        answer = client.chat.completions.create(**ask(response_format=form))
    assert json.loads(answer.choices[0].message.content) == {"a": 1}
    [request] = backend.requests
    assert request.grammar is not None
    assert request.think_end_marker_id in request.think_end_token_ids


def test_json_mode_that_is_off_is_a_400_that_says_how_to_switch_it_on():
    """28: hosts without JSON mode answer with whatever comes to mind."""
    with client_of("a") as (client, _), pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**ask(response_format={"type": "json_object"}))
    assert raised.value.param == "response_format"
    assert "--json-mode on" in raised.value.message


def test_a_wrong_key_is_told_what_was_expected():
    """33: a bare 401."""
    settings = ServerSettings(api_keys=("right",))
    with (
        client_of("a", settings=settings) as (client, _),
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.chat.completions.create(**ask())
    assert "Authorization: Bearer <key>" in raised.value.message
    assert "hosted service" in raised.value.message


def test_the_subscription_path_of_the_hosted_service_works_too():
    """34: which URL is it?"""
    with client_of("a\n</think>\nb") as (client, _):
        other = client.with_options(base_url=str(client.base_url).replace("/v1", "/step_plan/v1"))
        assert other.chat.completions.create(**ask()).choices[0].message.content == "b"
        assert [model.id for model in other.models.list()] == ["flashstep-nano", "step-3.5-flash"]


def test_fields_that_only_openai_knows_and_unknown_ones_do_no_harm():
    """35, 35b: extra fields broke the connection."""
    fields = {
        "store": True,
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "parallel_tool_calls": True,
        "max_completion_tokens": 9,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "top_logprobs": 0,
    }
    with client_of("a\n</think>\nb") as (client, backend):
        extra = {"max_output_tokens": 500, "brand_new": {"x": []}}
        client.chat.completions.create(**ask(**fields), extra_body=extra)
        client.chat.completions.create(**ask(), extra_body={"max_output_tokens": 500})
    assert [request.params.max_tokens for request in backend.requests] == [9, 500]


@pytest.mark.parametrize(
    ("fields", "param", "value"),
    [
        ({"temperature": 9}, "temperature", "9"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "'robot'"),
        ({"tool_choice": "maybe"}, "tool_choice", "'maybe'"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "'x'"),
    ],
    ids=str,
)
def test_an_error_names_the_field_the_value_and_the_trace(fields, param, value):
    """36: opaque 400s."""
    with client_of("a") as (client, _), pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**ask(**fields))
    assert raised.value.param == param
    assert value in raised.value.message
    assert raised.value.request_id == raised.value.body["trace_id"]


def test_there_is_no_hidden_limit_on_the_length_and_a_cap_that_hits_is_told():
    """39: answers were cut at some 700 tokens though max_tokens was 8000."""
    text = "word " * 700
    with client_of(f"a\n</think>\n{text}", context_length=16_384, tokens_per_output=50) as (client, _):
        for fields in ({}, {"max_tokens": 8000}):
            choice = client.chat.completions.create(**ask(**fields)).choices[0]
            assert (choice.message.content, choice.finish_reason) == (text, "stop")
        assert client.chat.completions.create(**ask(max_tokens=50)).choices[0].finish_reason == "length"


def test_the_models_are_always_listed_with_what_clients_need():
    """40, 41: presets had to be written by hand; some endpoints promise no `/models`."""
    with client_of("a") as (client, _):
        for model in client.models.list():
            assert model.context_length == 4096
            assert model.max_input_tokens == 4095
            assert model.reasoning_field == "reasoning"
            assert model.root == "flashstep-nano"
