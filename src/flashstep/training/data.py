"""The training mixture: an endless stream of short conversations, and the tokenizer's corpus.

Document i is a pure function of (seed, split, i), so a run resumes anywhere by passing `start`.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
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
    """Yield `num` texts for training the tokenizer, from the train split only.

    A model can spell a vocabulary piece only if it has often seen it, so the corpus keeps the
    vocabulary small: frequent words of our phrasings stay whole; all others, and so nearly all
    words to be spelled, are cut into single letters and frequent pairs. The cut is a digit, which
    never merges; no two digits stand side by side.
    """
    whole, pairs = _frequent_words(seed), _frequent_pairs(seed)
    for index in range(num):
        rng = random.Random(f"{seed}:tokenizer:{index}")
        text = _conversation(rng) if rng.random() < 0.5 else _loose(rng)
        text = re.sub(r"\d+", _CUT, text.replace(LETTER_BREAK, _CUT))
        yield _WORD.sub(partial(_cut, whole=whole, pairs=pairs, rng=rng), text)


_CUT = "0"
_NUM_WHOLE, _NUM_PAIRS, _NUM_COUNTED = 120, 100, 5000
_WORD = re.compile(r"(?<![A-Za-z])([\"'“‘`]?)([A-Za-z]+)")


def _frequent_words(seed: int) -> frozenset[str]:
    rng = random.Random(f"{seed}:words")
    texts = (_conversation(rng).replace(LETTER_BREAK, _CUT) for _ in range(_NUM_COUNTED))
    counts = Counter(m[2] for text in texts for m in _WORD.finditer(text) if len(m[2]) > 1)
    return frozenset(word for word, _ in counts.most_common(_NUM_WHOLE))


def _frequent_pairs(seed: int) -> frozenset[str]:
    rng = random.Random(f"{seed}:pairs")
    words = (sample_word(rng, "train") for _ in range(_NUM_COUNTED))
    counts = Counter(a + b for word in words for a, b in itertools.pairwise(word))
    return frozenset(pair for pair, _ in counts.most_common(_NUM_PAIRS))


def _cut(match: re.Match[str], whole: frozenset[str], pairs: frozenset[str], rng: random.Random) -> str:
    quote, word = match.groups()
    if word in whole:
        return match[0]
    pieces, start = [], 0
    while start < len(word):
        size = 2 if word[start : start + 2] in pairs and rng.random() < 0.8 else 1
        pieces.append(word[start : start + size])
        start += size
    return _CUT.join([quote, *pieces] if quote else pieces)


def _conversation(rng: random.Random) -> str:
    example = sample_example(rng, "train")
    return f"{example.question}\n{example.reasoning}\n{example.answer}"


def _loose(rng: random.Random) -> str:
    """Words to spell and single letters, each with a space in front."""
    words = (written(rng, sample_word(rng, "train")) for _ in range(4))
    return "".join(f" {text}" for text in (*words, *rng.choices(ascii_lowercase, k=4)))
