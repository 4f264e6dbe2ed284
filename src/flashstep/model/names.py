"""The one declarative table of official checkpoint names and shapes, used in both directions.

`checkpoint_tensors` lists every tensor of a config with its official name, its shape and the
path of the parameter inside our modules. The torch loader and the CPU engine both read it.
Shape letters: D width, N query heads, G KV heads, H head width, E experts, F inner width, V vocabulary.
No torch here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig, MoESpec


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: `name` in official checkpoints, `path` in `model.Transformer`, its shape.

    `is_expert` marks stacked routed experts, of which a step reads only those that were chosen.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    is_float32: bool = False
    is_expert: bool = False


def checkpoint_tensors(config: ModelConfig) -> Iterator[TensorSpec]:
    """Every tensor of a checkpoint with this config, in the order of the layers."""
    d, v = config.d_model, config.vocab_size
    yield TensorSpec("model.embed_tokens.weight", "embedding.weight", (v, d))
    for layer in config.layers:
        yield from _layer(layer, d, f"model.layers.{layer.index}.", f"layers.{layer.index}.")
    yield TensorSpec("model.norm.weight", "norm.weight", (d,))
    yield TensorSpec("lm_head.weight", "lm_head.weight", (v, d))
    for depth, layer in enumerate(config.mtp):
        yield from _mtp(layer, d, v, f"model.layers.{layer.index}.", f"mtp.{depth}.")


def _layer(layer: LayerSpec, d: int, name: str, path: str) -> Iterator[TensorSpec]:
    n, g, h = layer.num_q_heads, layer.num_kv_heads, layer.head_dim
    yield TensorSpec(f"{name}input_layernorm.weight", f"{path}attention_norm.weight", (d,))
    yield TensorSpec(f"{name}post_attention_layernorm.weight", f"{path}mlp_norm.weight", (d,))
    attention = {
        "q_proj": (n * h, d), "k_proj": (g * h, d), "v_proj": (g * h, d), "o_proj": (d, n * h),
        "g_proj": (n, d), "q_norm": (h,), "k_norm": (h,),
    }  # fmt: skip
    for part, shape in attention.items():
        yield TensorSpec(f"{name}self_attn.{part}.weight", f"{path}attention.{part}.weight", shape)
    if isinstance(layer.mlp, DenseSpec):
        yield from _swiglu(layer.mlp.inner_dim, d, f"{name}mlp.", f"{path}mlp.")
    else:
        yield from _moe(layer.mlp, d, name, f"{path}mlp.")


def _swiglu(f: int, d: int, name: str, path: str) -> Iterator[TensorSpec]:
    for part, shape in {"gate_proj": (f, d), "up_proj": (f, d), "down_proj": (d, f)}.items():
        yield TensorSpec(f"{name}{part}.weight", f"{path}{part}.weight", shape)


def _moe(moe: MoESpec, d: int, name: str, path: str) -> Iterator[TensorSpec]:
    e, f = moe.num_experts, moe.expert_dim
    yield TensorSpec(f"{name}moe.gate.weight", f"{path}router.weight", (e, d))
    if moe.has_router_bias:
        yield TensorSpec(f"{name}moe.router_bias", f"{path}router.bias", (e,), is_float32=True)
    for part, shape in {"gate_proj": (e, f, d), "up_proj": (e, f, d), "down_proj": (e, d, f)}.items():
        yield TensorSpec(f"{name}moe.{part}.weight", f"{path}experts.{part}", shape, is_expert=True)
    yield from _swiglu(moe.shared_dim, d, f"{name}share_expert.", f"{path}shared_expert.")


def _mtp(layer: LayerSpec, d: int, v: int, name: str, path: str) -> Iterator[TensorSpec]:
    yield TensorSpec(f"{name}enorm.weight", f"{path}embedding_norm.weight", (d,))
    yield TensorSpec(f"{name}hnorm.weight", f"{path}hidden_norm.weight", (d,))
    yield TensorSpec(f"{name}eh_proj.weight", f"{path}eh_proj.weight", (d, 2 * d))
    yield from _layer(layer, d, name, f"{path}layer.")
    head = f"{name}transformer.shared_head."
    yield TensorSpec(f"{head}norm.weight", f"{path}norm.weight", (d,))
    yield TensorSpec(f"{head}output.weight", f"{path}head.weight", (v, d))


def canonical_name(name: str) -> str | None:
    """The official spelling of a tensor name found in the wild; None = to be ignored.

    Published variants: a `language_model.` prefix, MTP inner weights under `.transformer.` or
    `.mtp_block.`, `shared_head.head` for `shared_head.output`, cached `inv_freq` buffers.

    >>> canonical_name("model.language_model.layers.3.moe.gate.weight")
    'model.layers.3.moe.gate.weight'
    """
    if name.endswith("rotary_emb.inv_freq"):
        return None
    name = name.removeprefix("model.language_model.").removeprefix("language_model.")
    if name.startswith(("layers.", "embed_tokens.", "norm.")):
        name = "model." + name
    name = name.replace(".mtp_block.", ".").replace(".transformer.", ".")
    name = name.replace("shared_head.head.", "shared_head.output.")
    return name.replace(".shared_head.", ".transformer.shared_head.")
