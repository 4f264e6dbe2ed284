"""Do two words have the same letters: strike the letters of the first from the second, one by one.

    Anagram:
     tea: t1 e2 a3
     eat: e1 a2 t3
    t: e a
    e: a
    a: -
    So yes.

Words of different lengths end at once ("3 and 4 letters"), a letter that is missing ends the striking
("x: not there").
"""

import random

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import is_asked_about, word_in_question, word_of_line
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
    """True when the words are the question's and the letters are struck rightly."""
    _, first, second, *_ = [*reasoning.split("\n"), "", ""]
    words = word_of_line(first), word_of_line(second)
    if words[0] is None or words[1] is None or not all(is_asked_about(question, word) for word in words):
        return False
    return solve(words[0], words[1]).is_reached_by(reasoning, answer_text, verify)


def solve(word: str, other: str) -> Solution:
    """Whether the words are anagrams."""
    lines = ["Anagram:", spelled(word), spelled(other)]
    steps, is_anagram = _struck(word, other)
    key = "yes" if is_anagram else "no"
    answer = "Yes, they are anagrams." if is_anagram else "No, they are not anagrams."
    return Solution("\n".join([*lines, *steps, f"So {key}."]), answer, key)


def _struck(word: str, other: str) -> tuple[list[str], bool]:
    if len(word) != len(other):
        return [f"{len(word)} and {len(other)} letters"], False
    lines: list[str] = []
    left = other
    for letter in word:
        if letter not in left:
            return [*lines, f"{letter}: not there"], False
        left = left.replace(letter, "", 1)
        lines.append(f"{letter}: {' '.join(left) or '-'}")
    return lines, True


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
