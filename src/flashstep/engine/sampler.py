"""Chooses the next token of one sequence from logits.

Order: the sequence's processors (processors.py), temperature, top-k, top-p (of what top-k left), min-p
(relative to the best). Tokens tied with the last one kept are kept too. The choice is the inverse of
the cumulative distribution at one uniform number, taken in the order of the ids. Every row is worked
on alone, so a result never depends on the batch. Ids from `num_valid_tokens` on are padding and never
chosen.
Shape letters: J rows of one sequence, V vocabulary.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flashstep.engine.batch import Float32
from flashstep.engine.sequence import Sequence
from flashstep.types import SamplingParams, TokenLogprob

Float64 = NDArray[np.float64]

# Colder than this float32 logits cannot tell from greedy, and the division stays finite.
MIN_TEMPERATURE = 1e-6


class Sampler:
    """The target's own choices; holds nothing but the size of the vocabulary."""

    def __init__(self, num_valid_tokens: int) -> None:
        self.num_valid_tokens = num_valid_tokens

    def greedy(self, logits_RV: Float32) -> list[int]:
        """The likeliest token of each row: what sequences that are plain greedy choose, all at once."""
        valid_RV = logits_RV[:, : self.num_valid_tokens]
        best_R = valid_RV.argmax(axis=1)
        for logit in valid_RV[np.arange(len(best_R)), best_R].tolist():
            _require_finite(logit)
        token_ids: list[int] = best_R.tolist()
        return token_ids

    def choices(self, seq: Sequence, logits_JV: Float32) -> Iterator[int]:
        """The target's choice at each row, given that all earlier choices were the drafts fed in.

        Lazy, since choices have a memory: the consumer takes the next one only when the last was
        equal to its draft, so random numbers and processors advance once per emitted token.
        """
        processors, rng = seq.processors, seq.rng
        for logits_V in logits_JV[:, : self.num_valid_tokens]:
            # Before the processors, so that only the model is held to it and never what a request asks for.
            _require_finite(logits_V.max())
            for processor in processors:
                logits_V = processor.apply(logits_V)
            if rng is None:
                token_id = int(logits_V.argmax())
                _check_choosable(logits_V[token_id])
            else:
                token_id = pick(weights(logits_V, seq.params), rng.random())
            for processor in processors:
                processor.accept(token_id)
            yield token_id

    def logprob(self, logits_V: Float32, token_id: int, num_top: int) -> TokenLogprob:
        """Log-probabilities under the model itself: before processors, temperature and filters."""
        valid_V = logits_V[: self.num_valid_tokens].astype(np.float64)
        valid_V -= valid_V.max()
        valid_V -= np.log(np.exp(valid_V).sum())
        num_top = min(num_top, len(valid_V))
        best = np.argpartition(valid_V, -num_top)[-num_top:].tolist() if num_top else []
        top = tuple(sorted(((i, float(valid_V[i])) for i in best), key=lambda pair: -pair[1]))
        return TokenLogprob(token_id, float(valid_V[token_id]), top)


def weights(logits_V: Float32, params: SamplingParams) -> Float32:
    """Unnormalised probabilities after temperature and filters; the best token's weight is 1."""
    best = logits_V.max()
    _check_choosable(best)
    scale = np.float32(1.0 / max(params.temperature, MIN_TEMPERATURE))
    weights_V: Float32 = np.exp((logits_V - best) * scale)
    if 0 < params.top_k < len(weights_V):
        kth = np.partition(weights_V, -params.top_k)[-params.top_k]
        weights_V[weights_V < kth] = 0
    if params.top_p < 1.0:
        weights_V[weights_V < _nucleus_threshold(weights_V, params.top_p)] = 0
    if params.min_p > 0.0:
        weights_V[weights_V < np.float32(params.min_p)] = 0
    return weights_V


def pick(weights_V: Float32, uniform: float) -> int:
    """The id at `uniform` in [0, 1) of the cumulative distribution."""
    cumulative_V: Float64 = np.cumsum(weights_V, dtype=np.float64)
    total = cumulative_V[-1]
    # The product may round up to the total, behind which there is no token.
    point = min(uniform * total, np.nextafter(total, 0.0))
    return int(cumulative_V.searchsorted(point, side="right"))


def _require_finite(best_logit: np.float32) -> None:
    """A NaN anywhere in a row is also its maximum, so the best logit speaks for the row."""
    if not math.isfinite(best_logit):
        raise FloatingPointError(f"the model's best logit is {best_logit}; its weights may be damaged")


def _check_choosable(best_logit: np.float32) -> None:
    """What processors owe (`LogitsProcessor.apply`), whatever the request asks for."""
    assert math.isfinite(best_logit), f"processors left {best_logit} as the best logit; one must be finite"


def _nucleus_threshold(weights_V: Float32, top_p: float) -> np.float32:
    """The smallest weight in the smallest set of best tokens whose share is at least `top_p`.

    Tokens below (1 - top_p) / V of the total weigh less than 1 - top_p together, so the set lies
    among the others; usually few are left to sort.
    """
    total = weights_V.sum(dtype=np.float64)
    candidates = weights_V[weights_V >= total * (1.0 - top_p) / len(weights_V)]
    candidates[::-1].sort()
    shares: Float64 = np.cumsum(candidates, dtype=np.float64)
    last = min(int(shares.searchsorted(top_p * total)), len(candidates) - 1)
    threshold: np.float32 = candidates[last]
    return threshold
