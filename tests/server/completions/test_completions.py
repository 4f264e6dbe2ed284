"""`/v1/completions` with the real client, over the real engine where probabilities matter."""

import asyncio
import json
import logging

import openai
import pytest

from flashstep.server.completions.answer import UsageSum
from flashstep.server.settings import ServerSettings
from flashstep.types import LogprobsDelta, SamplingParams, Usage
from server.running_server import serving

MODEL = "step-3.5-flash"


def complete(server, **fields):
    wish = {"model": MODEL, "prompt": "r has three", "temperature": 0, "max_tokens": 6} | fields
    return server.openai().completions.create(**wish)


def chunks_of(server, **fields) -> list[dict]:
    """The parsed chunks of a stream; the end mark must be there."""
    wish = {"model": MODEL, "prompt": "r has three", "temperature": 0, "max_tokens": 6, "stream": True}
    response = server.post(wish | fields, "/v1/completions")
    assert response.status_code == 200, response.text
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def folded(chunks: list[dict], index: int) -> dict:
    """One choice put together from its chunks."""
    pieces = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    scores = [piece["logprobs"] for piece in pieces if piece["logprobs"]]
    return {
        "index": index,
        "text": "".join(piece["text"] for piece in pieces),
        "logprobs": {key: sum((s[key] for s in scores), []) for key in scores[0]} if scores else None,
        "finish_reason": pieces[-1]["finish_reason"],
    }


def test_a_prompt_is_continued_without_template(played):
    model, backend = played([" has three"])
    with serving(model, ServerSettings()) as server:
        answer = complete(server, max_tokens=100)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert answer.model == MODEL
    assert answer.choices[0].text == " has three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None
    assert model.detokenize(backend.requests[0].prompt_token_ids) == "r has three"


def test_minus_1_lets_an_answer_have_what_fits(played):
    model, backend = played([" r" * 100])
    with serving(model, ServerSettings()) as server:
        server.openai().completions.create(model=MODEL, prompt="count", max_tokens=-1)
    assert backend.requests[0].params.max_tokens is None


def test_the_default_length_is_the_legacy_one(played):
    model, backend = played([" r" * 100])
    with serving(model, ServerSettings()) as server:
        answer = server.openai().completions.create(model=MODEL, prompt="count")
    assert backend.requests[0].params.max_tokens == 16
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 16


def test_every_form_of_prompt_gives_the_same_answer(toy_server, toy_model):
    ids = toy_model.tokenize("r has three")
    texts = [
        complete(toy_server, prompt=prompt).choices[0].text
        for prompt in ("r has three", ["r has three"], ids, [ids], [float(i) for i in ids])
    ]
    assert texts[0]
    assert len(set(texts)) == 1


def test_choices_of_several_prompts_are_numbered_prompt_by_prompt(played):
    model, backend = played(lambda prompt: prompt.upper(), max_concurrency=2)
    with serving(model, ServerSettings()) as server:
        answer = complete(server, prompt=["has", "three", "r"], n=2, max_tokens=50)
        chunks = chunks_of(server, prompt=["has", "three", "r"], n=2, max_tokens=50)
    assert [(c.index, c.text) for c in answer.choices] == [
        (0, "HAS"), (1, "HAS"), (2, "THREE"), (3, "THREE"), (4, "R"), (5, "R"),
    ]  # fmt: skip
    assert [folded(chunks, i)["text"] for i in range(6)] == [c.text for c in answer.choices]
    prompt_tokens = sum(len(model.tokenize(prompt)) for prompt in ("has", "three", "r"))
    assert answer.usage.prompt_tokens == prompt_tokens
    assert len(backend.requests) == 12
    assert len({r.request_id for r in backend.requests}) == 12


