"""From a checkpoint to the kernels' arrays: walks the layers once and packs every tensor.

Norm weights are stored as offsets from 1; the 1 is added here, in float32. Embedding, norms, head gate
and router stay float32 in every format. In int4 the output heads are int8: they are a small part of the
weights and decide between near tokens (benchmarks/formats.py measures both).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from flashstep.engine.config import WeightFormat
from flashstep.engine.kv_cache import pool_layers
from flashstep.kernels.pack import Packer
from flashstep.kernels.rope import inverse_frequencies
from flashstep.kernels.tables import (
    BFLOAT_PANELS,
    FLOAT_PANELS,
    INT4_PANELS,
    INT8_PANELS,
    Draft,
    Float32,
    Int64,
    Layer,
    LayerScalars,
    Sizes,
    Tables,
    Weights,
)
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig, MoESpec, RopeSpec
from flashstep.model.names import TensorSpec, checkpoint_tensors

Read = Callable[[str], Float32]


class TensorSource(Protocol):
    """Where weights come from: an opened checkpoint, or a model in memory."""

    config: ModelConfig

    def float32(self, spec: TensorSpec) -> Float32:
        """The values of one tensor of `config`, in the spec's shape."""


class StorageFormats(NamedTuple):
    """Storage formats (kernels/tables.py) of the layers' matrices and of the output heads."""

    linear: int
    head: int

    @classmethod
    def of(cls, weight_format: WeightFormat) -> "StorageFormats":
        """The storage formats behind the name of a setting."""
        both = {
            "float32": (FLOAT_PANELS, FLOAT_PANELS), "bf16": (BFLOAT_PANELS, BFLOAT_PANELS),
            "int8": (INT8_PANELS, INT8_PANELS), "int4": (INT4_PANELS, INT8_PANELS),
        }  # fmt: skip
        if weight_format not in both:
            raise ValueError(
                f"the compiled kernels have no weights in {weight_format}; choose {', '.join(both)}"
            )
        return cls(*both[weight_format])


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The weights of a model as the kernels see them, and the tables that do not depend on an engine's sizes.

    `anchors`: offset of the embedding, offset of the final norm, matrix number of the head.
    """

    weights: Weights
    matrices: Int64
    layer_table: Int64
    scalars: Float32
    drafts: Int64
    ropes: Int64
    anchors: Int64

    @property
    def layers(self) -> list[Layer]:
        """The records of `layer_table`."""
        return [Layer(*(int(value) for value in row)) for row in self.layer_table]

    def tables(self, sizes: Sizes, eps: float) -> Tables:
        """All tables of an engine with these sizes."""
        return Tables(
            matrices=self.matrices, layers=self.layer_table, scalars=self.scalars, drafts=self.drafts,
            ropes=self.ropes, sizes=np.array(sizes, np.int64), eps=np.array([eps], np.float32),
        )  # fmt: skip


def pack(source: TensorSource, formats: StorageFormats) -> PackedModel:
    """Pack trunk and MTP layers with their matrices in `formats`."""
    config = source.config
    specs = {spec.name: spec for spec in checkpoint_tensors(config)}
    return _LayerPacker(config, lambda name: source.float32(specs[name]), formats).pack()


class _LayerPacker:
    """One pass over a checkpoint; exists so that the helpers share the packer and the rope table."""

    def __init__(self, config: ModelConfig, read: Read, formats: StorageFormats) -> None:
        self.config, self.read, self.formats, self.packer = config, read, formats, Packer()
        self.ropes: dict[RopeSpec, tuple[int, int, int]] = {}
        full, sliding = pool_layers(config)
        self.cache_index = {x.index: i for pool in (full, sliding) for i, x in enumerate(pool)}

    def pack(self) -> PackedModel:
        specs = [*self.config.layers, *self.config.mtp]
        embedding = self.packer.vector(self.read("model.embed_tokens.weight"))
        layers = [self.layer(spec) for spec in specs]
        drafts = [self.draft(spec) for spec in self.config.mtp]
        anchors = [embedding, self.norm("model.norm.weight"), self.head("lm_head.weight")]
        weights, matrices = self.packer.finish()
        return PackedModel(
            weights=weights,
            matrices=matrices,
            layer_table=np.array(layers, np.int64),
            scalars=np.array([_scalars(spec) for spec in specs], np.float32),
            drafts=np.array(drafts, np.int64).reshape(len(drafts), len(Draft._fields)),
            ropes=np.array([entry[1:] for entry in self.ropes.values()], np.int64),
            anchors=np.array(anchors, np.int64),
        )

    def linear(self, *names: str) -> int:
        """Pack the named tensors as one matrix, stacked along its outputs, each from a new panel on."""
        return self.packer.matrix(self.formats.linear, *map(self.read, names))

    def exact(self, name: str) -> int:
        return self.packer.matrix(FLOAT_PANELS, self.read(name))

    def head(self, name: str) -> int:
        return self.packer.matrix(self.formats.head, self.read(name))

    def norm(self, name: str) -> int:
        return self.packer.vector(self.read(name) + np.float32(1.0))

    def rope(self, spec: RopeSpec) -> int:
        """Number of the rope; equal ropes of several layers are computed once a step."""
        if spec not in self.ropes:
            offset = self.packer.vector(inverse_frequencies(spec.theta, spec.dim, spec.scaling_numbers))
            self.ropes[spec] = (len(self.ropes), offset, spec.dim // 2)
        return self.ropes[spec][0]

    def layer(self, spec: LayerSpec) -> Layer:
        name, mlp = f"model.layers.{spec.index}.", spec.mlp
        attention = f"{name}self_attn."
        qkv = np.concatenate([self.read(f"{attention}{part}_proj.weight") for part in "qkv"])
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
            qkv=self.packer.matrix(self.formats.linear, qkv),
            head_gate=self.exact(f"{attention}g_proj.weight"),
            output=self.linear(f"{attention}o_proj.weight"),
            inner_dim=mlp.inner_dim if isinstance(mlp, DenseSpec) else mlp.shared_dim,
            gate_up=self.linear(f"{shared}gate_proj.weight", f"{shared}up_proj.weight"),
            down=self.linear(f"{shared}down_proj.weight"),
            **moe,
        )

    def experts(self, spec: MoESpec, name: str) -> dict[str, int]:
        zeros = np.zeros(spec.num_experts, np.float32)
        bias = self.read(f"{name}router_bias") if spec.has_router_bias else zeros
        return {
            "num_experts": spec.num_experts,
            "top_k": spec.top_k,
            "expert_dim": spec.expert_dim,
            "router": self.exact(f"{name}gate.weight"),
            "router_bias": self.packer.vector(bias),
            "expert_gate_up": self.linear(f"{name}gate_proj.weight", f"{name}up_proj.weight"),
            "expert_down": self.linear(f"{name}down_proj.weight"),
        }

    def draft(self, spec: LayerSpec) -> Draft:
        name = f"model.layers.{spec.index}."
        head = f"{name}transformer.shared_head."
        return Draft(
            embedding_norm=self.norm(f"{name}enorm.weight"),
            hidden_norm=self.norm(f"{name}hnorm.weight"),
            joint=self.linear(f"{name}eh_proj.weight"),
            norm=self.norm(f"{head}norm.weight"),
            head=self.head(f"{head}output.weight"),
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
