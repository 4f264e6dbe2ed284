"""The file inside the package in transformers' own classes: the same greedy answers as our engine."""

import pytest
import torch

from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.types import SamplingParams
from model.step3p7 import wrapped

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NUM_PROMPTS, NUM_TOKENS = 50, 80


@pytest.fixture(scope="module")
def prompts(built_in_prompts):
    return built_in_prompts(NUM_PROMPTS, seed=5)


def test_fifty_greedy_answers_are_those_of_transformers(prompts, tmp_path):
    import transformers  # only `make test-all` installs it

    folder = resolve_model_path(None)
    params = SamplingParams(temperature=0.0, max_tokens=NUM_TOKENS, repetition_guard=False)
    with LLM.load(folder, weight_format="float32", num_valid_tokens=Tokenizer.load(folder).vocab_size) as llm:
        ours = [list(completion.token_ids) for completion in llm.generate(prompts, params)]
    theirs = transformers.AutoModelForImageTextToText.from_pretrained(
        wrapped(folder, tmp_path), dtype=torch.float32, attn_implementation="eager"
    ).eval()
    assert sum(map(len, ours)) > 20 * NUM_PROMPTS
    for prompt, answer in zip(prompts, ours, strict=True):
        with torch.inference_mode():
            tokens = theirs.generate(
                input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=NUM_TOKENS, do_sample=False, eos_token_id=[1, 2, 4], pad_token_id=2,
            )  # fmt: skip
        assert tokens[0, len(prompt) :].tolist() == answer
