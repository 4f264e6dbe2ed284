"""The keys of the logic families against slow, obvious solutions: models, permutations, family trees."""

import itertools
import random
import re

import pytest

from flashstep.training.tasks.base import Example
from flashstep.training.tasks.logic import kinship, knights, legs, ordering, proposition, statement, stories
from flashstep.training.tasks.logic.families import LOGIC_FAMILIES
from flashstep.training.tasks.people import MEN, WOMEN


def examples(family: str, num: int = 300) -> list[Example]:
    rng = random.Random(f"logic:{family}")
    return [LOGIC_FAMILIES[family].generate(rng, "train") for _ in range(num)]


def holds(said: statement.Statement, thing: frozenset[str]) -> bool:
    """Whether a thing with these properties obeys a rule, or is what a claim about some speaks of."""
    a, b = said.subject in thing, said.predicate in thing
    if said.kind == "all":
        return not a or b
    if said.kind == "no":
        return not (a and b)
    has_property = b != said.is_negative
    return has_property if said.kind == "is" else a and has_property


def follows(premises: list[statement.Statement], claim: statement.Statement) -> bool:
    """By looking at every kind of thing that the rules allow."""
    nouns = sorted({n for p in [*premises, claim] for n in (p.subject, p.predicate)})
    subsets = itertools.product((False, True), repeat=len(nouns))
    things = [frozenset(itertools.compress(nouns, chosen)) for chosen in subsets]
    rules = [p for p in premises if p.kind in ("all", "no")]
    allowed = [thing for thing in things if all(holds(rule, thing) for rule in rules)]
    if claim.kind in ("all", "no"):
        return all(holds(claim, thing) for thing in allowed)
    told = [
        p for p in premises if p.kind == claim.kind and (claim.kind == "some" or p.subject == claim.subject)
    ]
    return bool(told) and all(holds(claim, t) for t in allowed if all(holds(p, t) for p in told))


def test_syllogisms_agree_with_all_models():
    for example in examples("syllogism"):
        *premises, claim = statement.read(example.subject)
        assert follows(premises, claim) == (example.key == "yes"), example


def test_about_half_of_the_claims_follow_and_all_kinds_occur():
    pool = examples("syllogism", 600)
    assert 0.4 < sum(e.key == "yes" for e in pool) / len(pool) < 0.6
    claims = [statement.read(e.subject)[-1] for e in pool]
    for key in ("yes", "no"):
        found = {c.kind for c, e in zip(claims, pool, strict=True) if e.key == key}
        assert found == {"all", "no", "some", "is"}, key


def test_statements_are_read_in_all_their_forms():
    text = "Every cat is a pet. No dog is an animal. no dogs are cats."
    text += " Some elves are not daxes. Tom is not an animal."
    assert [s.text() for s in statement.read(text)] == [
        "all cats are pets",
        "no dogs are animals",
        "no dogs are cats",
        "some elves are not daxes",
        "Tom is not an animal",
    ]
    assert statement.read("All statements are true, and this is a puzzle.") == []


