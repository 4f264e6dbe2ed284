"""Holds an answer to a grammar: which tokens may come next, token by token.

Grammars are Lark in llguidance's dialect (`Request.grammar`). Compiling is done once per text and
kept; a sequence works on a copy. Exactly those tokens are allowed with which the text can still
become one of the grammar, and the end-of-turn ids where it may end; an answer that `max_tokens`
cuts short ends with "length" in the middle of its grammar. Shape letter: V valid ids.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

import llguidance
import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.constraint import FreeRun
from flashstep.engine.grammar_vocabulary import GrammarVocabulary
from flashstep.errors import InvalidRequest

logger = logging.getLogger(__name__)

# Compiled grammars that are kept, and characters of their texts: one takes from some kilobytes to a few
# megabytes, and more where its text does.
MAX_CACHED = 64
MAX_CACHED_CHARS = 4 << 20
# Bounds of a mask: an object with thousands of optional members needs so many items, and a mask takes a tenth
# of a second then. Asking about one token has none; it reads a handful of bytes.
# Errors in full would have the answer and the schema in them, which logs must not.
_PARSER_LIMITS = llguidance.LLParserLimits(
    max_items_in_row=50_000, step_max_items=500_000, verbose_errors=False
)
# llguidance gives a grammar new means (lexer states and steps) only with a mask, and all copies share them;
# so one is made at the beginning and behind so many tokens, whether it is wanted or not.
_TOKENS_PER_MASK = 64
_MAX_REASON = 200  # characters
# For every byte of a mask what its eight logits may at most be, lowest bit first.
_LIMITS = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little") > 0, np.inf, -np.inf
).astype(np.float32)


class CompiledGrammars:
    """The grammars of one engine, compiled for its vocabulary. Thread-safe. `num_compiled` counts;
    `num_cached_chars` are in the texts of those that are kept."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self.vocabulary = vocabulary
        self.num_compiled = 0
        self.num_cached_chars = 0
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, llguidance.LLMatcher] = OrderedDict()

    @property
    def num_cached(self) -> int:
        """Compiled grammars that are kept, at most MAX_CACHED."""
        return len(self._cache)

    def check(self, grammar: str) -> None:
        """Compile `grammar` and keep it. InvalidRequest with the compiler's reason when it cannot be."""
        self._matcher(grammar)

    def constraint(self, grammar: str, eos_token_ids: frozenset[int]) -> "GrammarConstraint":
        """One that holds from its first token on; InvalidRequest as from `check`.

        eos_token_ids: what ends the text where the grammar may end; empty = the vocabulary's.
        """
        vocabulary = self.vocabulary
        end_ids = frozenset(i for i in eos_token_ids if i < vocabulary.size) or frozenset(vocabulary.eos_ids)
        matcher = self._matcher(grammar)
        return GrammarConstraint(
            matcher.deep_copy(), vocabulary, end_ids, lambda: self._forget(grammar, matcher)
        )

    def _forget(self, grammar: str, matcher: llguidance.LLMatcher) -> None:
        """An error is shared by all copies of a matcher: whoever comes next compiles the grammar anew."""
        with self._lock:
            if self._cache.get(grammar) is matcher:
                del self._cache[grammar]
                self.num_cached_chars -= len(grammar)

    def _matcher(self, grammar: str) -> llguidance.LLMatcher:
        with self._lock:
            matcher = self._cache.get(grammar)
            if matcher is not None:
                self._cache.move_to_end(grammar)
                return matcher
        # Outside the lock: a big schema takes a while, and others need not wait for it.
        matcher = llguidance.LLMatcher(self.vocabulary.tokenizer, grammar, log_level=0, limits=_PARSER_LIMITS)
        if matcher.is_error():
            reason = _first_line(matcher.get_error())
            raise InvalidRequest(f"the answer's grammar cannot be compiled: {reason}", code="invalid_grammar")
        with self._lock:
            self.num_compiled += 1
            self._keep(grammar, matcher)
        return matcher

    def _keep(self, grammar: str, matcher: llguidance.LLMatcher) -> None:
        if grammar not in self._cache:  # somebody else may have been quicker
            self._cache[grammar] = matcher
            self.num_cached_chars += len(grammar)
        # The newest stays whatever its size: it was compiled to be used.
        while len(self._cache) > MAX_CACHED or (
            len(self._cache) > 1 and self.num_cached_chars > MAX_CACHED_CHARS
        ):
            self.num_cached_chars -= len(self._cache.popitem(last=False)[0])


