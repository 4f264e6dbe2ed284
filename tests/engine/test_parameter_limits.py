"""No wish within its stated range may end the engine or touch the answer of a neighbour."""

import numpy as np
import pytest
from driving import expected, make_engine, prompt, request, run

from flashstep.engine.processors import Steering
from flashstep.engine.sampler import Sampler
from flashstep.engine.sequence import Sequence
from flashstep.errors import InvalidRequest
from flashstep.types import SamplingParams

TINY = 5e-324  # the smallest float above 0
ALL_IDS = range(384)
EXTREMES = {
    "penalty lowest": {"repetition_penalty": 0.01},
    "penalty highest": {"repetition_penalty": 10.0},
    "frequency lowest": {"frequency_penalty": -2.0, "presence_penalty": -2.0},
    "frequency highest": {"frequency_penalty": 2.0, "presence_penalty": 2.0},
    "bias lowest": {"logit_bias": tuple((i, -100.0) for i in ALL_IDS)},
    "bias highest": {"logit_bias": tuple((i, 100.0) for i in ALL_IDS)},
    "bias mixed": {"logit_bias": tuple((i, (-1) ** i * 100.0) for i in ALL_IDS), "repetition_penalty": 0.01},
    "temperature tiny": {"temperature": TINY},
    "temperature highest": {"temperature": 2.0},
    "top_p tiny": {"top_p": TINY},
    "top_k of all": {"top_k": 1 << 31},
    "min_p highest": {"min_p": 1.0},
    "min_p tiny": {"min_p": TINY},
    "all low": {"repetition_penalty": 0.01, "frequency_penalty": -2.0, "top_p": TINY, "top_k": 1},
    "all high": {"repetition_penalty": 10.0, "frequency_penalty": 2.0, "presence_penalty": 2.0, "min_p": 1.0},
    "most tokens": {"max_tokens": 1 << 31},
    "no reasoning": {"thinking_token_budget": 0, "think_end": (20, 21, 20), "repetition_penalty": 0.01},
    "scores": {"logprobs": 20, "prompt_logprobs": 20},
    "seed": {"seed": -(1 << 63)},
}  # fmt: skip


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("temperature", [0.0, 1.0], ids=["greedy", "sampled"])
@pytest.mark.parametrize("name", EXTREMES)
def test_a_wish_at_the_end_of_its_range_gets_an_answer_and_harms_nobody(
    toy_config, name, temperature, num_draft_tokens
):
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, num_full_blocks=40)
    neighbour = request("neighbour", prompt(20, 1))
    wishes = {"temperature": temperature, "seed": 3, **EXTREMES[name]}
    answers = run(engine, [neighbour, request("extreme", prompt(30), **wishes)])
    assert answers["neighbour"] == expected([neighbour])["neighbour"]
    assert len(answers["extreme"][0]) >= 1


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e6])
def test_logits_of_any_size_can_be_chosen_from(name, scale):
    logits = (np.random.default_rng(4).standard_normal((5, 384)) * scale).astype(np.float32)
    wishes = {"temperature": 1.0, "seed": 3, **EXTREMES[name]}
    asked = request(prompt=prompt(30), **wishes)
    steering = Steering.of(asked, 384, None)
    seq = Sequence(asked, max_total_tokens=1000, num_drafts=0, arrived_s=0.0, steering=steering)
    assert all(0 <= token_id < 384 for token_id in Sampler(384).choices(seq, logits))


@pytest.mark.parametrize("penalty", [0.0, TINY, 1e-45, 1e-38, 0.0099, 10.1])
def test_a_penalty_that_would_leave_the_range_of_logits_is_refused_with_value_and_range(penalty):
    with pytest.raises(InvalidRequest) as caught:
        SamplingParams(repetition_penalty=penalty)
    assert caught.value.message == f"repetition_penalty: {penalty} is outside [0.01, 10.0]"


@pytest.mark.parametrize(
    "params", [{"thinking_token_budget": 0, "think_end": (20, 21, 20)}, {"top_k": 1}], ids=str
)
def test_damaged_weights_are_told_from_the_models_own_row_whatever_is_made_of_it(params):
    asked = request(**params)
    steering = Steering.of(asked, 384, None)
    seq = Sequence(asked, max_total_tokens=1000, num_drafts=0, arrived_s=0.0, steering=steering)
    logits = np.zeros((1, 384), np.float32)
    logits[0, 5] = np.nan
    with pytest.raises(FloatingPointError, match="damaged"):
        list(Sampler(384).choices(seq, logits))
