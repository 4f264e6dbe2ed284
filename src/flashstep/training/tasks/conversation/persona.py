"""System prompts that give the model a name or a habit, and that it keeps to them."""

import random
import re

from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import (
    SHORT_WORDINGS,
    answers_question,
    short_example,
    small_talk,
    truth_of,
)
from flashstep.training.tasks.system_prompt import system_prompt
from flashstep.training.tasks.tools.judge import says
from flashstep.training.tasks.words import common_words, sample_word

_KINDS = ("persona_name", "persona_begin", "persona_end", "persona_address")
WORDINGS = (
    *_KINDS, "identity_self", "identity_greeting", "identity_other",
    *SHORT_WORDINGS,
)  # fmt: skip
_AMONG_OTHERS_SHARE = 0.4
_TRACE = {
    "persona_begin": 'Begin with "{x}".',
    "persona_end": 'End with "{x}".',
    "persona_address": 'Call the user "{x}".',
}


def generate(rng: random.Random, split: Split) -> Dialogue:
    """A system prompt, then one or two messages to which it matters."""
    kind = rng.choices(_KINDS, (4, 2, 2, 2))[0]
    word = _word(rng, split)
    word = word.capitalize() if kind != "persona_end" else word
    script = Script(_among_others(rng, split, wordings(kind, split).choose(rng).format(x=word)))
    subjects = [word.lower()]
    for _ in range(rng.choice((1, 1, 2))):
        if kind == "persona_name":
            _introduce(rng, split, script, word)
        else:
            subjects.append(_keep_habit(rng, split, script, kind, word))
    return script.dialogue("talk_persona", subjects)


def _among_others(rng: random.Random, split: Split, instruction: str) -> str:
    """The instruction; in training at times between others, which change nothing. The evaluation keeps its
    questions."""
    if split == "eval" or rng.random() > _AMONG_OTHERS_SHARE:
        return instruction
    others = system_prompt(rng, split)
    return rng.choice((f"{instruction} {others}", f"{others} {instruction}", f"{others}\n{instruction}"))


def keeps_habit(truth: Truth, content: str) -> bool:
    """True when the answer is right and has the word, at the beginning or the end where that is wanted."""
    kind, _, word = truth.form.partition(" ")
    content = content.strip()
    if kind == "persona_end":
        content = content.rstrip(".! ")
        rest, is_kept = content.removesuffix(word), content.endswith(word)
    elif kind == "persona_address":  # "There is 1, Anna." as well
        rest, is_kept = re.sub(rf"\b{word}\b", "", content, count=1), says(content, word)
    else:
        rest, is_kept = content.removeprefix(word), content.startswith(word)
    return is_kept and answers_question(truth, rest)


def _introduce(rng: random.Random, split: Split, script: Script, name: str) -> None:
    example = small_talk(rng, split, "self", "greeting", "other")
    opening = {"self": "", "greeting": "Hello! ", "other": "No. "}[example.subject]
    script.user(example.question)
    reasoning = f"{example.reasoning} My name here is {name}."
    script.answer(reasoning, f"{opening}I am {name}.", Truth(name))


def _keep_habit(rng: random.Random, split: Split, script: Script, kind: str, word: str) -> str:
    """A question, its answer with the word at its place; gives the question's subject."""
    example = short_example(rng, split)
    content = {
        "persona_begin": f"{word}! {example.answer}",
        "persona_end": f"{example.answer} {word}",
        "persona_address": f"{word}, {example.answer}",
    }[kind]
    script.user(example.question)
    reasoning = f"{example.reasoning}\n{_TRACE[kind].format(x=word)}"
    script.answer(reasoning, content, truth_of(example, f"{kind} {word}"))
    return example.subject


def _word(rng: random.Random, split: Split) -> str:
    """A word, or a name that nobody has; at least three letters, so that it is no letter of an answer."""
    word = sample_word(rng, split) if rng.random() < 0.4 else rng.choice(common_words(split))
    assert split_of(word) == split
    return word
