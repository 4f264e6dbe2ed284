"""What says which tokens of one sequence may come next, asked about each token that was chosen freely.

Shape letter: V valid ids.
"""

from typing import NamedTuple, Protocol

from flashstep.engine.batch import Float32


class FreeRun(NamedTuple):
    """How far free choices will probably all be allowed, so that several may be made before one looks.

    num_tokens: so many of them; None = any number. end_ids: behind one of these it is another matter.
    """

    num_tokens: int | None = None
    end_ids: tuple[int, ...] = ()


class Constraint(Protocol):
    """Of one token after the other: `allows`; if not, `refuse` and `narrow`; then `accept` of the choice."""

    @property
    def failure(self) -> str | None:
        """Why the answer cannot become what was asked for, and only its end is left; None = it can."""
        ...

    @property
    def free_run(self) -> FreeRun | None:
        """What may be chosen of the next tokens before they are looked at; None = nothing, or one token."""
        ...

    def allows(self, token_id: int) -> bool:
        """Whether the next token may be this one. Behind the token that ended an answer it may be asked once
        more per draft; what it says then is thrown away, but it must not fail."""
        ...

    def refuse(self, token_id: int) -> None:
        """This one was chosen, and may not come. Heard again when the same token is chosen again."""
        ...

    def narrow(self, logits_V: Float32) -> Float32:
        """The row with everything that may not come at minus infinity, as a new array. At least one entry is
        finite."""
        ...

    def accept(self, token_id: int) -> None:
        """The next token is this one, which may come."""
        ...


def num_followed(constraint: Constraint, token_ids: list[int]) -> int:
    """How many of these free choices may come, one behind the other; accepts them, and refuses the next."""
    for number, token_id in enumerate(token_ids):
        if not constraint.allows(token_id):
            constraint.refuse(token_id)
            return number
        constraint.accept(token_id)
    return len(token_ids)
