"""Several passes in one step, where nothing has to be decided between them.

What the engine does between two passes takes as long as a fraction of a small model's pass, most of it
because the weights that pass by leave nothing of the interpreter in the caches. While all sequences decode
and want plain tokens, the runner goes on by itself, for so short a time that nobody who arrives waits long.
A sequence that a grammar or a thinking budget constrains goes along as far as its choices were allowed of
late; what may not come after all is thrown away. What comes out is the same.
"""

import time
from collections.abc import Callable, Iterable

import numpy as np

from flashstep.engine.batch import Continuation
from flashstep.engine.batch_builder import Share
from flashstep.engine.block_manager import BlockManager
from flashstep.engine.constraint import FreeRun
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.sequence import Sequence
from flashstep.kernels.limits import MAX_STOP_IDS, MAX_TOKENS, TAIL

# A step of several passes takes about so long at most, with one stream and with more: who arrives waits for
# its end, and a stream gets its pieces no more often anyway (outbox.py).
_ALONE_S, _LONGEST_S = 0.01, 0.02


class MultiStep:
    """Decides how many passes a step makes.

    max_passes: the most; num_modules: MTP modules of the runner; draft_policy: see `Engine`.
    """

    def __init__(
        self, blocks: BlockManager, *, max_passes: int, num_modules: int, num_valid_tokens: int,
        draft_policy: DraftPolicy | None = None, clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._blocks, self._max_passes, self._num_modules = blocks, max_passes, num_modules
        self._num_valid_tokens, self._draft_policy = num_valid_tokens, draft_policy
        self._clock = clock
        self._pass_s, self._pass_rows = float("inf"), 1  # how long the last pass took, with how many rows

    def measure(self, started_s: float, num_rows: int, num_passes: int) -> None:
        """Passes with so many rows each, begun at `started_s`, are over."""
        self._pass_s, self._pass_rows = (self._clock() - started_s) / num_passes, num_rows

    def now_s(self) -> float:
        """The clock that `measure` reads."""
        return self._clock()

    def plan_passes(self, plan: list[Share]) -> int:
        """How many passes the step of `plan` makes; takes the blocks of the tokens that they may bring."""
        rows_each = plan[0].query_len
        if self._max_passes == 1 or not all(self._is_suited(share, rows_each) for share in plan):
            return 1
        affordable = self._affordable(_ALONE_S if len(plan) == 1 else _LONGEST_S, rows_each * len(plan))
        most = min(self._max_passes, MAX_TOKENS // rows_each, affordable, *map(self._most_passes, plan))
        sequences = [share.sequence for share in plan]
        while most > 1 and not self._blocks.reserve(sequences, most * rows_each):
            most //= 2
        return max(1, most)

    def continuation(self, plan: list[Share], num_passes: int) -> Continuation:
        """What the runner must know of the sequences."""
        sequences = [share.sequence for share in plan]
        most_tokens = num_passes * plan[0].query_len
        return Continuation(
            num_passes=num_passes,
            num_valid_tokens=self._num_valid_tokens,
            wishes_S4=np.array([seq.wishes for seq in sequences], np.float64),
            stop_ids_SM=np.array([self._filled(_stop_ids(seq, _run(seq))) for seq in sequences], np.int32),
            uniforms_SN=np.array([seq.next_uniforms(most_tokens) for seq in sequences], np.float64),
            tails_SN=np.array([_tail(seq) for seq in sequences], np.int32),
            histories=[seq.history_TD for seq in sequences],
        )

    def _is_suited(self, share: Share, rows_each: int) -> bool:
        """Whether the next tokens need nothing but the pass before, and the modules as many rows as all
        others'."""
        seq = share.sequence
        if not _is_plain(seq) or share.query_len != rows_each or not share.wants_logits:
            return False
        if seq.num_generated == 0:  # the first token is waited for
            return False
        drafts_whole = share.num_drafts == self._num_modules if seq.num_drafts else True
        return drafts_whole and rows_each == 1 + share.num_drafts and rows_each <= TAIL

    def _filled(self, token_ids: Iterable[int]) -> list[int]:
        """Those that can be chosen, filled up with -1."""
        ids = [token_id for token_id in token_ids if 0 <= token_id < self._num_valid_tokens]
        return ids + [-1] * (MAX_STOP_IDS - len(ids))

    def _most_passes(self, share: Share) -> int:
        """Passes until a sequence may end, or stop drafting, or its constraint may refuse a token."""
        seq = share.sequence
        num_tokens = seq.max_total_tokens - seq.num_tokens
        if (num_free := _run(seq).num_tokens) is not None:
            num_tokens = min(num_tokens, num_free)
        most = num_tokens // share.query_len
        if seq.num_drafts and self._draft_policy is not None:
            return int(min(most, self._draft_policy.most_steps(seq)))
        return most

    def _affordable(self, most_s: float, num_rows: int) -> int:
        """Passes with so many rows that fit into the time; more rows than the last pass had take longer."""
        pass_s = self._pass_s * max(1.0, num_rows / self._pass_rows)
        return int(most_s / pass_s) if pass_s > 0 else self._max_passes


def _is_plain(seq: Sequence) -> bool:
    """Whether a runner can choose the tokens of a sequence: nothing changes its logits, nobody asks how
    likely they were."""
    if seq.params.logprobs is not None or (run := seq.free_run) is None:
        return False
    return len(_stop_ids(seq, run)) <= MAX_STOP_IDS


def _run(seq: Sequence) -> FreeRun:
    run = seq.free_run
    assert run is not None, "only asked of sequences that are plain"
    return run


def _stop_ids(seq: Sequence, run: FreeRun) -> frozenset[int]:
    """What ends a job of several passes."""
    return seq.stop_token_ids.union(run.end_ids)


def _tail(seq: Sequence) -> list[int]:
    known = seq.token_ids[-TAIL:]
    return [0] * (TAIL - len(known)) + known
