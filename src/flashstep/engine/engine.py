"""Continuous batching around a runner: token ids in, token ids out, one step at a time.

A step drafts, schedules, runs and postprocesses. Every request that `add` accepted ends in exactly
one output with a finish reason: from `step`, or from `abort`. Not thread-safe: one thread drives
an engine (`async_engine.py` is that thread); only `validate` may be called from others.
"""

import time
from collections.abc import Callable, Iterable
from itertools import accumulate

from flashstep.engine.batch import DecodeResult, Float32, ForwardResult
from flashstep.engine.batch_builder import Share, build_batch
from flashstep.engine.block_manager import BlockManager, min_sliding_blocks
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.metrics import Metrics
from flashstep.engine.multi_step import MultiStep
from flashstep.engine.processors import Grammars, Steering
from flashstep.engine.runner_protocol import ContinuingRunner, RunnerProtocol, num_stale_rows
from flashstep.engine.sampler import Sampler
from flashstep.engine.scheduler import Scheduler
from flashstep.engine.sequence import Sequence
from flashstep.engine.speculative import Drafter, verify
from flashstep.engine.stop import truncate
from flashstep.errors import ConfigError, ContextLengthExceeded, InvalidRequest
from flashstep.types import FinishReason, Request, TokenLogprob, TokenOutput


