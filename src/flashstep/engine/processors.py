"""Everything that steers the choice of one sequence's next token, behind one protocol.

A sequence has its own processors, in the order in which they see a row of logits: penalties,
logit bias, and last what allows only some tokens (thinking budget, grammar). Rows are chosen lazily
and every chosen token becomes output, so a processor only ever moves forward, with drafting too.
Shape letter: V valid ids.
"""

from collections.abc import Iterable
from typing import ClassVar, Protocol

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.penalties import Penalties
from flashstep.engine.think_end import FreeRun, ThinkEnd
from flashstep.types import Request


class LogitsProcessor(Protocol):
    """Changes rows of one sequence's logits, depending on what was said so far."""

    @property
    def failure(self) -> str | None:
        """Why the answer cannot become what was asked for, and only its end is left; None = it can."""
        ...

    @property
    def free_run(self) -> FreeRun | None:
        """What a runner may choose by itself now, each token of which `accept` gets later; None = nothing."""
        ...

    def apply(self, logits_V: Float32) -> Float32:
        """The row to choose from; a new array unless nothing changes. At least one entry is finite.

        Behind the token that ended an answer it may be called once more per draft; what it says
        then is thrown away, but it must not fail.
        """
        ...

    def accept(self, token_id: int) -> None:
        """The token chosen from the row that `apply` returned last, or in a free run."""
        ...


class Grammars(Protocol):
    """Compiles grammars for an engine's vocabulary; see `Request.grammar`."""

    def check(self, grammar: str) -> None:
        """Raise InvalidRequest when `grammar` cannot be enforced. Any thread, before anything runs."""
        ...

    def processor(self, grammar: str, eos_token_ids: frozenset[int]) -> LogitsProcessor:
        """A processor that holds from its first token on; only `eos_token_ids` end the text, and
        only where the grammar may end. `check` has passed."""
        ...


class LogitBias:
    """Adds fixed numbers to the logits of a few tokens."""

    __slots__ = ("_biases", "_ids")
    failure: ClassVar[None] = None
    free_run: ClassVar[None] = None

    def __init__(self, bias: Iterable[tuple[int, float]]) -> None:
        """`bias`: (token id below V, number to add)."""
        pairs = dict(bias)
        self._ids = np.array(list(pairs.keys()), np.int64)
        self._biases = np.array(list(pairs.values()), np.float32)

    def apply(self, logits_V: Float32) -> Float32:
        """Biased logits as a new array."""
        biased_V = logits_V.copy()
        biased_V[self._ids] += self._biases
        return biased_V

    def accept(self, token_id: int) -> None:
        """Nothing to remember."""


def processors_for(
    request: Request, num_valid_tokens: int, grammars: Grammars | None
) -> tuple[LogitsProcessor, ...]:
    """What the wishes of `request` need; empty for a plain request.

    `grammars` None: the engine knows no vocabulary, and requests with a grammar were refused.
    """
    params = request.params
    found: list[LogitsProcessor] = []
    penalties = Penalties.create(params, request.prompt_token_ids, num_valid_tokens)
    if penalties is not None:
        found.append(penalties)
    if params.logit_bias:
        found.append(LogitBias(params.logit_bias))
    grammar: LogitsProcessor | None = None
    if request.grammar is not None and grammars is not None:
        grammar = grammars.processor(request.grammar, request.eos_token_ids)
    budget, marker_id = params.thinking_token_budget, request.think_end_marker_id
    if marker_id is not None and (grammar is not None or budget is not None):
        held_ids = [i for i in request.eos_token_ids if i < num_valid_tokens and grammar is not None]
        found.append(ThinkEnd(request.think_end_token_ids, marker_id, budget, grammar, held_ids))
    elif grammar is not None:
        found.append(grammar)
    return tuple(found)
