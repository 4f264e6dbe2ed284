"""How much a token costs a model by its shape alone: weights read and multiply-adds in matrix products.

One weight that a token reads is one multiply-add. Counted are the trunk's matrices; norms, rope and the
scores of attention are left out, so a fraction of a ceiling that comes from here is a lower bound.
"""

from typing import get_args

from flashstep.engine.config import WeightFormat
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig

# int4: half a byte, and a 16-bit scale for 32. Of the torch runner only experts have it, or fp8.
BYTES_PER_WEIGHT = {"int4": 0.5625, "int8": 1.0, "fp8": 1.0, "bf16": 2.0, "float32": 4.0}
assert BYTES_PER_WEIGHT.keys() >= set(get_args(WeightFormat)), "a weight format has no size"


def trunk_weights(model: ModelConfig) -> int:
    """Weights of the layers' matrices that one token reads; the head is not among them."""
    return sum(weights_read(layer, model.d_model) for layer in model.layers)


def weights_read(layer: LayerSpec, d_model: int) -> int:
    """Weights in the matrices of one layer that one token reads."""
    q_heads, kv_heads = layer.num_q_heads, layer.num_kv_heads
    attention = d_model * (2 * q_heads * layer.head_dim + 2 * kv_heads * layer.head_dim + q_heads)
    return attention + mlp_weights(layer, d_model)


def mlp_weights(layer: LayerSpec, d_model: int) -> int:
    """Weights of a layer's MLP that one token reads, its router among them."""
    mlp = layer.mlp
    if isinstance(mlp, DenseSpec):
        return 3 * d_model * mlp.inner_dim
    return d_model * mlp.num_experts + 3 * d_model * (mlp.shared_dim + mlp.top_k * mlp.expert_dim)


def _float_weights(layer: LayerSpec, d_model: int) -> int:
    """Of `weights_read` those that are float32 in every format: the head gate and the router."""
    router = 0 if isinstance(layer.mlp, DenseSpec) else layer.mlp.num_experts
    return d_model * (layer.num_q_heads + router)


def head_weights(model: ModelConfig) -> int:
    """Weights of the output head."""
    return model.vocab_size * model.d_model


def decode_bytes(model: ModelConfig, weight_format: WeightFormat) -> int:
    """Bytes of weights that a plain decode step of one sequence reads."""
    kept = sum(_float_weights(layer, model.d_model) for layer in model.layers)
    matrices = (trunk_weights(model) - kept) * BYTES_PER_WEIGHT[weight_format]
    head_format = "int8" if weight_format == "int4" else weight_format
    return int(matrices + 4 * kept + head_weights(model) * BYTES_PER_WEIGHT[head_format])


def prefill_macs(model: ModelConfig, num_tokens: int) -> int:
    """Multiply-adds in the matrix products of a prompt; the head and the last layer's MLP see its last token
    only, as they do where nothing is drafted behind it."""
    last = mlp_weights(model.layers[-1], model.d_model)
    return (trunk_weights(model) - last) * num_tokens + last + head_weights(model)
