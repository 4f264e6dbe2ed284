"""The training mixture: an endless stream of conversations.

Document i is a pure function of (seed, split, mixture, i), so a run resumes anywhere by passing `start`.
"""

import itertools
import random
from collections.abc import Callable, Iterator

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.conversation import application
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.gym.dialogues import gym_set
from flashstep.training.tasks.long_context.families import about_one_text, long_set
from flashstep.training.tasks.long_context.haystack import CountTokens
from flashstep.training.tasks.mixture import get_mixture
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools.tool_set import TOOL_SETS

_SYSTEM_SHARE, _TWO_TURN_SHARE = 0.05, 0.04
# What a mixture may have besides families: conversations that begin alike, with the same instructions, tools,
# text or task.
SETS: dict[str, Callable[[random.Random, Split, int], list[Dialogue]]] = {
    **TOOL_SETS, "applications": application.generate_set, "long_texts": long_set, "gym": gym_set,
}  # fmt: skip
_SET_SIZE = 4
_SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are helpful, precise and brief.",
    "Answer the user's questions.",
    "You are an assistant.",
    "Be concise.",
    "You are a careful assistant. Think before you answer.",
)


def documents(seed: int, split: Split = "train", start: int = 0) -> Iterator[Dialogue]:
    """Yield documents `start`, `start` + 1, ... without end."""
    return (document(seed, index, split) for index in itertools.count(start))


def long_dialogues(
    seed: int, index: int, lengths: tuple[int, int], count_tokens: CountTokens, split: Split = "train"
) -> list[Dialogue]:
    """Number `index` of the look-ups in long texts: several questions about one text. How many tokens the
    text and a question have at most is drawn between the two lengths, evenly on a logarithmic scale."""
    rng = random.Random(f"{seed}:long:{split}:{index}")
    shortest, longest = lengths
    num_tokens = round(shortest * (longest / shortest) ** rng.random())
    return about_one_text(rng, split, num_tokens, count_tokens)


def document(seed: int, index: int, split: Split = "train", mixture: str = "all") -> Dialogue:
    """The first of the conversations of `alike`."""
    return alike(seed, index, split, mixture)[0]


def alike(seed: int, index: int, split: Split = "train", mixture: str = "all") -> list[Dialogue]:
    """Number `index` of what `mixture` has, drawn by its weights: one conversation, or several that begin
    alike."""
    rng = random.Random(f"{seed}:{split}:{index}")
    weights = get_mixture(mixture)
    name = _draw(rng, weights)
    if name in SETS:
        return SETS[name](rng, split, _SET_SIZE)
    if name in DIALOGUE_FAMILIES:
        return [DIALOGUE_FAMILIES[name].generate(rng, split)]
    return [_questions(rng, split, name, weights)]


def _questions(rng: random.Random, split: Split, name: str, weights: dict[str, float]) -> Dialogue:
    """A question with one answer rarely has a system prompt in front, rarely another question behind it."""
    script = Script(rng.choice(_SYSTEM_PROMPTS) if rng.random() < _SYSTEM_SHARE else "")
    examples = [FAMILIES[name].generate(rng, split)]
    if rng.random() < _TWO_TURN_SHARE:
        second = _draw(rng, {name: weight for name, weight in weights.items() if name in FAMILIES})
        examples.append(FAMILIES[second].generate(rng, split))
    for example in examples:
        script.example(example)
    return script.dialogue(name, [example.subject for example in examples])


def _draw(rng: random.Random, weights: dict[str, float]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
