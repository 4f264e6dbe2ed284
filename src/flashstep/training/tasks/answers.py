"""What an answer says: its last number, yes or no, the words of a list that it names."""

import re
from collections.abc import Iterable


def last_number(text: str) -> str | None:
    """The last number of `text`, decimals without trailing zeros ("3.50" is "3.5", "1,200" is "1200")."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("−", "-"))
    found = re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", plain)
    return trimmed(found[-1]) if found else None


def trimmed(number: str) -> str:
    """A decimal without trailing zeros: "3.50" is "3.5", "4.0" is "4"."""
    return number.rstrip("0").rstrip(".") if "." in number else number


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
