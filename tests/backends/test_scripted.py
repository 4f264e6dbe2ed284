"""The scripted backend plays what it was told, and nothing else."""

import asyncio

import pytest

from flashstep.backends.scripted import ScriptedBackend
from flashstep.errors import Overloaded
from flashstep.types import Request, SamplingParams


def make_request(tokenizer, text="hello", request_id="a", **params) -> Request:
    return Request(request_id, "trace", tuple(tokenizer.encode(text)), SamplingParams(**params))


def play(backend, request):
    """All outputs of one request."""

    async def collect():
        return [output async for output in backend.generate(request)]

    return asyncio.run(collect())


def text_of(tokenizer, outputs) -> str:
    return tokenizer.decode([token_id for output in outputs for token_id in output.token_ids])


def test_answers_are_played_in_order_and_then_again(tokenizer):
    backend = ScriptedBackend(tokenizer, ["one", tokenizer.encode("two")])
    texts = [text_of(tokenizer, play(backend, make_request(tokenizer))) for _ in range(3)]
    assert texts == ["one", "two", "one"]


def test_a_function_answers_the_text_of_the_prompt(tokenizer):
    backend = ScriptedBackend(tokenizer, lambda text: text.upper())
    outputs = play(backend, make_request(tokenizer, "straw"))
    assert text_of(tokenizer, outputs) == "STRAW"
    assert backend.requests == [make_request(tokenizer, "straw")]


@pytest.mark.parametrize(("step", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (10, [7])])
def test_outputs_hold_as_many_tokens_as_asked_and_then_comes_one_finish(tokenizer, step, sizes):
    backend = ScriptedBackend(tokenizer, [[20, 21, 22, 23, 24, 25, 26]], tokens_per_output=step)
    *outputs, last = play(backend, make_request(tokenizer))
    assert [len(output.token_ids) for output in outputs] == sizes
    assert all(output.finish_reason is None for output in outputs)
    assert (last.token_ids, last.finish_reason) == ((), "stop")
    assert last.timings.finished_s >= last.timings.first_token_s


@pytest.mark.parametrize(("limit", "reason"), [(2, "length"), (3, "stop"), (4, "stop")])
def test_max_tokens_and_the_context_end_an_answer_with_length(tokenizer, limit, reason):
    backend = ScriptedBackend(tokenizer, [[20, 21, 22]])
    outputs = play(backend, make_request(tokenizer, max_tokens=limit))
    assert sum(len(output.token_ids) for output in outputs) == min(limit, 3)
    assert outputs[-1].finish_reason == reason
    prompt_length = len(make_request(tokenizer).prompt_token_ids)
    small = ScriptedBackend(tokenizer, [[20, 21, 22]], context_length=prompt_length + limit)
    assert play(small, make_request(tokenizer))[-1].finish_reason == reason


def test_a_scripted_failure_comes_after_its_tokens(tokenizer):
    backend = ScriptedBackend(tokenizer, [[20, 21, 22]], fail_after_tokens=2)
    outputs = play(backend, make_request(tokenizer))
    assert [output.token_ids for output in outputs] == [(20,), (21,), ()]
    assert (outputs[-1].finish_reason, outputs[-1].error) == ("error", "the script fails after 2 tokens")


def test_a_scripted_refusal_is_raised_by_generate_itself(tokenizer):
    backend = ScriptedBackend(tokenizer, ["one"], refusal=Overloaded("full"))
    with pytest.raises(Overloaded):
        backend.generate(make_request(tokenizer))
    assert backend.requests == []


def test_closing_a_stream_early_is_noted_as_an_abort_and_a_full_one_is_not(tokenizer):
    backend = ScriptedBackend(tokenizer, ["a long answer"])

    async def main():
        stream = backend.generate(make_request(tokenizer, request_id="early"))
        await anext(stream)
        await stream.aclose()

    asyncio.run(main())
    play(backend, make_request(tokenizer, request_id="full"))
    assert backend.aborted_request_ids == ["early"]


def test_it_is_healthy_until_told_otherwise(tokenizer):
    backend = ScriptedBackend(tokenizer, ["one"])
    assert backend.is_healthy()
    backend.fail()
    assert not backend.is_healthy()
