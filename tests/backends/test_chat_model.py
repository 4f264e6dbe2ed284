"""Messages in, events out: decoding, context, stop strings, aborts and the one Finish."""

import asyncio

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate
from flashstep.errors import ContextLengthExceeded, EngineDead, InvalidRequest
from flashstep.types import (
    Finish,
    Message,
    ReasoningDelta,
    SamplingParams,
    TextDelta,
    Tool,
    ToolCallDelta,
)  # fmt: skip

ASK = [Message("user", "how many r s?")]
ANSWER = "let me count\n</think>\nthree r s"


@pytest.fixture
def make_model(tokenizer, template):
    """A ChatModel over a scripted backend; both are returned."""

    def make(answers, **options):
        backend = ScriptedBackend(tokenizer, answers, **options)
        return ChatModel(backend, tokenizer, template, frozenset({tokenizer.token_id("<|im_end|>")})), backend

    return make


def chat(model, messages=ASK, tools=(), **params):
    """All events of one answer."""

    async def collect():
        events = model.chat(messages, tools, SamplingParams(**params), trace_id="t", request_id="r")
        return [event async for event in events]

    return asyncio.run(collect())


def fold(events):
    """(reasoning, text, finish), and a check that the finish is the last and only one."""
    assert [isinstance(event, Finish) for event in events] == [False] * (len(events) - 1) + [True]
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return reasoning, text, events[-1]


@pytest.mark.parametrize("tokens_per_output", [1, 3, 100])
def test_reasoning_and_answer_are_told_apart_and_counted(make_model, tokenizer, template, tokens_per_output):
    model, backend = make_model([ANSWER], tokens_per_output=tokens_per_output)
    reasoning, text, finish = fold(chat(model))
    assert (reasoning, text, finish.reason, finish.error) == ("let me count", "three r s", "stop", None)
    assert finish.usage.prompt_tokens == len(template.encode(ASK))
    assert finish.usage.completion_tokens == len(tokenizer.encode(ANSWER))
    assert 0 < finish.usage.reasoning_tokens < finish.usage.completion_tokens
    assert finish.timings.finished_s >= finish.timings.first_token_s
    assert backend.requests[0].prompt_token_ids == tuple(template.encode(ASK))
    assert (backend.requests[0].trace_id, backend.requests[0].request_id) == ("t", "r")


def test_the_token_that_ends_a_turn_is_counted_and_not_shown(make_model, tokenizer):
    marker = tokenizer.token_id("</think>")
    model, _ = make_model([[marker, *tokenizer.encode("yes"), tokenizer.token_id("<|im_end|>")]])
    _, text, finish = fold(chat(model))
    assert (text, finish.reason) == ("yes", "stop")
    assert finish.usage.completion_tokens == len(tokenizer.encode("yes")) + 2


@pytest.mark.parametrize("tokens_per_output", [1, 100])
def test_a_stop_string_ends_the_answer_and_the_generation(make_model, tokens_per_output):
    model, backend = make_model([ANSWER + " and more"], tokens_per_output=tokens_per_output)
    _, text, finish = fold(chat(model, stop=(" r",)))
    assert (text, finish.reason) == ("three", "stop")
    assert finish.timings.finished_s is not None
    assert backend.aborted_request_ids == ["r"]


def test_tokens_behind_a_stop_string_are_not_counted_however_many_come_at_once(make_model):
    counts = []
    for tokens_per_output in (1, 7, 100):
        model, _ = make_model([ANSWER + " and more"], tokens_per_output=tokens_per_output)
        usage = fold(chat(model, stop=(" r",)))[2].usage
        counts.append((usage.completion_tokens, usage.reasoning_tokens))
    assert counts == [counts[0]] * 3


def test_a_stop_string_in_the_reasoning_changes_nothing(make_model):
    model, backend = make_model([ANSWER])
    _, text, _ = fold(chat(model, stop=("count",)))
    assert text == "three r s"
    assert backend.aborted_request_ids == []


