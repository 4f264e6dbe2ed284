"""What weight formats may cost the built-in model: the bounds that docs/architecture.md states."""

import numpy as np
import pytest

from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.types import SamplingParams

NUM_PROMPTS = 30
READ = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=1)


def scores(weight_format, texts, starts):
    """Of every token of the answers: its log-probability, and the likeliest token in its place."""
    with LLM.load(resolve_model_path(None), weight_format=weight_format, num_draft_tokens=0) as llm:
        read = llm.generate(texts, READ)
    tokens = [t for c, start in zip(read, starts, strict=True) for t in c.prompt_logprobs[start - 1 :]]
    return np.array([t.logprob for t in tokens]), [t.top[0][0] for t in tokens]


@pytest.fixture(scope="module")
def exact(built_in_prompts):
    """Questions with their answers in float32, where the answers begin, and the scores there."""
    prompts = built_in_prompts(NUM_PROMPTS, seed=8)
    with LLM.load(resolve_model_path(None), weight_format="float32", num_draft_tokens=0) as llm:
        answers = llm.generate(prompts, SamplingParams(temperature=0.0, max_tokens=80))
    texts = [[*p, *a.token_ids] for p, a in zip(prompts, answers, strict=True)]
    starts = [len(p) for p in prompts]
    return texts, starts, *scores("float32", texts, starts)


@pytest.mark.parametrize(
    ("weight_format", "least_same", "most_change"),
    [("bf16", 0.999, 0.002), ("int8", 0.995, 0.003), ("int4", 0.99, 0.015)],
)
def test_a_format_changes_probabilities_no_more_than_stated(exact, weight_format, least_same, most_change):
    texts, starts, logprobs, likeliest = exact
    found, found_likeliest = scores(weight_format, texts, starts)
    assert len(found) == len(logprobs) > 500
    same = np.mean(np.array(likeliest) == np.array(found_likeliest))
    change = float(np.abs(found - logprobs).mean())
    assert same >= least_same, (same, change)
    assert change <= most_change, (same, change)
