"""The engine's private, mutable state of one request. Never leaves `engine/`.

Few integers are stored, the rest are properties: `num_computed_tokens <= num_tokens <=
max_total_tokens`, asserted in `check`. A draft is not a token: it enters `token_ids` only when
verified.
"""

import enum

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.block_table import BlockTable
from flashstep.engine.constraint import FreeRun, num_followed
from flashstep.engine.processors import Steering
from flashstep.types import Request, SamplingParams, Timings, TokenLogprob

FREE, UNSTEERED = FreeRun(), Steering()
# Colder than this float32 logits cannot tell from greedy, and the division stays finite.
MIN_TEMPERATURE = 1e-6


class SequenceStatus(enum.Enum):
    """Where a sequence is: queued (new or preempted), owning blocks, or over."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


class Sequence:
    """One request on its way.

    max_total_tokens: prompt and answer together end here at the latest.
    num_drafts: most drafts a step may propose for it; 0 = never drafts.
    steering: of the choice of its tokens. wishes: see `wishes_of`.
    num_cached_tokens: prompt tokens whose K/V an earlier request had computed.
    prompt_logprobs: of the prompt's tokens but the first, as far as they were asked for and computed.
    draft_gain: plain steps that drafting has saved it so far, negative = cost it.
    arrived_s: reading of the monotonic clock.
    """

    __slots__ = (
        "_admitted_s", "_first_token_s", "_timings", "_uniforms", "arrived_s", "block_keys", "draft_gain",
        "draft_token_ids", "full_table", "has_unknown_prefix", "history_TD", "is_guarded",
        "is_plain_greedy", "is_plain_sampled", "max_total_tokens", "num_accepted", "num_cached_tokens",
        "num_computed_tokens", "num_drafted", "num_drafts", "num_prompt_tokens", "params",
        "prompt_logprobs", "request", "request_id", "rng", "sliding_table", "status", "steering",
        "stop_token_ids", "token_ids", "wishes",
    )  # fmt: skip

    def __init__(
        self, request: Request, *, max_total_tokens: int, num_drafts: int, arrived_s: float,
        steering: Steering = UNSTEERED,
    ) -> None:  # fmt: skip
        params = request.params
        self.request = request
        self.request_id = request.request_id
        self.params = params
        self.status = SequenceStatus.WAITING
        self.token_ids = list(request.prompt_token_ids)
        self.num_prompt_tokens = len(self.token_ids)
        self.num_computed_tokens = 0
        self.max_total_tokens = max_total_tokens
        self.stop_token_ids = stop_token_ids(request)
        self.block_keys: list[int] = []  # of its leading blocks that the prefix cache knows
        self.has_unknown_prefix = False  # a block could not be registered, so none behind it can
        self.num_cached_tokens = 0
        self.full_table = BlockTable()
        self.sliding_table = BlockTable()
        # The first token rarely comes with a draft, and the last needs none behind it.
        self.num_drafts = num_drafts if max_total_tokens - self.num_prompt_tokens >= 3 else 0
        self.draft_token_ids: list[int] = []
        self.draft_gain = 0.0
        self.history_TD: Float32 | None = None
        self.steering = steering
        self.prompt_logprobs: list[TokenLogprob] = []
        self.rng = None if params.is_greedy else generator(params.seed)
        self._uniforms: list[float] = []  # drawn and not used yet
        self.wishes = wishes_of(params)
        self.is_guarded = params.repetition_guard and not params.ignore_eos
        self.is_plain_greedy = params.is_greedy and not steering.processors
        self.is_plain_sampled = not params.is_greedy and not steering.processors
        self.arrived_s = arrived_s
        self._admitted_s: float | None = None
        self._first_token_s: float | None = None
        self._timings = Timings()
        self.num_drafted = 0
        self.num_accepted = 0

    @property
    def num_tokens(self) -> int:
        """Known tokens: prompt and verified answer."""
        return len(self.token_ids)

    @property
    def num_generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.token_ids) - self.num_prompt_tokens

    @property
    def num_uncomputed_tokens(self) -> int:
        """Known tokens without K/V: 1 in decode, more in prefill."""
        return len(self.token_ids) - self.num_computed_tokens

    @property
    def is_decoding(self) -> bool:
        """True when only the newest token is left to compute."""
        return len(self.token_ids) - self.num_computed_tokens == 1

    @property
    def max_useful_drafts(self) -> int:
        """How many drafts the next step could keep: it emits one token more than it accepts."""
        return min(self.num_drafts, self.max_total_tokens - len(self.token_ids) - 1)

    def stop_drafting(self) -> None:
        """Take one token per step from now on."""
        self.num_drafts = 0
        self.draft_token_ids = []
        self.history_TD = None

    @property
    def was_admitted(self) -> bool:
        """True once it has run, even if it was preempted since."""
        return self._admitted_s is not None

    def mark_admitted(self, now_s: float) -> None:
        """Remember the first admission; a later one after preemption changes nothing."""
        if self._admitted_s is None:
            self._admitted_s = now_s - self.arrived_s

    def append(self, token_ids: list[int], now_s: float) -> None:
        """Add verified tokens to the answer."""
        if self._first_token_s is None:
            self._first_token_s = now_s - self.arrived_s
        self.token_ids.extend(token_ids)

    def next_uniforms(self, count: int) -> list[float]:
        """Numbers in [0, 1) for its next tokens; the same ones again until `use_uniforms`. Zeros when
        greedy."""
        if self.rng is None:
            return [0.0] * count
        if count > len(self._uniforms):
            self._uniforms += self.rng.random(count - len(self._uniforms)).tolist()
        return self._uniforms[:count]

    def use_uniforms(self, count: int) -> None:
        """So many tokens were chosen."""
        del self._uniforms[:count]

    @property
    def free_run(self) -> FreeRun | None:
        """What a runner may choose of its next tokens by itself; None = one at most."""
        processors, constraint = self.steering
        if processors:
            return None
        return FREE if constraint is None else constraint.free_run

    def num_followed(self, chosen: list[int]) -> int:
        """How many of the tokens that a runner chose may come."""
        constraint = self.steering.constraint
        return len(chosen) if constraint is None else num_followed(constraint, chosen)

    @property
    def failure(self) -> str | None:
        """Why its answer cannot become what was asked for; None = it can."""
        return self.steering.constraint.failure if self.steering.constraint else None

    def reset(self) -> None:
        """Forget everything computed (preemption); tokens, random state and steering stay."""
        self.num_computed_tokens = 0
        self.draft_token_ids = []
        self.history_TD = None
        self.status = SequenceStatus.WAITING

    def timings(self, finished_at_s: float | None = None) -> Timings:
        """Seconds since arrival so far; `finished_at_s` is a clock reading, None = not finished."""
        known = self._timings
        is_known = known.first_token_s == self._first_token_s and known.num_drafted == self.num_drafted
        if finished_at_s is None and is_known and known.first_token_s is not None:
            return known  # most steps of a stream change nothing here
        finished_s = None if finished_at_s is None else finished_at_s - self.arrived_s
        self._timings = Timings(
            admitted_s=self._admitted_s,
            first_token_s=self._first_token_s,
            finished_s=finished_s,
            num_drafted=self.num_drafted,
            num_accepted=self.num_accepted,
        )
        return self._timings

    def check(self) -> None:
        """Assert the order of the counters, and that only running sequences hold blocks and drafts."""
        counts = (self.num_computed_tokens, self.num_tokens, self.max_total_tokens)
        assert 0 <= counts[0] <= counts[1] <= counts[2], f"{self.request_id}: {counts} not ascending"
        if self.status is not SequenceStatus.RUNNING:
            held = self.full_table.num_blocks + self.sliding_table.num_blocks + len(self.draft_token_ids)
            assert held == 0, f"{self.request_id}: {self.status.value} but holds {held} blocks or drafts"


def stop_token_ids(request: Request) -> frozenset[int]:
    """The ids that end this request; `ignore_eos` drops the checkpoint's, not the caller's own."""
    own = frozenset(request.params.stop_token_ids)
    return own if request.params.ignore_eos else own | request.eos_token_ids


def wishes_of(params: SamplingParams) -> tuple[float, int, float, float]:
    """1 / temperature, 0 = greedy; top-k, 0 = off; top-p; min-p."""
    scale = 0.0 if params.is_greedy else 1.0 / max(params.temperature, MIN_TEMPERATURE)
    return scale, params.top_k, params.top_p, params.min_p


def generator(seed: int | None) -> np.random.Generator:
    """A request's own random numbers: one is drawn per emitted token, and one for each that was refused,
    whatever the batch looks like, so a seed gives the same answer alone, in company, and with or without
    drafting."""
    return np.random.Generator(np.random.Philox(None if seed is None else seed % (1 << 64)))
