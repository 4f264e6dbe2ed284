"""How much a token costs a model by its shape alone: weights read and multiply-adds in matrix products.

One weight that a token reads is one multiply-add. Counted are the trunk's matrices; norms, rope and the
scores of attention are left out, so a fraction of a ceiling that comes from here is a lower bound.
"""

from typing import get_args

from flashstep.engine.config import WeightFormat
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig

# int4: half a byte, and a 16-bit scale for each group of 32.
BYTES_PER_WEIGHT = {"int4": 0.5625, "int8": 1.0, "bf16": 2.0, "float32": 4.0}
assert BYTES_PER_WEIGHT.keys() >= set(get_args(WeightFormat)), "a weight format has no size"


def trunk_weights(model: ModelConfig) -> int:
    """Weights of the layers' matrices that one token reads; the head is not among them."""
    return sum(weights_read(layer, model.d_model) for layer in model.layers)


def weights_read(layer: LayerSpec, d_model: int) -> int:
    """Weights in the matrices of one layer that one token reads."""
    q_heads, kv_heads = layer.num_q_heads, layer.num_kv_heads
    attention = d_model * (2 * q_heads * layer.head_dim + 2 * kv_heads * layer.head_dim + q_heads)
    mlp = layer.mlp
    if isinstance(mlp, DenseSpec):
        return attention + 3 * d_model * mlp.inner_dim
    router = d_model * mlp.num_experts
    return attention + router + 3 * d_model * (mlp.shared_dim + mlp.top_k * mlp.expert_dim)


def head_weights(model: ModelConfig) -> int:
    """Weights of the output head."""
    return model.vocab_size * model.d_model


def decode_bytes(model: ModelConfig, weight_format: WeightFormat) -> int:
    """Bytes of weights that a plain decode step of one sequence reads."""
    return int((trunk_weights(model) + head_weights(model)) * BYTES_PER_WEIGHT[weight_format])


def prefill_macs(model: ModelConfig, num_tokens: int) -> int:
    """Multiply-adds in the matrix products of a prompt; the head sees its last token only."""
    return trunk_weights(model) * num_tokens + head_weights(model)
