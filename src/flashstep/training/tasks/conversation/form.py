"""How an answer is to look: only the number, a sentence, a list, with dashes, in capitals, in words."""

import random
import re
from string import ascii_lowercase

from flashstep.training.tasks.base import LETTER_BREAK, Example, Split, lettered
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.letters import NUMBER_WORDS
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_FAMILIES, answers_question, truth_of

# Which families may be asked to answer in which form.
_FORMS = {
    "number": ("letters", "arithmetic"),
    "sentence": ("letters", "arithmetic"),
    "word": ("letters",),
    "numbered": ("spelling",),
    "bullets": ("spelling",),
    "dashes": ("spelling", "backwards"),
    "upper": ("spelling", "backwards"),
}
_TRACE = {
    "number": "Only the number.",
    "sentence": "As a sentence.",
    "word": "The number in words.",
    "numbered": "As a numbered list.",
    "bullets": "As a list.",
    "dashes": "With dashes.",
    "upper": "In capitals.",
}
WORDINGS = (*(f"form_{form}" for form in _FORMS), "letters", "spelling", "backwards", "add", "subtract")


def generate(rng: random.Random, split: Split) -> Dialogue:
    """A question and a form: in one message, in the system prompt, or asked for after the answer."""
    form = rng.choice(tuple(_FORMS))
    example = SHORT_FAMILIES[rng.choice(_FORMS[form])].generate(rng, split)
    wish = wordings(f"form_{form}", split).choose(rng)
    place = rng.choices(("message", "system", "later"), (6, 2, 2))[0]
    script = Script(wish if place == "system" else "")
    if place == "later":
        script.example(example)
        script.user(wish)
    else:
        script.user(_joined(rng, example.question, wish) if place == "message" else example.question)
    script.answer(f"{example.reasoning}\n{_TRACE[form]}", shaped(example, form), truth_of(example, form))
    return script.dialogue("talk_form", [example.subject])


def shaped(example: Example, form: str) -> str:
    """The answer in that form."""
    match form:
        case "number":
            return example.key
        case "sentence":
            return f"The result is {example.key}." if example.family == "arithmetic" else example.answer
        case "word":
            return NUMBER_WORDS[int(example.key)]
        case "numbered":
            return "\n".join(f"{i}. {c}" for i, c in enumerate(_letters(example.key), 1))
        case "bullets":
            return "\n".join(f"- {c}" for c in _letters(example.key))
        case "dashes":
            return "-".join(_letters(example.key))
    return (
        lettered("".join(_letters(example.key)).upper())
        if example.family == "backwards"
        else example.key.upper()
    )


def has_form(truth: Truth, content: str) -> bool:
    """True when `content` is the right answer in the form wanted."""
    content = content.strip()
    if truth.form == "sentence":
        begins = content[:1].isupper() or content[:1].isdigit()
        is_sentence = content.count(" ") >= 2 and begins and content.endswith(".")
        return is_sentence and answers_question(truth, content)
    if truth.form == "word":
        return not re.search(r"\d", content) and answers_question(truth, content)
    wanted = shaped(Example(truth.family, "", "", "", truth.key, truth.subject), truth.form)
    if truth.form in ("numbered", "bullets"):
        return _lines(content) == _lines(wanted)
    return content == wanted.replace(LETTER_BREAK, "")


def _letters(key: str) -> str:
    """The letters of "c, a, t" and of "tac"."""
    return "".join(c for c in key if c in ascii_lowercase)


def _lines(text: str) -> list[str]:
    """List items without differences that nobody minds: "1) c" and "* c" for "1. c" and "- c"."""
    return [
        re.sub(r"^[*•-]\s*", "- ", re.sub(r"^(\d+)[.)]\s*", r"\1. ", line.strip()))
        for line in text.splitlines()
    ]


def _joined(rng: random.Random, question: str, wish: str) -> str:
    if rng.random() < 0.3:
        return f"{wish} {question}"
    return f"{question} {wish}" if question[-1:] in "?.!" else f"{question}. {wish}"
