"""Who is the tallest, or the second oldest, of three to five: write every comparison with its sign, turned where
the wanted end is on the right, begin with the name that never stands on the right, and follow them.

    Second tallest: taller > shorter <
    Ann taller > Bob: Ann>Bob
    Ann shorter < Cid: Cid>Ann
    Right: Bob Ann
    1 Cid 2 Ann 3 Bob
    So Ann.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import named
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import NAMES, is_name, sample_names
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

SCALES = (
    ("taller", "tallest", "shorter", "shortest"),
    ("older", "oldest", "younger", "youngest"),
    ("faster", "fastest", "slower", "slowest"),
    ("heavier", "heaviest", "lighter", "lightest"),
    ("stronger", "strongest", "weaker", "weakest"),
    ("richer", "richest", "poorer", "poorest"),
)
_SCALE_OF = {word: scale for scale in SCALES for word in scale}
_ORDINALS = ("", "second ", "third ")
_FACT = re.compile(rf"\b(\w+) is ({'|'.join(w for s in SCALES for w in s[::2])}) than (\w+)", re.IGNORECASE)
_RANK = re.compile(rf"(second |third )?({'|'.join(w for s in SCALES for w in s[1::2])})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """`facts` are (name, comparative, name); `rank` is "tallest", "second tallest", ..."""

    facts: tuple[tuple[str, str, str], ...]
    rank: str

    @property
    def subject(self) -> str:
        """What decides the split: the facts as sentences, and the rank."""
        return ". ".join([*(f"{a} {word} {b}" for a, word, b in self.facts), self.rank])


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for one place in the order of three to five people."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    facts = " ".join(f"{a} is {word} than {b}." for a, word, b in problem.facts)
    wording = wordings("ordering", split).choose(rng)
    question = dress(rng, split, wording.format(facts=facts, rank=problem.rank))
    return solve(Problem(_facts(question), problem.rank)).example("ordering", question, problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the first name in the answer is the right one."""
    return named(answer_text, NAMES)[:1] == [example.key.lower()]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the rank and the facts are the question's and the order follows from them."""
    rank = reasoning.partition(":")[0].lower()
    facts = _facts(question)
    if not _RANK.fullmatch(rank) or rank not in question.lower() or not facts:
        return False
    return solve(Problem(facts, rank)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """Who has the rank. Facts that name no first one, or leave the chain open, end it early."""
    *_, superlative = problem.rank.split()
    ordinal = problem.rank.removesuffix(superlative)
    pairs = [_turned(fact, superlative) for fact in problem.facts]
    right = [b for _, b in pairs]
    order = [name for name, _ in pairs if name not in right][:1]
    while follower := next((b for a, b in pairs if order[-1:] == [a] and b not in order), None):
        order.append(follower)
    place = _ORDINALS.index(ordinal)
    chosen = order[place] if place < len(order) else "nobody"
    lines = [
        f"{problem.rank.capitalize()}: {_signs(superlative)}",
        *(
            f"{a} {word} {'>' if (a, b) == pair else '<'} {b}: {pair[0]}>{pair[1]}"
            for (a, word, b), pair in zip(problem.facts, pairs, strict=True)
        ),
        f"Right: {' '.join(right)}",
        " ".join(f"{i} {name}" for i, name in enumerate(order, 1)),
        f"So {chosen}.",
    ]
    return Solution("\n".join(lines), f"{chosen} is the {problem.rank}.", chosen)


def _signs(superlative: str) -> str:
    """Which comparative has the wanted end on its left: "taller > shorter <"."""
    scale = _SCALE_OF[superlative]
    place = scale.index(superlative)  # 1 or 3; each superlative stands behind its comparative
    return f"{scale[place - 1]} > {scale[3 - place]} <"


def _turned(fact: tuple[str, str, str], superlative: str) -> tuple[str, str]:
    """The two names with the one nearer to `superlative` in front."""
    a, comparative, b = fact
    scale = _SCALE_OF[superlative]
    return (a, b) if scale.index(comparative) + 1 == scale.index(superlative) else (b, a)


def _facts(text: str) -> tuple[tuple[str, str, str], ...]:
    found = ((a, word.lower(), b) for a, word, b in _FACT.findall(text))
    return tuple(fact for fact in found if is_name(fact[0]) and is_name(fact[2]))


def _sample(rng: random.Random) -> Problem:
    names = sample_names(rng, rng.choices((3, 4, 5), (5, 4, 2))[0])
    scale = rng.choice(SCALES)
    facts = [
        (a, scale[0], b) if rng.random() < 0.55 else (b, scale[2], a)
        for a, b in zip(names, names[1:], strict=False)
    ]
    rng.shuffle(facts)
    ordinal = rng.choices(_ORDINALS[: len(names) - 1], (6, 3, 1)[: len(names) - 1])[0]
    return Problem(tuple(facts), ordinal + scale[rng.choice((1, 1, 3))])
