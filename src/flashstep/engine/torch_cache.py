"""K/V of the torch runner: one pair of tensors per layer, addressed by slot.

Slot = block id * block_size + offset. Behind the last block lies one spare block that no sequence owns:
masked reads go there and padded rows write there, so no read ever touches a block that was released.
Shape letters: G KV heads, H head width.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from flashstep.engine.kv_cache import pool_layers
from flashstep.model.config import ModelConfig


class LayerCache(NamedTuple):
    """Keys (rotated) and values of one layer, each [slots, G, H]."""

    keys: Tensor
    values: Tensor


def new_layer_caches(
    config: ModelConfig, block_size: int, num_full_blocks: int, num_sliding_blocks: int,
    dtype: torch.dtype, device: torch.device,
) -> list[LayerCache]:  # fmt: skip
    """Zeroed caches of all layers, those of the MTP modules last. ConfigError for an MTP layer with full
    attention."""
    pool_layers(config)
    caches = []
    for layer in (*config.layers, *config.mtp):
        num_blocks = num_sliding_blocks if layer.is_sliding else num_full_blocks
        shape = ((num_blocks + 1) * block_size, layer.num_kv_heads, layer.head_dim)
        keys, values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        caches.append(LayerCache(keys, values))
    return caches
