"""The engine in float32 against the PyTorch model on the same checkpoint: logits and greedy tokens."""

import numpy as np
import torch
from driving import prompt

from flashstep.engine.batch import Batch
from flashstep.engine.llm import LLM
from flashstep.engine.runner import Runner
from flashstep.model.weights import load_model
from flashstep.types import SamplingParams


def _whole_prompt(token_ids: tuple[int, ...], block_size: int) -> Batch:
    count = len(token_ids)
    table = np.arange(-(-count // block_size), dtype=np.int32)[None]
    rows = np.arange(count, dtype=np.int32)
    return Batch(np.array(token_ids, np.int32), rows, np.array([0, count], np.int32), table, table, rows)


def test_logits_and_hidden_states_agree_within_a_thousandth(toy_checkpoint):
    token_ids = prompt(60, 1)
    model = load_model(toy_checkpoint)
    with torch.no_grad():
        hidden = model(torch.tensor([token_ids]))
        logits = model.logits(hidden)[0].numpy()
    runner = Runner.load(
        toy_checkpoint, weight_format="float32", num_threads=1, block_size=4, num_full_blocks=20,
        num_sliding_blocks=20, max_batch_tokens=64, max_sequences=2,
    )  # fmt: skip
    try:
        result = runner.forward(_whole_prompt(token_ids, 4))
        np.testing.assert_allclose(result.logits_RV, logits, atol=1e-3, rtol=0)
        np.testing.assert_allclose(result.hidden_TD, hidden[0].numpy(), atol=1e-3, rtol=0)
    finally:
        runner.close()


def test_greedy_tokens_agree_over_answers_longer_than_the_window(toy_checkpoint):
    prompts = [prompt(n, n) for n in (2, 11, 30)]
    params = SamplingParams(temperature=0.0, max_tokens=20, ignore_eos=True)
    with LLM.load(toy_checkpoint, weight_format="float32", num_threads=1, max_sequences=8) as llm:
        completions = llm.generate(prompts, params)
    model = load_model(toy_checkpoint)
    for token_ids, completion in zip(prompts, completions, strict=True):
        tokens = torch.tensor([token_ids])
        with torch.no_grad():
            for _ in range(20):
                best = model.logits(model(tokens))[:, -1].argmax(-1, keepdim=True)
                tokens = torch.cat([tokens, best], dim=1)
        assert completion.token_ids == tokens[0, len(token_ids) :].tolist()
