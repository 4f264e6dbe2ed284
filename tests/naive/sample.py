"""The slow, obvious twin of the sampler: one probability after the other, in Python floats."""

import math

import numpy as np

from flashstep.types import SamplingParams


def penalised(logits, params: SamplingParams, prompt_token_ids, generated_token_ids):
    """Logits after repetition, frequency and presence penalties, as a list of floats."""
    result = [float(x) for x in logits]
    for token_id in {*prompt_token_ids, *generated_token_ids}:
        value, penalty = result[token_id], params.repetition_penalty
        result[token_id] = value / penalty if value > 0 else value * penalty
    for token_id in set(generated_token_ids):
        count = list(generated_token_ids).count(token_id)
        result[token_id] -= params.frequency_penalty * count + params.presence_penalty
    return result


def biased(logits, params: SamplingParams):
    """Logits with each bias added to its token."""
    result = list(logits)
    for token_id, bias in params.logit_bias:
        result[token_id] += bias
    return result


def forced(request, generated_token_ids) -> int | None:
    """The id that a thinking budget demands next; None = the model is free.

    The closing ids follow the first `budget` tokens, unless the marker is among those. Ids in front
    of the marker with which the reasoning ends already are left out.
    """
    budget, closing = request.params.thinking_token_budget, list(request.think_end_token_ids)
    if budget is None or not closing:
        return None
    thought, rest = generated_token_ids[:budget], generated_token_ids[budget:]
    if len(thought) < budget or request.think_end_marker_id in thought:
        return None
    marker = closing.index(request.think_end_marker_id)
    fitting = (n for n in range(marker + 1) if n <= len(thought))
    repeated = max(n for n in fitting if thought[len(thought) - n :] == closing[:n])
    return next(iter(closing[repeated + len(rest) :]), None)


def probabilities(logits, params: SamplingParams) -> list[float]:
    """Exact probability of every token after temperature, top-k, top-p and min-p."""
    best = max(logits)
    weights = [math.exp((float(x) - float(best)) / params.temperature) for x in logits]
    if params.top_k:
        kth = sorted(weights, reverse=True)[min(params.top_k, len(weights)) - 1]
        weights = [w if w >= kth else 0.0 for w in weights]
    if params.top_p < 1:
        threshold = _nucleus_threshold(weights, params.top_p)
        weights = [w if w >= threshold else 0.0 for w in weights]
    weights = [w if w >= params.min_p else 0.0 for w in weights]
    total = math.fsum(weights)
    return [w / total for w in weights]


def _nucleus_threshold(weights: list[float], top_p: float) -> float:
    total, share = math.fsum(weights), 0.0
    for weight in sorted(weights, reverse=True):
        share += weight
        if share >= top_p * total:
            return weight
    return 0.0


def choose(logits, params: SamplingParams, uniform: float) -> int:
    """The token at `uniform` of the cumulative distribution, or the best one when greedy."""
    if params.is_greedy:
        return max(range(len(logits)), key=lambda i: (logits[i], -i))
    share = 0.0
    for token_id, probability in enumerate(probabilities(logits, params)):
        share += probability
        if uniform < share:
            return token_id
    raise AssertionError(f"{uniform} is not below the sum {share}")


def log_softmax(logits) -> list[float]:
    """Natural-log probabilities of the plain distribution."""
    best = float(max(logits))
    norm = math.log(math.fsum(math.exp(float(x) - best) for x in logits)) + best
    return [float(x) - norm for x in logits]


def uniforms(seed: int, count: int) -> list[float]:
    """The first numbers of a request's own stream."""
    rng = np.random.Generator(np.random.Philox(seed))
    return [rng.random() for _ in range(count)]
