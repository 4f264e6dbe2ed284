"""Does a claim follow from two or three premises? Write them down, start with what the claim speaks of, find
what the premises say of it and of all that is found, and look whether the wanted property turned up.

    1 Every cat: pet, cats: pets            1 No dogs: birds
    2 No pets: birds                        2 Some dogs: pets
    Claim: no cats are birds                Claim: some pets are not birds
    - cats: 1 pets                          Start 2: dogs, pets
    - pets: 2 not birds                     - dogs: 1 not birds
    - not birds: none                       - pets: none
    Wanted not birds: yes                   - not birds: none
                                            Wanted pets: yes, not birds: yes

A premise keeps the words of the question; one in the singular gets the plural behind it. Every property found
has a line with the other premises that speak of it, but for the one that it comes from: their number and what
they add. "All A: B" adds B to A, and "not A" to "not B"; "No A: B" adds "not B" to A and "not A" to B; else
"none". A claim about some starts with a premise about some, a claim about a person with what is said of it.
What is wanted is looked up among the lines until something is missing: the last verdict is the answer.
"""

import itertools
import random
import re

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.logic.statement import NOUNS, Statement, read, sentence
from flashstep.training.tasks.people import NAMES
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

_NUM_ENTITIES = (3, 3, 4)
_SENTENCE = re.compile(
    r"\b(?:all|some|no|every) \w+ (?:are|is) (?:not )?(?:an? )?\w+|\b\w+ is (?:not )?an? \w+", re.IGNORECASE
)
_VERB = re.compile(r" (?:are|is)( not)?(?: an?)? ")

Premise = tuple[str, Statement]
"""How the trace writes a premise, and what it states."""


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
    stated = re.search(r"^Claim: (.+)$", reasoning, re.MULTILINE)
    claims = read(stated[1]) if stated else []
    if not claims or claims[0] not in [statement for _, statement in _statements(question)]:
        return False
    return solve(_premises(question, claims[0]), claims[0]).is_reached_by(reasoning, answer_text, verify)


def solve(premises: list[Premise], claim: Statement) -> Solution:
    """Whether `claim` follows."""
    statements = [statement for _, statement in premises]
    start, source = _start(statements, claim)
    known, steps = _closed(start, statements, source)
    verdicts, key = _verdicts(_wanted(claim), known)
    lines = [f"{number} {said}" for number, (said, _) in enumerate(premises, 1)]
    lines.append(f"Claim: {claim.text()}")
    if claim.kind in ("some", "is"):
        lines.append(f"Start {source or 'none'}: {', '.join(start) or 'none'}")
    lines += [*steps, f"Wanted {verdicts}"]
    return Solution("\n".join(lines), _ANSWERS[key], key)


_ANSWERS = {"yes": "Yes, it follows.", "no": "No, it does not follow."}


def _verdicts(wanted: list[str], known: list[str]) -> tuple[str, str]:
    """Whether each wanted property is known, up to the first that is not, and the last verdict alone."""
    verdicts = []
    for item in wanted:
        verdicts.append(f"{item}: {'yes' if item in known else 'no'}")
        if item not in known:
            return ", ".join(verdicts), "no"
    return ", ".join(verdicts), "yes"


def _follows(premises: list[Statement], claim: Statement) -> bool:
    known, _ = _closed(_start(premises, claim)[0], premises)
    return set(_wanted(claim)) <= set(known)


def _start(premises: list[Statement], claim: Statement) -> tuple[list[str], int | None]:
    """The properties to start with, and the number of the premise that gives them."""
    if claim.kind in ("all", "no"):
        return [claim.subject], None
    for number, premise in enumerate(premises, 1):
        if premise.kind == claim.kind == "some":
            return [premise.subject, premise.property], number
        if premise.kind == claim.kind and premise.subject == claim.subject:
            return [premise.property], number
    return [], None


def _wanted(claim: Statement) -> list[str]:
    return [claim.subject, claim.property] if claim.kind == "some" else [claim.property]


def _closed(
    start: list[str], premises: list[Statement], source: int | None = None
) -> tuple[list[str], list[str]]:
    """Everything that holds of what has the properties `start`, and the lines that show it. The premise that
    a property comes from says no more about it and is left out there; `source` is that of `start`."""
    known, sources, lines = list(start), dict.fromkeys(start, source), []
    for have in known:  # grows while it is walked
        noun, added = have.removeprefix("not "), []
        for number, premise in enumerate(premises, 1):
            if number == sources[have] or noun not in (premise.subject, premise.predicate):
                continue
            new = _rules(premise).get(have)
            added.append(f"{number} {new or 'none'}")
            if new and new not in sources:
                known.append(new)
                sources[new] = number
        lines.append(f"- {have}: {', '.join(added) or 'none'}")
    return known, lines


def _rules(premise: Statement) -> dict[str, str]:
    """What the premise adds to a property."""
    a, b = premise.subject, premise.predicate
    if premise.kind == "all":
        return {a: b, f"not {b}": f"not {a}"}
    return {a: f"not {b}", b: f"not {a}"} if premise.kind == "no" else {}


def _premises(question: str, claim: Statement) -> list[Premise]:
    """The statements of the question but for the claim, in order."""
    premises = _statements(question)
    del premises[[statement for _, statement in premises].index(claim)]
    return premises


def _statements(question: str) -> list[Premise]:
    sentences = [(match[0], read(match[0])) for match in _SENTENCE.finditer(question)]
    return [(_said(text, found[0]), found[0]) for text, found in sentences if found]


def _said(text: str, statement: Statement) -> str:
    """The words of the question without the verb; the plural stands behind a singular."""
    said = _VERB.sub(r":\1 ", text, count=1)
    if statement.kind == "is":
        return f"{said}, {statement.property}"
    is_of_one = statement.subject not in text.lower().split()
    return f"{said}, {statement.subject}: {statement.predicate}" if is_of_one else said


def _sample(rng: random.Random) -> tuple[list[Statement], Statement]:
    follows = rng.random() < 0.5
    while True:
        premises, claim = _draw(rng)
        is_sound = not any(f"not {p}" in known for known in _worlds(premises, claim) for p in known)
        if is_sound and claim not in premises and _follows(premises, claim) == follows:
            return premises, claim


def _worlds(premises: list[Statement], claim: Statement) -> list[list[str]]:
    """What holds of each kind of thing that is spoken of. One that contradicts itself makes the premises
    impossible or the claim empty; where a claim about some would follow only if there are things of
    every kind, which people and logicians see differently, a world that contradicts itself is added."""
    starts = [[p.subject] for p in premises if p.kind != "is"] + [_start(premises, claim)[0]]
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
