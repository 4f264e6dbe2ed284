"""The fast attention of bfloat16 on a CPU against torch's, which is obvious."""

import pytest
import torch

from flashstep.model.attention import attend, attend_by_products

SHAPES = [(3, 40, 40, 6, 2), (2, 16, 32, 4, 2), (1, 7, 7, 4, 4)]  # B, T queries, K keys, N heads, G KV heads


@pytest.fixture(params=SHAPES, ids=str)
def inputs(request):
    """q, k, v in float32 that bfloat16 can hold, and a causal mask with two documents in it."""
    b, t, k, n, g = request.param
    torch.manual_seed(0)
    shapes = [(b, t, n, 16), (b, k, g, 16), (b, k, g, 16)]
    tensors = [torch.randn(shape).bfloat16().float() for shape in shapes]
    queries, keys = torch.arange(k - t, k), torch.arange(k)
    mask = (queries[:, None] >= keys) & (queries[:, None] // 9 == keys // 9)
    return [x.requires_grad_() for x in tensors], mask.expand(b, 1, t, k)


def test_products_give_what_the_fused_kernel_gives(inputs):
    tensors, mask = inputs
    exact = attend(*tensors, mask)
    close = attend_by_products(*tensors, mask)
    assert close.dtype == torch.bfloat16
    assert close.shape == exact.shape
    torch.testing.assert_close(close.float(), exact, atol=0.02, rtol=0.02)


def test_their_gradients_agree(inputs):
    tensors, mask = inputs
    weights = torch.randn_like(tensors[0])
    exact = torch.autograd.grad((attend(*tensors, mask) * weights).sum(), tensors)
    close = torch.autograd.grad((attend_by_products(*tensors, mask) * weights).sum(), tensors)
    for a, b in zip(close, exact, strict=True):
        assert (a - b).norm() < 0.02 * b.norm()


def test_a_key_that_is_hidden_has_no_part(inputs):
    (q, k, v), mask = inputs
    changed = v.detach().clone()
    changed[:, -1] = 1e3
    differs = attend_by_products(q, k, v, mask) != attend_by_products(q, k, changed, mask)
    assert torch.equal(differs.any(-1).any(-1)[0], mask[0, 0, :, -1])
