"""The measured products are products: every thread's share of every row and column."""

import numpy as np
import pytest

from flashstep.bench.products import _Product


@pytest.mark.parametrize(
    ("weight_format", "bound"), [("float32", 1e-5), ("bf16", 0.01), ("int8", 0.02), ("int4", 0.2)]
)
@pytest.mark.parametrize("num_threads", [1, 3])
def test_all_threads_together_multiply_all_rows_by_the_matrix(weight_format, bound, num_threads) -> None:
    product = _Product(weight_format, (70, 64, 200), num_threads)
    for thread in range(num_threads):
        product.run(thread, repeats=2)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((200, 64)).astype(np.float32)
    x = product.operand.values[: 70 * 64].reshape(70, 64)
    found = product.output.values.reshape(70, -1)[:, :200]
    expected = x @ weights.T
    assert np.linalg.norm(found - expected) < bound * np.linalg.norm(expected)
