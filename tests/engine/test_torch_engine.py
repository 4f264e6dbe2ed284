"""The engine on the torch runner, CPU device: the same answers as on the compiled one, drafts or not."""

import pytest
from driving import drain, prompt, request

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.engine import Engine
from flashstep.engine.llm import LLM
from flashstep.engine.runner import Runner
from flashstep.engine.runner_torch import TorchRunner
from flashstep.types import Message, SamplingParams

SIZES = {
    "block_size": 4, "num_full_blocks": 200, "num_sliding_blocks": 100, "max_sequences": 8,
    "max_batch_tokens": 64,
}  # fmt: skip
EXACT = {"weight_format": "float32", "device": "cpu"}


def answers(runner, num_draft_tokens):
    """Greedy and sampled requests from one token to several chunks, all at once."""
    engine = Engine(runner, num_draft_tokens=num_draft_tokens)
    for i, length in enumerate((1, 3, 17, 90, 64, 65)):
        engine.add(request(f"r{i}", prompt(length, i), temperature=0.8 * (i % 2), seed=i, max_tokens=16))
    return drain(engine), engine.metrics


@pytest.fixture(scope="module")
def reference(toy_checkpoint):
    runner = Runner.load(toy_checkpoint, weight_format="float32", num_threads=1, **SIZES)
    yield answers(runner, 0)[0]
    runner.close()


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("pads_decode", [False, True])
def test_a_batch_in_chunks_answers_like_the_compiled_runner(
    toy_checkpoint, reference, num_draft_tokens, pads_decode
):
    runner = TorchRunner.load(toy_checkpoint, **EXACT, pads_decode=pads_decode, **SIZES)
    found, metrics = answers(runner, num_draft_tokens)
    assert found == reference
    assert (metrics.num_verifications > 0) == (num_draft_tokens > 0)


def test_preemption_in_small_pools_changes_no_answer(toy_checkpoint, reference):
    sizes = SIZES | {"num_full_blocks": 30, "num_sliding_blocks": 30}
    runner = TorchRunner.load(toy_checkpoint, **EXACT, **sizes)
    found, metrics = answers(runner, 3)
    assert found == reference
    assert metrics.num_preemptions > 0


def test_the_builtin_model_answers_the_same_on_both_runners_with_and_without_drafts():
    folder = resolve_model_path(None)
    tokenizer = Tokenizer.load(folder)
    template = ChatTemplate.load(folder, tokenizer)
    questions = ["How many 'r's are in the word strawberry?", "Which is larger, 9.11 or 9.9?"]
    prompts = [template.encode([Message("user", question)]) for question in questions]
    params = SamplingParams(temperature=0.0, max_tokens=60)
    found = []
    for runner, drafts in (("cpu", 0), ("torch", 0), ("torch", 3)):
        device = {"device": "cpu"} if runner == "torch" else {}
        with LLM.load(
            folder, runner=runner, weight_format="float32", num_threads=1, num_draft_tokens=drafts,
            kv_memory_bytes=64 << 20, max_sequences=4, max_batch_tokens=128, cache_weights=False, **device,
        ) as llm:  # fmt: skip
            found.append([completion.token_ids for completion in llm.generate(prompts, params)])
    assert found[0] == found[1] == found[2]
    assert all(len(token_ids) > 10 for token_ids in found[0])
