"""The sampler against its slow twin, and against exact distributions."""

import numpy as np
import pytest
from driving import request
from hypothesis import given, settings
from hypothesis import strategies as st

from flashstep.engine.processors import Steering
from flashstep.engine.sampler import Sampler
from flashstep.engine.sequence import MIN_TEMPERATURE, Sequence
from flashstep.kernels.sampling import fill_weights, pick
from flashstep.types import SamplingParams
from naive import sample as naive


def some_logits(seed=0, size=64, scale=3.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(size) * scale).astype(np.float32)


def weights(logits: np.ndarray, params: SamplingParams) -> np.ndarray:
    result = np.empty_like(logits)
    scale, min_p = np.float32(1 / max(params.temperature, MIN_TEMPERATURE)), np.float32(params.min_p)
    fill_weights(logits, len(logits), scale, params.top_k, params.top_p, min_p, result, np.empty_like(logits))
    return result


def make_sequence(num_valid_tokens=64, prompt=(3, 4), **params) -> Sequence:
    asked = request(prompt=prompt, **params)
    steering = Steering.of(asked, num_valid_tokens, None)
    return Sequence(asked, max_total_tokens=1000, num_drafts=0, arrived_s=0.0, steering=steering)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 1000),
    size=st.integers(1, 80),
    temperature=st.floats(0.05, 2.0),
    top_k=st.integers(0, 90),
    top_p=st.floats(0.01, 1.0),
    min_p=st.floats(0.0, 1.0),
)
def test_weights_equal_the_slow_probabilities(seed, size, temperature, top_k, top_p, min_p):
    logits = some_logits(seed, size)
    params = SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    fast = weights(logits, params).astype(np.float64)
    slow = np.array(naive.probabilities(logits, params))
    slow /= slow.max()
    both = (fast > 0) & (slow > 0)
    np.testing.assert_allclose(fast[both], slow[both], rtol=1e-4, atol=1e-37)
    # float32 rounds tiny weights to zero, and one that lies on a threshold to either side of it.
    only_fast, only_slow = fast[(fast > 0) & ~both], slow[(slow > 0) & ~both]
    np.testing.assert_allclose(only_fast, np.full_like(only_fast, fast[fast > 0].min()), rtol=1e-4)
    visible = only_slow[only_slow > 1e-37]
    np.testing.assert_allclose(visible, np.full_like(visible, slow[slow > 1e-37].min()), rtol=1e-4)


@pytest.mark.parametrize(("top_p", "kept"), [(0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (1.0, 4)])
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p, kept):
    logits = np.log(np.array([0.1, 0.5, 0.3, 0.1 + 1e-4], np.float32))
    result = weights(logits, SamplingParams(temperature=1.0, top_p=top_p))
    assert np.count_nonzero(result) == kept


def test_tokens_tied_with_the_last_one_kept_are_kept_too():
    logits = np.array([1.0, 2.0, 1.0, 0.0], np.float32)
    for params in (SamplingParams(top_k=2), SamplingParams(top_p=0.7)):
        assert np.flatnonzero(weights(logits, params)).tolist() == [0, 1, 2]


def test_min_p_is_relative_to_the_best_token():
    logits = np.log(np.array([0.6, 0.3, 0.05], np.float32))
    assert np.flatnonzero(weights(logits, SamplingParams(min_p=0.4))).tolist() == [0, 1]
    assert np.flatnonzero(weights(logits, SamplingParams(min_p=0.6))).tolist() == [0]


def test_pick_returns_every_token_on_its_own_interval_and_never_one_of_weight_zero():
    values = np.array([0.0, 0.25, 0.0, 0.5, 0.25, 0.0], np.float32)
    points = [0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(1.0, 0.0)]
    assert [pick(values, len(values), u) for u in points] == [1, 1, 3, 3, 4, 4]