class Engine:
    """Owns all requests from `add` to their last output.

    num_draft_tokens: drafts per step, at most what the runner has modules for; 0 = off.
    max_drafting_sequences: whoever runs in company of more than these in all stops drafting, to its end;
        None = no limit.
    draft_policy: says which requests draft and how long; None = all, to their end.
    num_valid_tokens: ids below are real tokens (the tokenizer's size); None = all of them.
    prefix_cache: take over K/V of requests that begin alike.
    grammars: enforces the grammars of requests; None = such requests are refused.
    max_passes: trunk passes that one step may make (`multi_step.py`); None = as many as the runner can.
    clock: times
        them.
    """

    def __init__(
        self, runner: RunnerProtocol, *, num_draft_tokens: int = 0,
        max_drafting_sequences: int | None = None, draft_policy: DraftPolicy | None = None,
        num_valid_tokens: int | None = None,
        grammars: Grammars | None = None, prefix_cache: bool = True, max_passes: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._runner = runner
        self._continuing = runner if isinstance(runner, ContinuingRunner) else None
        self._grammars = grammars
        self._num_drafts = min(num_draft_tokens, runner.max_drafts)
        stale_rows = num_stale_rows(runner.max_drafts) if self._num_drafts else 0
        _check_sizes(runner, self._num_drafts, stale_rows)
        # A tokenizer may have tokens that the model has no row for.
        self.num_valid_tokens = min(num_valid_tokens or runner.config.vocab_size, runner.config.vocab_size)
        self._blocks = BlockManager(
            block_size=runner.block_size,
            num_full_blocks=runner.num_full_blocks,
            num_sliding_blocks=runner.num_sliding_blocks,
            window_tokens=runner.window_tokens,
            num_stale_rows=stale_rows,
            num_lookahead=runner.max_drafts if self._num_drafts else 0,
            caches_prefixes=prefix_cache,
        )
        self._scheduler = Scheduler(
            self._blocks,
            max_batch_tokens=runner.max_batch_tokens,
            max_sequences=runner.max_sequences,
            num_stale_rows=stale_rows,
            max_drafting_sequences=max_drafting_sequences,
        )
        most_passes = self._continuing.max_passes if self._continuing else 1
        self._multi_step = MultiStep(
            self._blocks,
            max_passes=most_passes if max_passes is None else min(most_passes, max_passes),
            num_modules=runner.max_drafts,
            num_valid_tokens=self.num_valid_tokens,
            draft_policy=draft_policy,
            clock=clock,
        )
        self._sampler = Sampler(self.num_valid_tokens)
        self._draft_policy = draft_policy
        self._drafter = Drafter(runner, stale_rows, max_drafting_sequences)
        self._sequences: dict[str, Sequence] = {}
        self.metrics = Metrics.for_drafts(self._num_drafts)
        self.context_length = min(runner.config.max_positions, self._blocks.capacity_tokens)
        self.eos_token_ids = frozenset(runner.config.eos_token_ids)

    @property
    def has_work(self) -> bool:
        """True while a `step` would compute something."""
        return bool(self._sequences)

    @property
    def num_live(self) -> int:
        """Requests added and not finished."""
        return len(self._sequences)

    @property
    def num_running(self) -> int:
        """Requests being computed."""
        return len(self._scheduler.running)

    @property
    def num_waiting(self) -> int:
        """Requests not admitted yet, or preempted."""
        return len(self._scheduler.waiting)

    @property
    def kv_usage(self) -> float:
        """Share of the full pool's blocks that requests own, in [0, 1]."""
        return self._blocks.full.num_owned / max(1, self._blocks.full.total)

    @property
    def num_sliding_blocks_owned(self) -> int:
        """Blocks of the sliding pool that requests own."""
        return self._blocks.sliding.num_owned

    def validate(self, request: Request) -> None:
        """Raise InvalidRequest (ContextLengthExceeded) when this engine can never serve `request`."""
        ids = request.prompt_token_ids
        if not ids:
            raise InvalidRequest("the prompt has no tokens; send at least one", param="messages")
        if min(ids) < 0 or max(ids) >= self.num_valid_tokens:
            bad = next(i for i in ids if not 0 <= i < self.num_valid_tokens)
            raise InvalidRequest(f"token id {bad} is outside [0, {self.num_valid_tokens})", param="messages")
        if len(ids) >= self.context_length:
            raise ContextLengthExceeded(
                f"the prompt has {len(ids)} tokens; with at least one token of answer it must fit "
                f"into {self.context_length}; shorten it or give the engine more K/V memory"
            )
        for token_id, _ in request.params.logit_bias:
            if not 0 <= token_id < self.num_valid_tokens:
                raise InvalidRequest(
                    f"logit_bias: token id {token_id} is outside [0, {self.num_valid_tokens})",
                    param="logit_bias",
                )
        if request.grammar is not None:
            self._check_grammar(request.grammar)

    def add(self, request: Request, arrived_s: float | None = None) -> None:
        """Queue a request. `arrived_s` is a `time.monotonic` reading, None = now.

        Raises what `validate` raises, and InvalidRequest when the id is in use.
        """
        self.validate(request)
        if request.request_id in self._sequences:
            raise InvalidRequest(f"request id {request.request_id!r} is already in use; choose another")
        seq = Sequence(
            request,
            max_total_tokens=self._max_total_tokens(request),
            num_drafts=self._num_drafts if self._draft_policy is None or self._draft_policy.admits() else 0,
            arrived_s=time.monotonic() if arrived_s is None else arrived_s,
            steering=Steering.of(request, self.num_valid_tokens, self._grammars),
        )
        self._sequences[seq.request_id] = seq
        self._scheduler.add(seq)
        self.metrics.num_prompt_tokens += seq.num_prompt_tokens

    def abort(self, request_id: str) -> TokenOutput | None:
        """End a request now and free its blocks; returns its last output, None if it is not live."""
        seq = self._sequences.get(request_id)
        if seq is None:
            return None
        self._finish(seq)
        return TokenOutput((), finish_reason="abort", timings=seq.timings(time.monotonic()))

    def step(self) -> list[tuple[str, TokenOutput]]:
        """Compute one batch, or several passes over it; returns (request id, output) for each request that
        got tokens.

        Drafting comes first: it reads the hidden states of the step before, but must not delay
        that step's outputs.
        """
        self._drafter.propose(self.num_running)
        plan = self._scheduler.schedule(time.monotonic())
        if not plan:
            return []
        num_passes, started_s = self._multi_step.plan_passes(plan), self._multi_step.now_s()
        batch = build_batch(plan)
        if self._continuing is None or num_passes == 1:
            result = self._runner.forward(batch)
            self._multi_step.measure(started_s, len(batch.token_ids_T), 1)
            return self._postprocess(plan, result)
        decoded = self._continuing.decode(batch, self._multi_step.continuation(plan, num_passes))
        self._multi_step.measure(started_s, len(batch.token_ids_T), len(decoded.emitted[0]))
        return self._take_over(plan, decoded)

    def check(self) -> None:
        """Assert the block equation of both pools and every sequence's counters (tests, idle)."""
        self._blocks.check(self._scheduler)
        for seq in self._scheduler:
            seq.check()
        assert sum(1 for _ in self._scheduler) == len(self._sequences), "a sequence is queued nowhere"

    def close(self) -> None:
        """Close the runner; nothing may be called after it."""
        self._drafter.forget()
        self._runner.close()

    def _check_grammar(self, grammar: str) -> None:
        if self._grammars is None:
            raise InvalidRequest("this engine was made without a vocabulary, so it cannot hold to a grammar")
        self._grammars.check(grammar)

    def _max_total_tokens(self, request: Request) -> int:
        max_tokens = request.params.max_tokens
        if max_tokens is None:
            return self.context_length
        return min(self.context_length, len(request.prompt_token_ids) + max_tokens)

    def _postprocess(self, plan: list[Share], result: ForwardResult) -> list[tuple[str, TokenOutput]]:
        """Verify, append, stop or note for drafting, sequence after sequence."""
        now_s = time.monotonic()
        outputs: list[tuple[str, TokenOutput]] = []
        row = logit_row = 0
        plain = self._sampler.plain_choices(plan, result.logits_RV)
        for share in plan:
            seq = share.sequence
            num_final, num_accepted = share.query_len, 0
            reason: FinishReason | None = None
            scored = share.scored_positions
            if scored:
                self._score_prompt(seq, scored, result.logits_RV[logit_row : logit_row + len(scored)])
                logit_row += len(scored)
            if share.wants_logits:
                end = logit_row + 1 + share.num_drafts
                logits_JV = result.logits_RV[logit_row:end]
                choices: Iterable[int] | None = plain.get(logit_row)
                if choices is None or seq.steering.constraint is not None:
                    choices = self._sampler.choices(seq, logits_JV, plain.get(logit_row))
                output, num_accepted = self._advance(seq, choices, logits_JV, now_s)
                outputs.append((seq.request_id, output))
                num_final -= share.num_drafts - num_accepted
                reason = output.finish_reason
                logit_row = end
            # A stop may lie in front of drafts that were accepted.
            seq.num_computed_tokens = min(seq.num_computed_tokens + num_final, seq.num_tokens)
            self._finish_or_note(
                seq, reason, num_final, result.hidden_TD[row : row + num_final], num_accepted
            )
            row += share.query_len
        self._count_step(row)
        return outputs

    def _take_over(self, plan: list[Share], decoded: DecodeResult) -> list[tuple[str, TokenOutput]]:
        """Append what several passes chose, or a part of it, sequence after sequence."""
        now_s = time.monotonic()
        outputs: list[tuple[str, TokenOutput]] = []
        row = 0
        for number, share in enumerate(plan):
            hidden_TD = decoded.hidden_TD[row : row + share.query_len]
            output = self._take_over_one(share, decoded, number, hidden_TD, now_s)
            if output.token_ids or output.finish_reason:
                outputs.append((share.sequence.request_id, output))
            row += share.query_len
        self._count_step(row, len(decoded.emitted[0]))
        return outputs

    def _take_over_one(
        self, share: Share, decoded: DecodeResult, number: int, hidden_TD: Float32, now_s: float
    ) -> TokenOutput:
        """Sequence `number` of the plan. hidden_TD: of its rows in the last pass."""
        seq, chosen, computed = share.sequence, decoded.token_ids[number], share.sequence.num_computed_tokens
        new = chosen[: seq.num_followed(chosen)]
        seq.use_uniforms(len(new))
        *before, last = decoded.emitted[number]
        num_seen = sum(before)  # tokens of the passes whose rows the modules have seen, and `histories`
        num_last = min(last, len(new) - num_seen)
        accepted = [count - 1 for count in _of_first([*before, last], len(new))]
        output = self._append(seq, new, share.num_drafts, accepted, (), now_s)
        if num_last < 0:
            seq.stop_drafting()  # the modules have seen what was thrown away
        elif seq.num_drafts:
            seq.history_TD = decoded.histories[number]
        if share.num_drafts and seq.num_drafts:
            # The sequence may end here, or have no use for further drafts: what the modules computed goes to
            # the prefix cache before.
            seq.num_computed_tokens = min(computed + num_seen, seq.num_tokens - 1)
            self._blocks.release_old(seq)
        seq.num_computed_tokens = min(computed + len(new), seq.num_tokens)
        if num_last > 0 or output.finish_reason is not None:
            self._finish_or_note(seq, output.finish_reason, num_last, hidden_TD[:num_last], num_last - 1)
        return output

    def _advance(
        self, seq: Sequence, choices: Iterable[int], logits_JV: Float32, now_s: float
    ) -> tuple[TokenOutput, int]:
        """Append what the target chose; returns the output and the number of accepted drafts."""
        drafts = seq.draft_token_ids
        verdict = verify(choices, drafts)
        new = [*drafts[: verdict.num_accepted], verdict.bonus_token_id]
        output = self._append(seq, new, len(drafts), [verdict.num_accepted], logits_JV, now_s)
        return output, verdict.num_accepted

    def _append(
        self, seq: Sequence, new: list[int], num_drafts: int, num_accepted: list[int],
        logits_JV: Iterable[Float32], now_s: float,
    ) -> TokenOutput:  # fmt: skip
        """Append new tokens up to the answer's end; the output. num_accepted: of the `num_drafts` of each
        pass."""
        seq.draft_token_ids = []
        new, reason, stop_reason = truncate(seq, new)
        failure = seq.failure if reason == "stop" else None
        is_first = seq.num_generated == 0
        if num_drafts:
            self._count_drafts(seq, num_drafts, _up_to_end(num_accepted, len(new)))
        self.metrics.num_generated_tokens += len(new)
        seq.append(new, now_s)
        return TokenOutput(
            token_ids=tuple(new),
            logprobs=self._logprobs(seq, new, logits_JV),
            prompt_logprobs=tuple(seq.prompt_logprobs) if is_first else (),
            finish_reason="error" if failure else reason,
            error=failure,
            cached_tokens=seq.num_cached_tokens,
            timings=seq.timings(now_s if reason else None),
            stop_reason=stop_reason,
        )

    def _count_drafts(self, seq: Sequence, num_drafts: int, num_accepted: list[int]) -> None:
        """Note what became of the drafts of each pass; who loses by drafting stops."""
        seq.num_drafted += num_drafts * len(num_accepted)
        seq.num_accepted += sum(num_accepted)
        for accepted in num_accepted:
            self.metrics.count_verification(num_drafts, accepted)
            if self._draft_policy and seq.num_drafts and not self._draft_policy.keeps(seq, accepted):
                seq.stop_drafting()

    def _score_prompt(self, seq: Sequence, positions: range, logits_RV: Float32) -> None:
        """Row p of the prompt says how likely token p + 1 was."""
        num_top = seq.params.prompt_logprobs or 0
        for position, row_V in zip(positions, logits_RV, strict=True):
            next_id = seq.token_ids[position + 1]
            seq.prompt_logprobs.append(self._sampler.logprob(row_V, next_id, num_top))

    def _logprobs(
        self, seq: Sequence, new: list[int], logits_JV: Iterable[Float32]
    ) -> tuple[TokenLogprob, ...]:
        num_top = seq.params.logprobs
        if num_top is None:
            return ()
        rows = zip(new, logits_JV, strict=False)  # rows behind the accepted drafts have no token
        return tuple(self._sampler.logprob(row_V, token_id, num_top) for token_id, row_V in rows)

    def _finish_or_note(
        self, seq: Sequence, reason: FinishReason | None, num_rows: int, hidden_TD: Float32, num_accepted: int
    ) -> None:
        """What comes last of a sequence's part in a step: only when its computed tokens are counted does the
        prefix cache get them, and do the modules get its final rows."""
        if reason is not None:
            self._finish(seq)
        else:
            self._drafter.note(seq, num_rows, hidden_TD, num_accepted)

    def _finish(self, seq: Sequence) -> None:
        self._scheduler.finish(seq)
        del self._sequences[seq.request_id]

    def _count_step(self, num_rows: int, num_passes: int = 1) -> None:
        self.metrics.num_steps += num_passes
        self.metrics.num_batch_tokens += num_rows * num_passes
        self.metrics.num_preemptions = self._scheduler.num_preemptions
        self.metrics.num_cached_tokens = self._blocks.num_hit_tokens


def _of_first(emitted: list[int], num_tokens: int) -> list[int]:
    """Of passes that brought so many tokens each, what the first `num_tokens` came from: passes, and of the
    last of them a part."""
    starts = accumulate(emitted, initial=0)
    return [
        min(n, num_tokens - start) for n, start in zip(emitted, starts, strict=False) if start < num_tokens
    ]


def _up_to_end(num_accepted: list[int], num_tokens: int) -> list[int]:
    """Of passes that each brought a token more than they accepted, those that the first `num_tokens` came
    from."""
    starts = accumulate((accepted + 1 for accepted in num_accepted), initial=0)
    return [accepted for accepted, start in zip(num_accepted, starts, strict=False) if start < num_tokens]


def _check_sizes(runner: RunnerProtocol, num_drafts: int, stale_rows: int) -> None:
    """ConfigError unless every sequence can always move on by one token."""
    rows = runner.max_sequences * (1 + num_drafts + stale_rows)
    if runner.max_batch_tokens < rows:
        raise ConfigError(
            f"max_batch_tokens is {runner.max_batch_tokens}; {runner.max_sequences} sequences with "
            f"{num_drafts} drafts need {rows}; raise it or lower max_sequences"
        )
    blocks = min_sliding_blocks(runner.window_tokens, stale_rows, runner.block_size)
    if runner.num_sliding_blocks < blocks:
        raise ConfigError(
            f"num_sliding_blocks is {runner.num_sliding_blocks}; one sequence with a window of "
            f"{runner.window_tokens} tokens needs {blocks}"
        )
