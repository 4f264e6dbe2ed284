"""`thinking` of a Messages request: whether thinking is shown, and after how many tokens it is closed.

The model always thinks, and being asked not to is no error: agents switch thinking off for their small
background calls. Thinking that nobody asked for stays out of the answer, because readers of
`content[0].text` do not expect a block in front of it. Form: Anthropic's ThinkingConfigParam.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from flashstep.server.validation import Integer

Display = Literal["summarized", "omitted", "hidden"]


class ThinkingWish(BaseModel):
    """`type` "disabled" asks for none; all others ("enabled", "adaptive", none, ...) ask to see it.
    `budget_tokens`: reasoning is closed after so many."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: str | None = None
    budget_tokens: Integer | None = Field(default=None, ge=0)
    display: str | None = None

    @property
    def is_disabled(self) -> bool:
        """The model is not to think."""
        return self.type == "disabled"

    def token_budget(self, if_disabled: int) -> int | None:
        """Tokens of reasoning after which it is closed; None = unbounded."""
        return if_disabled if self.is_disabled else self.budget_tokens


def display_of(wish: ThinkingWish | None) -> Display:
    """What becomes of the thinking: a block with its text, a block without, or no block."""
    if wish is None or wish.is_disabled:
        return "hidden"
    return "omitted" if wish.display == "omitted" else "summarized"


def warnings_of(wish: ThinkingWish | None) -> tuple[str, ...]:
    """ASCII sentences about what is taken but changes less than its name says."""
    if wish is None:
        return ("no thinking was asked for: it is kept short and left out of the answer",)
    if not wish.is_disabled:
        return ()
    return ("this model always thinks: its reasoning is kept short and left out of the answer",)