class GrammarConstraint:
    """The `Constraint` of one sequence, from the first token of its grammar on.

    As many tokens as were right in a row so far are expected to be right next, so tokens that are thrown away
    never outnumber those that are kept, and a model that knows what is asked of it is soon left alone.
    """

    __slots__ = (
        "_bits_W", "_bits_address", "_end_ids", "_forget", "_is_over", "_matcher", "_num_right",
        "_num_until_mask", "_vocabulary", "failure",
    )  # fmt: skip

    def __init__(
        self, matcher: llguidance.LLMatcher, vocabulary: GrammarVocabulary, end_ids: frozenset[int],
        forget: Callable[[], None],
    ) -> None:  # fmt: skip
        """`matcher` at its beginning, for this sequence alone. `end_ids` end the text. forget: called when
        the matcher fails."""
        self._matcher, self._forget = matcher, forget
        self._vocabulary = vocabulary
        self._end_ids = sorted(end_ids)
        self._bits_W = np.zeros(-(-vocabulary.size // 32), np.int32)
        self._bits_address = self._bits_W.ctypes.data  # asking for it takes as long as a small mask
        self._is_over = False
        self._num_right = 0  # tokens since the last one that was refused
        self.failure: str | None = None
        self._fill_mask()

    @property
    def free_run(self) -> FreeRun | None:
        """As many as were right without a break; to the end of the turn."""
        return FreeRun(self._num_right, tuple(self._end_ids)) if self._num_right > 1 else None

    def allows(self, token_id: int) -> bool:
        """Whether the text can still become one of the grammar, or, at an end of the turn, is one."""
        if self._is_over or token_id in self._end_ids:
            return token_id in self._end_ids and (self._is_over or self._matcher.is_accepting())
        if token_id in self._vocabulary.eos_ids:
            return False
        return self._matcher.validate_tokens([token_id]) == 1

    def refuse(self, token_id: int) -> None:
        """Expect no more of the next token than of the first one."""
        self._num_right = -1

    def narrow(self, logits_V: Float32) -> Float32:
        """The row with everything forbidden at minus infinity, as a new array."""
        if not self._is_over:
            self._fill_mask()
        if self._is_over:
            ended_V = np.full_like(logits_V, -np.inf)
            ended_V[self._end_ids] = logits_V[self._end_ids]
            return ended_V
        # A byte of the mask picks eight limits: quicker than any way over booleans.
        limits_V = _LIMITS.take(self._bits_W.view(np.uint8), axis=0).reshape(-1)[: len(logits_V)]
        own_ids = self._vocabulary.eos_ids
        if own_ids != self._end_ids:
            limit = limits_V[own_ids[0]]
            limits_V[own_ids] = -np.inf
            limits_V[self._end_ids] = limit
        return np.minimum(logits_V, limits_V)

    def accept(self, token_id: int) -> None:
        """Follow the text; behind the end of a turn only further ends may come."""
        self._num_right += 1
        if self._is_over:
            return
        if token_id in self._end_ids:
            self._is_over = True
        elif not self._matcher.consume_token(token_id):
            self._give_up()
        else:
            self._num_until_mask -= 1
            if self._num_until_mask == 0:
                self._fill_mask()

    def _fill_mask(self) -> None:
        self._num_until_mask = _TOKENS_PER_MASK
        self._matcher.unsafe_compute_mask_ptr(self._bits_address, self._bits_W.nbytes)
        if self._matcher.is_error() or not self._bits_W.any():
            self._give_up()

    def _give_up(self) -> None:
        """The matcher hit one of its limits, or the vocabulary lacks a byte: only the end is left."""
        reason = _first_line(self._matcher.get_error()) or "no token of the vocabulary fits"
        self.failure = f"the answer's grammar could not be followed to its end: {reason}"
        logger.error("%s", self.failure)
        self._is_over = True
        if self._matcher.is_error():
            self._forget()


def _first_line(error: str) -> str:
    return error.strip().partition("\n")[0].partition("<")[0].strip()[:_MAX_REASON]
