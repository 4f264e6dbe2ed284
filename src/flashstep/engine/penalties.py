"""Presence, frequency and repetition penalties: what a sequence has said so far, counted.

Presence and frequency look at generated tokens only, repetition also at the prompt. Order and
formulas are the common ones: repetition divides positive logits and multiplies negative ones,
then `frequency * count + presence * (count > 0)` is subtracted.
"""

from collections.abc import Sequence

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.types import SamplingParams


class Penalties:
    """The counts of one sequence and the penalties drawn from them."""

    __slots__ = ("_counts_V", "_frequency", "_presence", "_repetition", "_seen_V")

    def __init__(self, params: SamplingParams, prompt_token_ids: Sequence[int], num_tokens: int) -> None:
        self._presence = np.float32(params.presence_penalty)
        self._frequency = np.float32(params.frequency_penalty)
        self._repetition = np.float32(params.repetition_penalty)
        self._counts_V: Float32 = np.zeros(num_tokens, np.float32)
        self._seen_V = np.zeros(num_tokens, np.bool_)
        self._seen_V[list(prompt_token_ids)] = True

    @classmethod
    def create(
        cls, params: SamplingParams, prompt_token_ids: Sequence[int], num_tokens: int
    ) -> "Penalties | None":
        """None when the request asks for no penalty. `num_tokens` is the number of valid ids."""
        is_off = (params.presence_penalty, params.frequency_penalty, params.repetition_penalty) == (0, 0, 1)
        return None if is_off else cls(params, prompt_token_ids, num_tokens)

    def accept(self, token_id: int) -> None:
        """Count a generated token."""
        self._counts_V[token_id] += 1
        self._seen_V[token_id] = True

    def apply(self, logits_V: Float32) -> Float32:
        """Penalised logits as a new array."""
        repeated_V = np.where(logits_V > 0, logits_V / self._repetition, logits_V * self._repetition)
        penalised_V = np.where(self._seen_V, repeated_V, logits_V)
        penalised_V -= self._frequency * self._counts_V
        penalised_V -= self._presence * (self._counts_V > 0)
        return penalised_V
