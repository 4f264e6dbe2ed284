"""Samples words to count, spell and reverse: real words, invented ones, and random strings.

Every word is 3 to 12 letters a-z and belongs to the wanted split. Invented words are pieces of real
*train* words glued together, or syllables; they teach what letters each vocabulary piece has. So do, in
training, the words that our texts themselves are written with (tools, names, instructions): many are one entry of the
vocabulary, and nobody would ask for their letters otherwise; and all other entries of the vocabulary, alone or glued
together, since the letters of an entry are only known to who has seen them. Random strings over a small alphabet make high letter
counts common, runs of one letter teach to keep count.
"""

import random
import re
from functools import cache
from importlib import resources
from string import ascii_lowercase

from flashstep.training.tasks.base import Split, split_of

MIN_LETTERS, MAX_LETTERS, MAX_LONG_LETTERS = 3, 12, 16

_ONSETS = "b c d f g h j k l m n p r s t v w y z bl br ch cl cr dr fl gr pl pr qu sh sl sp st th tr"
_VOWELS = "a e i o u ai ea ee ie oa oo ou"
_CODAS = "- - - b ck d g l ll m n nd ng nt p r rd rr s ss st t tt x"  # "-" is none
_ENDINGS = "s ed er est ing ly ness less ful able y ment"
_OWN_SHARE, _PIECES_SHARE = 0.2, 0.2


@cache
def common_words(split: Split) -> tuple[str, ...]:
    """The hand-picked English words of one split, in file order."""
    text = resources.files(__package__).joinpath("words.txt").read_text(encoding="ascii")
    return tuple(w for w in text.split() if split_of(w) == split)


@cache
def _words_of_wordings(split: Split) -> tuple[str, ...]:
    """The words that our training questions are worded with."""
    folder = resources.files(__package__) / "questions" / "train"
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".txt"))
    words = {
        word.lower() for text in texts for word in re.findall(r"(?<![{A-Za-z])[A-Za-z]+(?![A-Za-z}])", text)
    }
    fitting = (word for word in words if MIN_LETTERS <= len(word) <= MAX_LETTERS)
    return tuple(sorted(word for word in fitting if split_of(word) == split))


@cache
def _own_words() -> tuple[str, ...]:
    """Words of our own texts, of either split."""
    return tuple(resources.files(__package__).joinpath("own_words.txt").read_text(encoding="ascii").split())


@cache
def _pieces() -> tuple[str, ...]:
    """The entries of the built-in model's vocabulary that are two letters or more and nothing else."""
    return tuple(resources.files(__package__).joinpath("pieces.txt").read_text(encoding="ascii").split())


def sample_word(rng: random.Random, split: Split) -> str:
    """A lower-case word of `split`; about two in five are real."""
    if split == "train" and rng.random() < _OWN_SHARE:
        return _own_word(rng)
    if split == "train" and rng.random() < _PIECES_SHARE:
        return _glued(rng)
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(common_words(split))
    if draw < 0.42:  # most vocabulary pieces that are whole words come from these
        return rng.choice(_words_of_wordings(split))
    make = rng.choices((_spliced, _syllables, _random_letters, _few_letters, _runs), (25, 15, 14, 9, 5))[0]
    while True:
        word = make(rng)
        if MIN_LETTERS <= len(word) <= MAX_LETTERS and split_of(word) == split:
            return word


def sample_long_word(rng: random.Random, split: Split) -> str:
    """An invented word of 13 to 16 letters: two words of whatever kind together."""
    while True:
        word = sample_word(rng, "train") + sample_word(rng, "train")
        if MAX_LETTERS < len(word) <= MAX_LONG_LETTERS and split_of(word) == split:
            return word


def written(rng: random.Random, word: str) -> str:
    """`word` as a person may type it: mostly lower case, at times Capitalised or UPPER."""
    draw = rng.random()
    if draw < (0.55 if word in _own_words() else 0.80):  # names, and what begins a sentence
        return word
    return word.capitalize() if draw < 0.93 else word.upper()


def _own_word(rng: random.Random) -> str:
    """A word of our texts that belongs to training, or becomes one that does by an ending."""
    while True:
        word = rng.choice(_own_words())
        if split_of(word) != "train":
            word += rng.choice(_ENDINGS.split())
        if len(word) <= MAX_LETTERS and split_of(word) == "train":
            return word


def _glued(rng: random.Random) -> str:
    """One to three entries of the vocabulary, together a word of training."""
    while True:
        word = "".join(rng.choices(_pieces(), k=rng.choice((1, 1, 1, 2, 2, 3))))
        if MIN_LETTERS <= len(word) <= MAX_LETTERS and split_of(word) == "train":
            return word


def _spliced(rng: random.Random) -> str:
    words = common_words("train")
    head, tail = rng.choice(words), rng.choice(words)
    if rng.random() < 0.3:
        return head + rng.choice(_ENDINGS.split())
    return head[: rng.randint(2, len(head))] + tail[rng.randint(1, len(tail) - 1) :]


def _syllables(rng: random.Random) -> str:
    parts = (
        rng.choice(_ONSETS.split()) + rng.choice(_VOWELS.split()) + rng.choice(_CODAS.split()).strip("-")
        for _ in range(rng.randint(1, 4))
    )
    return re.sub(r"(.)\1\1+", r"\1\1", "".join(parts))


def _random_letters(rng: random.Random) -> str:
    return "".join(rng.choices(ascii_lowercase, k=rng.randint(MIN_LETTERS, MAX_LETTERS)))


def _few_letters(rng: random.Random) -> str:
    alphabet = rng.sample(ascii_lowercase, rng.randint(2, 5))
    return "".join(rng.choices(alphabet, k=rng.randint(MIN_LETTERS, MAX_LETTERS)))


def _runs(rng: random.Random) -> str:
    return "".join(
        rng.choice(ascii_lowercase) * rng.choice((1, 1, 2, 3, 4, 5)) for _ in range(rng.randint(2, 6))
    )
