"""A runner without a model: it computes with the token ids that it finds in the cache slots.

Logits and hidden states are a hash of exactly the tokens read back through the block tables (all
positions in the full pool, the last `window` in the sliding one), so a wrong table, a block freed
too early, a wrong chunk or rollback changes the output, or fails right here. Each MTP module keeps
its shifted token stream in slots of its own and checks what it reads against the hidden states.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from flashstep.engine.batch import Batch, Continuation, DecodeResult, DraftBatch, ForwardResult
from flashstep.model.config import ModelConfig
from naive.decoding import decode

MASK = (1 << 48) - 1


@dataclass(frozen=True)
class Context:
    """What a row knows: a hash of all tokens so far, its position, the newest tokens."""

    hash: int
    position: int
    tail: tuple[int, ...]

    def then(self, token_id: int, window: int) -> "Context":
        """The context one token later."""
        mixed = (self.hash * 0x5DEECE66D + token_id + 11) & MASK
        return Context(mixed, self.position + 1, (*self.tail, token_id)[-window:])


EMPTY = Context(1, -1, ())


def context_of(token_ids, window: int) -> Context:
    """The context of the last of these tokens."""
    context = EMPTY
    for token_id in token_ids:
        context = context.then(int(token_id), window)
    return context


@lru_cache(maxsize=4096)
def logits_of(context_hash: int, vocab_size: int) -> np.ndarray:
    """Deterministic float32 logits [V] of a context."""
    logits = np.random.default_rng(context_hash).standard_normal(vocab_size).astype(np.float32) * 3
    logits.setflags(write=False)
    return logits


def draft_of(context: Context, vocab_size: int, acceptance: float) -> int:
    """What the MTP modules propose behind a context: the greedy choice, or on purpose a wrong one."""
    choice = int(logits_of(context.hash, vocab_size).argmax())
    is_right = (context.hash >> 7) % 1000 < acceptance * 1000
    return choice if is_right else (choice + 1) % vocab_size


class FakeRunner:
    """Same contract as the real runner. `acceptance` in [0, 1] is how often drafts are right."""

    def __init__(
        self, config: ModelConfig, *, block_size=4, num_full_blocks=200, num_sliding_blocks=100,
        max_batch_tokens=64, max_sequences=8, acceptance=1.0, max_passes=4,
    ):  # fmt: skip
        self.config = config
        self.block_size = block_size
        self.num_full_blocks = num_full_blocks
        self.num_sliding_blocks = num_sliding_blocks
        self.max_batch_tokens = max_batch_tokens
        self.max_sequences = max_sequences
        self.max_drafts = len(config.mtp)
        self.window_tokens = next(x.window_tokens for x in config.layers if x.is_sliding)
        self.acceptance, self.max_passes = acceptance, max_passes
        self.is_closed = False
        self.batches: list[Batch] = []
        self.draft_batches: list[DraftBatch] = []
        self._full = np.full((num_full_blocks * block_size, 2), -7)
        pools = 1 + self.max_drafts
        self._sliding = np.full((pools, num_sliding_blocks * block_size, 2), -7)
        self._hidden = np.full((max_batch_tokens, config.d_model), np.nan, np.float32)

    def close(self):
        self.is_closed = True

    def forward(self, batch: Batch) -> ForwardResult:
        self._check(batch.token_ids_T, batch.positions_T, batch.query_starts_S1)
        self.batches.append(batch)
        contexts: list[Context] = []
        for s, (start, stop) in enumerate(_spans(batch.query_starts_S1)):
            full, sliding = batch.full_table_SM[s], batch.sliding_table_SM[s]
            for t in range(start, stop):
                entry = (int(batch.positions_T[t]), int(batch.token_ids_T[t]))
                self._full[self._slot(full, entry[0])] = entry
                self._sliding[0, self._slot(sliding, entry[0])] = entry
            contexts += self._read_sequence(full, sliding, *batch.positions_T[[start, stop - 1]])
        self._hidden[:] = np.nan
        for t, context in enumerate(contexts):
            self._hidden[t] = self._encode(context)
        vocab = self.config.vocab_size
        rows = batch.logit_rows_R.tolist()
        assert rows == sorted(set(rows))
        logits = [logits_of(contexts[t].hash, vocab) for t in rows]
        num_hidden = len(contexts) if batch.wants_hidden else 0
        return ForwardResult(np.array(logits, np.float32).reshape(-1, vocab), self._hidden[:num_hidden])

    def decode(self, batch: Batch, going_on: Continuation) -> DecodeResult:
        return decode(self, batch, going_on)

    def draft(self, batch: DraftBatch) -> np.ndarray:
        self._check(batch.token_ids_T, batch.positions_T, batch.query_starts_S1)
        self.draft_batches.append(batch)
        assert batch.hidden_TD.shape == (len(batch.token_ids_T), self.config.d_model)
        spans = _spans(batch.query_starts_S1)
        drafts = np.zeros((len(spans), self.max_drafts), np.int32)
        for s, (start, stop) in enumerate(spans):
            contexts = [self._decode(h) for h in batch.hidden_TD[start:stop]]
            assert [c.position for c in contexts] == batch.positions_T[start:stop].tolist()
            stream = batch.token_ids_T[start:stop].tolist()
            assert [c.tail[-1] for c in contexts[1:]] == stream[:-1], "hidden states and tokens disagree"
            for k in range(1, self.max_drafts + 1):
                contexts = [c.then(x, self.window_tokens) for c, x in zip(contexts, stream, strict=True)]
                self._run_module(k, batch.sliding_table_SM[s], contexts)
                drafts[s, k - 1] = draft_of(contexts[-1], self.config.vocab_size, self.acceptance)
                known = int(batch.append_token_ids_SJ[s, k - 1])
                stream = [*stream[1:], int(drafts[s, k - 1]) if known == -1 else known]
        return drafts

    def _run_module(self, k: int, table, contexts: list[Context]) -> None:
        """Module k at row t holds x_{t+k}: write all rows, then read each row's window back."""
        for context in contexts:
            row = context.position - k
            self._sliding[k, self._slot(table, row)] = (row, context.tail[-1])
        for context in contexts:
            last = context.position - k
            for row in range(max(0, last - self.window_tokens + 1), last + 1):
                expected = (row, context.tail[row - last - 1])
                found = tuple(self._sliding[k, self._slot(table, row)].tolist())
                assert found == expected, f"module {k}, row {row}: {found}, expected {expected}"

    def _read_sequence(self, full, sliding, first: int, last: int) -> list[Context]:
        entries = [self._full[self._slot(full, p)].tolist() for p in range(last + 1)]
        assert [e[0] for e in entries] == list(range(last + 1)), "full pool: slots of other positions"
        context, contexts = EMPTY, []
        for position, token_id in entries:
            context = context.then(token_id, self.window_tokens)
            if position >= first:
                low = max(0, position - self.window_tokens + 1)
                window = [self._sliding[0, self._slot(sliding, p)].tolist() for p in range(low, position + 1)]
                assert [e[0] for e in window] == list(range(low, position + 1)), "sliding: other positions"
                assert tuple(e[1] for e in window) == context.tail, "the pools hold different tokens"
                contexts.append(context)
        return contexts

    def _slot(self, table, position: int) -> int:
        block = int(table[position // self.block_size])
        assert block >= 0, f"position {position} has no block"
        return block * self.block_size + position % self.block_size

    def _check(self, token_ids, positions, starts) -> None:
        assert token_ids.dtype == positions.dtype == starts.dtype == np.int32
        assert len(token_ids) == len(positions) == starts[-1] <= self.max_batch_tokens
        assert 1 <= len(starts) - 1 <= self.max_sequences
        assert 0 <= token_ids.min() <= token_ids.max() < self.config.vocab_size
        for start, stop in _spans(starts):
            assert stop > start
            assert (np.diff(positions[start:stop]) == 1).all()

    def _encode(self, context: Context) -> np.ndarray:
        """Numbers below 4096 or so are exact in float32."""
        chunks = [(context.hash >> shift) & 0xFFF for shift in (0, 12, 24, 36)]
        numbers = [*chunks, context.position, len(context.tail), *context.tail]
        return np.array(numbers + [0] * (self.config.d_model - len(numbers)), np.float32)

    def _decode(self, hidden: np.ndarray) -> Context:
        assert not np.isnan(hidden).any(), "a hidden state of no row of the last pass"
        n = [int(x) for x in hidden]
        value = sum(chunk << shift for chunk, shift in zip(n[:4], (0, 12, 24, 36), strict=True))
        return Context(value, n[4], tuple(n[6 : 6 + n[5]]))


def _spans(starts) -> list[tuple[int, int]]:
    bounds = starts.tolist()
    return list(zip(bounds[:-1], bounds[1:], strict=True))
