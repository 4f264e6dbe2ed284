"""Long texts of a wanted length with a few lines in them that matter, and the questions about them.

The reasoning quotes what was found from the words on that were looked for: these are copied from the question, and
what stands behind them in the text is the next thing to be written. From the beginning of its line on, the
line would have to be found before anything of it is known.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script


@dataclass(frozen=True, slots=True)
class LookUp:
    """A question about a text. slots: what its wording needs."""

    reasoning: str
    answer: str
    key: str
    subject: str
    slots: dict[str, object]


@dataclass(frozen=True, slots=True)
class Haystack:
    """A long text and what can be asked about it."""

    text: str
    questions: tuple[LookUp, ...]


# The number of tokens of a text. Generators know no tokenizer; evaluation hands its own in.
CountTokens = Callable[[str], int]
# A text of at most, and nearly, so many tokens, with so many questions.
Make = Callable[[random.Random, Split, int, int, CountTokens], Haystack]
Generate = Callable[..., Dialogue]
DEFAULT_TOKENS = 1024
# Left free for the question, which may stand there twice, the words around the text and the answer.
_RESERVED_TOKENS = 120
_LABELS = (
    "Text:",
    "Here is the text:",
    "Read this:",
    "Document:",
    "Input:",
    "The text:",
    "Look at this:",
    "",
)


def estimated_tokens(text: str) -> int:
    """About two characters a token, as in a vocabulary of some thousand entries."""
    return len(text) // 2 + 1


def filler_lines(
    make: Callable[[], str], needles: Sequence[str], num_tokens: int, count_tokens: CountTokens,
    others: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """So many lines of `make` that the whole dialogue has at most, and nearly, `num_tokens`. Needles count
    twice, since the reasoning quotes them; `others` are lines that the text has besides."""
    left = num_tokens - _RESERVED_TOKENS
    left -= sum(count_tokens(line) + 1 for line in (*needles, *needles, *others))
    lines: list[str] = []
    while left > 0:
        line = make()
        left -= count_tokens(line) + 1
        if left >= 0:
            lines.append(line)
    return lines


def from_words(line: str, words: str) -> str:
    """The line from those words on."""
    return line[line.index(words) :]


def scattered(rng: random.Random, lines: Sequence[str], needles: Sequence[str]) -> list[str]:
    """The lines with the needles among them at random depths, the needles in their order."""
    places = sorted(rng.randint(0, len(lines)) for _ in needles)
    whole = list(lines)
    for shift, (place, needle) in enumerate(zip(places, needles, strict=True)):
        whole.insert(place + shift, needle)
    return whole


def asked_one(make: Make, family: str) -> Generate:
    """A generator of dialogues with one question each."""

    def generate(
        rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
        count_tokens: CountTokens = estimated_tokens,
    ) -> Dialogue:  # fmt: skip
        haystack = make(rng, split, 1, num_tokens, count_tokens)
        order = rng.choices(("after", "before", "both"), (7, 2, 1))[0]
        return _dialogue(rng, split, family, haystack.questions[0], _labelled(rng, haystack.text), order)

    return generate


def asked_several(rng: random.Random, split: Split, family: str, haystack: Haystack) -> list[Dialogue]:
    """A dialogue for each question, all of which begin with the text (`training/sharing.py`)."""
    text = _labelled(rng, haystack.text)
    return [_dialogue(rng, split, family, each, text, "after") for each in haystack.questions]


def _labelled(rng: random.Random, text: str) -> str:
    return f"{rng.choice(_LABELS)}\n{text}".strip()


def _dialogue(
    rng: random.Random, split: Split, family: str, asked: LookUp, text: str, order: str
) -> Dialogue:
    """The text with the question behind it, at times before it, or both."""
    question = wordings(family, split).choose(rng).format(**asked.slots)
    before = [question] if order != "after" else []
    after = [question] if order != "before" else []
    script = Script()
    script.user("\n\n".join([*before, text, *after]))
    script.answer(asked.reasoning, asked.answer, Truth(asked.key))
    return script.dialogue(family, [asked.subject])
