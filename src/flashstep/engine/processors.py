"""Everything that steers the choice of one sequence's next token.

Processors change each row of logits before a token is chosen: penalties, logit bias. A constraint says which
tokens may come (thinking budget, grammar): a token is chosen as if there were none, and only where that one
may not come is there a second choice, among those that may. So most tokens need no mask, several can be
chosen in a row before anybody looks at them, and without filters (top-k, top-p, min-p) the distribution is
that of a choice among the allowed ones from the start. What was accepted becomes output, so nothing here ever
moves back, with drafting neither.
Shape letter: V valid ids.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.constraint import Constraint
from flashstep.engine.penalties import Penalties
from flashstep.engine.think_end import ThinkEnd
from flashstep.types import Request


class LogitsProcessor(Protocol):
    """Changes rows of one sequence's logits, depending on what was said so far."""

    def apply(self, logits_V: Float32) -> Float32:
        """The row to choose from; a new array unless nothing changes. At least one entry is finite."""
        ...

    def accept(self, token_id: int) -> None:
        """The token chosen from the row that `apply` returned last."""
        ...


class Grammars(Protocol):
    """Compiles grammars for an engine's vocabulary; see `Request.grammar`."""

    def check(self, grammar: str) -> None:
        """Raise InvalidRequest when `grammar` cannot be enforced. Any thread, before anything runs."""
        ...

    def constraint(self, grammar: str, eos_token_ids: frozenset[int]) -> Constraint:
        """One that holds from its first token on; only `eos_token_ids` end the text, and only where the
        grammar may end. `check` has passed."""
        ...


class LogitBias:
    """Adds fixed numbers to the logits of a few tokens."""

    __slots__ = ("_biases", "_ids")

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


class Steering(NamedTuple):
    """What steers one sequence: processors, in the order in which they see a row, and a constraint."""

    processors: tuple[LogitsProcessor, ...] = ()
    constraint: Constraint | None = None

    @classmethod
    def of(cls, request: Request, num_valid_tokens: int, grammars: Grammars | None) -> "Steering":
        """What the wishes of `request` need; nothing for a plain request.

        `grammars` None: the engine knows no vocabulary, and requests with a grammar were refused.
        """
        params = request.params
        processors: list[LogitsProcessor] = []
        penalties = Penalties.create(params, request.prompt_token_ids, num_valid_tokens)
        if penalties is not None:
            processors.append(penalties)
        if params.logit_bias:
            processors.append(LogitBias(params.logit_bias))
        return cls(tuple(processors), _constraint(request, num_valid_tokens, grammars))


def _constraint(request: Request, num_valid_tokens: int, grammars: Grammars | None) -> Constraint | None:
    grammar: Constraint | None = None
    if request.grammar is not None and grammars is not None:
        grammar = grammars.constraint(request.grammar, request.eos_token_ids)
    budget, marker_id = request.params.thinking_token_budget, request.think_end_marker_id
    if marker_id is None or (grammar is None and budget is None):
        return grammar
    held_ids = [i for i in request.eos_token_ids if i < num_valid_tokens and grammar is not None]
    return ThinkEnd(request.think_end_token_ids, marker_id, budget, grammar, held_ids)
