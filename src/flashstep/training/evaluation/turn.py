"""What an evaluation asks a model for, and gets: prompts and turns, wherever the model runs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tasks.dialogue import read_turn
from flashstep.types import Message, Tool


class Prompt(NamedTuple):
    """A conversation that waits for an assistant turn. seed, in [0, 2^63): for sampling it."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    seed: int


class Turn(NamedTuple):
    """An assistant turn, and the length of its reasoning; is_whole False: it was cut before its end."""

    message: Message
    reasoning_tokens: int
    is_whole: bool = True

    @classmethod
    def of_tokens(
        cls, token_ids: Sequence[int], tools: Sequence[Tool], tokenizer: Tokenizer, is_whole: bool = True
    ) -> "Turn":
        """The turn that a completion spells, maybe with the id that ended it."""
        message = read_turn(token_ids, tokenizer, tools)
        return cls(message, len(tokenizer.encode_plain(message.reasoning or "")), is_whole)


# A model: prompts in, turns out, in the same order.
Answer = Callable[[Sequence[Prompt]], Sequence[Turn]]
