"""Spelling a word: each letter with its index, then the letters separated by commas."""

import random
import re
from functools import cache

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import sample_word, written

TRAIN_PHRASINGS = (
    "Spell the word {w}.",
    "Spell {w}.",
    "Spell {w}",
    "spell {w} for me",
    "Spell out {w}.",
    "Spell out the word {w}.",
    "Please spell {w}.",
    "Can you spell {w}?",
    "Could you spell the word {w}?",
    "How do you spell {w}?",
    "How is {w} spelled?",
    "How is the word {w} spelt?",
    "How do I spell {w}?",
    "What are the letters of {w}?",
    "What are the letters in the word {w}?",
    "What letters are in {w}?",
    "Which letters are in the word {w}?",
    "List the letters of {w}.",
    "List the letters in the word {w}.",
    "Give me the letters of {w}.",
    "Give me the spelling of {w}.",
    "Write {w} letter by letter.",
    "Say {w} letter by letter.",
    "Split {w} into letters.",
    "Split the word {w} into its letters.",
    "Separate the letters of {w}.",
    "Tell me how to spell {w}.",
    "Tell me the letters of {w} in order.",
    "{w}: spell it.",
    "What is the spelling of {w}?",
)
EVAL_PHRASINGS = (
    "What's the correct spelling of {w}?",
    "Break {w} up into single letters.",
    "Which letters make up the word {w}?",
    "Show me the word {w} one letter at a time.",
    "Name the letters of {w}, from first to last.",
    "I want to see {w} spelled out.",
    "Would you spell {w}, please?",
    "Enumerate the letters of the word {w}.",
    "Take apart {w} into its letters.",
    "Do you know how {w} is spelled?",
    "Read out the letters in {w}.",
    "Print each letter of {w}.",
)


def letter_line(word: str) -> str:
    """The word as numbered letters: " c1 a2 t3" (with the leading space)."""
    return "".join(f" {c}{index}" for index, c in enumerate(word, 1))


_WORD = "[|the word|the word|the term|the name|the string]"
_ORDER = "[|in order|one by one|one after another|from first to last|separately|please|for me]"
_PATTERNS = (
    f"[Spell|Spell out|Write out|Please spell|Can you spell|Would you spell|I want you to spell|Help me spell|"
    f"Now spell|Try to spell|Could you spell out] {_WORD} {{w}} {_ORDER}.",
    "[List|Give|Give me|Show|Show me|Name|Tell me|Print|Say|Read|Write down|Write|Return|Output|Type] [the letters|"
    f"each letter|all letters|every letter|the single letters|all the letters] [of|in|from] {_WORD} {{w}} {_ORDER}.",
    "[What|Which] [letters|characters] [are in|does one need for|form|are used in|do I need to write] "
    f"{_WORD} {{w}}?",
    f"[Split|Separate|Cut|Divide|Take|Break] {_WORD} {{w}} [into letters|into its letters|letter by letter|"
    "into characters|into separate letters].",
    f"How [do you|do I|does one|would you|can I|should I|do people] [spell|spell out] {_WORD} {{w}}?",
    "[Break|Take|Pull|Chop|Tear|Cut|Split] {w} [up|apart|down] into [letters|single characters|its characters|all its letters|individual letters].",
    "[I want|I'd like|I would like|I need|Let me] [to see|see|to hear|hear|to read] {w} [letter by letter|one letter at a time|spelled|in single letters].",
    "[What's|What is|Give me|Tell me|Show me|I need] the [right|proper|exact|full|usual] spelling of [|the word|the name] {w}[?|.|]",
    "[Which|What] letters [spell|build|form|compose|are needed for|go into] [|the word|the name] {w}?",
    "[Do you know|Can you tell me|Tell me|Show me|Say|Explain] how [|the word|the name] {w} is [spelt|written|spelled out].",
    "[Print|Read out|Recite|Go through|Count off|Show] [each|all|every one of the|the single] [letter|letters|characters] [of|in] {w}.",
)


@cache
def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split; of "train" the hand-written ones come first."""
    return widen(TRAIN_PHRASINGS, _PATTERNS, EVAL_PHRASINGS) if split == "train" else EVAL_PHRASINGS


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the letters of a word."""
    word = sample_word(rng, split)
    phrasing = choose(rng, phrasings(split), len(TRAIN_PHRASINGS if split == "train" else EVAL_PHRASINGS))
    letters = ", ".join(word)
    return Example(
        family="spelling",
        question=dress(rng, split, phrasing.format(w=quoted(rng, written(rng, word), 0.65))),
        reasoning=f"Letters:\n{letter_line(word)}",
        answer=letters,
        key=letters,
        subject=word,
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the longest run of lone letters in the answer is the word, whatever separates them."""
    runs = re.findall(r"(?:\b[a-z]\b[\s,.\-]*)+", answer_text.lower())
    longest = max(runs, key=len, default="")
    return re.findall(r"[a-z]", longest) == example.key.split(", ")
