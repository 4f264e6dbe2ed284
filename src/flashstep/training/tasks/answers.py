"""What an answer says: its last number, yes or no, the words of a list that it names."""

import re
from collections.abc import Iterable

_SMALL = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def last_number(text: str) -> str | None:
    """The last number of `text`, decimals without trailing zeros ("3.50" is "3.5", "1,200" is "1200")."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("−", "-"))
    found = re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", plain)
    return trimmed(found[-1]) if found else None


def trimmed(number: str) -> str:
    """A decimal without trailing zeros: "3.50" is "3.5", "4.0" is "4"."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def last_count(text: str) -> str | None:
    """The last number of `text`, in digits or as a word up to twelve."""
    digits = re.sub(rf"\b({'|'.join(_SMALL)})\b", lambda m: str(_SMALL.index(m[1])), text.lower())
    return last_number(digits)


def last_word(text: str) -> str | None:
    """The last word of `text` in lower case; letters on their own in a row ("a, b, c") are one word."""
    runs = re.findall(r"(?:\b[a-z]\b[\s,.\-]*)+|[a-z]+", text.lower())
    return re.sub(r"[^a-z]", "", runs[-1]) if runs else None


def yes_or_no(text: str) -> str | None:
    """ "yes" or "no", whichever word stands first; None when neither does."""
    found = re.search(r"\b(yes|no)\b", text.lower())
    return found[1] if found else None


def named(text: str, words: Iterable[str]) -> list[str]:
    """The ones of `words` in `text`, in order of appearance, without regard to case; a longer one
    hides the shorter one inside it ("mother-in-law" is not "mother")."""
    longest_first = sorted((word.lower() for word in words), key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in longest_first)
    return re.findall(rf"(?<![\w-])(?:{pattern})(?![\w-])", text.lower())
