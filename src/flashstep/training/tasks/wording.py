"""How people type: politeness around a question, sloppy case and punctuation, quoting styles.

The wrappers are shared by all families, so that they say nothing about the kind of question. Train
and eval use different ones.
"""

import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.words import common_words

_OPENERS: dict[Split, tuple[str, ...]] = {
    "train": (
        "Please tell me: ", "Hi, ", "Hey, ", "Hello! ", "Quick question: ", "Question: ", "Please: ",
        "I have a question. ", "Can you help? ", "Tell me, ", "Okay, ", "Now ", "So, ", "Next: ", "Q: ",
        "Could you help me with this? ", "Hi there! ", "Good morning. ", "One more: ", "Please help. ",
        "I want to know: ", "Let me ask you something. ", "Answer this: ", "Think carefully. ", "Well, ",
    ),
    "eval": (
        "Excuse me, ", "Hey there! ", "Just wondering: ", "A question for you: ", "Be so kind: ",
        "Let us try this one: ", "Good day. ", "Help me out here: ",
    ),
}  # fmt: skip
_WORDY_OPENERS = (
    "My {0} asks: ", "For a {0} quiz: ", "I like {0}. ", "While I {0}: ", "Not about {0}: ", "The {0} said {1}. ",
    "It is {0} today. ", "As {0} as it sounds, ", "Between {0} and {1}, ", "With {0}, ", "About my {0}: ",
)  # fmt: skip
_CLOSERS: dict[Split, tuple[str, ...]] = {
    "train": (
        " Thanks.", " Thanks!", " Thank you.", " Please.", " please", " Please answer.", " Thank you!",
        " Think step by step.", " Be careful.", " Answer briefly.", " I need to know.", " thx", " Any idea?",
        " Just the answer.", " Explain.", " Can you tell me?", " Do you know?", " Let me know.",
    ),
    "eval": (
        " Cheers.", " Many thanks.", " I am curious.", " Take your time.", " Give me the answer.",
        " Help would be nice.",
    ),
}  # fmt: skip
_QUOTES = ("'{}'", '"{}"', "“{}”", "‘{}’", "`{}`")
_QUOTE_WEIGHTS = (4, 5, 1, 1, 1)


def dress(rng: random.Random, split: Split, question: str) -> str:
    """`question` as typed by someone: perhaps with an opener or a closer, in lower case, or without
    its last punctuation mark. The words of the question stay as they are."""
    if rng.random() < 0.08:
        question = question.lower()
    if rng.random() < 0.12:
        question = question.rstrip("?.!")
    return wrap(rng, split, question)


def wrap(rng: random.Random, split: Split, question: str) -> str:
    """`question`, at times with an opener or a closer. Its own text stays as it is, to the letter."""
    draw = rng.random()
    if split == "train" and draw < 0.06:  # words about the question must not be taken for its subject
        return rng.choice(_WORDY_OPENERS).format(*rng.choices(common_words(split), k=2)) + question
    if draw < 0.12:
        return rng.choice(_OPENERS[split]) + question
    if draw < 0.20:
        closer = rng.choice(_CLOSERS[split])
        return question + closer if question[-1:] in "?.!" else f"{question}.{closer}"
    return question


def quoted(rng: random.Random, text: str, plain: float) -> str:
    """`text` bare with probability `plain`, else in one of the common kinds of quotation marks."""
    if rng.random() < plain:
        return text
    return rng.choices(_QUOTES, _QUOTE_WEIGHTS)[0].format(text)
