"""Offline generation of many prompts."""

import pytest
from driving import expected, make_engine, prompt, request

from flashstep.engine.llm import LLM
from flashstep.errors import ConfigError, ContextLengthExceeded, InvalidRequest
from flashstep.types import SamplingParams


def test_completions_come_back_in_the_order_of_the_prompts(toy_config):
    prompts = [prompt(n, n) for n in (40, 1, 9, 70, 3, 20, 20, 6, 33, 50, 12)]
    done = []
    with LLM(make_engine(toy_config, num_draft_tokens=3, acceptance=0.8)) as llm:
        completions = llm.generate(
            prompts, SamplingParams(temperature=0, max_tokens=20), progress=lambda *n: done.append(n)
        )
    answers = expected([request(f"r{i}", p) for i, p in enumerate(prompts)])
    assert [(c.token_ids, c.finish_reason) for c in completions] == list(answers.values())
    assert done == [(i + 1, len(prompts)) for i in range(len(prompts))]
    assert all(c.timings.finished_s is not None for c in completions)


def test_each_prompt_may_have_its_own_params(toy_config):
    each = [SamplingParams(temperature=0, max_tokens=n, logprobs=0, ignore_eos=True) for n in (2, 5)]
    completions = LLM(make_engine(toy_config)).generate([(5, 6), (5, 6)], each)
    assert [len(c.token_ids) for c in completions] == [2, 5]
    assert [len(c.logprobs) for c in completions] == [2, 5]
    assert completions[1].token_ids[:2] == completions[0].token_ids


def test_one_impossible_prompt_is_refused_before_anything_runs(toy_config):
    llm = LLM(make_engine(toy_config))
    with pytest.raises(ContextLengthExceeded):
        llm.generate([(5, 6), prompt(900)], SamplingParams(max_tokens=3))
    assert not llm.engine.has_work


def test_a_callers_exception_leaves_nothing_behind(toy_config):
    def stop(finished, total):
        raise KeyboardInterrupt

    llm = LLM(make_engine(toy_config))
    with pytest.raises(KeyboardInterrupt):
        llm.generate([(5,), (6, 7)], [SamplingParams(max_tokens=n) for n in (1, 9)], progress=stop)
    assert not llm.engine.has_work
    llm.engine.check()


@pytest.mark.parametrize(
    ("params", "words"),
    [(SamplingParams(stop=("x",)), "stop strings need text"), ([SamplingParams()] * 3, "3 params for 2")],
    ids=["stop strings", "wrong number of params"],
)
def test_wishes_that_cannot_be_honoured_are_refused(toy_config, params, words):
    with pytest.raises(InvalidRequest, match=words):
        LLM(make_engine(toy_config)).generate([(5,), (6,)], params)


def test_a_misspelt_option_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(ConfigError, match="'num_thread'; did you mean 'num_threads'"):
        LLM.load(tmp_path, num_thread=2)
