"""Long texts of a wanted length with a few lines in them that matter, and the question about them."""

import random
from collections.abc import Callable, Sequence

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script

# The number of tokens of a text. Generators know no tokenizer; evaluation hands its own in.
CountTokens = Callable[[str], int]
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
    make: Callable[[], str], needles: Sequence[str], num_tokens: int, count_tokens: CountTokens
) -> list[str]:
    """So many lines of `make` that the whole dialogue has at most, and nearly, `num_tokens`. Needles count
    twice: the reasoning quotes them."""
    left = num_tokens - _RESERVED_TOKENS - 2 * sum(count_tokens(needle) + 1 for needle in needles)
    lines: list[str] = []
    while left > 0:
        line = make()
        left -= count_tokens(line) + 1
        if left >= 0:
            lines.append(line)
    return lines


def scattered(rng: random.Random, lines: Sequence[str], needles: Sequence[str]) -> list[str]:
    """The lines with the needles among them at random depths, the needles in their order."""
    places = sorted(rng.randint(0, len(lines)) for _ in needles)
    whole = list(lines)
    for shift, (place, needle) in enumerate(zip(places, needles, strict=True)):
        whole.insert(place + shift, needle)
    return whole


def asked_about(
    rng: random.Random, split: Split, family: str, text: str, *, reasoning: str, answer: str, key: str,
    subject: str, **slots: object,
) -> Dialogue:  # fmt: skip
    """The dialogue: the text with the question behind it, at times before it, or both."""
    question = wordings(family, split).choose(rng).format(**slots)
    text = f"{rng.choice(_LABELS)}\n{text}".strip()
    order = rng.choices(("after", "before", "both"), (7, 2, 1))[0]
    before = [question] if order != "after" else []
    after = [question] if order != "before" else []
    script = Script()
    script.user("\n\n".join([*before, text, *after]))
    script.answer(reasoning, answer, Truth(key))
    return script.dialogue(family, [subject])
