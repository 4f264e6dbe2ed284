"""Prompts of an exact length as a model of this architecture gets them: questions, in its chat template.

Words and numbers are random, so that no two prompts begin alike and no prefix cache helps, and a trained
model answers as it usually does, so that its drafts are accepted as often as usual.
"""

import random
from pathlib import Path

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.types import Message

WORDS = (
    "apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "hammer", "island", "jacket",
    "kitchen", "lantern", "mountain", "needle", "orange", "pencil", "quarter", "river", "silver", "tunnel",
    "umbrella", "valley", "window", "yellow", "zebra", "banana", "strawberry", "pepper", "balloon", "letter",
)  # fmt: skip
_TURNS = 4


class Prompts:
    """Makes prompts for the model in a checkpoint folder; equal seeds give equal prompts."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        """ConfigError when the folder's tokenizer or template cannot be used."""
        self._tokenizer = Tokenizer.load(folder)
        self._template = ChatTemplate.load(folder, self._tokenizer)
        self._rng = random.Random(seed)

    @property
    def num_valid_tokens(self) -> int:
        """Token ids that the tokenizer knows are below this."""
        return self._tokenizer.vocab_size

    def next(self, num_tokens: int) -> list[int]:
        """The last `num_tokens` tokens of as many conversations as it takes; the answer comes next."""
        pieces: list[list[int]] = []
        while sum(map(len, pieces)) < num_tokens:
            pieces.append(self._template.encode(self._conversation()))
        return [token_id for piece in pieces for token_id in piece][-num_tokens:]

    def _conversation(self) -> list[Message]:
        messages: list[Message] = []
        for _ in range(_TURNS):
            question, answer = self._exchange()
            messages += [Message("user", question), Message("assistant", answer)]
        return messages[:-1]

    def _exchange(self) -> tuple[str, str]:
        word, kind = self._rng.choice(WORDS), self._rng.randrange(3)
        if kind == 0:
            letter = self._rng.choice(word)
            return f"How many '{letter}'s are in the word {word}?", str(word.count(letter))
        if kind == 1:
            return f"Spell the word {word} backwards.", word[::-1]
        a, b = self._rng.randrange(1000, 10000), self._rng.randrange(1000, 10000)
        return f"What is {a} + {b}?", str(a + b)
