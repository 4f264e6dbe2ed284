"""Does a claim follow from two or three premises? Start with what the claim speaks of, add what the
premises say of it, and look whether the wanted property turned up.

    Claim: no cats are birds            Claim: some pets are not birds
    Start: cats. Wanted: not birds      Start: dogs, pets. Wanted: pets, not birds
    cats: pets                          dogs: not birds
    pets: not birds                     Found.
    Found.                              So it follows.
    So it follows.

"All A are B" adds B to A, and "not A" to "not B"; "no A are B" adds "not B" to A and "not A" to B.
A claim about some starts with a premise about some, a claim about a person with what is said of it.
"""

import itertools
import random

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.logic.statement import NOUNS, Statement, read, sentence
from flashstep.training.tasks.people import NAMES
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

_NUM_ENTITIES = (3, 3, 4)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask whether a claim follows from premises; about every second one does."""
    premises, claim = sample_in_split(rng, split, _sample, _subject)
    wording = wordings("syllogism", split).choose(rng)
    text = wording.format(premises=" ".join(sentence(rng, p) for p in premises), claim=claim.text())
    question = dress(rng, split, text[0].upper() + text[1:])
    stated = claim if claim.text() in question else read(claim.text().lower())[0]
    return solve(_premises(question, stated), stated).example(
        "syllogism", question, _subject((premises, claim))
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer begins with the right one of yes and no."""
    return yes_or_no(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the claim stands in the question and the steps follow from the other statements there."""
    claims = read(reasoning.split("\n")[0].removeprefix("Claim: "))
    if not claims or claims[0] not in read(question):
        return False
    return solve(_premises(question, claims[0]), claims[0]).is_reached_by(reasoning, answer_text, verify)


def solve(premises: list[Statement], claim: Statement) -> Solution:
    """Whether `claim` follows."""
    known, wanted = _start(premises, claim), _wanted(claim)
    lines = [f"Claim: {claim.text()}", f"Start: {', '.join(known) or 'nothing'}. Wanted: {', '.join(wanted)}"]
    known, steps = _closed(known, premises)
    follows = set(wanted) <= set(known)
    lines += [*steps, "Found." if follows else "Not found.", f"So it {_VERDICTS[follows]}."]
    answer = f"{'Yes' if follows else 'No'}, it {_VERDICTS[follows]}."
    return Solution("\n".join(lines), answer, "yes" if follows else "no")


_VERDICTS = {True: "follows", False: "does not follow"}


def _start(premises: list[Statement], claim: Statement) -> list[str]:
    if claim.kind in ("all", "no"):
        return [claim.subject]
    if claim.kind == "is":
        return [p.property for p in premises if p.kind == "is" and p.subject == claim.subject]
    return next(([p.subject, p.property] for p in premises if p.kind == "some"), [])


def _wanted(claim: Statement) -> list[str]:
    return [claim.subject, claim.property] if claim.kind == "some" else [claim.property]


def _closed(start: list[str], premises: list[Statement]) -> tuple[list[str], list[str]]:
    """Everything that holds of what has the properties `start`, and the lines that show it."""
    known, lines = list(start), []
    for have in known:  # grows while it is walked
        for rule in (rule for premise in premises for rule in _rules(premise)):
            if rule[0] == have and rule[1] not in known:
                known.append(rule[1])
                lines.append(f"{have}: {rule[1]}")
    return known, lines


def _rules(premise: Statement) -> list[tuple[str, str]]:
    a, b = premise.subject, premise.predicate
    if premise.kind == "all":
        return [(a, b), (f"not {b}", f"not {a}")]
    return [(a, f"not {b}"), (b, f"not {a}")] if premise.kind == "no" else []


def _premises(question: str, claim: Statement) -> list[Statement]:
    statements = read(question)
    statements.remove(claim)
    return statements


def _sample(rng: random.Random) -> tuple[list[Statement], Statement]:
    follows = rng.random() < 0.5
    while True:
        premises, claim = _draw(rng)
        is_sound = not any(f"not {p}" in known for known in _worlds(premises, claim) for p in known)
        if is_sound and claim not in premises and (solve(premises, claim).key == "yes") == follows:
            return premises, claim


def _worlds(premises: list[Statement], claim: Statement) -> list[list[str]]:
    """What holds of each kind of thing that is spoken of. One that contradicts itself makes the premises
    impossible or the claim empty; where a claim about some would follow only if there are things of
    every kind, which people and logicians see differently, a world that contradicts itself is added."""
    starts = [[p.subject] for p in premises if p.kind != "is"] + [_start(premises, claim)]
    worlds = [_closed(start, premises)[0] for start in starts]
    is_settled = set(_wanted(claim)) <= set(worlds[-1])
    if claim.kind == "some" and not is_settled and any(set(_wanted(claim)) <= set(w) for w in worlds):
        worlds.append(["things", "not things"])
    return worlds


def _draw(rng: random.Random) -> tuple[list[Statement], Statement]:
    nouns = rng.sample(NOUNS, rng.choice(_NUM_ENTITIES))
    kind = rng.choices(("rule", "some", "is"), (5, 3, 2))[0]
    premises = [_link(rng, a, b) for a, b in itertools.pairwise(nouns)]
    first, last = nouns[0], rng.choice(nouns[1:])
    if kind == "rule":
        a, b = rng.sample((first, nouns[-1]), 2)
        claim = Statement(rng.choice(("all", "no")), a, b)
    elif kind == "some":
        a, b = rng.sample(nouns[:2], 2)
        premises[0] = Statement("some", a, b, rng.random() < 0.2)
        a, b = rng.sample((first, last), 2)
        claim = Statement("some", a, b, rng.random() < 0.5)
    else:
        name = rng.choice(NAMES)
        premises.append(Statement("is", name, rng.choice((first, first, last)), rng.random() < 0.25))
        claim = Statement("is", name, rng.choice((first, nouns[-1], nouns[-1])), rng.random() < 0.4)
    rng.shuffle(premises)
    return premises, claim


def _link(rng: random.Random, a: str, b: str) -> Statement:
    if rng.random() < 0.2:
        a, b = b, a
    return Statement(rng.choice(("all", "all", "all", "no")), a, b)


def _subject(problem: tuple[list[Statement], Statement]) -> str:
    premises, claim = problem
    return ". ".join([*sorted(p.text() for p in premises), claim.text()])