def test_the_stream_folds_to_the_whole_answer(toy_server):
    wish = {"prompt": ["strawberry", [70, 71, 72]], "echo": True, "logprobs": 2, "max_tokens": 9}
    whole = complete(toy_server, **wish)
    chunks = chunks_of(toy_server, **wish, stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == json.loads(whole.usage.model_dump_json(exclude_unset=True))
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    for choice in whole.choices:
        streamed = folded(chunks, choice.index)
        assert streamed["text"] == choice.text
        assert streamed["finish_reason"] == choice.finish_reason
        for key in ("tokens", "text_offset"):
            assert streamed["logprobs"][key] == getattr(choice.logprobs, key)
        given = [p for p in choice.logprobs.token_logprobs if p is not None]
        got = [p for p in streamed["logprobs"]["token_logprobs"] if p is not None]
        assert got == pytest.approx(given, abs=1e-4)


@pytest.mark.parametrize("prompt", ["there are", ["there are", "one two"]])
def test_running_counts_grow_with_each_chunk_to_those_of_the_whole_answer(toy_server, prompt):
    wish = {"prompt": prompt, "max_tokens": 6, "n": 2}
    chunks = chunks_of(toy_server, **wish, stream_options={"continuous_usage_stats": True})
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts == sorted(counts)
    assert chunks[-1]["usage"]["total_tokens"] == complete(toy_server, **wish).usage.total_tokens


def test_the_sdk_reads_the_stream(toy_server):
    whole = complete(toy_server)
    streamed = complete(toy_server, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole.choices[0].text


def test_echo_repeats_the_prompt_in_front(toy_server):
    plain = complete(toy_server).choices[0].text
    assert complete(toy_server, echo=True).choices[0].text == "r has three" + plain


def test_scores_come_in_four_parallel_lists(toy_server, toy_model):
    answer = complete(toy_server, echo=True, logprobs=3)
    scores = answer.choices[0].logprobs
    num_prompt = len(toy_model.tokenize("r has three"))
    assert num_prompt > 1
    assert len(scores.tokens) == num_prompt + answer.usage.completion_tokens
    assert len(scores.tokens) == len(scores.token_logprobs) == len(scores.top_logprobs)
    assert "".join(scores.tokens[:num_prompt]) == "r has three"
    assert scores.token_logprobs[0] is None
    assert scores.top_logprobs[0] is None
    assert all(p <= 0 for p in scores.token_logprobs[1:])
    for token, score, top in zip(
        scores.tokens[1:], scores.token_logprobs[1:], scores.top_logprobs[1:], strict=True
    ):
        assert 3 <= len(top) <= 4
        assert top[token] == score
    # Greedy: the chosen tokens of the answer are the best.
    for top, token in zip(scores.top_logprobs[num_prompt:], scores.tokens[num_prompt:], strict=True):
        assert max(top, key=top.get) == token
    offsets = dict(zip(scores.text_offset, scores.tokens, strict=True))
    assert all(
        answer.choices[0].text.startswith(token, offset)
        for offset, token in offsets.items()
        if not token.startswith("bytes:")
    )


def test_without_echo_only_the_answer_is_scored(toy_server):
    answer = complete(toy_server, logprobs=0)
    scores = answer.choices[0].logprobs
    assert len(scores.tokens) == answer.usage.completion_tokens
    assert scores.text_offset[0] == 0
    assert all(
        top == {token: p}
        for token, p, top in zip(scores.tokens, scores.token_logprobs, scores.top_logprobs, strict=True)
    )


@pytest.mark.parametrize("prompt", ["strawberry has three", [70, 71, 72, 73], "r"])
def test_max_tokens_0_only_scores_the_prompt(toy_server, prompt):
    answer = complete(toy_server, prompt=prompt, echo=True, logprobs=1, max_tokens=0)
    longer = complete(toy_server, prompt=prompt, echo=True, logprobs=1, max_tokens=1)
    scores, longer_scores = answer.choices[0].logprobs, longer.choices[0].logprobs
    assert answer.usage.completion_tokens == 0
    assert answer.choices[0].finish_reason == "length"
    assert len(scores.tokens) == answer.usage.prompt_tokens
    assert scores.tokens == longer_scores.tokens[:-1]
    assert scores.token_logprobs[1:] == pytest.approx(longer_scores.token_logprobs[1:-1], abs=1e-4)


def test_a_harness_scores_a_continuation_as_the_engine_itself_does(toy_server, toy_model):
    """log p(continuation | context): echoed scores of the prompt against those of the generation."""

    async def generate(context):
        params = SamplingParams(temperature=1.0, seed=3, max_tokens=12, logprobs=0, ignore_eos=True)
        events = toy_model.complete(context, params, trace_id="t", request_id="r")
        return [
            item.token async for event in events if isinstance(event, LogprobsDelta) for item in event.tokens
        ]

    context = toy_model.tokenize("r has three")
    continuation = asyncio.run(generate(context))
    assert len(continuation) == 12
    prompt = context + [token.token_id for token in continuation]
    scored = complete(toy_server, prompt=[prompt], echo=True, logprobs=1, max_tokens=0).choices[0].logprobs
    echoed = scored.token_logprobs[len(context) :]
    assert sum(echoed) == pytest.approx(sum(token.logprob for token in continuation), abs=1e-3)
    assert sum(echoed) < -12, "random weights are not sure of anything"


def test_stop_strings_and_bias_reach_the_engine(toy_server, toy_model):
    free = complete(toy_server, max_tokens=8)
    first = toy_model.tokenize("b")[0]
    biased = complete(toy_server, logit_bias={str(first): 100}, max_tokens=3)
    assert biased.choices[0].text == "bbb"
    assert free.choices[0].text != "bbb"
    stopped = complete(toy_server, logit_bias={str(first): 100}, max_tokens=8, stop="bb")
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == ("", "stop")
    assert stopped.choices[0].stop_reason == "bb"


def test_a_seed_repeats_an_answer_and_n_answers_differ(toy_server):
    wish = {"temperature": 1, "seed": 11, "n": 3, "max_tokens": 12}
    first, second = complete(toy_server, **wish), complete(toy_server, **wish)
    texts = [choice.text for choice in first.choices]
    assert texts == [choice.text for choice in second.choices]
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"n": 0}, "n"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_completion_tokens": 9}, "max_completion_tokens"),
        ({"max_output_tokens": 9}, "max_output_tokens"),
        ({"allowed_token_ids": [1]}, "allowed_token_ids"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [999_999]}, "prompt"),
        ({"prompt": [[1], [999_999]]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": [1.5]}, "prompt"),
        ({"prompt": [3, -1]}, "prompt"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"temperature": 3}, "temperature"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"stop": [""]}, "stop"),
        ({"guided_choice": ["yes", "no"]}, "guided_choice"),
        ({"guided_json": {}}, "guided_json"),
        ({"guided_regex": "a+"}, "guided_regex"),
        ({"guided_grammar": "start: A"}, "guided_grammar"),
        ({"structured_outputs": {"choice": ["yes"]}}, "structured_outputs"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(toy_server, fields, param):
    wish = {"model": MODEL, "prompt": "strawberry"} | fields
    response = toy_server.post(wish, "/v1/completions")
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    assert error["message"].startswith(param)
    assert "response_format" not in error["message"].removeprefix(param), "it would be refused, too"


def test_neutral_values_and_unknown_fields_are_no_errors(toy_server, caplog):
    wish = {
        "suffix": "",
        "tools": [],
        "tool_choice": "none",
        "function_call": "auto",
        "modalities": ["text"],
        "moderation": None,
        "web_search_options": {},
        "best_of": 1,
        "user": "me",
        "unheard_of": {"a": 1},
        "logit_bias": {},
        "stop": None,
    }
    with caplog.at_level(logging.INFO, logger="flashstep.server"):
        assert toy_server.post(
            wish | {"model": MODEL, "prompt": "a", "max_tokens": 1}, "/v1/completions"
        ).is_success
    [line] = [r.getMessage() for r in caplog.records if "unknown request fields" in r.getMessage()]
    assert "['moderation', 'unheard_of', 'web_search_options']" in line


def test_an_unknown_model_and_a_long_prompt_are_the_sdk_s_own_errors(toy_server):
    with pytest.raises(openai.NotFoundError):
        complete(toy_server, model="gpt-4")
    with pytest.raises(openai.BadRequestError) as caught:
        complete(toy_server, prompt="r" * 200_000)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")
    assert "the prompt has" in caught.value.message
    assert "shorten the prompt" in caught.value.message


def test_one_bad_prompt_refuses_the_request_before_anything_is_sent(toy_server):
    response = toy_server.post(
        {"model": MODEL, "prompt": ["r", "r" * 200_000], "stream": True}, "/v1/completions"
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_an_answer_that_breaks_off_is_an_error_in_both_forms(played):
    model, _ = played([" has three r s and more"], fail_after_tokens=3)
    with serving(model, ServerSettings()) as server:
        whole = server.post({"model": MODEL, "prompt": "a"}, "/v1/completions")
        stream = server.post({"model": MODEL, "prompt": "a", "stream": True}, "/v1/completions")
    assert whole.status_code == 502
    assert "the script fails" in whole.json()["error"]["message"]
    last = [line for line in stream.text.splitlines() if line.startswith("data: ")][-1]
    assert "the script fails" in json.loads(last.removeprefix("data: "))["error"]["message"]


def test_a_prompt_counts_once_whichever_of_its_answers_speaks_first():
    counts = UsageSum(2, score_only=False)
    counts.note(1, Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=4))
    assert counts.total == Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=4)
    counts.note(0, Usage(prompt_tokens=7, completion_tokens=1))
    counts.note(2, Usage(prompt_tokens=5, completion_tokens=3, cached_tokens=1))
    assert counts.total == Usage(prompt_tokens=12, completion_tokens=6, cached_tokens=1)
    scores = UsageSum(2, score_only=True)
    scores.note(0, Usage(prompt_tokens=7, completion_tokens=1))
    assert scores.total == Usage(prompt_tokens=7)
