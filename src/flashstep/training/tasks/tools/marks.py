"""Marks behind words that are asked for, wherever they come: "book+ the table*", "- book+ table*, reserve a table*".

"+" stands behind what is to be done and "*" behind with what; "#" behind a thing that is named without a verb.
Whole words count, one or several of them.
"""

import re
from collections.abc import Mapping
from functools import cache

# Words of a request and the mark behind each.
Marks = Mapping[str, str]

_WORD = re.compile(r"(?<![\w'-])[A-Za-z]{2,}(?![\w'-])")
_PUNCTUATION = ".,;:!?()[]"
# An apostrophe between letters ends nothing.
_IN_QUOTES = re.compile(
    r"(?<!\w)(?:\"[^\"]*\"|'(?:[^']|(?<=\w)'(?=\w))*')(?!\w)|“[^”]*”|‘(?:[^’]|(?<=\w)’(?=\w))*’"
)
# Words that any request has, whatever it is about.
_COMMON = (
    "a about again all already am an and any anyone anything are as at away back be been by can could did "
    "do does down for from going had has have he her here him his how i if in into is it its let like "
    "many may me more much my need new no not now of off on one or our out over please she should so some "
    "someone something somewhere than that the their them then there these they this those through to too "
    "up us want was we were what when where which who whom whose why will with would you your"
)
# A request that begins with one of these says what is to be done.
_VERBS = (
    "add answer arrange ask assign block book build buy calculate call cancel change charge check clear "
    "close complete compose compute convert count create delete deploy download draw email enter erase "
    "exchange explain fetch file find fly follow forward generate get give hear hold invite keep launch "
    "list listen locate lock log look mail make mark measure message move notify open order pause pay "
    "pick place plan play post prepare print pull push put query raise read reboot recommend record "
    "register remember remind remove rename rent reply report request reserve reset resolve restart "
    "restore return ring roll run save scan schedule search see sell send set share ship shoot show shut "
    "sign solve start stop submit suggest sum switch take tell text throw track transfer translate turn "
    "unlock update write"
)


def marked(text: str, marks: Marks) -> str:
    """The text with its marks."""
    for words, mark in marks.items():
        text = _whole(words).sub(lambda found, mark=mark: found[0] + mark, text)
    return text


def has_words(text: str, words: str) -> bool:
    """True when `text` has the words next to each other."""
    return _whole(words).search(text) is not None


def content_words(text: str) -> str:
    """The words of a request that say anything, in their order, each once: "could you book me a flight to Rome
    at 9?" has "book flight Rome". What stands in quotation marks is none of it, nor are numbers, addresses, files."""
    common, kept = _words_of(_COMMON), list[str]()
    words = (word.strip(_PUNCTUATION) for word in _IN_QUOTES.sub(" ", text).split())
    for word in filter(_WORD.fullmatch, words):
        is_new = not any(_whole(other).fullmatch(word) or _whole(word).fullmatch(other) for other in kept)
        if word.lower() not in common and is_new:
            kept.append(word)
    return " ".join(kept)


def marks_of_words(task: str) -> dict[str, str]:
    """Every word of `task` that says what it is about, each with a mark of its own: "book me a flight" has "book"
    and "flight"."""
    common, verbs = _words_of(_COMMON), _words_of(_VERBS)
    words = [word for word in dict.fromkeys(_WORD.findall(task)) if word.lower() not in common]
    if not words or not task.startswith(words[0]) or words[0].lower() not in verbs:
        return dict.fromkeys(words, "#")
    return {words[0]: "+", **dict.fromkeys(words[1:], "*")}


@cache
def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _whole(words: str) -> re.Pattern[str]:
    """One and many are the same thing: "order", "orders"."""
    is_plural = len(words) > 4 and words.endswith("s") and not words.endswith("ss")
    return re.compile(rf"\b{re.escape(words[:-1] if is_plural else words)}s?\b", re.IGNORECASE)
