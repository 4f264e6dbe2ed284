"""Decides who computes what in the next step; the order of `schedule` is the policy.

1. Running sequences, oldest first. Decode (with drafts) is set aside from the token budget
   beforehand, so a long prefill never starves it; prefill chunks take what is left. While someone
   decodes, rows far behind the beginning of a prompt cost more of the budget, because each reads all
   positions before it, and the running streams wait for the whole step.
2. When blocks run out, chunks and drafts shrink to what fits; when nothing fits, the youngest
   running sequence is preempted: it loses its blocks, goes back to the head of the queue and is
   computed again later. The oldest can always go on, so there is no deadlock.
3. Waiting sequences are admitted strictly in order, while blocks hold all their known tokens;
   not in a step that preempted someone. Who joins a crowd that does not draft does not draft either.

A sequence that drafts costs `num_stale_rows` more than its query length, because the draft pass
may compute that many earlier rows again; so a draft batch fits wherever the trunk batch did.
"""

from collections import deque
from collections.abc import Iterator

from flashstep.engine.batch_builder import Share
from flashstep.engine.block_manager import BlockManager
from flashstep.engine.sequence import Sequence, SequenceStatus

CHEAP_POSITIONS = 4096  # reading so many costs about what the rest of a row costs
MIN_CHUNK_ROWS = 16  # so that a long prompt moves on in every step that has budget left


class Scheduler:
    """Holds every live sequence, in `waiting` (first served first) or `running` (oldest first).

    max_drafting_sequences: who would run beside so many others is admitted without drafts; None = no limit.
    """

    def __init__(
        self, blocks: BlockManager, *, max_batch_tokens: int, max_sequences: int, num_stale_rows: int,
        max_drafting_sequences: int | None = None,
    ) -> None:  # fmt: skip
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.num_preemptions = 0
        self._blocks = blocks
        self._max_batch_tokens = max_batch_tokens
        self._max_sequences = max_sequences
        self._num_stale_rows = num_stale_rows
        self._max_drafting_sequences = max_drafting_sequences
        self._has_streams = False  # somebody decodes in this step

    def __iter__(self) -> Iterator[Sequence]:
        yield from self.running
        yield from self.waiting

    def add(self, seq: Sequence) -> None:
        """Queue a new sequence; the caller made sure that it fits when alone."""
        self.waiting.append(seq)

    def finish(self, seq: Sequence) -> None:
        """Remove a sequence wherever it is and free its blocks."""
        if seq.status is SequenceStatus.RUNNING:
            self.running.remove(seq)
            self._blocks.release(seq)
        else:
            self.waiting.remove(seq)
            self._blocks.forget(seq)
        seq.status = SequenceStatus.FINISHED

    def schedule(self, now_s: float) -> list[Share]:
        """The shares of the next step; takes their blocks. Empty only when nothing is live."""
        plan: list[Share] = []
        reserved = sum(self._decode_cost(seq) for seq in self.running)
        budget = self._max_batch_tokens - reserved
        self._has_streams = reserved > 0
        num_preemptions = self.num_preemptions
        budget = self._plan_running(plan, budget)
        if self.num_preemptions == num_preemptions:
            self._admit(plan, budget, now_s)
        return plan

    def _plan_running(self, plan: list[Share], budget: int) -> int:
        """Plan running sequences; returns what prefill left of the budget."""
        index = 0
        while index < len(self.running):  # preemption shortens the list behind `index`
            seq = self.running[index]
            wanted = self._wanted(seq, budget)
            if wanted > 0:
                query_len = self._make_room(seq, wanted)
                if query_len == 0:
                    break
                if not seq.is_decoding:
                    budget -= (query_len + self._extra(seq)) * self._row_cost(seq)
                plan.append(self._share(seq, query_len))
            index += 1
        return budget

    def _admit(self, plan: list[Share], budget: int, now_s: float) -> None:
        while self.waiting and len(self.running) < self._max_sequences:
            seq = self.waiting[0]
            if self._wanted(seq, budget) <= 0 or not self._blocks.admit(seq, may_draft=self._may_draft):
                break
            self.waiting.popleft()
            self.running.append(seq)
            # A prefix that was taken over leaves fewer rows; the last token is always computed.
            query_len = min(self._wanted(seq, budget), self._blocks.room(seq))
            seq.status = SequenceStatus.RUNNING
            seq.mark_admitted(now_s)
            budget -= (query_len + self._extra(seq)) * self._row_cost(seq)
            plan.append(self._share(seq, query_len))

    @property
    def _may_draft(self) -> bool:
        """Whether one more running sequence could draft: if not, it would be stopped before its first draft,
        and until then look only for what drafting sequences have computed."""
        most = self._max_drafting_sequences
        return most is None or len(self.running) < most

    def _share(self, seq: Sequence, query_len: int) -> Share:
        self._blocks.grow(seq, query_len)
        known = seq.num_uncomputed_tokens
        num_drafts = max(0, query_len - known)
        del seq.draft_token_ids[num_drafts:]
        return Share(seq, query_len, num_drafts, wants_logits=query_len >= known)

    def _make_room(self, seq: Sequence, wanted: int) -> int:
        """As many of the `wanted` rows as blocks can be found for; 0 = `seq` itself was preempted."""
        self._blocks.release_old(seq)
        while (room := self._blocks.room(seq)) < 1:
            victim = self.running.pop()
            self._preempt(victim)
            if victim is seq:
                return 0
        return min(wanted, room)

    def _preempt(self, victim: Sequence) -> None:
        self._blocks.release(victim)
        victim.reset()
        self.waiting.appendleft(victim)
        self.num_preemptions += 1

    def _wanted(self, seq: Sequence, budget: int) -> int:
        """Rows that this sequence would compute, given what prefill may still take."""
        if seq.is_decoding and seq.status is SequenceStatus.RUNNING:
            return 1 + len(seq.draft_token_ids)
        extra = self._extra(seq)
        rows = max(budget // self._row_cost(seq), min(budget, MIN_CHUNK_ROWS + extra))
        return min(seq.num_uncomputed_tokens, rows - extra)

    def _row_cost(self, seq: Sequence) -> int:
        """What one row of prefill takes from the budget: more far behind the beginning of a prompt, as
        long as others wait for the step's end."""
        return max(1, seq.num_computed_tokens // CHEAP_POSITIONS) if self._has_streams else 1

    def _decode_cost(self, seq: Sequence) -> int:
        return 1 + len(seq.draft_token_ids) + self._extra(seq) if seq.is_decoding else 0

    def _extra(self, seq: Sequence) -> int:
        return self._num_stale_rows if seq.num_drafts else 0
