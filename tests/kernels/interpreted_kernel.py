"""The CUDA kernel of experts of few bits beside its slow twin, in Triton's interpreter."""

from itertools import product

import torch

from flashstep.engine.torch_experts import grouped_linear, quantise
from flashstep.engine.torch_grouped import grouped_product

# Rows of each expert, outputs, inputs.
_SHAPES = (
    ((1, 0, 0, 2), 64, 32), ((0, 0, 0, 1), 200, 160), ((17, 0, 40, 16), 128, 256), ((0, 90, 0, 0), 70, 96),
)  # fmt: skip
# The interpreter's products know no bfloat16.
_DTYPES = (torch.float32, torch.float16)


def compare_all() -> None:
    """AssertionError where the two differ by more than rounding."""
    cases = list(product(_SHAPES, ("int4", "fp8"), _DTYPES))
    for (counts, outputs, inputs), expert_format, dtype in cases:
        stack = quantise(torch.randn(len(counts), outputs, inputs), expert_format)
        rows, counts_E = torch.randn(sum(counts), inputs).to(dtype), torch.tensor(counts, dtype=torch.int32)
        found, expected = grouped_product(rows, stack, counts_E), grouped_linear(rows, stack, counts_E)
        assert found.dtype == dtype
        # The twin rounds scaled weights to the rows' type, the kernel rounds nothing but the sum.
        bound = 1e-4 if dtype == torch.float32 else 0.02
        torch.testing.assert_close(found, expected, rtol=bound, atol=bound * inputs**0.5)
    print(len(cases), "cases agree")
