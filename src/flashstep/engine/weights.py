"""From a checkpoint to the kernels' arrays: walks the layers once and packs every tensor.

Norm weights are stored as offsets from 1; the 1 is added here, in float32. Embedding, norms, head gate
and router stay float32 in every format.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flashstep.engine.kv_cache import pool_layers
from flashstep.kernels.pack import Packer
from flashstep.kernels.rope import inverse_frequencies
from flashstep.kernels.tables import Draft, Float32, Layer, LayerScalars, Sizes, Tables, Weights
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig, MoESpec, RopeSpec
from flashstep.model.names import checkpoint_tensors

Read = Callable[[str], Float32]


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A loaded model as the kernels see it. `tables.sizes` is `sizes` as an array."""

    weights: Weights
    tables: Tables
    sizes: Sizes
    layers: list[Layer]


def pack(checkpoint: Checkpoint, format_: int, sizes: Callable[[int, int, int, int], Sizes]) -> PackedModel:
    """Pack trunk and MTP layers with matrices in `format_`.

    sizes(embedding, final_norm, head, num_ropes) completes the model-wide numbers.
    """
    config = checkpoint.config
    specs = {spec.name: spec for spec in checkpoint_tensors(config)}
    packer = _LayerPacker(config, lambda name: checkpoint.float32(specs[name]), format_)
    return packer.pack(sizes)


class _LayerPacker:
    """One pass over a checkpoint; exists so that the helpers share the packer and the rope table."""

    def __init__(self, config: ModelConfig, read: Read, format_: int) -> None:
        self.config, self.read, self.packer = config, read, Packer(format_)
        self.ropes: dict[RopeSpec, tuple[int, int, int]] = {}
        full, sliding = pool_layers(config)
        self.cache_index = {x.index: i for pool in (full, sliding) for i, x in enumerate(pool)}

    def pack(self, sizes: Callable[[int, int, int, int], Sizes]) -> PackedModel:
        specs = [*self.config.layers, *self.config.mtp]
        embedding = self.packer.vector(self.read("model.embed_tokens.weight"))
        layers = [self.layer(spec) for spec in specs]
        drafts = [self.draft(spec) for spec in self.config.mtp]
        final_norm, head = self.norm("model.norm.weight"), self.packer.matrix(self.read("lm_head.weight"))
        whole = sizes(embedding, final_norm, head, len(self.ropes))
        weights, matrices = self.packer.finish()
        tables = Tables(
            matrices=matrices,
            layers=np.array(layers, np.int64),
            scalars=np.array([_scalars(spec) for spec in specs], np.float32),
            drafts=np.array(drafts, np.int64).reshape(len(drafts), len(Draft._fields)),
            ropes=np.array([entry[1:] for entry in self.ropes.values()], np.int64),
            sizes=np.array(whole, np.int64),
            eps=np.array([self.config.norm_eps], np.float32),
        )
        return PackedModel(weights, tables, whole, layers)

    def norm(self, name: str) -> int:
        return self.packer.vector(self.read(name) + np.float32(1.0))

    def rope(self, spec: RopeSpec) -> int:
        """Number of the rope; equal ropes of several layers are computed once a step."""
        if spec not in self.ropes:
            s = spec.scaling
            scaling = None
            if s is not None:
                scaling = (s.factor, s.original_max_positions, s.low_freq_factor, s.high_freq_factor)
            offset = self.packer.vector(inverse_frequencies(spec.theta, spec.dim, scaling))
            self.ropes[spec] = (len(self.ropes), offset, spec.dim // 2)
        return self.ropes[spec][0]

    def layer(self, spec: LayerSpec) -> Layer:
        name, read, packer, mlp = f"model.layers.{spec.index}.", self.read, self.packer, spec.mlp
        attention = f"{name}self_attn."
        qkv = np.concatenate([read(f"{attention}{part}_proj.weight") for part in "qkv"])
        shared = f"{name}mlp." if isinstance(mlp, DenseSpec) else f"{name}share_expert."
        moe = _NO_MOE if isinstance(mlp, DenseSpec) else self.experts(mlp, f"{name}moe.")
        return Layer(
            window_tokens=spec.window_tokens or 0,
            num_q_heads=spec.num_q_heads,
            num_kv_heads=spec.num_kv_heads,
            head_dim=spec.head_dim,
            cache_index=self.cache_index[spec.index],
            rope=self.rope(spec.rope),
            attention_norm=self.norm(f"{name}input_layernorm.weight"),
            mlp_norm=self.norm(f"{name}post_attention_layernorm.weight"),
            q_norm=self.norm(f"{attention}q_norm.weight"),
            k_norm=self.norm(f"{attention}k_norm.weight"),
            qkv=packer.matrix(qkv),
            head_gate=packer.matrix(read(f"{attention}g_proj.weight"), exact=True),
            output=packer.matrix(read(f"{attention}o_proj.weight")),
            inner_dim=mlp.inner_dim if isinstance(mlp, DenseSpec) else mlp.shared_dim,
            gate_up=packer.matrix(read(f"{shared}gate_proj.weight"), read(f"{shared}up_proj.weight")),
            down=packer.matrix(read(f"{shared}down_proj.weight")),
            **moe,
        )

    def experts(self, spec: MoESpec, name: str) -> dict[str, int]:
        read, packer = self.read, self.packer
        bias = read(f"{name}router_bias") if spec.has_router_bias else np.zeros(spec.num_experts, np.float32)
        return {
            "num_experts": spec.num_experts,
            "top_k": spec.top_k,
            "expert_dim": spec.expert_dim,
            "router": packer.matrix(read(f"{name}gate.weight"), exact=True),
            "router_bias": packer.vector(bias),
            "expert_gate_up": packer.matrix(read(f"{name}gate_proj.weight"), read(f"{name}up_proj.weight")),
            "expert_down": packer.matrix(read(f"{name}down_proj.weight")),
        }

    def draft(self, spec: LayerSpec) -> Draft:
        name = f"model.layers.{spec.index}."
        head = f"{name}transformer.shared_head."
        return Draft(
            embedding_norm=self.norm(f"{name}enorm.weight"),
            hidden_norm=self.norm(f"{name}hnorm.weight"),
            joint=self.packer.matrix(self.read(f"{name}eh_proj.weight")),
            norm=self.norm(f"{head}norm.weight"),
            head=self.packer.matrix(self.read(f"{head}output.weight")),
        )


_NO_MOE = dict.fromkeys(
    ("num_experts", "top_k", "expert_dim", "router", "router_bias", "expert_gate_up", "expert_down"), 0
)


def _scalars(spec: LayerSpec) -> LayerScalars:
    """Clamps (infinity = none) and routed scale. A dense MLP takes the place of the shared expert."""

    def limit(value: float | None) -> np.float32:
        return np.float32(np.inf if value is None else value)

    if isinstance(spec.mlp, DenseSpec):
        return LayerScalars(limit(None), limit(spec.mlp.swiglu_limit), np.float32(0.0))
    moe = spec.mlp
    return LayerScalars(limit(moe.swiglu_limit), limit(moe.shared_swiglu_limit), np.float32(moe.routed_scale))
