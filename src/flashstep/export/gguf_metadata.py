"""The keys of a GGUF file: what llama.cpp must know of the model and of its tokenizer.

Source of the keys: llama.cpp's own files of architecture "step35". Lists of numbers have one entry a layer,
MTP layers included.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flashstep.chat.tokenizer import Tokenizer, read_json
from flashstep.errors import ConfigError
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig, MoESpec

ARCHITECTURE = "step35"
_SIGMOID = 2
# Kinds of tokens: ordinary text, control tokens, added text, rows without a token.
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
# How this family splits text, one pattern after the other; llama.cpp knows it by this name.
_SPLIT_NAME = "deepseek-v3"
_SPLITS = (
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*"
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
)


def model_keys(config: ModelConfig) -> Iterator[tuple[str, Any]]:
    """Keys of the architecture; ConfigError for what GGUF has one number for and the layers have several, and
    for rotary embeddings that llama.cpp has no key for."""
    layers = (*config.layers, *config.mtp)
    for layer in layers:
        _check_rope(layer)
    moe = [layer.mlp for layer in layers if isinstance(layer.mlp, MoESpec)]
    full = [layer for layer in config.layers if not layer.is_sliding]
    sliding = [layer for layer in layers if layer.is_sliding]
    yield "block_count", len(layers)
    yield "context_length", config.max_positions
    yield "embedding_length", config.d_model
    yield "feed_forward_length", _one("width of dense layers", _dense_widths(layers))
    yield "attention.head_count", [layer.num_q_heads for layer in layers]
    yield "attention.head_count_kv", [layer.num_kv_heads for layer in layers]
    yield "attention.key_length", (width := _one("head width", (layer.head_dim for layer in layers)))
    yield "attention.value_length", width
    yield "attention.layer_norm_rms_epsilon", config.norm_eps
    yield "attention.sliding_window", _one("window", (layer.window_tokens for layer in sliding))
    yield "attention.sliding_window_pattern", [layer.is_sliding for layer in layers]
    yield "rope.freq_base", _one("theta of full layers", (layer.rope.theta for layer in full))
    yield "rope.freq_base_swa", _one("theta of sliding layers", (layer.rope.theta for layer in sliding))
    yield "expert_count", _one("number of experts", (spec.num_experts for spec in moe))
    yield "expert_used_count", _one("number of chosen experts", (spec.top_k for spec in moe))
    yield "expert_feed_forward_length", _one("width of experts", (spec.expert_dim for spec in moe))
    yield "expert_shared_feed_forward_length", _one("width of shared experts", (s.shared_dim for s in moe))
    yield "expert_weights_scale", _one("scale of experts", (spec.routed_scale for spec in moe))
    yield "expert_weights_norm", True
    yield "expert_gating_func", _SIGMOID
    yield "leading_dense_block_count", _num_leading_dense(config)
    yield "moe_every_n_layers", 1
    yield "swiglu_clamp_exp", [_routed_limit(layer) for layer in layers]
    yield "swiglu_clamp_shexp", [_shared_limit(layer) for layer in layers]
    yield "nextn_predict_layers", len(config.mtp)


def tokenizer_keys(folder: Path, config: ModelConfig) -> Iterator[tuple[str, Any]]:
    """Keys of the tokenizer and of the chat template, read from the checkpoint folder."""
    tokenizer = Tokenizer.load(folder)  # also checks the file that is read once more below
    state = read_json(folder / "tokenizer.json") or {}
    _check_splitting(state, folder)
    special = {token["id"] for token in state["added_tokens"] if token["special"]}
    texts = {number: text for text, number in state["model"]["vocab"].items()}
    texts |= tokenizer.added_tokens.contents
    kinds = dict.fromkeys(texts, _NORMAL) | dict.fromkeys(tokenizer.added_tokens.contents, _USER_DEFINED)
    kinds |= dict.fromkeys(special, _CONTROL)
    merges = state["model"]["merges"]
    yield "model", "gpt2"
    yield "pre", _SPLIT_NAME
    yield "tokens", [texts.get(number, f"[PAD{number}]") for number in range(config.vocab_size)]
    yield "token_type", [kinds.get(number, _UNUSED) for number in range(config.vocab_size)]
    yield "merges", [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    yield "bos_token_id", config.bos_token_id
    yield "eos_token_id", _eos_token_id(tokenizer, config)
    yield "add_bos_token", False  # the template prints it
    yield "add_eos_token", False


def chat_template(folder: Path) -> str | None:
    """The template beside the checkpoint, in a file or in tokenizer_config.json; None when there is none."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    template = (read_json(folder / "tokenizer_config.json") or {}).get("chat_template")
    return template if isinstance(template, str) else None


