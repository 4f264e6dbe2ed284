"""A shifted text: one word is moved back through the alphabet until it is a word, which gives the table for all."""

from string import ascii_uppercase

from flashstep.training.tasks.base import LETTER_BREAK, lettered
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.text.letter_texts import spaced

_TRIED_LETTERS = 4


def solve(entry: Entry) -> Solved:
    """Try the beginning of the first word of four letters or more, then exchange letter for letter:

    Try:
     V J G A
     U I F Z
     T H E Y
    Table: VT WU XV ... (all 26)
     VT JH GE AY
     ...

    A text with letters outside A to Z cannot be recovered and is not solved (one in 300).
    """
    cipher, clear = entry["metadata"]["cipher_text"].split(), entry["metadata"]["clear_text"].split()
    if not "".join(clear).isascii():
        raise TooLong("the cipher loses a letter")
    rotation = entry["metadata"]["rotation"]
    tried = next((word for word in cipher if len(word) >= _TRIED_LETTERS), cipher[0])[:_TRIED_LETTERS]
    trials = [spaced(_moved(tried, -by)) for by in range(rotation + 1)]
    keys = [_moved(tried[0], by) for by in range(len(ascii_uppercase))]
    table = " ".join(_pair(key, _moved(key, -rotation)) for key in keys)
    lines = [" " + " ".join(map(_pair, *words)) for words in zip(cipher, clear, strict=True)]
    reasoning = "\n".join(["Try:", *trials, f"Table: {table}", *lines])
    return Solved(reasoning, " ".join(map(lettered, clear)))


def _moved(letters: str, by: int) -> str:
    return "".join(ascii_uppercase[(ascii_uppercase.index(c) + by) % 26] for c in letters)


def _pair(key: str, letter: str) -> str:
    """Two tokens: the letter of the cipher with the blank before it, the clear one without."""
    return f"{key}{LETTER_BREAK}{letter}"
