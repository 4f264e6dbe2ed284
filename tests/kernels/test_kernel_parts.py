"""Norm, rotary, clamp, router, exponential: each kernel against known numbers or plain numpy."""

import numpy as np
import pytest

from flashstep.kernels.activation import exp32, swiglu
from flashstep.kernels.moe import choose_experts, group_by_expert
from flashstep.kernels.norm import rms_norm
from flashstep.kernels.rope import angles, inverse_frequencies, rotate
from flashstep.model.config import RopeSpec
from naive import forward as naive


def floats(*values):
    return np.array(values, np.float32)


def test_norm_multiplies_by_one_plus_the_stored_weight():
    x, y = floats(1, 2, 3, 4), np.zeros(4, np.float32)
    rms_norm(x, 0, 4, floats(0, 0.5, -1, 1) + np.float32(1), 0, np.float32(1e-5), y, 0)
    np.testing.assert_allclose(y, [0.3651481, 1.0954444, 0, 2.9211850], rtol=1e-6)


@pytest.mark.parametrize(
    ("dim", "original", "divisors"),
    [
        (16, 4096, [1, 1, 1.415978, 1.937211, 2, 2, 2, 2]),
        (
            64,
            131072,
            [1] * 14 + [1.138363, 1.374499, 1.576436, 1.733729, 1.847569, 1.925649, 1.977251] + [2] * 11,
        ),
    ],
)
def test_llama3_scaling_divides_the_frequencies_band_by_band(dim, original, divisors):
    plain = inverse_frequencies(5e6, dim, None)
    scaled = inverse_frequencies(5e6, dim, (2.0, original, 1.0, 32.0))
    np.testing.assert_allclose(plain / scaled, divisors, rtol=1e-6)


@pytest.mark.parametrize("position", [0, 6000, 262143])
def test_angles_are_accurate_at_any_position(position):
    frequencies = inverse_frequencies(10000.0, 64, None)
    out = np.zeros(64, np.float32)
    angles(position, frequencies, np.array([0, 32]), 1, out, 0, 64)
    exact = position * frequencies.astype(np.float64)
    np.testing.assert_allclose(out, np.concatenate([np.cos(exact), np.sin(exact)]), rtol=0, atol=1e-7)


def test_rotation_touches_the_first_channels_only():
    rope, x = RopeSpec(10000.0, 16, None), np.random.default_rng(0).standard_normal(32).astype(np.float32)
    expected = naive.rotate(x.astype(np.float64), 77, rope)
    turns = np.zeros(16, np.float32)
    angles(77, inverse_frequencies(10000.0, 16, None), np.array([0, 8]), 1, turns, 0, 16)
    untouched = x[16:].copy()
    rotate(x, 0, 8, turns, 0)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(x[16:], untouched)


@pytest.mark.parametrize(("gate", "up", "expected"), [(8, 1, 7.0), (10, -9, -49.0), (-10, 3, -0.001362)])
def test_clamp_comes_after_silu_and_spares_its_negative_lobe(gate, up, expected):
    out = np.zeros(1, np.float32)
    swiglu(floats(gate, up), 0, 1, 1, np.float32(7), out, 0)
    np.testing.assert_allclose(out, [expected], rtol=5e-4)


def test_an_infinite_limit_clamps_nothing():
    out = np.zeros(1, np.float32)
    swiglu(floats(80, -90), 0, 1, 1, np.float32(np.inf), out, 0)
    np.testing.assert_allclose(out, [-7200], rtol=1e-6)


def test_exp_is_accurate_to_two_units_in_the_last_place():
    for x in np.linspace(-86, 87, 4001, dtype=np.float32):
        assert abs(exp32(x) / np.exp(np.float64(x)) - 1) < 2.4e-7, x
    assert exp32(np.float32(-1e30)) < 2e-38
    assert np.isfinite(exp32(np.float32(1e30)))


def choose(logits, bias, top_k, scale):
    ids, weights = np.full(top_k, 99, np.int32), np.zeros(top_k, np.float32)
    choose_experts(logits.copy(), 0, len(logits), bias, 0, top_k, np.float32(scale), ids, weights, 0)
    return ids, weights


def test_router_bias_selects_but_does_not_weigh():
    ids, weights = choose(floats(2, 0, -1, 1), floats(0, 0.5, 0.9, 0), 2, 3.0)
    assert ids.tolist() == [2, 1]
    np.testing.assert_allclose(weights, [1.049266, 1.950734], rtol=1e-6)


def test_a_bias_equal_for_all_experts_changes_nothing():
    logits = np.random.default_rng(0).standard_normal(12).astype(np.float32)
    plain, moved = (
        choose(logits, np.zeros(12, np.float32), 3, 3.0),
        choose(logits, np.full(12, 0.25, np.float32), 3, 3.0),
    )
    assert plain[0].tolist() == moved[0].tolist()
    np.testing.assert_array_equal(plain[1], moved[1])


def test_equal_scores_go_to_the_lower_expert_and_nan_picks_stay_in_range():
    assert choose(np.zeros(5, np.float32), np.zeros(5, np.float32), 3, 1.0)[0].tolist() == [0, 1, 2]
    for logits, bias in ((np.nan, 0.0), (0.0, np.nan), (0.0, -np.inf)):
        full = [np.full(5, value, np.float32) for value in (logits, bias)]
        assert set(choose(*full, 3, 1.0)[0]) <= set(range(5))


def test_grouping_sorts_routed_rows_by_expert():
    starts, rows, places = (np.zeros(n, np.int32) for n in (4, 4, 4))
    group_by_expert(np.array([1, 0, 1, 2], np.int32), 2, 2, 3, starts, rows, places)
    assert (starts.tolist(), rows.tolist(), places.tolist()) == ([0, 1, 3, 4], [0, 0, 1, 1], [1, 0, 2, 3])
