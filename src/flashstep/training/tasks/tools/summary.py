"""A declared tool in plain words, all of them spelt in one way: "book table, reserve a table"."""

import re

from flashstep.types import Tool

# Of a description this much is repeated.
MOST_WORDS = 12


def summary(tool: Tool) -> str:
    """What its name and its description say."""
    return f"{plain_words(tool.name)}, {gloss(tool)}"


def gloss(tool: Tool) -> str:
    """The first sentence of a tool's description, at most MOST_WORDS words of it."""
    sentence = tool.description.split(". ")[0].rstrip(".")
    return inside_a_sentence(" ".join(sentence.split()[:MOST_WORDS]))


def plain_words(name: str) -> str:
    """ "start_date", "start-date" and "startDate" as people say it: "start date"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub("[_-]", " ", name)).lower()


def inside_a_sentence(text: str) -> str:
    """Without the capital that it has at the beginning ("SQL" keeps it)."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
