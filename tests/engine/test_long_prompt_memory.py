"""Prompts of thousands of tokens on the compiled runner: what the sliding pool holds, and that chunks, drafts
and the prefix cache change nothing."""

import numpy as np
import pytest
from driving import request

from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.config import EngineConfig, model_window
from flashstep.engine.engine import Engine
from flashstep.engine.loading import load_engine
from flashstep.model.config import ModelConfig

BLOCK = 16


def answer(engine: Engine, token_ids, window: int) -> tuple[list[int], int]:
    """Greedy answer and cached tokens; asserts in every step what the sliding pool may hold."""
    engine.add(request("long", token_ids, max_tokens=12, ignore_eos=True, eos=frozenset()))
    tokens: list[int] = []
    cached = 0
    stale_and_drafts = 2 + 3
    while engine.has_work:
        rows = engine.metrics.num_batch_tokens
        for _, output in engine.step():
            tokens += output.token_ids
            cached = output.cached_tokens
        rows = engine.metrics.num_batch_tokens - rows
        # The first and the last block may be partly outside.
        assert (engine.num_sliding_blocks_owned - 2) * BLOCK < window + stale_and_drafts + rows
        engine.check()
    return tokens, cached


def check_long_prompt(folder, window: int, length: int) -> None:
    token_ids = [int(i) for i in np.random.default_rng(3).integers(16, 380, length)]
    answers = []
    for num_drafts, max_batch_tokens in ((0, 512), (3, 200)):
        config = EngineConfig(
            num_threads=1, num_draft_tokens=num_drafts, max_batch_tokens=max_batch_tokens, max_sequences=4,
            kv_memory_bytes=160 << 20, weight_format="float32", cache_weights=False,
        )  # fmt: skip
        engine = load_engine(folder, config)
        answers += [answer(engine, token_ids, window) for _ in range(2)]
        engine.close()
    assert len({tuple(tokens) for tokens, _ in answers}) == 1
    assert [cached > length - 4 * BLOCK for _, cached in answers] == [False, True, False, True]


def test_a_toy_prompt_of_many_windows_holds_one_window(toy_checkpoint):
    check_long_prompt(toy_checkpoint, window=5, length=2500)


@pytest.mark.slow
def test_a_prompt_of_32768_tokens_on_the_built_in_model():
    folder = resolve_model_path(None)
    check_long_prompt(folder, window=model_window(ModelConfig.load(folder)), length=32768)
