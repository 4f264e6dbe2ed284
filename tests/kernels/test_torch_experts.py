"""Experts of 4 and 8 bits: rounding, the product on the CPU, the CUDA kernel in Triton's interpreter."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.engine.runner_torch import TorchRunner
from flashstep.engine.torch_experts import (
    QuantisedExperts,
    dequantise,
    quantise,
    quantise_experts,
)
from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig, MoESpec
from flashstep.model.moe import Experts, MoE
from flashstep.model.presets import toy
from flashstep.model.transformer import Transformer
from flashstep.model.weights import load_model
from flashstep.types import SamplingParams

FORMATS = ("int4", "fp8")


def some(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("expert_format", "bound"), [("int4", 0.09), ("fp8", 0.03)])
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 32), (200, 160), (128, 256)])
def test_rounding_stays_within_its_bound(expert_format, bound, outputs, inputs):
    weights = some(3, outputs, inputs)
    stack = quantise(weights, expert_format)
    assert (stack.expert_format, stack.num_inputs) == (expert_format, inputs)
    again = torch.stack([dequantise(stack, e) for e in range(3)])
    assert ((again - weights).square().mean() / weights.square().mean()).sqrt() < bound


def test_codes_of_an_fp8_checkpoint_come_back_as_they_were():
    """Codes with a scale for each 128 x 128 block, the largest code in each block."""
    codes = some(2, 256, 384).mul(60).to(torch.float8_e4m3fn)
    codes[:, ::128, ::128] = 448.0
    scales = some(2, 2, 3, seed=1).abs() + 0.01
    whole = codes.float() * scales.repeat_interleave(128, 1).repeat_interleave(128, 2)
    stack = quantise(whole, "fp8")
    torch.testing.assert_close(stack.scales, scales)
    assert torch.equal(stack.codes.float(), codes.float())


def test_zeros_stay_zeros():
    for expert_format in FORMATS:
        assert not dequantise(quantise(torch.zeros(1, 64, 64), expert_format), 0).any()


def test_int4_without_whole_groups_is_refused():
    with pytest.raises(ConfigError, match="groups of 32 inputs, but a matrix has 40; choose bf16"):
        quantise(some(2, 8, 40), "int4")


@pytest.mark.parametrize("expert_format", FORMATS)
def test_quantised_experts_are_experts_with_rounded_matrices(expert_format):
    mixtures = (x.mlp for x in ModelConfig.from_hf(toy()).layers if isinstance(x.mlp, MoESpec))
    spec = replace(next(mixtures), expert_dim=64)
    experts = Experts(64, spec)
    quantised = QuantisedExperts(experts, expert_format)
    for seed, (name, parameter) in enumerate(experts.named_parameters()):
        weights = some(*parameter.shape, seed=seed) / 8
        quantised.take(name, weights, "cpu")
        stack = quantise(weights, expert_format)
        parameter.data = torch.stack([dequantise(stack, e) for e in range(spec.num_experts)])
    counts_E = torch.zeros(spec.num_experts, dtype=torch.int32)
    counts_E[[0, 2]] = torch.tensor([3, 4], dtype=torch.int32)
    rows = some(7, 64)
    torch.testing.assert_close(quantised(rows, counts_E), experts(rows, counts_E), rtol=0, atol=1e-5)
    assert quantised(rows[:0], torch.zeros_like(counts_E)).shape == (0, 64)


def test_the_kernel_equals_expert_after_expert():
    """In a process of its own: what is imported while the variable is set is interpreted for good."""
    pytest.importorskip("triton", reason="CUDA builds of torch bring it; pip install triton to run this")
    code = "from interpreted_kernel import compare_all; compare_all()"
    folders = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": folders}
    made = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert "16 cases agree" in made.stdout


def test_every_mixture_gets_quantised_experts_and_nothing_else_changes(toy_checkpoint):
    whole = load_model(toy_checkpoint)
    model = load_model(toy_checkpoint, prepare=lambda made: quantise_experts(made, "fp8"))
    mixtures = [module for module in model.modules() if isinstance(module, MoE)]
    assert mixtures
    assert all(isinstance(mixture.experts, QuantisedExperts) for mixture in mixtures)
    others = {name for name, _ in whole.named_parameters() if ".experts." not in name}
    assert {name for name, _ in model.named_parameters()} == others
    tokens = torch.arange(20)[None]
    with torch.inference_mode():
        found, expected = (logits_of(each, tokens) for each in (model, whole))
    assert (found - expected).std() < 0.1 * expected.std()


def logits_of(model: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(tokens.shape[1])[None]
    return nn.functional.log_softmax(model.logits(model(tokens, positions)), -1)


@pytest.mark.parametrize("expert_format", FORMATS)
def test_the_built_in_model_answers_with_experts_of_few_bits(built_in_prompts, expert_format):
    """The greedy answers of bf16, most of them to the last token."""
    prompts, params = built_in_prompts(6, seed=2), SamplingParams(temperature=0.0, max_tokens=60)
    answers = {}
    for weight_format in ("bf16", expert_format):
        with LLM.load(
            resolve_model_path(None), runner="torch", device="cpu", weight_format=weight_format,
            num_threads=1, num_draft_tokens=0, max_sequences=8, kv_memory_bytes=64 << 20,
        ) as llm:  # fmt: skip
            assert isinstance(llm.engine._runner, TorchRunner)
            answers[weight_format] = [completion.token_ids for completion in llm.generate(prompts, params)]
    same = sum(a == b for a, b in zip(answers["bf16"], answers[expert_format], strict=True))
    assert same >= 4
