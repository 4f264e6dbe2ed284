"""The memory behind the two block pools: full-attention layers, and sliding plus MTP layers.

One block id stands for the K and V of `block_size` positions in all layers of its pool. Arrays are flat and
zeroed, with the layout of `kernels.tables.Caches`; a number has 4 bytes (float32) or 2 (bfloat16, as int16).
Who owns which block is not known here.
"""

from collections.abc import Sequence

from flashstep.errors import ConfigError
from flashstep.kernels.padding import key_depth, value_stride
from flashstep.kernels.tables import Cached, Caches, cached_type
from flashstep.kernels.workspace import SLACK, aligned
from flashstep.model.config import LayerSpec, ModelConfig


def pool_layers(config: ModelConfig) -> tuple[list[LayerSpec], list[LayerSpec]]:
    """Layers of the full pool and of the sliding pool, in cache order.

    Raises ConfigError for an MTP layer with full attention: drafts have sliding tables only.
    """
    full = [layer for layer in config.layers if not layer.is_sliding]
    sliding = [layer for layer in (*config.layers, *config.mtp) if layer.is_sliding]
    for layer in config.mtp:
        if not layer.is_sliding:
            raise ConfigError(f"layer_types[{layer.index}] is full_attention; MTP layers must be sliding")
    for pool in (full, sliding):
        if len({(layer.num_kv_heads, layer.head_dim) for layer in pool}) > 1:
            raise ConfigError(
                "layers of one attention kind differ in KV heads or head_dim; they share block ids"
            )
    return full, sliding


def new_caches(
    config: ModelConfig, block_size: int, num_full_blocks: int, num_sliding_blocks: int, bytes_per_number: int
) -> Caches:
    """Allocate both pools; memory is committed by the system as blocks are first written.

    ConfigError for an odd block_size where a number has 2 bytes: their tokens lie in pairs.
    """
    if bytes_per_number == 2 and block_size % 2:
        raise ConfigError(
            f"block_size is {block_size}; beside integer weights, whose K and V lie in pairs of tokens, it "
            "must be even"
        )
    full, sliding = pool_layers(config)
    return Caches(
        *_pool(full, block_size, num_full_blocks, bytes_per_number),
        *_pool(sliding, block_size, num_sliding_blocks, bytes_per_number),
    )


def _pool(
    layers: Sequence[LayerSpec], block_size: int, num_blocks: int, bytes_per_number: int
) -> tuple[Cached, Cached]:
    """K and V arrays of one pool."""
    dtype = cached_type(bytes_per_number)
    rows = sum(layer.num_kv_heads for layer in layers) * num_blocks * block_size
    head_dim = layers[0].head_dim if layers else 0
    return (
        aligned(rows * key_depth(head_dim) + SLACK, dtype),
        aligned(rows * value_stride(head_dim) + SLACK, dtype),
    )
