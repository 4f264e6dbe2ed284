"""How two people are related, over one to three steps: write each fact from both sides ("Bob sister Ann": Bob's
sister is Ann; he is her brother), then walk from the second person to the first, and join what is passed.

    Find Ann to Dan
    Bob sister Ann, he: Ann brother Bob
    Bob son Dan, he: Dan father Bob
    At Dan: father Bob: father
    At Bob: sister Ann, father's sister: aunt
    So aunt.

The walk begins at the second person because relations are joined from there: "sister of father" is one word,
while what was found from the other end, such as "sister-in-law of son", may be one of two.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import named
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import is_name, is_woman, sample_names
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

# Kind of relation: (the word for a woman, for a man).
WORDS = {
    "parent": ("mother", "father"),
    "child": ("daughter", "son"),
    "sibling": ("sister", "brother"),
    "spouse": ("wife", "husband"),
    "grandparent": ("grandmother", "grandfather"),
    "grandchild": ("granddaughter", "grandson"),
    "aunt": ("aunt", "uncle"),
    "niece": ("niece", "nephew"),
    "cousin": ("cousin", "cousin"),
    "parent-in-law": ("mother-in-law", "father-in-law"),
    "child-in-law": ("daughter-in-law", "son-in-law"),
    "sibling-in-law": ("sister-in-law", "brother-in-law"),
    "great-grandparent": ("great-grandmother", "great-grandfather"),
    "great-grandchild": ("great-granddaughter", "great-grandson"),
}
_KIND_OF = {word: kind for kind, words in WORDS.items() for word in words}
_INVERSE = {"parent": "child", "child": "parent", "sibling": "sibling", "spouse": "spouse"}
# (X to Y, Y to Z): X to Z. Pairs with two possible results (the child of a spouse) are left out.
JOINED = {
    ("parent", "parent"): "grandparent",
    ("parent", "sibling"): "parent",
    ("parent", "spouse"): "parent-in-law",
    ("parent", "grandparent"): "great-grandparent",
    ("child", "child"): "grandchild",
    ("child", "sibling"): "niece",
    ("child", "grandchild"): "great-grandchild",
    ("child", "aunt"): "cousin",
    ("sibling", "parent"): "aunt",
    ("sibling", "sibling"): "sibling",
    ("sibling", "child"): "child",
    ("sibling", "spouse"): "sibling-in-law",
    ("sibling", "grandchild"): "grandchild",
    ("sibling", "niece"): "niece",
    ("spouse", "child"): "child-in-law",
    ("spouse", "sibling"): "sibling-in-law",
}
_BASIC = "|".join(word for kind in _INVERSE for word in WORDS[kind])
_FACT = re.compile(
    rf"\b(\w+) is the ({_BASIC}) of (\w+)|\b(\w+) is (\w+)[’']s ({_BASIC})(?!-)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`facts` are (name, relation word, name): the first is the relation of the second. `x` to `y` is asked."""

    facts: tuple[tuple[str, str, str], ...]
    x: str
    y: str

    @property
    def subject(self) -> str:
        """What decides the split: the facts."""
        return ". ".join(f"{a} {word} {b}" for a, word, b in self.facts)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask what one person is to another."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    wording = wordings("kinship", split).choose(rng)
    facts = " ".join(_sentence(rng, fact) for fact in problem.facts)
    question = dress(rng, split, wording.format(facts=facts, x=problem.x, y=problem.y))
    x, y = (name if name in question else name.lower() for name in (problem.x, problem.y))
    return solve(Problem(_facts(question), x, y)).example("kinship", question, problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the only relation named in the answer is the right one."""
    return set(named(answer_text, _KIND_OF)) == {example.key}


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the facts are the question's, all of them are used and the relations are joined rightly."""
    heading = re.match(r"Find (\w+) to (\w+)\n", reasoning)
    if not heading:
        return False
    problem = Problem(_facts(question), heading[1], heading[2])
    is_asked = 0 < len(problem.facts) == len(_path(problem))
    return is_asked and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """What x is to y; "unknown" where the facts do not lead from one to the other."""
    lines = [f"Find {problem.x} to {problem.y}"]
    lines += [_both_sides(fact) for fact in problem.facts]
    at, found = problem.y, ""
    for fact in reversed(_path(problem)):
        name, word, _ = fact if fact[0] != at else _turned(fact)
        joined = _join(word, found) if found else word
        both = f", {found}'s {word}" if found else ""
        lines.append(f"At {at}: {word} {name}{both}: {joined}")
        at, found = name, joined
    found = found or "unknown"
    reasoning = "\n".join([*lines, f"So {found}."])
    return Solution(reasoning, f"{problem.x} is the {found} of {problem.y}.", found)


def _both_sides(fact: tuple[str, str, str]) -> str:
    a, word, b = fact
    _, turned, _ = _turned(fact)
    return f"{b} {word} {a}, {'she' if is_woman(b) else 'he'}: {a} {turned} {b}"


def _path(problem: Problem) -> list[tuple[str, str, str]]:
    """The facts in the order that leads from x to y; the facts form one chain."""
    path, left, at = [], list(problem.facts), problem.x
    while at != problem.y:
        fact = next((fact for fact in left if at in (fact[0], fact[2])), None)
        if fact is None:
            return []
        left.remove(fact)
        path.append(fact)
        at = fact[2] if fact[0] == at else fact[0]
    return path


def _turned(fact: tuple[str, str, str]) -> tuple[str, str, str]:
    """What the last is to the first: for (Bob, son, Ann) that is (Ann, mother, Bob)."""
    a, word, b = fact
    return b, _word(_INVERSE[_KIND_OF[word]], is_woman(b)), a


def _word(kind: str, for_woman: bool) -> str:
    return WORDS[kind][0 if for_woman else 1]


def _join(left: str, right: str) -> str:
    kind = JOINED.get((_KIND_OF[left], _KIND_OF[right])) if {left, right} <= _KIND_OF.keys() else None
    return _word(kind, left == WORDS[_KIND_OF[left]][0]) if kind else "unknown"


def _facts(text: str) -> tuple[tuple[str, str, str], ...]:
    found = (m.group(1, 2, 3) if m[1] else m.group(4, 6, 5) for m in _FACT.finditer(text))
    return tuple((a, word.lower(), b) for a, word, b in found if is_name(a) and is_name(b))


def _sample(rng: random.Random) -> Problem:
    while True:
        names = sample_names(rng, rng.choices((2, 3, 4), (1, 5, 3))[0])
        kinds = [rng.choice(tuple(_INVERSE)) for _ in names[1:]]
        facts = [_stated(rng, a, kind, b) for a, kind, b in zip(names, kinds, names[1:], strict=False)]
        rng.shuffle(facts)
        problem = Problem(tuple(facts), names[0], names[-1])
        is_given = len(facts) == 1 and facts[0][0] == problem.x  # then the question is its own answer
        married = [a for a, kind, b in zip(names, kinds, names[1:], strict=False)
                   if kind == "spouse" and is_woman(a) == is_woman(b)]  # fmt: skip
        if solve(problem).key != "unknown" and not is_given and not married:
            return problem


def _stated(rng: random.Random, a: str, kind: str, b: str) -> tuple[str, str, str]:
    if rng.random() < 0.7:
        return a, _word(kind, is_woman(a)), b
    return b, _word(_INVERSE[kind], is_woman(b)), a


def _sentence(rng: random.Random, fact: tuple[str, str, str]) -> str:
    a, word, b = fact
    return f"{a} is {b}'s {word}." if rng.random() < 0.35 else f"{a} is the {word} of {b}."