class Truth:
    """A truth value under Python's own operators."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(self.value and other.value)

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(self.value or other.value)

    def __xor__(self, other: "Truth") -> "Truth":
        return Truth(self.value is not other.value)

    def __rshift__(self, other: "Truth") -> "Truth":
        return Truth(other.value if self.value else True)

    def __invert__(self) -> "Truth":
        return Truth(not self.value)


def test_propositions_agree_with_python():
    for example in examples("proposition"):
        formula, _, values = example.subject.partition("; ")
        names = sorted(set(re.findall(r"\b[p-s]\b", formula)))
        scope = {n: Truth(v == "true") for n, v in zip(names, values.split(), strict=True)}
        for word, sign in (("not ", "~"), ("and", "&"), ("xor", "^"), ("implies", ">>"), ("or", "|")):
            formula = re.sub(rf"\b{word}", sign, formula)
        assert str(eval(formula, {}, scope).value).lower() == example.key, example


def test_a_proposition_trace_puts_values_in_and_shrinks_line_by_line():
    for example in examples("proposition", 100):
        values, formula, *lines, last = example.reasoning.split("\n")
        assert re.fullmatch(r"[p-s] [TF]( [p-s] [TF])*", values)
        assert formula in example.question.lower()
        assert re.fullmatch(r"([TF]|and|or|xor|implies|not|[() ])+", lines[0])
        assert len(lines[0]) == len(formula)
        assert all(len(b.split()) < len(a.split()) for a, b in itertools.pairwise(lines))
        assert last == {"T": "So it is true.", "F": "So it is false."}[lines[-1]]


def test_orderings_agree_with_all_permutations():
    for example in examples("ordering"):
        *facts, rank = example.subject.split(". ")
        triples = [fact.split() for fact in facts]
        names = sorted({name for a, _, b in triples for name in (a, b)})
        scale = next(s for s in ordering.SCALES if rank.split()[-1] in s)
        fitting = [
            order
            for order in itertools.permutations(names)  # the one with most of scale[0] first
            if all((order.index(a) < order.index(b)) == (word == scale[0]) for a, word, b in triples)
        ]
        assert len(fitting) == 1
        place = ("second" in rank) + 2 * ("third" in rank)
        order = fitting[0] if rank.endswith(scale[1]) else fitting[0][::-1]
        assert order[place] == example.key.title(), example


class Tree:
    """People with parents and spouses; brothers and sisters have the same parents."""

    def __init__(self) -> None:
        self.parents: dict[str, set[str]] = {}
        self.spouse: dict[str, set[str]] = {}

    def add(self, a: str, word: str, b: str) -> None:
        for name in (a, b):
            self.parents.setdefault(name, {f"a parent of {name}"})
            self.spouse.setdefault(name, set())
        if word in ("wife", "husband"):
            self.spouse[a].add(b)
            self.spouse[b].add(a)
        elif word in ("sister", "brother"):
            both, joined = (self.parents[a], self.parents[b]), self.parents[a] | self.parents[b]
            for name, parents in self.parents.items():
                if parents in both:
                    self.parents[name] = joined
        else:
            parent, child = (a, b) if word in ("mother", "father") else (b, a)
            joined = self.parents[child] | {parent}
            self.parents |= {n: joined for n, p in self.parents.items() if p == self.parents[child]}

    def of(self, step: str, names: set[str]) -> set[str]:
        """All parents, children, siblings or spouses of `names`."""
        if step == "P":
            return set().union(*(self.parents.get(name, set()) for name in names))
        if step == "W":
            return set().union(*(self.spouse.get(name, set()) for name in names))
        people = self.parents
        if step == "C":
            return {z for z in people if people[z] & names}
        return {z for z in people for n in names if z != n and people[z] & people.get(n, set())}


STEPS = {
    "parent": "P", "child": "C", "sibling": "S", "spouse": "W", "grandparent": "PP", "grandchild": "CC",
    "aunt": "PS", "niece": "SC", "cousin": "PSC", "parent-in-law": "WP", "child-in-law": "CW",
    "sibling-in-law": "WS SW", "great-grandparent": "PPP", "great-grandchild": "CCC",
}  # fmt: skip


def test_relations_agree_with_a_family_tree():
    for example in examples("kinship"):
        tree = Tree()
        for fact in example.subject.split(". "):
            tree.add(*fact.split())
        x, y = example.reasoning.split("\n")[0].title().removeprefix("Find ").split(" To ")
        found = set()
        for kind, ways in STEPS.items():
            for way in ways.split():
                people = {y}
                for step in way:
                    people = tree.of(step, people)
                found |= {kind} if x in people else set()
        assert x in WOMEN + MEN
        assert example.key in {kinship.WORDS[kind][x in MEN] for kind in found}, example


def test_all_relations_are_asked_for():
    keys = {example.key for example in examples("kinship", 3000)}
    assert keys == {word for words in kinship.WORDS.values() for word in words}


def says_truly(speaker: str, speech: str, knights_are: set[str]) -> bool:
    """Python's reading of a statement."""
    text = re.sub(r"\bI\b", speaker, speech)
    text = re.sub(r"(\w+) and (\w+) are of the same kind", r"(\1 == \2)", text)
    text = re.sub(r"(\w+) and (\w+) are of different kinds", r"(\1 != \2)", text)
    text = re.sub(r"(\w+) (?:is|am) a knave", r"(not \1)", text)
    text = re.sub(r"(\w+) (?:is|am) a knight", r"\1", text)
    return bool(eval(text, {}, {name: name in knights_are for name in WOMEN + MEN}))