@pytest.mark.parametrize("temperature", [1e-30, 1e-9, 1e-6])
def test_a_temperature_close_to_zero_is_greedy_without_overflow(temperature):
    logits = some_logits()
    found = weights(logits, SamplingParams(temperature=temperature))
    assert pick(found, len(found), 0.999) == logits.argmax()


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1.0},
        {"temperature": 0.6, "top_p": 0.9},
        {"temperature": 1.5, "top_k": 7},
        {"temperature": 1.0, "min_p": 0.1, "top_p": 0.95},
        {"temperature": 0.8, "repetition_penalty": 1.5},
    ],
    ids=["plain", "top-p", "top-k", "min-p", "penalised"],
)
def test_sampled_tokens_follow_the_exact_distribution(params):
    logits, draws = some_logits(1, 12, 1.5), 4000
    wishes = SamplingParams(**params)
    exact = naive.probabilities(naive.penalised(logits, wishes, (3, 4), ()), wishes)
    counts = np.zeros(12)
    for seed in range(draws):
        seq = make_sequence(12, **params, seed=seed)
        counts[next(iter(Sampler(12).choices(seq, logits[None])))] += 1
    kept = np.array(exact) > 0
    assert counts[~kept].sum() == 0
    chi_square = ((counts - draws * np.array(exact))[kept] ** 2 / (draws * np.array(exact)[kept])).sum()
    freedom = kept.sum() - 1
    # The 99.99 % point of chi-square (Wilson-Hilferty); the seeds are fixed.
    limit = freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3
    assert chi_square < limit


def test_rows_drawn_together_are_those_drawn_alone():
    wishes = [
        {"temperature": 0.5, "top_p": 0.9}, {"temperature": 1.3}, {"temperature": 1.0, "top_k": 3},
        {"temperature": 0.9, "min_p": 0.2},
    ]  # fmt: skip
    logits, sampler = np.stack([some_logits(i) for i in range(9)]), Sampler(60)
    for seed in range(20):
        rows = [7, 0, 5, 2]
        each = [make_sequence(60, **wish, seed=seed) for wish in wishes]
        alone = [make_sequence(60, **wish, seed=seed) for wish in wishes]
        expected = [next(iter(sampler.choices(s, logits[r][None]))) for s, r in zip(alone, rows, strict=True)]
        assert sampler.sampled(each, rows, logits) == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_damaged_row_is_no_token(bad):
    logits = np.stack([some_logits(0), some_logits(1)])
    logits[1, 5] = bad
    with pytest.raises(FloatingPointError, match="damaged"):
        Sampler(64).sampled([make_sequence(temperature=1.0)], [1], logits)


def test_ids_behind_the_tokenizer_are_never_chosen_and_have_no_logprob():
    logits = some_logits()
    logits[40:] = 50.0
    sampler = Sampler(40)
    best = int(logits[:40].argmax())
    assert list(sampler.choices(make_sequence(40), logits[None])) == [best]
    for seed in range(50):
        seq = make_sequence(40, temperature=2.0, seed=seed)
        assert next(iter(sampler.choices(seq, logits[None]))) < 40
    top = sampler.logprob(logits, best, 20).top
    assert max(token_id for token_id, _ in top) < 40


def test_logprobs_are_those_of_the_model_and_the_best_come_first():
    logits = some_logits(3)
    result = Sampler(64).logprob(logits, 17, 4)
    slow = naive.log_softmax(logits)
    assert result.token_id == 17
    assert result.logprob == pytest.approx(slow[17], abs=1e-6)
    best = sorted(range(64), key=lambda i: -slow[i])[:4]
    assert [token_id for token_id, _ in result.top] == best
    assert [value for _, value in result.top] == pytest.approx([slow[i] for i in best], abs=1e-6)
    assert Sampler(64).logprob(logits, 17, 0).top == ()


def test_penalties_equal_the_slow_ones_as_the_answer_grows():
    params = {"presence_penalty": 0.5, "frequency_penalty": -0.4, "repetition_penalty": 1.4}
    seq = make_sequence(prompt=(3, 3, 9), **params)
    generated: list[int] = []
    for step in range(12):
        logits = some_logits(step, scale=0.7)
        slow = naive.penalised(logits, seq.params, (3, 3, 9), generated)
        (penalties,) = seq.steering.processors
        np.testing.assert_allclose(penalties.apply(logits), slow, rtol=1e-5, atol=1e-6)
        generated += Sampler(64).choices(seq, logits[None])
        assert generated[-1] == int(np.argmax(slow))


@pytest.mark.parametrize("params", [{}, {"temperature": 1.0}, {"presence_penalty": 1.0}], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_numbers_fail_instead_of_becoming_a_token(params, bad):
    logits = some_logits()
    logits[5] = bad
    with pytest.raises(FloatingPointError, match="damaged"):
        list(Sampler(64).choices(make_sequence(**params), logits[None]))
