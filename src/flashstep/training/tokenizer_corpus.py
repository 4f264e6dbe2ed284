"""The texts that the tokenizer is trained on, made of the training mixture.

A model can spell a vocabulary piece only if it has often seen it, so the corpus keeps the vocabulary small:
the frequent words of our conversations stay whole; all others, and so nearly all words to be spelled, are
cut into single letters and frequent pairs. The cut is a digit, which never merges; no two digits stand side
by side.
"""

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from string import ascii_lowercase

from flashstep.chat.template import builtin_template
from flashstep.training.data import document
from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.words import sample_word, written

_CUT = "0"
_NUM_COUNTED, _NUM_PAIRS, _LOOSE_SHARE = 6000, 100, 0.4
# A word is whole when one document in so many has it: it is then seen hundreds of times in training.
_RAREST_WHOLE = 300
_WORD = re.compile(r"(?<![A-Za-z])([\"'“‘`_=/<]?)([A-Za-z]+)")
# What the template prints around declared tools: the literal texts of its macros.
_PRINTED = re.compile(r"'((?:[^'\\]|\\.)*)'")


def tokenizer_corpus(num: int, seed: int = 0) -> Iterator[str]:
    """Yield `num` texts for training the tokenizer, from the train split only."""
    whole, pairs = _frequent_words(seed), _frequent_pairs(seed)
    for index in range(num):
        rng = random.Random(f"{seed}:tokenizer:{index}")
        text = _loose(rng) if rng.random() < _LOOSE_SHARE else dialogue_text(document(seed, index))
        text = re.sub(r"\d+", _CUT, text.replace(LETTER_BREAK, _CUT))
        yield _WORD.sub(partial(_cut, whole=whole, pairs=pairs, rng=rng), text)


def dialogue_text(dialogue: Dialogue) -> str:
    """What a model reads and writes in a dialogue, about as the template renders it."""
    parts = [json.dumps(tool.wire) for tool in dialogue.tools]
    if dialogue.tools:
        parts.append(_tool_preamble())
    for message in dialogue.messages:
        parts += [message.role, message.reasoning or "", message.content]
        for call in message.tool_calls:
            arguments = [f"<parameter={key}>\n{value}\n</parameter>" for key, value in call.arguments.items()]
            parts.append("\n".join([f"<function={call.name}>", *arguments, "</function>"]))
    return "\n".join(part for part in parts if part)


@cache
def _tool_preamble() -> str:
    macro = builtin_template().partition("macro tools_text")[2].partition("endmacro")[0]
    return "".join(_PRINTED.findall(macro)).replace("\\n", "\n")


@cache
def _frequent_words(seed: int) -> frozenset[str]:
    counts: Counter[str] = Counter()
    for index in range(_NUM_COUNTED):
        text = dialogue_text(document(seed, index)).replace(LETTER_BREAK, _CUT)
        counts.update({match[2] for match in _WORD.finditer(text) if len(match[2]) > 1})
    return frozenset(word for word, count in counts.items() if count * _RAREST_WHOLE >= _NUM_COUNTED)


@cache
def _frequent_pairs(seed: int) -> frozenset[str]:
    rng = random.Random(f"{seed}:pairs")
    words = (sample_word(rng, "train") for _ in range(_NUM_COUNTED))
    counts = Counter(a + b for word in words for a, b in itertools.pairwise(word))
    return frozenset(pair for pair, _ in counts.most_common(_NUM_PAIRS))


def _cut(match: re.Match[str], whole: frozenset[str], pairs: frozenset[str], rng: random.Random) -> str:
    before, word = match.groups()
    if word in whole:
        return match[0]
    pieces, start = [], 0
    while start < len(word):
        size = 2 if word[start : start + 2] in pairs and rng.random() < 0.8 else 1
        pieces.append(word[start : start + size])
        start += size
    return _CUT.join([before, *pieces] if before else pieces)


def _loose(rng: random.Random) -> str:
    """Words to spell and single letters, each with a space in front."""
    words = (written(rng, sample_word(rng, "train")) for _ in range(4))
    return "".join(f" {text}" for text in (*words, *rng.choices(ascii_lowercase, k=4)))
