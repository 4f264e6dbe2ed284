"""The same random checkpoint in transformers' own implementation (the step3p7 text model)."""

import numpy as np
import pytest
import torch

from flashstep.model.weights import load_model
from model.step3p7 import wrapped

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def peers(toy_checkpoint, tmp_path_factory):
    import transformers  # only `make test-all` installs it

    folder = wrapped(toy_checkpoint, tmp_path_factory.mktemp("step3p7"))
    theirs = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    return load_model(toy_checkpoint), theirs


def _prompt(length: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(length).integers(3, 380, (1, length)))


@pytest.mark.parametrize("length", [3, 24, 90], ids=lambda n: f"{n} tokens, window 5")
def test_logits_agree_in_float32(peers, length):
    ours, theirs = peers
    with torch.inference_mode():
        got = ours.logits(ours(_prompt(length)))
        expected = theirs(input_ids=_prompt(length)).logits
    assert (got - expected).abs().max().item() < 1e-3


def test_greedy_tokens_agree_beyond_the_window(peers):
    ours, theirs = peers
    tokens = _prompt(20)
    with torch.inference_mode():
        expected = theirs.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=24, min_new_tokens=24,
            do_sample=False, eos_token_id=None, pad_token_id=1,
        )  # fmt: skip
        for _ in range(24):
            best = ours.logits(ours(tokens))[:, -1].argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, best], dim=1)
    assert tokens.tolist() == expected.tolist()
