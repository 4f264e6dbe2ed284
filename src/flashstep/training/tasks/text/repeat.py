"""Saying a given text back, to the letter: words that nobody has seen, names, numbers, addresses.

Say "quiet window K-12".

Short documents that teach nothing but copying, which calls, names and follow-ups all live on.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.tools.parameters import SIMPLE_KINDS, simple_value
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import wrap
from flashstep.training.tasks.words import sample_word, written

WORDINGS = ("repeat", "repeat_end")
_SAID = re.compile(r'Say "(.+)"\.', re.DOTALL)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a text in quotation marks, or for one that ends the message."""
    text = sample_in_split(rng, split, lambda rng: _text(rng, split), str)
    if rng.random() < 0.5:
        asked = wordings("repeat_end", split).choose(rng).format(w=text)
    else:
        mark = rng.choice(('"{}"', '"{}"', "'{}'", "“{}”"))
        asked = wrap(rng, split, wordings("repeat", split).choose(rng).format(w=mark.format(text)))
    return solve(text).example("repeat", asked, text)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer is the text; quotation marks around it are no matter."""
    return answer_text.strip().strip("\"'“”") == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when what is to be said stands in the question and is said."""
    found = _SAID.fullmatch(reasoning)
    return (
        bool(found) and found[1] in question and solve(found[1]).is_reached_by(reasoning, answer_text, verify)
    )


def solve(text: str) -> Solution:
    """The text."""
    return Solution(f'Say "{text}".', text, text)


def _text(rng: random.Random, split: Split) -> str:
    """One to five words, names, codes or numbers."""
    return " ".join(_part(rng, split) for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))


def _part(rng: random.Random, split: Split) -> str:
    if rng.random() < 0.6:
        return written(rng, sample_word(rng, split))
    return str(simple_value(rng, split, rng.choice(SIMPLE_KINDS)))
