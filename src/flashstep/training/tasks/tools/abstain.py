"""Tools are declared, but none fits: the request is refused, the question answered without them."""

import random

from flashstep.training.tasks import identity
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_WORDINGS, short_example, small_talk
from flashstep.training.tasks.tools import request, setting, trace
from flashstep.training.tasks.tools.declaration import Declared, declare_some
from flashstep.training.tasks.tools.judge import NO_TOOL

WORDINGS = (
    *request.WORDINGS, *identity.WORDINGS, *SHORT_WORDINGS,
)  # fmt: skip
_TALK_SHARE, _QUESTION_SHARE = 0.08, 0.35


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for what no declared tool does, or something that needs none."""
    missing = declare_some(rng, split, 1, [])[0]
    tools = declare_some(rng, split, rng.choice((1, 2, 2, 3, 4)), [missing])
    return _dialogue(rng, split, missing, tools, setting.system_prompt(rng, split))


def about(rng: random.Random, split: Split, tools: list[Declared], system: str) -> Dialogue:
    """The same with tools that there are."""
    return _dialogue(rng, split, declare_some(rng, split, 1, tools)[0], tools, system)


def _dialogue(
    rng: random.Random, split: Split, missing: Declared, tools: list[Declared], system: str
) -> Dialogue:
    script = Script(system)
    draw = rng.random()
    if draw < _TALK_SHARE:
        script.example(small_talk(rng, split, "greeting", "thanks", "self", "abilities"))
    elif draw < _TALK_SHARE + _QUESTION_SHARE:
        script.example(short_example(rng, split))
    else:
        wish = request.make_request(rng, split, missing)
        text, said = request.asked_with_manners(rng, split, wish, [missing, *tools])
        script.user(text)
        reasoning = "\n".join(trace.refusal_lines(said, tools))
        purpose = f"{'to' if said.task == wish.task else 'for'} {said.task}"
        script.answer(reasoning, f"I have {NO_TOOL} {purpose}.", Truth(NO_TOOL))
    return setting.staged(rng, script, "tool_abstain", tools)