def test_a_tool_call_ends_with_tool_calls(make_model):
    schema = {"type": "object", "properties": {"word": {"type": "string"}}}
    wire = {"type": "function", "function": {"name": "count", "parameters": schema}}
    call = "<tool_call>\n<function=count>\n<parameter=word>\nstraw\n</parameter>\n</function>\n</tool_call>"
    model, _ = make_model(["hm\n</think>\n" + call])
    events = chat(model, tools=[Tool("count", "", schema, wire)])
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert calls[0].name == "count"
    assert "".join(delta.arguments for delta in calls) == '{"word": "straw"}'
    assert fold(events)[2].reason == "tool_calls"


@pytest.mark.parametrize("max_tokens", [3, 8])
def test_an_answer_cut_by_max_tokens_says_length(make_model, max_tokens):
    model, _ = make_model([ANSWER])
    finish = fold(chat(model, max_tokens=max_tokens))[2]
    assert (finish.reason, finish.usage.completion_tokens) == ("length", max_tokens)


def test_a_conversation_longer_than_the_context_is_refused_with_both_numbers(make_model, template):
    length = len(template.encode(ASK))
    model, backend = make_model([ANSWER], context_length=length)
    with pytest.raises(ContextLengthExceeded, match=f"{length} tokens.*context of {length}"):
        chat(model)
    assert backend.requests == []
    roomy, _ = make_model([ANSWER], context_length=length + 1)
    assert fold(chat(roomy))[2].usage.completion_tokens == 1


def test_a_raw_prompt_longer_than_the_context_is_called_a_prompt(make_model):
    model, _ = make_model([ANSWER], context_length=8)

    async def read() -> None:
        async for _ in model.complete([5] * 8, SamplingParams(), trace_id="t", request_id="r"):
            pass

    with pytest.raises(ContextLengthExceeded, match="the prompt has 8 tokens.*shorten the prompt") as caught:
        asyncio.run(read())
    assert caught.value.param == "prompt"


def test_a_refusal_of_the_backend_is_raised_before_the_first_event(make_model):
    model, _ = make_model([ANSWER], refusal=EngineDead("gone"))
    with pytest.raises(EngineDead, match="gone"):
        chat(model)


def test_an_empty_conversation_is_refused(make_model):
    model, _ = make_model([ANSWER])
    with pytest.raises(InvalidRequest):
        chat(model, messages=[])


def test_a_failure_in_the_middle_keeps_what_was_said_and_finishes_with_an_error(make_model):
    model, _ = make_model([ANSWER], fail_after_tokens=5)
    reasoning, _, finish = fold(chat(model))
    assert reasoning
    assert "let me count".startswith(reasoning)
    assert (finish.reason, finish.error) == ("error", "the script fails after 5 tokens")
    assert finish.usage.completion_tokens == 5


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_leaving_early_aborts_the_generation_at_once(make_model, how):
    model, backend = make_model([ANSWER], delay_s=0.001 if how == "close" else 30.0)

    async def main():
        events = model.chat(ASK, (), SamplingParams(), trace_id="t", request_id="r")
        if how == "close":
            await anext(events)
            await events.aclose()
            return
        task = asyncio.ensure_future(anext(events))
        while not backend.requests:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert backend.aborted_request_ids == ["r"]


def test_health_and_names_are_those_of_the_backend(make_model):
    model, backend = make_model([ANSWER], model_name="flashstep-nano", context_length=77)
    assert (model.model_name, model.context_length, model.is_healthy()) == ("flashstep-nano", 77, True)
    backend.fail()
    assert not model.is_healthy()
    model.close()


def test_the_id_that_ends_the_turn_counts_alike_however_the_ids_arrive(make_model):
    answer = "r\n</think>\nthree END"
    counts = set()
    for size in (1, 100):
        model, _ = make_model([answer], tokens_per_output=size)
        counts.add(fold(chat(model, stop=("END",)))[2].usage.completion_tokens)
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("three r s", (None, "three r s")), ("<think>\nlet me\n</think>\nthree", ("let me", "three"))],
)
def test_a_template_that_opens_no_reasoning_leaves_it_to_the_answer(tokenizer, answer, expected):
    source = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    template = ChatTemplate(source + "<|im_start|>assistant\n", tokenizer)
    model = ChatModel(
        ScriptedBackend(tokenizer, [answer]),
        tokenizer,
        template,
        frozenset({tokenizer.token_id("<|im_end|>")}),
    )
    reasoning, text, finish = fold(chat(model))
    assert (reasoning or None, text, finish.reason) == (*expected, "stop")
