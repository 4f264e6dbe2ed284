"""Runners over the toy checkpoint, shared by the kernel tests; each is made once per set of options."""

from collections.abc import Callable

import numpy as np
import pytest

from flashstep.engine.runner import Runner


@pytest.fixture(scope="session")
def load_toy(toy_checkpoint):
    """A function that gives the runner for some options; caches stay dirty between tests on purpose."""
    runners = {}

    def load(**options) -> Runner:
        key = tuple(sorted(options.items()))
        if key not in runners:
            sizes = {
                "num_full_blocks": 40, "num_sliding_blocks": 40, "max_batch_tokens": 128, "max_sequences": 8,
                "num_threads": 1, "weight_format": "float32",
            }  # fmt: skip
            runners[key] = Runner.load(toy_checkpoint, **(sizes | options))
        return runners[key]

    yield load
    for runner in runners.values():
        runner.close()


@pytest.fixture(scope="session")
def exact_runner(load_toy: Callable[..., Runner]) -> Runner:
    """float32, one thread."""
    return load_toy()


@pytest.fixture(scope="session")
def toy_tokens() -> list[int]:
    """40 token ids of the toy vocabulary: eight windows."""
    return [int(t) for t in np.random.default_rng(3).integers(3, 384, 40)]


@pytest.fixture(scope="session")
def whole(exact_runner: Runner, toy_tokens: list[int]):
    """Logits and hidden states of `toy_tokens` in one pass."""
    from flat_batches import run_whole

    return run_whole(exact_runner, toy_tokens)
