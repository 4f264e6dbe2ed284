"""What a task family is: worked examples with a checkable answer, split by construction.

A subject (a word, a pair of numbers) belongs to the eval split when its CRC-32 is divisible by ten,
to the train split otherwise; question wordings come from disjoint lists (`questions.py`). So
nothing asked in evaluation can have been seen in training, whatever the seeds.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "eval"]

# Put between two letters of a training text, it keeps the tokenizer from merging them and is then
# removed: an answer is written letter by letter, as the reasoning line gives it.
LETTER_BREAK = "\ue000"

_FORCED_EVAL = frozenset({"strawberry"})  # the demo question must be a true held-out
_EVAL_ONE_IN = 10


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its reasoning trace and answer. `key` is the bare truth that `verify`
    looks for; `subject` is what the split was decided on. `answer` may hold LETTER_BREAKs."""

    family: str
    question: str
    reasoning: str
    answer: str
    key: str
    subject: str


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of question. `weight` is its share of the training documents; `wordings` names the
    lists that its questions come from; `holds_out_subjects` says whether subjects are split too."""

    generate: Callable[[random.Random, Split], Example]
    verify: Callable[[Example, str], bool]
    weight: float
    wordings: tuple[str, ...]
    holds_out_subjects: bool = True


def lettered(word: str) -> str:
    """`word` with a LETTER_BREAK between its letters."""
    return LETTER_BREAK.join(word)


def split_of(subject: str) -> Split:
    """The split that `subject` belongs to, for ever."""
    if subject in _FORCED_EVAL or zlib.crc32(subject.encode()) % _EVAL_ONE_IN == 0:
        return "eval"
    return "train"


def pair_subject(a: str, b: str) -> str:
    """The subject of an unordered pair: "7 12" for both 12+7 and 7+12."""
    return " ".join(sorted((a, b)))
