"""Ready-made `config.json` dictionaries: the official model, our nano, and a toy for tests.

`step35_flash` restates the official file; `toy` has few layers but every feature (different
head counts, dense and MoE, asymmetric clamps, all three frequency bands, 3 MTP modules).
"""

from typing import Any


def step35_flash() -> dict[str, Any]:
    """The official Step-3.5-Flash: 45 layers + 3 MTP, 288 experts, 262144 positions."""
    return _step(
        layers=45, mtp=3, d_model=4096, vocab=128896, inner=11264, moe=range(3, 45), experts=288,
        top_k=8, expert_dim=1280, shared_dim=1280, full_heads=64, sliding_heads=96, kv_heads=8,
        head_dim=128, window=512, original=131072, positions=262144,
        limits={43: 7.0, 44: 7.0}, shared_limits={44: 16.0}, dtype="bfloat16", eos=[1, 2, 128007],
    )  # fmt: skip


def nano(vocab: int = 2048, eos: tuple[int, ...] = (1, 2, 4)) -> dict[str, Any]:
    """flashstep-nano: the same architecture in about 15M parameters, 262144 positions."""
    return _step(
        layers=6, mtp=3, d_model=256, vocab=vocab, inner=512, moe=range(1, 6), experts=16,
        top_k=2, expert_dim=128, shared_dim=128, full_heads=4, sliding_heads=6, kv_heads=2,
        head_dim=64, window=512, original=131072, positions=262144,
        limits={4: 7.0, 5: 7.0}, shared_limits={5: 16.0}, dtype="bfloat16", eos=list(eos),
    )  # fmt: skip


def toy() -> dict[str, Any]:
    """A test model of 8 + 3 layers with window 5 in which every feature is exercised."""
    return _step(
        layers=8, mtp=3, d_model=64, vocab=384, inner=96, moe=range(2, 8), experts=12,
        top_k=3, expert_dim=40, shared_dim=24, full_heads=4, sliding_heads=6, kv_heads=2,
        head_dim=32, window=5, original=4096, positions=8192,
        limits={6: 0.15, 7: 0.15}, shared_limits={7: 0.3}, dtype="float32", eos=[1, 2, 7],
    )  # fmt: skip


def _step(
    *, layers: int, mtp: int, d_model: int, vocab: int, inner: int, moe: range, experts: int,
    top_k: int, expert_dim: int, shared_dim: int, full_heads: int, sliding_heads: int,
    kv_heads: int, head_dim: int, window: int, original: int, positions: int,
    limits: dict[int, float], shared_limits: dict[int, float], dtype: str, eos: list[int],
) -> dict[str, Any]:  # fmt: skip
    total = layers + mtp
    full = [i % 4 == 0 and i < layers for i in range(total)]
    return {
        "architectures": ["Step3p5ForCausalLM"],
        "model_type": "step3p5",
        "rope_scaling": {
            "rope_type": "llama3", "factor": 2.0, "original_max_position_embeddings": original,
            "low_freq_factor": 1.0, "high_freq_factor": 32.0,
        },
        "yarn_only_types": ["full_attention"],
        "hidden_size": d_model,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "max_seq_len": positions,
        "vocab_size": vocab,
        "torch_dtype": dtype,
        "use_qk_norm": True,
        "moe_layers_enum": ",".join(map(str, moe)),
        "num_attention_heads": full_heads,
        "num_attention_groups": kv_heads,
        "head_dim": head_dim,
        "use_moe": True,
        "moe_num_experts": experts,
        "moe_top_k": top_k,
        "moe_intermediate_size": expert_dim,
        "share_expert_dim": shared_dim,
        "moe_layer_offset": 0,
        "moe_every_n_layer": 1,
        "norm_expert_weight": True,
        "moe_router_activation": "sigmoid",
        "moe_router_scaling_factor": 3.0,
        "att_impl_type": "GQA",
        "tie_word_embeddings": False,
        "rope_theta": [5_000_000.0 if f else 10_000.0 for f in full],
        "use_head_wise_attn_gate": True,
        "sliding_window": window,
        "use_moe_router_bias": True,
        "need_fp32_gate": True,
        "sink": False,
        "layer_types": ["full_attention" if f else "sliding_attention" for f in full],
        "use_rope_layers": [],
        "num_nextn_predict_layers": mtp,
        "partial_rotary_factors": [0.5 if f else 1.0 for f in full],
        "attention_other_setting": {
            "attention_type": "sliding_attention", "num_attention_heads": sliding_heads,
            "num_attention_groups": kv_heads, "head_dim": head_dim, "true_head_dim": head_dim,
        },
        "swiglu_limits": [limits.get(i, 0.0) for i in range(total)],
        "swiglu_limits_shared": [shared_limits.get(i, 0.0) for i in range(total)],
        "zero_centered": True,
        "max_position_embeddings": positions,
        "rms_norm_eps": 1e-05,
        "bos_token_id": 0,
        "eos_token_id": eos,
    }  # fmt: skip
