"""How many legs a number of animals have: one product an animal, then the sum.

3 cats: 3*4=12
5 ants: 5*6=30
12+30
2+0=2: 2
1+3=4: 42
So 42.
"""

import random
import re

from flashstep.training.tasks.answers import last_number
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import enumerated
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, plus, sample_in_split
from flashstep.training.tasks.wording import dress

LEGS = {
    "chicken": 2, "duck": 2, "hen": 2, "parrot": 2, "eagle": 2, "penguin": 2, "owl": 2, "ostrich": 2,
    "cat": 4, "dog": 4, "cow": 4, "horse": 4, "pig": 4, "goat": 4, "rabbit": 4, "tiger": 4, "lion": 4,
    "bear": 4, "zebra": 4, "camel": 4, "donkey": 4, "elephant": 4, "frog": 4, "lizard": 4, "turtle": 4,
    "ant": 6, "bee": 6, "beetle": 6, "wasp": 6, "grasshopper": 6, "moth": 6, "cricket": 6, "ladybug": 6,
    "spider": 8, "scorpion": 8, "snake": 0, "worm": 0, "crab": 10, "shrimp": 10, "human": 2, "turkey": 2,
    "giraffe": 4, "deer": 4, "sheep": 4, "mouse": 4, "butterfly": 6, "fly": 6, "mosquito": 6,
    "cockroach": 6, "firefly": 6, "tick": 8, "lobster": 10, "fish": 0, "jellyfish": 0, "leech": 0,
}  # fmt: skip
_PLURALS = {
    "ostrich": "ostriches", "shrimp": "shrimp", "deer": "deer", "sheep": "sheep", "mouse": "mice", "fly": "flies",
    "butterfly": "butterflies", "mosquito": "mosquitoes", "cockroach": "cockroaches", "leech": "leeches",
    "firefly": "fireflies", "fish": "fish", "jellyfish": "jellyfish",
}  # fmt: skip
_SINGULARS = {_PLURALS.get(name, f"{name}s"): name for name in LEGS} | {name: name for name in LEGS}
_ITEM = re.compile(rf"\b(\d+) ({'|'.join(sorted(_SINGULARS, key=len, reverse=True))})\b", re.IGNORECASE)
_MOST = 15

Problem = tuple[tuple[int, str], ...]
"""(how many, animal in the singular)."""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the legs of one to four kinds of animals, at most 15 of each."""
    problem = sample_in_split(rng, split, _sample, subject)
    wording = wordings("legs", split).choose(rng)
    animals = enumerated([f"{num} {_counted(num, name)}" for num, name in problem])
    return solve(problem).example(
        "legs", dress(rng, split, wording.format(animals=animals)), subject(problem)
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the number of legs."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the animals are the question's and every product and sum is right."""
    items = _ITEM.findall(question.lower())
    problem = tuple((int(num), _SINGULARS[name]) for num, name in items)
    return bool(problem) and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The number of legs."""
    lines, products = [], []
    for num, name in problem:
        product = num * LEGS[name]
        lines.append(f"{num} {_counted(num, name)}: {num}*{LEGS[name]}={product}")
        products.append(product)
    total = products[0]
    for product in products[1:]:
        lines += plus(total, product)
        total += product
    return Solution("\n".join([*lines, f"So {total}."]), f"They have {total} legs.", str(total))


def subject(problem: Problem) -> str:
    """What decides the split: animals and numbers without their order."""
    return " ".join(sorted(f"{num} {name}" for num, name in problem))


def _counted(num: int, name: str) -> str:
    return name if num == 1 else _PLURALS.get(name, f"{name}s")


def _sample(rng: random.Random) -> Problem:
    names = rng.sample(tuple(LEGS), rng.choices((1, 2, 3, 4), (1, 4, 4, 1))[0])
    return tuple((rng.randint(1, _MOST), name) for name in names)