@pytest.mark.parametrize("size", [2, 3])
def test_knights_and_knaves_have_one_solution_and_it_is_the_key(size):
    checked = 0
    for example in examples("knights"):
        speeches = re.findall(r'(\w+): "([^"]*)"', example.subject)
        names = [name for name, _ in speeches]
        subsets = (set(c) for k in range(len(names) + 1) for c in itertools.combinations(names, k))
        fitting = [s for s in subsets if all(says_truly(n, t, s) == (n in s) for n, t in speeches)]
        assert len(fitting) == 1
        told = {n: "knight" if n in fitting[0] else "knave" for n in names}
        assert dict(re.findall(r"(\w+) is a (\w+)", example.key.lower())) == {
            n.lower(): kind for n, kind in told.items()
        }
        checked += len(names) == size
    assert checked > 50


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("Ann: knight, Bob: knave", True),
        ("Ann is a knight. Bob is a knave.", True),
        ("Ann is a knave and Bob is a knight.", False),
        ("Ann is a knight.", False),
        ("Ann is a knight, Bob is a knave and Ann is a knave.", False),
    ],
)
def test_verdicts_are_read_in_other_words(answer, is_right):
    answer = answer.replace("Ann", "Anna").replace("Bob", "Ben")
    example = Example("knights", "", "", "", "Anna is a knight and Ben is a knave", "")
    assert knights.verify(example, answer) is is_right


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("It is not true.", "false"),
        ("It isn't false.", "true"),
        ("It is true.", "true"),
        ("Not so: it is false.", "false"),
    ],
)
def test_a_negated_value_is_the_other_one(answer, value):
    verdicts = {
        key: proposition.verify(Example("proposition", "", "", "", key, ""), answer)
        for key in ("true", "false")
    }
    assert verdicts == {"true": value == "true", "false": value == "false"}


def test_legs_are_counted_one_by_one():
    for example in examples("legs"):
        total = 0
        for item in re.findall(r"\d+ [a-z]+", example.subject):
            number, name = item.split()
            total += sum(legs.LEGS[name] for _ in range(int(number)))
        assert example.key == str(total)


def test_story_formulas_have_the_numbers_of_the_story_and_the_right_value():
    seen = set()
    for example in examples("stories", 1000):
        quotes = [line for line in example.reasoning.split("\n") if line.startswith("> ")]
        assert [quote[2:].split(": ")[0] in example.question for quote in quotes] == [True] * len(quotes)
        formula = example.reasoning.split("\n")[len(quotes)]
        assert eval(formula) == int(example.key) >= 0
        numbers = re.findall(r"\d+", formula)
        assert set(numbers) <= set(re.findall(r"\d+", example.question))
        seen.add(example.subject.split()[0])
    assert seen == set(stories.FORMULAS)


@pytest.mark.parametrize("kind", stories.FORMULAS)
def test_every_story_tells_all_numbers_of_its_formula(kind):
    from flashstep.training.tasks.questions import wordings

    needed = set(re.findall(r"\{\w\}", stories.FORMULAS[kind]))
    for wording in wordings(f"story_{kind}", "train").all():
        assert needed == set(re.findall(r"\{[abc]\}", wording)), wording
