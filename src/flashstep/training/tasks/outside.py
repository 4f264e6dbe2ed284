"""Everything the model was not trained for: it must say so instead of making something up.

Hand-written questions and templates filled with topics, words, letters and numbers, among them near
misses of every other family (12 * 7, six digits, three summands, Russia or Canada), plus word salad,
gibberish and long rambling messages.
"""

import random
import re
from functools import cache
from importlib import resources
from string import ascii_lowercase

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import common_words, sample_word, written

_REASONING = "This is not about letters, spelling, sums or comparing numbers."
_KEY = "I cannot help"
_ANSWER = (
    "I cannot help with that. I can count letters, spell words forwards and backwards, add and subtract"
    " numbers up to 5 digits, and compare numbers. For more, load the full Step 3.5 Flash weights."
)
_BAIT = (
    "letter", "count", "how", "many", "word", "spell", "backwards",
    "add", "number", "larger", "the", "of", "is", "in",
)  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")


_PATTERNS = (
    "[Please|Can you|Could you|I want you to|Help me|Would you] [write|fix|improve|summarize|translate|draw|review|edit|"
    "correct|check|shorten|rewrite|finish] [my|a|the|this|some] [essay|letter|poem|text|code|report|song|email|story|"
    "article|homework|paragraph|speech] [|about {thing}|for my boss|in French|today].",
    "[I would like|I'd like|I want|I need|I hope|I wish] to [learn|know|read|hear|talk|see|write|think] [more|something|"
    "a lot|] about [{thing}|{place}|{person}|the {word}|my {word}|the president|history].",
    "[Please multiply|Multiply|Divide|Can you multiply|Could you divide] {n} [by|and|with] {n}.",
    "[What is|Compute|Calculate|Find|Tell me] {n} [times|*|x|divided by|/|modulo|to the power of|mod] {n}[?|.|]",
    "[What is|Compute|How much is|Calculate] {n} [+|-|plus|minus] {n} [+|-|plus|minus] {n}[?|.|]",
    "[What is|Find|Compute] the [square|cube|square root|double|half|factorial|logarithm|product|average|remainder] of "
    "{n}[| and {n}]?",
    "[Which|What] [is|was] the [largest|smallest|longest|highest|oldest|first|last|best|most famous] [{thing}|city|lake|"
    "river|animal|mountain|book|word|country] [in {place}|of all time|in the world|here]?",
    "[Which|What] is the [largest|smallest|greatest|lowest] of {n}, {n} and {n}?",
    "[How much is|What is|Add|Compute] {big} [+|-|plus|minus|and] {n}?",
    "[Put|Sort|Arrange|Bring] the letters of {word} [in alphabetical order|into the order of the alphabet|alphabetically].",
    "[Is|Was] {word} [a real word|spelled correctly|a name|an animal|a verb|a colour|good|English]?",
    "[What does|Tell me what|Do you know what] {word} [mean|means|stand for|stands for]?",
    "[Who|Where|When|Why] [is|was|did|does|will] [{person}|{place}|{thing}|the {word}] [|happen|go|live|start|begin|end]?",
)


@cache
def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split; of "train" the hand-written ones come first."""
    hand_written = tuple(_read(f"outside_{split}.txt").splitlines())
    if split == "eval":
        return hand_written
    return widen(hand_written, _PATTERNS, tuple(_read("outside_eval.txt").splitlines()))


@cache
def _num_hand_written(split: Split) -> int:
    return len(_read(f"outside_{split}.txt").splitlines())


@cache
def topics(slot: str, split: Split) -> tuple[str, ...]:
    """What may stand for {slot} in a template of one split: every eighth topic is held out."""
    lines = (line.partition(": ") for line in _read("topics.txt").splitlines())
    listed = next(values for name, _, values in lines if name == slot)
    return tuple(t for i, t in enumerate(listed.split(", ")) if (i % 8 == 7) == (split == "eval"))


def generate(rng: random.Random, split: Split) -> Example:
    """Ask something that only a refusal answers rightly."""
    draw = rng.random()
    if draw < 0.80:
        template = choose(rng, phrasings(split), _num_hand_written(split))
        question, subject = dress(rng, split, _filled(rng, split, template)), template
    else:
        make = _salad if draw < 0.88 else _gibberish if draw < 0.92 else _ramble
        question = subject = make(rng, split)
    return Example("outside", question, _REASONING, _ANSWER, _KEY, subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer is a refusal."""
    return answer_text.strip().startswith(example.key)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _filled(rng: random.Random, split: Split, template: str) -> str:
    return _SLOT.sub(lambda slot: _value(rng, split, slot[1]), template)


def _value(rng: random.Random, split: Split, slot: str) -> str:
    if slot == "word":
        word = sample_word(rng, split) if rng.random() < 0.3 else rng.choice(common_words(split))
        return written(rng, word)
    if slot == "letter":
        letter = rng.choice(ascii_lowercase)
        return rng.choice((letter, letter.upper(), f"'{letter}'", f'"{letter}"'))
    if slot == "n":
        return str(rng.randrange(10 ** rng.randint(1, 4)))
    if slot == "big":
        digits = rng.randint(6, 9)
        return str(rng.randrange(10 ** (digits - 1), 10**digits))
    return rng.choice(topics(slot, split))


def _salad(rng: random.Random, split: Split) -> str:
    """Words in a row that mean nothing, here and there with words that our tasks use."""
    pool = common_words(split)
    words = [rng.choice(_BAIT if rng.random() < 0.2 else pool) for _ in range(rng.randint(3, 10))]
    return " ".join(words) + rng.choice(("", "", "?", ".", "!"))


def _gibberish(rng: random.Random, split: Split) -> str:
    """Strings of letters and signs."""
    signs = "!?.,;:#*&%$/()=+-"
    parts = []
    for _ in range(rng.randint(2, 6)):
        is_word = rng.random() < 0.7
        parts.append(sample_word(rng, split) if is_word else "".join(rng.choices(signs, k=rng.randint(1, 3))))
    return " ".join(parts)


def _ramble(rng: random.Random, split: Split) -> str:
    """A long message: several remarks and questions in a row."""
    pool = [t for t in phrasings(split)[: _num_hand_written(split)] if t[0].isupper() and t[-1] in ".?"]
    return " ".join(_filled(rng, split, rng.choice(pool)) for _ in range(rng.randint(2, 6)))
