"""Do two words have the same letters: as many, and each letter of the first a place of its own in the second.

    Anagram:
     silent: s1 i2 l3 e4 n5 t6
     tinsel: t1 i2 n3 s4 e5 l6
    6=6
     s4 i2 l6 e5 n3 t1
    So yes.

The first letter without a place ends it (" k-"), and so do lengths that differ ("6>5").
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
    """True when the words are the question's, two of them, and every letter has the right place."""
    _, first, second, *_ = [*reasoning.split("\n"), "", ""]
    words = word_of_line(first), word_of_line(second)
    if words[0] is None or words[1] is None or words[0] == words[1]:
        return False
    if not all(is_asked_about(question, word) for word in words):
        return False
    return solve(words[0], words[1]).is_reached_by(reasoning, answer_text, verify)


def solve(word: str, other: str) -> Solution:
    """Whether the words are anagrams."""
    length, other_length = len(word), len(other)
    sign = "<=>"[(length > other_length) - (length < other_length) + 1]
    lines, key = ["Anagram:", spelled(word), spelled(other), f"{length}{sign}{other_length}"], "no"
    if sign == "=":
        places = _places(word, other)
        lines.append("".join(f" {letter}{place}" for letter, place in zip(word, places, strict=False)))
        key = "no" if "-" in places else "yes"
    answer = "Yes, they are anagrams." if key == "yes" else "No, they are not anagrams."
    return Solution("\n".join([*lines, f"So {key}."]), answer, key)


def _places(word: str, other: str) -> list[str]:
    """Where each letter of `word` stands in `other`, no place twice; "-", and an end, for one that has none."""
    left, places = dict(enumerate(other, 1)), []
    for letter in word:
        place = next((place for place, found in left.items() if found == letter), None)
        if place is None:
            return [*places, "-"]
        del left[place]
        places.append(str(place))
    return places


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
