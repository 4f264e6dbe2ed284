"""Chooses the next token of one sequence from logits.

Order: the sequence's processors (processors.py), temperature, top-k, top-p, min-p (kernels/sampling.py).
Where its constraint refuses what was chosen, all but the processors comes again, for the row that is left.
The choice is the inverse of the cumulative distribution at one uniform number, taken in the order of the
ids. Every row is worked on alone, so a result never depends on the batch. Ids from `num_valid_tokens` on are
padding and never chosen.
Shape letters: J rows of one sequence, V vocabulary.
"""

import math
from collections.abc import Iterator

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.batch_builder import Share
from flashstep.engine.sequence import Sequence
from flashstep.kernels.sampling import sample_rows
from flashstep.types import TokenLogprob


class Sampler:
    """The target's own choices; remembers nothing of one for the next."""

    def __init__(self, num_valid_tokens: int) -> None:
        self.num_valid_tokens = num_valid_tokens
        self._weights_V, self._candidates_V = (np.empty(num_valid_tokens, np.float32) for _ in range(2))

    def plain_choices(self, plan: list[Share], logits_RV: Float32) -> dict[int, list[int]]:
        """By first row of logits, free choices that need no memory, all at once: those of all rows of greedy
        sequences without processors, and those of sampling ones without drafts."""
        chosen: dict[int, list[int]] = {}
        sampling: list[Sequence] = []
        rows: list[int] = []
        greedy_R: list[int] = []
        row = 0
        for share in plan:
            row += len(share.scored_positions)
            if not share.wants_logits:
                continue
            if share.sequence.is_plain_greedy:
                greedy_R = greedy_R or self.greedy(logits_RV)
                chosen[row] = greedy_R[row : row + 1 + share.num_drafts]
            elif share.sequence.is_plain_sampled and share.num_drafts == 0:
                sampling.append(share.sequence)
                rows.append(row)
            row += 1 + share.num_drafts
        if rows:
            token_ids = self.sampled(sampling, rows, logits_RV)
            chosen.update((row, [token_id]) for row, token_id in zip(rows, token_ids, strict=True))
        return chosen

    def greedy(self, logits_RV: Float32) -> list[int]:
        """The likeliest token of each row: what sequences that are plain greedy choose, all at once."""
        valid_RV = logits_RV[:, : self.num_valid_tokens]
        best_R = valid_RV.argmax(axis=1)
        for logit in valid_RV[np.arange(len(best_R)), best_R].tolist():
            _require_finite(logit)
        token_ids: list[int] = best_R.tolist()
        return token_ids

    def sampled(self, sequences: list[Sequence], rows: list[int], logits_RV: Float32) -> list[int]:
        """The free choice of sequences that sample and have no processors, each from one row, all at once."""
        token_ids = self._sample(sequences, rows, logits_RV)
        for row, token_id in zip(rows, token_ids, strict=True):
            if token_id < 0:
                _require_finite(logits_RV[row, : self.num_valid_tokens].max())
        return token_ids

    def _sample(self, sequences: list[Sequence], rows: list[int], logits_RV: Float32) -> list[int]:
        """A token from each row, -1 where there is no finite best logit."""
        uniforms = [seq.next_uniforms(1)[0] for seq in sequences]
        scales, top_k, top_p, min_p = zip(*(seq.wishes for seq in sequences), strict=True)
        chosen = np.empty(len(rows), np.int64)
        sample_rows(
            logits_RV,
            np.array(rows, np.int64),
            np.array(scales, np.float32),
            np.array(top_k, np.int64),
            np.array(top_p, np.float64),
            np.array(min_p, np.float32),
            np.array(uniforms, np.float64),
            self._weights_V,
            self._candidates_V,
            chosen,
        )
        for seq in sequences:
            seq.use_uniforms(1)
        token_ids: list[int] = chosen.tolist()
        return token_ids

    def choices(self, seq: Sequence, logits_JV: Float32, plain: list[int] | None = None) -> Iterator[int]:
        """The target's choice at each row, given that all earlier choices were the drafts fed in. plain: the
        free choices, if `plain_choices` made them.

        Lazy, since choices have a memory: the consumer takes the next one only when the last was
        equal to its draft, so whatever steers advances once per emitted token, and random numbers once more
        for each choice that was refused.
        """
        processors, constraint = seq.steering
        for row, logits_V in enumerate(logits_JV[:, : self.num_valid_tokens]):
            if plain is None:
                # Before the processors: only the model is held to it, never what a request asks for.
                _require_finite(logits_V.max())
                for processor in processors:
                    logits_V = processor.apply(logits_V)
            token_id = self._choice(seq, logits_V) if plain is None else plain[row]
            if constraint is not None:
                if not constraint.allows(token_id):
                    constraint.refuse(token_id)
                    token_id = self._choice(seq, constraint.narrow(logits_V))
                constraint.accept(token_id)
            for processor in processors:
                processor.accept(token_id)
            yield token_id

    def _choice(self, seq: Sequence, logits_V: Float32) -> int:
        """The token of one row."""
        if seq.rng is None:
            token_id = int(logits_V.argmax())
            _check_choosable(logits_V[token_id])
        else:
            [token_id] = self._sample([seq], [0], np.ascontiguousarray(logits_V[None]))
            if token_id < 0:
                _check_choosable(logits_V.max())
        return token_id

    def logprob(self, logits_V: Float32, token_id: int, num_top: int) -> TokenLogprob:
        """Log-probabilities under the model itself: before processors, temperature and filters."""
        valid_V = logits_V[: self.num_valid_tokens].astype(np.float64)
        valid_V -= valid_V.max()
        valid_V -= np.log(np.exp(valid_V).sum())
        num_top = min(num_top, len(valid_V))
        best = np.argpartition(valid_V, -num_top)[-num_top:].tolist() if num_top else []
        top = tuple(sorted(((i, float(valid_V[i])) for i in best), key=lambda pair: -pair[1]))
        return TokenLogprob(token_id, float(valid_V[token_id]), top)


def _require_finite(best_logit: np.float32) -> None:
    """A NaN anywhere in a row is also its maximum, so the best logit speaks for the row."""
    if not math.isfinite(best_logit):
        raise FloatingPointError(f"the model's best logit is {best_logit}; its weights may be damaged")


def _check_choosable(best_logit: np.float32) -> None:
    """What processors and constraints owe, whatever the request asks for."""
    assert math.isfinite(best_logit), f"steering left {best_logit} as the best logit; one must be finite"
