"""The forward pass as slow, obvious numpy: whole sequences, no cache, loops over heads and experts, float64.

Reads tensors by their official names. T tokens, D width, H head width, V vocabulary.
"""

import math

import numpy as np

from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig, MoESpec, RopeSpec

Tensors = dict[str, np.ndarray]


def norm(x, weight, eps):
    """Zero-centred RMSNorm over the last axis."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * (1 + weight)


def sigmoid(x):
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def rope_frequencies(rope: RopeSpec):
    """Radians per position of each pair, with llama3 scaling."""
    result = []
    for j in range(rope.dim // 2):
        frequency = rope.theta ** (-2 * j / rope.dim)
        s = rope.scaling
        if s is not None:
            wavelength = 2 * math.pi / frequency
            if wavelength > s.original_max_positions / s.low_freq_factor:
                frequency /= s.factor
            elif wavelength >= s.original_max_positions / s.high_freq_factor:
                share = (s.original_max_positions / wavelength - s.low_freq_factor) / (
                    s.high_freq_factor - s.low_freq_factor
                )
                frequency = (1 - share) * frequency / s.factor + share * frequency
        result.append(frequency)
    return result


def rotate(x, position, rope: RopeSpec):
    """Rotate the first `rope.dim` channels of one head."""
    y, half = x.copy(), rope.dim // 2
    for j, frequency in enumerate(rope_frequencies(rope)):
        cos, sin = math.cos(position * frequency), math.sin(position * frequency)
        y[j] = x[j] * cos - x[j + half] * sin
        y[j + half] = x[j + half] * cos + x[j] * sin
    return y


def swiglu(gate, up, limit):
    """SiLU, then the clamp, then the product."""
    gate = gate * sigmoid(gate)
    if limit is not None:
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    return gate * up


def attention(tensors: Tensors, layer: LayerSpec, x, positions, eps):
    """Gated attention of one layer over normalised rows x [T, D]."""
    name, h = f"model.layers.{layer.index}.self_attn.", layer.head_dim
    w = {
        p: tensors[f"{name}{p}.weight"].astype(np.float64)
        for p in ("q_proj", "k_proj", "v_proj", "g_proj", "o_proj")
    }
    q, k, v = ((x @ w[p].T).reshape(len(x), -1, h) for p in ("q_proj", "k_proj", "v_proj"))
    gates = sigmoid(x @ w["g_proj"].T)
    q, k = norm(q, tensors[f"{name}q_norm.weight"], eps), norm(k, tensors[f"{name}k_norm.weight"], eps)
    for heads in (q, k):
        for t, position in enumerate(positions):
            for head in range(heads.shape[1]):
                heads[t, head] = rotate(heads[t, head], position, layer.rope)
    out = np.zeros_like(q)
    for head in range(layer.num_q_heads):
        kv = head // (layer.num_q_heads // layer.num_kv_heads)
        for t in range(len(x)):
            first = 0 if layer.window_tokens is None else max(0, t - layer.window_tokens + 1)
            scores = k[first : t + 1, kv] @ q[t, head] / math.sqrt(h)
            weights = np.exp(scores - scores.max())
            out[t, head] = weights @ v[first : t + 1, kv] / weights.sum() * gates[t, head]
    return out.reshape(len(x), -1) @ w["o_proj"].T


def mlp(tensors: Tensors, name: str, x, limit):
    """One SwiGLU whose three matrices are `<name>{gate,up,down}_proj.weight`."""
    gate, up, down = (tensors[f"{name}{p}_proj.weight"].astype(np.float64) for p in ("gate", "up", "down"))
    return swiglu(x @ gate.T, x @ up.T, limit) @ down.T


def route(logits, bias, top_k, scale):
    """Chosen experts of one row, in order of choice, and their weights."""
    scores = sigmoid(logits)
    chosen = np.argsort(-(scores + bias), kind="stable")[:top_k]
    return chosen, scores[chosen] / (scores[chosen].sum() + 1e-20) * scale


def moe(tensors: Tensors, spec: MoESpec, name: str, x):
    """Routed plus shared experts of rows x [T, D]."""
    y = mlp(tensors, f"{name}share_expert.", x, spec.shared_swiglu_limit)
    gate, up, down = (
        tensors[f"{name}moe.{p}_proj.weight"].astype(np.float64) for p in ("gate", "up", "down")
    )
    for t in range(len(x)):
        logits = tensors[f"{name}moe.gate.weight"].astype(np.float64) @ x[t]
        experts, weights = route(logits, tensors[f"{name}moe.router_bias"], spec.top_k, spec.routed_scale)
        for e, weight in zip(experts, weights, strict=True):
            y[t] += weight * (down[e] @ swiglu(gate[e] @ x[t], up[e] @ x[t], spec.swiglu_limit))
    return y


def decoder_layer(tensors: Tensors, config: ModelConfig, layer: LayerSpec, x, positions):
    """Pre-norm attention and MLP with residuals."""
    name, eps = f"model.layers.{layer.index}.", config.norm_eps
    x = x + attention(tensors, layer, norm(x, tensors[f"{name}input_layernorm.weight"], eps), positions, eps)
    f = norm(x, tensors[f"{name}post_attention_layernorm.weight"], eps)
    if isinstance(layer.mlp, DenseSpec):
        return x + mlp(tensors, f"{name}mlp.", f, layer.mlp.swiglu_limit)
    return x + moe(tensors, layer.mlp, name, f)


def trunk(tensors: Tensors, config: ModelConfig, token_ids, first_position: int = 0):
    """(logits [T, V], pre-norm hidden states [T, D]) of one sequence that starts at `first_position`."""
    x = tensors["model.embed_tokens.weight"].astype(np.float64)[np.asarray(token_ids)]
    positions = range(first_position, first_position + len(x))
    for layer in config.layers:
        x = decoder_layer(tensors, config, layer, x, positions)
    logits = (
        norm(x, tensors["model.norm.weight"], config.norm_eps)
        @ tensors["lm_head.weight"].astype(np.float64).T
    )
    return logits, x


def mtp(tensors: Tensors, config: ModelConfig, depth: int, token_ids, hidden, first_position: int = 0):
    """Module `depth` (1, 2, ...): row t reads hidden[t] and token_ids[t]; returns (logits, hidden)."""
    layer, eps = config.mtp[depth - 1], config.norm_eps
    name = f"model.layers.{layer.index}."
    e = norm(tensors["model.embed_tokens.weight"][np.asarray(token_ids)], tensors[f"{name}enorm.weight"], eps)
    m = norm(hidden, tensors[f"{name}hnorm.weight"], eps)
    x = np.concatenate([e, m], axis=-1) @ tensors[f"{name}eh_proj.weight"].astype(np.float64).T
    x = decoder_layer(tensors, config, layer, x, range(first_position, first_position + len(x)))
    head = f"{name}transformer.shared_head."
    logits = (
        norm(x, tensors[f"{head}norm.weight"], eps) @ tensors[f"{head}output.weight"].astype(np.float64).T
    )
    return logits, x
