"""benchmarks/gpu_slice.py on the toy sizes and the CPU: what is summed, and which bytes make the floor."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors

GPU_SLICE = Path(__file__).parents[2] / "benchmarks" / "gpu_slice.py"
CONTEXT = 100


def gpu_slice(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GPU_SLICE), "--preset", "toy", "--device", "cpu", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("slice") / "out.json"
    sizes = ("--context", str(CONTEXT), "--rounds", "2", "--weight-format", "float32")
    run = gpu_slice("--batch", "1", "4", *sizes, "--out", str(out))
    assert run.returncode == 0, run.stderr
    result = json.loads(out.read_text())
    assert json.loads(run.stdout.splitlines()[-1]) == result
    for row in result["results"]:
        assert f"= {row['tokens_per_s']:,.1f} tokens/s" in run.stdout
    return result


def test_the_step_of_the_whole_model_is_the_sum_over_all_its_layers(measured) -> None:
    assert [row["num_sequences"] for row in measured["results"]] == [1, 4]
    for result in measured["results"]:
        rows = result["layers"]
        assert {row["kind"]: row["number"] for row in rows} == {
            "full dense": 1, "sliding dense": 1, "full MoE": 1, "sliding MoE": 5,
        }  # fmt: skip
        step_s = result["without_layers_s"]
        for row in rows:
            assert row["num_built"] == row["number"]  # all fit
            layer_s = (row["step_s"] - result["without_layers_s"]) / row["num_built"]
            assert row["layer_s"] == pytest.approx(layer_s)
            step_s += row["number"] * layer_s
        assert result["step_s"] == pytest.approx(step_s)
        assert result["tokens_per_s"] == pytest.approx(result["num_sequences"] / step_s)


def test_the_floor_counts_every_matrix_that_is_read_and_the_cache(measured) -> None:
    """Each matrix of the checkpoint once, of the experts the share that was chosen; K/V in the window."""
    config = ModelConfig.from_hf(presets.toy())
    layers = {"full dense": 0, "sliding dense": 1, "sliding MoE": 2, "full MoE": 4}
    for result in measured["results"]:
        for row in result["layers"]:
            layer = config.layers[layers[row["kind"]]]
            weights = 0.0
            for spec in checkpoint_tensors(config):
                if spec.name.startswith(f"model.layers.{layer.index}.") and len(spec.shape) > 1:
                    share = row["experts_chosen"] / 12 if spec.is_expert else 1
                    weights += share * np.prod(spec.shape)
            window = 5 if layer.is_sliding else CONTEXT
            cached = result["num_sequences"] * window * 2 * layer.num_kv_heads * layer.head_dim
            assert row["read_bytes"] == pytest.approx(4 * (weights + cached))
        head_bytes = 4 * config.vocab_size * config.d_model
        step_bytes = head_bytes + sum(row["number"] * row["read_bytes"] for row in result["layers"])
        assert result["floor_s"] == pytest.approx(step_bytes / measured["bandwidth_bytes_per_s"])


def test_one_token_chooses_three_experts_and_more_tokens_more(measured) -> None:
    one, four = ({row["kind"]: row["experts_chosen"] for row in r["layers"]} for r in measured["results"])
    assert one == {"full dense": 0, "sliding dense": 0, "sliding MoE": 3, "full MoE": 3}
    assert 3 < four["sliding MoE"] <= 12


def test_a_layer_that_does_not_fit_is_told_with_its_size() -> None:
    run = gpu_slice("--batch", "1", "--memory-gib", "0.0001")
    assert run.returncode != 0
    assert "a full dense layer takes " in run.stderr
