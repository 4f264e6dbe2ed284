"""Do two words have the same letters: those of each stretch of the alphabet, as they come and sorted, of both.

    Anagram:
     kitten: k1 i2 t3 t4 e5 n6
     tinted: t1 i2 n3 t4 e5 d6
    a-e: e, e; e d, d e
    So no.

The first stretch in which they differ ends it.
"""

import random

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import is_asked_about, word_in_question, word_of_line
from flashstep.training.tasks.text.sorted_letters import STRETCHES, part_of, told
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word

_MOST_LETTERS = 8


def generate(rng: random.Random, split: Split) -> Example:
    """Ask about a shuffled word, at times with one letter changed, added or left out."""
    while True:
        word = sample_word(rng, split)
        other = _partner(rng, word)
        if len(word) <= _MOST_LETTERS and word != other and split_of(f"{word} {other}") == split:
            break
    wording = wordings("anagram", split).choose(rng)
    question = wording.format(v=word_in_question(rng, word), w=word_in_question(rng, other))
    return solve(word, other).example("anagram", dress(rng, split, question), f"{word} {other}")


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer begins with the right one of yes and no."""
    return yes_or_no(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the words are the question's and every stretch is gathered and sorted."""
    _, first, second, *_ = [*reasoning.split("\n"), "", ""]
    words = word_of_line(first), word_of_line(second)
    if words[0] is None or words[1] is None or not all(is_asked_about(question, word) for word in words):
        return False
    return solve(words[0], words[1]).is_reached_by(reasoning, answer_text, verify)


def solve(word: str, other: str) -> Solution:
    """Whether the words are anagrams."""
    lines, key = ["Anagram:", spelled(word), spelled(other)], "yes"
    for stretch in STRETCHES:
        parts = [part_of(each, stretch) for each in (word, other)]
        lines.append(f"{'-'.join(stretch)}: {told(parts[0])}; {told(parts[1])}")
        if sorted(parts[0]) != sorted(parts[1]):
            key = "no"
            break
    answer = "Yes, they are anagrams." if key == "yes" else "No, they are not anagrams."
    return Solution("\n".join([*lines, f"So {key}."]), answer, key)


def _partner(rng: random.Random, word: str) -> str:
    letters, draw = list(word), rng.random()
    if draw < 0.4:  # one letter is another one
        letters[rng.randrange(len(letters))] = rng.choice("aeiourstlnmdp")
    elif draw < 0.46:
        letters.append(rng.choice(word))
    elif draw < 0.5:
        letters.pop()
    rng.shuffle(letters)
    return "".join(letters)
