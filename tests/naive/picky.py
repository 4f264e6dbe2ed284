"""A constraint that refuses every eleventh token or so, which one depends on the place, and expects none to
be refused: so what several passes chose is thrown away again and again."""

import numpy as np

from flashstep.engine.constraint import FreeRun


def may_come(token_id: int, place: int) -> bool:
    """Whether token `place` of an answer may be this one."""
    return (7 * token_id + 3 * place) % 11 > 0


class Picky:
    """The constraint, and the `Grammars` that makes it of any text."""

    failure = None

    def __init__(self):
        self.place, self.free_run = 0, FreeRun()

    def check(self, grammar):
        """Any will do."""

    def constraint(self, grammar, eos_token_ids):
        return Picky()

    def allows(self, token_id):
        return may_come(token_id, self.place)

    def refuse(self, token_id):
        self.free_run = None

    def narrow(self, logits_V):
        return np.where([self.allows(i) for i in range(len(logits_V))], logits_V, np.float32(-np.inf))

    def accept(self, token_id):
        self.place, self.free_run = self.place + 1, FreeRun()
