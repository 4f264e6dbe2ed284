"""The training mixture: an endless stream of short conversations, and the tokenizer's corpus.

Document i is a pure function of (seed, split, i), so a run resumes anywhere by passing `start`.
"""

import itertools
import random
import re
from collections.abc import Iterator
from string import ascii_lowercase

from flashstep.training.tasks.base import LETTER_BREAK, Example, Split
from flashstep.training.tasks.registry import FAMILIES
from flashstep.training.tasks.words import sample_word, written
from flashstep.types import Message

_SYSTEM_SHARE, _TWO_TURN_SHARE = 0.05, 0.03
_SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are helpful, precise and brief.",
    "Answer the user's questions.",
    "You are an assistant.",
    "Be concise.",
    "You are a careful assistant. Think before you answer.",
)


def documents(seed: int, split: Split = "train", start: int = 0) -> Iterator[list[Message]]:
    """Yield documents `start`, `start` + 1, ... without end."""
    return (document(seed, index, split) for index in itertools.count(start))


def document(seed: int, index: int, split: Split = "train") -> list[Message]:
    """Conversation number `index`: a question and its answer with reasoning, rarely two of them,
    rarely with a system prompt in front."""
    rng = random.Random(f"{seed}:{split}:{index}")
    messages = []
    if rng.random() < _SYSTEM_SHARE:
        messages.append(Message("system", rng.choice(_SYSTEM_PROMPTS)))
    for _ in range(2 if rng.random() < _TWO_TURN_SHARE else 1):
        example = sample_example(rng, split)
        messages.append(Message("user", example.question))
        messages.append(Message("assistant", example.answer, reasoning=example.reasoning))
    return messages


def sample_example(rng: random.Random, split: Split) -> Example:
    """One example of a family drawn by the mixture weights."""
    weights = [family.weight for family in FAMILIES.values()]
    family = rng.choices(list(FAMILIES.values()), weights)[0]
    return family.generate(rng, split)


def tokenizer_corpus(num: int, seed: int = 0) -> Iterator[str]:
    """Yield `num` texts for training the tokenizer, from the train split only. No two digits
    stand side by side, so none merge; loose letters and words of all kinds teach short pieces for any
    letter string."""
    for index in range(num):
        rng = random.Random(f"{seed}:tokenizer:{index}")
        kind = rng.choices((_conversation, _word_list, _letter_list), (0.6, 0.3, 0.1))[0]
        yield re.sub(r"\d+", "0", kind(rng)).replace(LETTER_BREAK, "")


def _conversation(rng: random.Random) -> str:
    example = sample_example(rng, "train")
    return f"{example.question}\n{example.reasoning}\n{example.answer}"


def _word_list(rng: random.Random) -> str:
    words = (written(rng, sample_word(rng, "train")) for _ in range(8))
    return "".join(rng.choice((" ", " ", "\n", ' "', " '")) + word for word in words)


def _letter_list(rng: random.Random) -> str:
    return "".join(f" {letter}" for letter in rng.choices(ascii_lowercase, k=16))
