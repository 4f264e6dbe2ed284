"""Questions with greetings, thanks and goodbyes around them."""

import random

from flashstep.training.tasks import identity
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_WORDINGS, short_example, small_talk

WORDINGS = (*identity.WORDINGS, *SHORT_WORDINGS)


def generate(rng: random.Random, split: Split) -> Dialogue:
    """A whole small conversation: a greeting, one to three questions, thanks, a goodbye, or some of it."""
    script, subjects = Script(), []
    if rng.random() < 0.5:
        script.example(small_talk(rng, split, "greeting"))
    for _ in range(rng.choice((1, 1, 2, 3))):
        example = short_example(rng, split)
        subjects.append(example.subject)
        script.example(example)
        if rng.random() < 0.15:
            script.example(small_talk(rng, split, "self", "maker", "abilities", "other"))
    if rng.random() < 0.7:
        script.example(small_talk(rng, split, "thanks"))
    if rng.random() < 0.3:
        script.example(small_talk(rng, split, "goodbye"))
    return script.dialogue("talk_manners", subjects)
