"""What a Step-3.5 checkpoint's `config.json` says, resolved once into explicit per-layer specs.

A layer never indexes a list and never guesses: everything it needs is in its `LayerSpec`.
Source of the keys: the official `config.json` of Step-3.5-Flash (model_type "step3p5"). Its
per-layer lists have `num_hidden_layers + num_nextn_predict_layers` entries. No torch here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from flashstep.errors import ConfigError

AttentionKind = Literal["full_attention", "sliding_attention"]


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """llama3-style frequency scaling: divide low frequencies by `factor`, keep high ones."""

    factor: float
    original_max_positions: int
    low_freq_factor: float
    high_freq_factor: float


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary embedding of one layer; only the first `dim` channels of a head rotate."""

    theta: float
    dim: int
    scaling: RopeScaling | None

    @property
    def scaling_numbers(self) -> tuple[float, int, float, float] | None:
        """The scaling as `kernels/rope.py` takes it: factor, original positions, low and high factor."""
        s = self.scaling
        if s is None:
            return None
        return s.factor, s.original_max_positions, s.low_freq_factor, s.high_freq_factor


@dataclass(frozen=True, slots=True)
class DenseSpec:
    """One SwiGLU of width `inner_dim`; `swiglu_limit` None = no clamp."""

    inner_dim: int
    swiglu_limit: float | None


