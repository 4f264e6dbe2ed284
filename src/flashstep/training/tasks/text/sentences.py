"""Words of a sentence: how many there are, which one stands at a place, which one is the last.

Words:                        Word 3:                   Last word:
The 1 old 2 cat 3 sat 4       The 1 old 2 cat 3         The 1 old 2 cat 3 sat 4
So 4 words.                   So cat.                   So sat.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import last_count, last_word
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.text.letter_texts import ordinal
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import common_words

WORDINGS = ("word_count", "nth_word", "last_word")
_MOST_WORDS = 14
_PATTERNS = (
    "the {0} and the {1} are here", "my {0} has a {1}", "we saw a {0} near the {1} today", "{0} or {1}",
    "the {0} of the {1} is in the {2}", "there is no {0} without a {1}", "this {0} likes {1}", "a {0} is not a {1}",
    "do you have a {0} for my {1}", "I put the {0} into the {1} and then I left", "where is the {0}",
    "please bring the {0} and two of the {1}", "she told us about the {0} and her {1} in the {2}",
    "one {0} costs more than three of these", "they never found the {0} that was under the {1}",
)  # fmt: skip
_QUOTES = ('"{}"', '"{}"', "'{}'", "“{}”")


@dataclass(frozen=True, slots=True)
class Problem:
    """`place` counts from 1; it matters for `nth_word` only."""

    kind: str
    sentence: str
    place: int = 0


def generate(rng: random.Random, split: Split) -> Example:
    """Ask about a sentence of 2 to 14 words, which stands in quotation marks."""
    while True:
        sentence = _sentence(rng, split)
        if split_of(sentence.lower()) == split:
            break
    kind = rng.choices(WORDINGS, (4, 5, 1))[0]
    place = rng.randint(1, len(sentence.split()))
    shown = rng.choice(_QUOTES).format(sentence + rng.choice(("", "", ".")))
    text = wordings(kind, split).choose(rng).format(t=shown, k=ordinal(rng, place), n=place)
    question = dress(rng, split, text)
    typed = sentence if sentence in question else sentence.lower()
    return solve(Problem(kind, typed, place)).example("sentences", question, sentence.lower())


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer's last number is the count, or its last word the word asked for."""
    if example.key.isdigit():
        return last_count(answer_text) == example.key
    return last_word(answer_text) == example.key.lower()


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the words are the question's and numbered in order."""
    heading, words, *_ = [*reasoning.split("\n"), ""]
    typed = " ".join(re.findall(r"[A-Za-z]+", words))
    found = re.fullmatch(r"Words:|Last word:|Word (\d+):", heading)
    if not found or not typed:
        return False
    kind = "nth_word" if found[1] else "word_count" if heading == "Words:" else "last_word"
    end = r"\b" if found[1] else r"[.]?[\"'”]"  # up to the place, or to the end of the quotation
    if not re.search(rf"[\"'“]{re.escape(typed)}{end}", question):
        return False
    place = int(found[1] or 1)
    if not 1 <= place <= len(typed.split()):
        return False
    return solve(Problem(kind, typed, place)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The count or the word."""
    words = problem.sentence.split()
    heading = {"word_count": "Words:", "last_word": "Last word:"}.get(problem.kind, f"Word {problem.place}:")
    words = words[: problem.place] if problem.kind == "nth_word" else words
    line = " ".join(f"{word} {index}" for index, word in enumerate(words, 1))
    key, told = words[-1], f"{words[-1]}."
    if problem.kind == "word_count":
        key, told = str(len(words)), f"{len(words)} words."
    answer = f"It has {told}" if problem.kind == "word_count" else f"It is {told}"
    return Solution(f"{heading}\n{line}\nSo {told}", answer, key)


def _sentence(rng: random.Random, split: Split) -> str:
    pool = common_words(split)
    if rng.random() < 0.35:
        text = " ".join(rng.choices(pool, k=rng.randint(2, _MOST_WORDS - 4)))
    else:
        text = rng.choice(_PATTERNS).format(*rng.choices(pool, k=3))
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text