def _one(what: str, values: Iterable[Any]) -> Any:
    """The value that all of `values` are."""
    found = sorted(set(values))
    if len(found) != 1:
        raise ConfigError(f"a GGUF file holds one {what}, this model has {found or 'none'}")
    return found[0]


def _check_rope(layer: LayerSpec) -> None:
    """llama.cpp takes the width and the scaling of a layer's rotary embedding from its kind of attention."""
    needed = layer.head_dim if layer.is_sliding else layer.head_dim / 2
    if layer.rope.dim != needed:
        raise ConfigError(
            f"layer {layer.index} ({layer.attention}) rotates {layer.rope.dim} of {layer.head_dim} channels "
            f"of a head; llama.cpp rotates {needed:g}"
        )
    if layer.is_sliding and layer.rope.scaling is not None:
        raise ConfigError(
            f"layer {layer.index} (sliding_attention) has rope_scaling with factor "
            f"{layer.rope.scaling.factor:g}; llama.cpp scales layers of full_attention alone"
        )


def _eos_token_id(tokenizer: Tokenizer, config: ModelConfig) -> int:
    """The token of that name, else the first that ends an answer."""
    number = tokenizer.added_tokens.ids.get(tokenizer.eos_token, next(iter(config.eos_token_ids), None))
    if number is None:
        raise ConfigError(
            f"eos_token of tokenizer_config.json is {tokenizer.eos_token!r}, which is no added token, and "
            "config.json has no eos_token_id; a GGUF file needs one of the two"
        )
    return number


def _dense_widths(layers: Iterable[LayerSpec]) -> list[int]:
    return [layer.mlp.inner_dim for layer in layers if isinstance(layer.mlp, DenseSpec)]


def _num_leading_dense(config: ModelConfig) -> int:
    """How many layers come before the first with experts; behind it all others must have them."""
    has_experts = [isinstance(layer.mlp, MoESpec) for layer in config.layers]
    num = has_experts.index(True)
    if not all(has_experts[num:]):
        dense = [i for i, has in enumerate(has_experts) if not has]
        raise ConfigError(f"a GGUF file has dense layers first, this model has layers {dense}")
    return num


def _routed_limit(layer: LayerSpec) -> float:
    return (layer.mlp.swiglu_limit or 0.0) if isinstance(layer.mlp, MoESpec) else 0.0


def _shared_limit(layer: LayerSpec) -> float:
    mlp = layer.mlp
    return (mlp.shared_swiglu_limit if isinstance(mlp, MoESpec) else mlp.swiglu_limit) or 0.0


def _check_splitting(state: dict[str, Any], folder: Path) -> None:
    """ConfigError unless llama.cpp would cut the same text into the same pieces."""
    steps = (state.get("pre_tokenizer") or {}).get("pretokenizers") or []
    found = tuple(step["pattern"].get("Regex") for step in steps if "pattern" in step)
    if found != _SPLITS:
        raise ConfigError(
            f"{folder}/tokenizer.json splits text by {found}, expected {_SPLITS}: llama.cpp would split it "
            "otherwise"
        )
    normalizer = state.get("normalizer") or {"normalizers": []}
    if normalizer.get("normalizers") != []:  # DeepSeek's own files have an empty sequence
        raise ConfigError(
            f"{folder}/tokenizer.json has the normalizer {normalizer}, expected none: llama.cpp would leave "
            "text as it is"
        )