@dataclass(frozen=True, slots=True)
class MoESpec:
    """Routed experts plus one shared expert; limits None = no clamp."""

    num_experts: int
    top_k: int
    expert_dim: int
    shared_dim: int
    routed_scale: float
    has_router_bias: bool
    swiglu_limit: float | None
    shared_swiglu_limit: float | None


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """Everything one decoder layer needs. `window_tokens` counts the current token; None = full."""

    index: int
    attention: AttentionKind
    num_q_heads: int
    num_kv_heads: int
    head_dim: int
    window_tokens: int | None
    rope: RopeSpec
    mlp: DenseSpec | MoESpec

    @property
    def is_sliding(self) -> bool:
        """True for sliding-window layers."""
        return self.window_tokens is not None


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A whole model: trunk layers, then `mtp` layers (each a sliding dense layer with a head).

    `raw` is the `config.json` this came from; `save` writes it back unchanged.
    """

    d_model: int
    vocab_size: int
    norm_eps: float
    max_positions: int
    layers: tuple[LayerSpec, ...]
    mtp: tuple[LayerSpec, ...]
    bos_token_id: int
    eos_token_ids: tuple[int, ...]
    raw: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: Path) -> "ModelConfig":
        """Read `config.json` from a checkpoint folder; ConfigError when missing or broken."""
        file = path / "config.json"
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{file}: not found; a checkpoint folder needs a config.json") from None
        except (ValueError, RecursionError) as e:
            raise ConfigError(f"{file}: not valid JSON ({e})") from None
        if not isinstance(raw, dict):
            raise ConfigError(f"{file}: holds a {type(raw).__name__}, not a JSON object")
        try:
            return cls.from_hf(raw)
        except ConfigError as e:
            raise ConfigError(f"{file}: {e.message}") from None

    @classmethod
    def from_hf(cls, raw: dict[str, Any]) -> "ModelConfig":
        """Resolve official `config.json` keys; ConfigError names the key that cannot work."""
        try:
            return _Resolver(raw).resolve()
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as e:
            raise ConfigError(f"a key has a value of the wrong kind ({type(e).__name__}: {e})") from None

    def save(self, path: Path) -> None:
        """Write `config.json` into the folder `path`."""
        (path / "config.json").write_text(json.dumps(self.raw, indent=1) + "\n", encoding="utf-8")


# What may be a list with one entry a layer.
_PER_LAYER = ("layer_types", "rope_theta", "partial_rotary_factors", "swiglu_limits", "swiglu_limits_shared")
_MAX_MTP = 64  # far beyond any checkpoint; keeps a broken number from making billions of layers


class _Resolver:
    """One pass over the raw dict; exists so that the helpers share `raw` and the layer counts."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def need(self, key: str, kind: type | tuple[type, ...]) -> Any:
        if key not in self.raw:
            raise ConfigError(f"key '{key}' is missing")
        value = self.raw[key]
        if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
            raise ConfigError(f"key '{key}' has the value {value!r}, which is not usable")
        return value

    def positive(self, key: str) -> int:
        value = self.need(key, int)
        if value <= 0:
            raise ConfigError(f"key '{key}' is {value}, must be positive")
        return int(value)

    def resolve(self) -> ModelConfig:
        raw = self.raw
        if raw.get("model_type") != "step3p5":
            raise ConfigError(f"model_type is {raw.get('model_type')!r}, expected 'step3p5'")
        num_layers = self.positive("num_hidden_layers")
        num_mtp = int(raw.get("num_nextn_predict_layers") or 0)
        if not 0 <= num_mtp <= _MAX_MTP:
            raise ConfigError(f"num_nextn_predict_layers is {num_mtp}, must be from 0 to {_MAX_MTP}")
        self._reject_unsupported()
        self._check_per_layer(num_layers)
        kinds = self._layer_types(num_layers + num_mtp)
        moe = parse_layer_list(raw.get("moe_layers_enum", ""))
        if any(i >= num_layers for i in moe):
            raise ConfigError(f"moe_layers_enum names layer {max(moe)}, the trunk ends at {num_layers - 1}")
        specs = tuple(self._layer(i, kinds[i], i in moe) for i in range(num_layers + num_mtp))
        eos = raw.get("eos_token_id", [])
        return ModelConfig(
            d_model=self.positive("hidden_size"),
            vocab_size=self.positive("vocab_size"),
            norm_eps=float(raw.get("rms_norm_eps", 1e-5)),
            max_positions=int(raw.get("max_position_embeddings") or self.positive("max_seq_len")),
            layers=specs[:num_layers],
            mtp=specs[num_layers:],
            bos_token_id=int(raw.get("bos_token_id") or 0),
            eos_token_ids=tuple(eos) if isinstance(eos, list) else (int(eos),),
            raw=raw,
        )

    def _reject_unsupported(self) -> None:
        # `use_qk_norm` is not among them: other engines of this architecture never read it, and
        # checkpoints that say false have the norms all the same.
        fixed = {
            "use_head_wise_attn_gate": True, "zero_centered": True,
            "tie_word_embeddings": False, "sink": False, "moe_router_activation": "sigmoid",
        }  # fmt: skip
        for key, expected in fixed.items():
            if self.raw.get(key, expected) != expected:
                raise ConfigError(f"key '{key}' is {self.raw[key]!r}; only {expected!r} is supported")

    def _check_per_layer(self, num_layers: int) -> None:
        """ConfigError for what must be there, and for lists that end within the trunk.

        No value can stand in for a rope key: the defaults of other models turn answers into noise.
        """
        self.need("layer_types", list)
        for key in ("rope_theta", "partial_rotary_factors"):
            self.need(key, (list, int, float))
        for key in _PER_LAYER:
            value = self.raw.get(key)
            if isinstance(value, list) and len(value) < num_layers:
                raise ConfigError(f"{key} has {len(value)} entries, the trunk has {num_layers} layers")
        if (kinds := self.raw.get("yarn_only_types")) and not self.raw.get("rope_scaling"):
            raise ConfigError(f"yarn_only_types is {kinds!r}, but key 'rope_scaling' is missing")

    def _layer_types(self, num_layers: int) -> list[AttentionKind]:
        """Kinds of all layers, MTP layers included."""
        kinds = list(self.raw["layer_types"])
        kinds += ["sliding_attention"] * (num_layers - len(kinds))  # re-exports drop the tail
        for i, kind in enumerate(kinds):
            if kind not in ("full_attention", "sliding_attention"):
                raise ConfigError(f"layer_types[{i}] is {kind!r}")
        return kinds

    def _per_layer(self, key: str, index: int, pad: Any) -> Any:
        """Value of a per-layer list (or a scalar, which holds for all layers); `pad` for MTP layers behind
        the end of the list, which re-exports drop."""
        value = self.raw.get(key)
        if not isinstance(value, list):
            return value
        return value[index] if index < len(value) else pad

    def _limit(self, key: str, index: int) -> float | None:
        """Clamp of a layer: 0, null and a missing list mean none."""
        return float(self._per_layer(key, index, None) or 0.0) or None

    def _rope_number(self, key: str, index: int, pad: float) -> float:
        value = self._per_layer(key, index, pad)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ConfigError(f"{key}[{index}] is {value!r}, must be a number")
        return float(value)

    def _layer(self, index: int, kind: AttentionKind, is_moe: bool) -> LayerSpec:
        sliding = kind == "sliding_attention"
        heads = self.raw.get("attention_other_setting") if sliding else None
        source = heads if isinstance(heads, dict) else self.raw
        num_q, num_kv = int(source["num_attention_heads"]), int(source["num_attention_groups"])
        head_dim = int(source.get("head_dim") or self.positive("head_dim"))
        if head_dim <= 0:
            raise ConfigError(f"layer {index}: head_dim is {head_dim}, must be positive")
        if num_kv <= 0 or num_q <= 0 or num_q % num_kv:
            raise ConfigError(f"layer {index}: {num_q} query heads do not divide over {num_kv} KV heads")
        return LayerSpec(
            index=index,
            attention=kind,
            num_q_heads=num_q,
            num_kv_heads=num_kv,
            head_dim=head_dim,
            window_tokens=self.positive("sliding_window") if sliding else None,
            rope=self._rope(index, kind, head_dim),
            mlp=self._moe(index) if is_moe else self._dense(index),
        )

    def _rope(self, index: int, kind: AttentionKind, head_dim: int) -> RopeSpec:
        theta = self._rope_number("rope_theta", index, 10000.0)
        if not theta > 0:
            raise ConfigError(f"rope_theta[{index}] is {theta}, must be positive")
        dim = int(head_dim * self._rope_number("partial_rotary_factors", index, 1.0))
        if dim % 2 or not 0 <= dim <= head_dim:
            raise ConfigError(
                f"partial_rotary_factors[{index}] makes the rotary width {dim}, must be even and at most "
                f"{head_dim}"
            )
        scaling = self.raw.get("rope_scaling")
        if not scaling or kind not in (self.raw.get("yarn_only_types") or ()):
            return RopeSpec(theta, dim, None)
        if scaling.get("rope_type") != "llama3":
            raise ConfigError(f"rope_scaling.rope_type is {scaling.get('rope_type')!r}, expected 'llama3'")
        return RopeSpec(
            theta, dim,
            RopeScaling(
                float(scaling["factor"]), int(scaling["original_max_position_embeddings"]),
                float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"]),
            ),
        )  # fmt: skip

    def _dense(self, index: int) -> DenseSpec:
        # The dense MLP obeys the *shared* list, as the official code does.
        return DenseSpec(self.positive("intermediate_size"), self._limit("swiglu_limits_shared", index))

    def _moe(self, index: int) -> MoESpec:
        experts, top_k = self.positive("moe_num_experts"), self.positive("moe_top_k")
        if top_k > experts:
            raise ConfigError(f"moe_top_k is {top_k}, there are {experts} experts")
        name = "share_expert_dim" if "share_expert_dim" in self.raw else "share_expert_dims"
        return MoESpec(
            num_experts=experts,
            top_k=top_k,
            expert_dim=self.positive("moe_intermediate_size"),
            shared_dim=self.positive(name),
            routed_scale=float(self.raw.get("moe_router_scaling_factor", 1.0)),
            has_router_bias=bool(self.raw.get("use_moe_router_bias", False)),
            swiglu_limit=self._limit("swiglu_limits", index),
            shared_swiglu_limit=self._limit("swiglu_limits_shared", index),
        )


def parse_layer_list(value: str | Sequence[int]) -> frozenset[int]:
    """Layer indices from "3,4,5" or [3, 4, 5]: the official file writes a string.

    >>> sorted(parse_layer_list("3, 4,5"))
    [3, 4, 5]
    """
    parts = [p for p in value.replace(" ", "").split(",") if p] if isinstance(value, str) else value
    try:
        return frozenset(int(p) for p in parts)
    except (TypeError, ValueError):
        raise ConfigError(f"moe_layers_enum is {value!r}, expected layer numbers") from None
