"""The end of the reasoning as the engine sees it: forced by a budget, awaited by a grammar.

The template closes reasoning with a marker token between newlines. A tokenizer may merge those
newlines with the text around them, so the marker alone tells the end; what is forced is always
the template's own sequence of ids. Shape letter: V valid ids.
"""

from collections.abc import Iterable

import numpy as np

from flashstep.engine.batch import Float32
from flashstep.engine.constraint import Constraint, FreeRun


class ThinkEnd:
    """A constraint of sequences whose prompt ends inside the reasoning.

    closing_ids: close the reasoning as the template does; `marker_id` is one of them.
    budget: after so many tokens without a marker the closing ids follow; None = never. Those of
        them that the text already ends with are not repeated. The closing ids are not counted.
    behind: takes over behind the closing; then the ids behind the marker are always forced, so
        that it begins where the template's text begins. None = the answer is free.
    held_ids: ends of the turn that may not come before the closing, so that no answer ends without
        what `behind` demands; a model that wants one closes the reasoning instead.
    """

    __slots__ = (
        "_behind", "_closing_ids", "_held_ids", "_is_closed", "_is_refused", "_marker_id", "_num_left",
        "_pending", "_tail",
    )  # fmt: skip

    def __init__(
        self, closing_ids: tuple[int, ...], marker_id: int, budget: int | None,
        behind: Constraint | None = None, held_ids: Iterable[int] = (),
    ) -> None:  # fmt: skip
        assert marker_id in closing_ids, f"marker {marker_id} is none of the closing ids {closing_ids}"
        self._closing_ids = closing_ids
        self._marker_id = marker_id
        self._num_left = budget
        self._behind = behind
        self._held_ids = tuple(sorted(held_ids))
        self._tail: tuple[int, ...] = ()
        self._pending = closing_ids if budget == 0 else ()
        self._is_closed = self._is_refused = False

    @property
    def failure(self) -> str | None:
        """That of the constraint behind."""
        return self._behind.failure if self._behind else None

    @property
    def free_run(self) -> FreeRun | None:
        """Everything up to the marker or the end of the budget; then what the constraint behind expects."""
        if self._pending or self._is_refused:
            return None
        if self._is_closed:
            return self._behind.free_run if self._behind else FreeRun()
        return FreeRun(self._num_left, (self._marker_id, *self._held_ids))

    def allows(self, token_id: int) -> bool:
        """Whether it is the forced id, or none that is held, or what the constraint behind says."""
        if self._pending:
            return token_id == self._pending[0]
        if self._is_closed:
            return self._behind is None or self._behind.allows(token_id)
        return token_id not in self._held_ids

    def refuse(self, token_id: int) -> None:
        """Tell the constraint behind; here the next choice comes alone, for `narrow` to see its row."""
        if self._is_closed and self._behind is not None:
            self._behind.refuse(token_id)
        else:
            self._is_refused = True

    def narrow(self, logits_V: Float32) -> Float32:
        """The row with only the forced id left, or what the constraint behind leaves of it. Where an end of
        the turn is not only drawn but the best choice, the model wants it: the closing begins instead."""
        if self._is_closed and self._behind is not None:
            return self._behind.narrow(logits_V)
        if not self._pending:
            if int(logits_V.argmax()) not in self._held_ids:
                kept_V = logits_V.copy()
                kept_V[list(self._held_ids)] = -np.inf
                return kept_V
            self._close()
        only_V = np.full_like(logits_V, -np.inf)
        only_V[self._pending[0]] = logits_V[self._pending[0]]
        return only_V

    def accept(self, token_id: int) -> None:
        """Follow the text."""
        self._is_refused = False
        if self._is_closed:
            if self._behind is not None:
                self._behind.accept(token_id)
        elif self._pending:
            self._pending = self._pending[1:]
            self._is_closed = not self._pending
        elif token_id == self._marker_id:
            self._pending = () if self._behind is None else self._after_marker
            self._is_closed = not self._pending
        else:
            self._think(token_id)

    @property
    def _after_marker(self) -> tuple[int, ...]:
        return self._closing_ids[self._closing_ids.index(self._marker_id) + 1 :]

    def _think(self, token_id: int) -> None:
        """One more token of reasoning; begins the closing with the last one of the budget."""
        self._tail = (*self._tail, token_id)[-len(self._closing_ids) :]
        if self._num_left is not None:
            self._num_left -= 1
            if self._num_left == 0:
                self._close()

    def _close(self) -> None:
        self._pending = self._closing_ids[self._num_repeated() :]

    def _num_repeated(self) -> int:
        """How many of the ids in front of the marker the text already ends with."""
        before = self._closing_ids[: self._closing_ids.index(self._marker_id)]
        lengths = range(min(len(before), len(self._tail)), 0, -1)
        return next((n for n in lengths if self._tail[-n:] == before[:n]), 0)
