"""The torch model against a slow numpy twin, and properties every attention layer must have."""

import numpy as np
import pytest
import torch

from flashstep.model.weights import load_model, save_weights
from naive import forward as naive


@pytest.fixture(scope="module")
def model(toy_checkpoint):
    return load_model(toy_checkpoint)


def _tokens(length: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(length).integers(3, 380, (1, length)))


# 25 tokens are whole blocks of a window: sliding layers then attend block by block.
@pytest.mark.parametrize("length", [1, 5, 24, 25], ids=lambda n: f"{n} tokens, window 5")
def test_trunk_equals_the_naive_twin(model, toy_tensors, toy_config, length):
    tokens = _tokens(length)
    with torch.no_grad():
        hidden = model(tokens)
        logits = model.logits(hidden)[0]
    logits_TV, hidden_TD = naive.trunk(toy_tensors, toy_config, tokens[0].numpy())
    np.testing.assert_allclose(hidden[0].numpy(), hidden_TD, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(logits.numpy(), logits_TV, atol=1e-4, rtol=1e-4)


def test_mtp_chain_equals_the_naive_twin(model, toy_tensors, toy_config):
    tokens = _tokens(24)
    with torch.no_grad():
        outputs = model.draft_hidden(tokens, model(tokens))
    _, hidden = naive.trunk(toy_tensors, toy_config, tokens[0].numpy())
    shifted = tokens[0].numpy()
    for depth, output in enumerate(outputs, start=1):
        shifted = np.roll(shifted, -1)
        logits, hidden = naive.mtp(toy_tensors, toy_config, depth, shifted, hidden)
        valid = len(shifted) - depth  # later rows read a rolled-in token
        np.testing.assert_allclose(output[0, :valid].numpy(), hidden[:valid], atol=1e-4, rtol=1e-4)
        with torch.no_grad():
            got = model.mtp[depth - 1].logits(output)[0, :valid].numpy()
        np.testing.assert_allclose(got, logits[:valid], atol=1e-4, rtol=1e-4)


def test_a_later_token_never_changes_an_earlier_row(model):
    tokens = _tokens(12)
    changed = tokens.clone()
    changed[0, 8] = 3
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[0, :8], after[0, :8], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before[0, 8:], after[0, 8:])


def test_only_relative_positions_matter_up_to_rounding(model):
    tokens = _tokens(12)
    with torch.no_grad():
        near = model(tokens)
        far = model(tokens, positions=torch.arange(6000, 6012).expand(1, 12))
    torch.testing.assert_close(near, far, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("layer", [1, 5], ids=["layer 1", "layer 5"])
def test_a_sliding_layer_sees_exactly_its_window(model, layer):
    from flashstep.model.context import make_context

    spec = model.config.layers[layer]
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 10, model.config.d_model, generator=generator)
    context = make_context((spec,), torch.arange(10).expand(1, 10), None)
    attention = model.layers[layer].attention
    with torch.no_grad():
        base = attention(x, context)[0, 9]
        for distance, matters in ((spec.window_tokens - 1, True), (spec.window_tokens, False)):
            touched = x.clone()
            touched[0, 9 - distance] += 1.0
            same = torch.allclose(attention(touched, context)[0, 9], base, atol=1e-6)
            assert same is not matters


def test_a_zero_head_gate_halves_every_head(model):
    import copy

    from flashstep.model.context import make_context

    spec = model.config.layers[0]
    attention = copy.deepcopy(model.layers[0].attention)
    x = torch.randn(1, 6, model.config.d_model, generator=torch.Generator().manual_seed(4))
    context = make_context((spec,), torch.arange(6).expand(1, 6), None)
    # A column that is constant over tokens lets one gate weight open every head fully.
    x[..., 0] = 1.0
    with torch.no_grad():
        attention.v_proj.weight[:, 0] = 0
        attention.g_proj.weight.zero_()
        half = attention(x, context)
        attention.g_proj.weight[:, 0] = 100.0
        torch.testing.assert_close(attention(x, context), 2 * half)


def test_module_two_reads_the_hidden_state_of_module_one(model):
    tokens = _tokens(10)
    with torch.no_grad():
        hidden = model(tokens)
        chained = model.draft_hidden(tokens, hidden)[1]
        context_tokens = torch.roll(torch.roll(tokens, -1, 1), -1, 1)
        from flashstep.model.context import make_context

        context = make_context(model.config.mtp, torch.arange(10).expand(1, 10), None)
        unchained = model.mtp[1](model.embedding(context_tokens), hidden, context)
    assert not torch.allclose(chained, unchained, atol=1e-2)


def test_save_and_load_round_trip_bit_for_bit(model, tmp_path):
    save_weights(model, tmp_path / "first", torch.float32)
    again = load_model(tmp_path / "first")
    expected, got = model.state_dict(), again.state_dict()
    assert all(torch.equal(expected[k], got[k]) for k in expected)
    save_weights(model, tmp_path / "bf16", torch.bfloat16)
    loaded = load_model(tmp_path / "bf16", torch.bfloat16)
    save_weights(loaded, tmp_path / "bf16-again", torch.bfloat16)
    first, second = ((tmp_path / d / "model.safetensors").read_bytes() for d in ("bf16", "bf16-again"))
    assert first == second


def test_bf16_keeps_the_router_bias_in_float32(model, tmp_path):
    save_weights(model, tmp_path, torch.bfloat16)
    loaded = load_model(tmp_path, torch.bfloat16)
    assert torch.equal(loaded.layers[2].mlp.router.bias, model.layers[2].mlp.router.bias)
