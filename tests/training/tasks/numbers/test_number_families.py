"""The number families: keys are Python's own results, traces lead to them, verifiers and splits are fair."""

import math
import random
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest

from flashstep.training.tasks.base import LETTER_BREAK, Example, split_of
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.numbers.families import NUMBER_FAMILIES, TRACE_CHECKS
from flashstep.training.tasks.questions import has_eval_wordings, wordings
from flashstep.training.tasks.trace_check import equations, equations_hold

KINDS = sorted({kind for family in NUMBER_FAMILIES.values() for kind in family.wordings})
# Their held-out wordings are still to be written, by someone who has not seen the training ones.
WITHOUT_EVAL_WORDINGS: set[str] = set()  # a new kind starts here, until someone has written its list blind
NAMES = list(NUMBER_FAMILIES)
CASES = [
    (name, split)
    for name, family in NUMBER_FAMILIES.items()
    for split in ("train", "eval")
    if split == "train" or not WITHOUT_EVAL_WORDINGS & set(family.wordings)
]
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
# Longest trace in tokens, where a digit is one token. Six by three digits are what exceeds 220.
LONGEST = {"multiplication": 400, "factors": 250, "primes": 240, "sorting": 280}


def examples(name: str, split: str = "train", num: int = 300) -> list[Example]:
    rng = random.Random(f"test:{name}:{split}")
    return [NUMBER_FAMILIES[name].generate(rng, split) for _ in range(num)]


def shown(text: str) -> str:
    return text.replace(LETTER_BREAK, "")


def accepts(example: Example, reasoning: str, answer: str | None = None) -> bool:
    answer = shown(example.answer) if answer is None else answer
    return TRACE_CHECKS[example.family](example.question, shown(reasoning), answer)


def num_tokens(text: str) -> int:
    """An upper estimate: one for each digit, word, run of signs and space before a digit."""
    return len(re.findall(r"\d| ?[A-Za-z]+| ?[^\w\s]+\n*|\s", shown(text)))


def two(example: Example) -> tuple[int, int]:
    a, b = re.findall(r"\d+", example.subject)
    return int(a), int(b)


def evaluated(expression: str) -> str:
    assert re.fullmatch(r"[\d+*/() -]+", expression)
    return str(eval(re.sub(r"(\d+)", r"Fraction(\1)", expression), {"Fraction": Fraction}))


def pair_result(example: Example) -> str:
    """The result of the left side of the answer "a * b = c", whose numbers are the subject's."""
    a, sign, b = re.match(r"(\S+) ([-+*]) (\S+) =", example.answer).groups()
    assert sorted((a, b)) == example.subject.split()
    x, y = Decimal(a), Decimal(b)
    result = {"+": x + y, "-": x - y, "*": x * y}[sign]
    return f"{result.normalize():f}" if result else "0"


def divided(example: Example) -> str:
    quotient, rest = divmod(*two(example))
    return str(rest) if " mod " in example.answer else f"{quotient} {rest}"


def sorted_list(example: Example) -> str:
    numbers = sorted(map(int, example.subject.split()), reverse=example.reasoning.startswith("Sort down"))
    return ", ".join(map(str, numbers))


def factors_of(n: int) -> str:
    found, p = [], 2
    while n > 1:
        while n % p == 0:
            found.append(str(p))
            n //= p
        p += 1
    return " ".join(found)


def from_roman(numeral: str) -> int:
    values = ["IVXLCDM".index(c) for c in numeral]
    worth = [(1, 5, 10, 50, 100, 500, 1000)[v] for v in values]
    return sum(-w if any(later > w for later in worth[i + 1 : i + 2]) else w for i, w in enumerate(worth))


def from_words(words: str) -> int:
    """The value of number words, read from lists of the test's own."""
    names = _ONES.split()
    tens = _TENS.split()
    thousands, _, rest = words.rpartition("thousand")
    return 1000 * below_thousand(thousands, names, tens) + below_thousand(rest, names, tens)


def below_thousand(words: str, names: list[str], tens: list[str]) -> int:
    hundreds, _, rest = words.rpartition("hundred")
    value = 100 * names.index(hundreds.strip()) if hundreds else 0
    for word in re.findall("[a-z]+", rest):
        value += names.index(word) if word in names else 10 * (tens.index(word) + 2)
    return value


def in_base(example: Example) -> str:
    n, base = two(example)
    return f"{n:{ {2: 'b', 8: 'o', 16: 'X'}[base] }}"


TRUE_KEYS: dict[str, Callable[[Example], str]] = {
    "sums": pair_result,
    "multiplication": pair_result,
    "decimals": pair_result,
    "division": divided,
    "chain": lambda e: evaluated(e.subject),
    "sorting": sorted_list,
    "divisors": lambda e: str((math.gcd if e.answer.startswith("gcd") else math.lcm)(*two(e))),
    "primes": lambda e: (
        "yes"
        if [d for d in range(1, int(e.subject) + 1) if int(e.subject) % d == 0][1:] == [int(e.subject)]
        else "no"
    ),
    "factors": lambda e: factors_of(int(e.subject)),
    "powers": lambda e: str(two(e)[0] ** two(e)[1]),
    "percent": lambda e: f"{(Decimal(two(e)[0] * two(e)[1]) / 100).normalize():f}",
    "to_base": in_base,
    "from_base": lambda e: str(two(e)[0]),
    "from_roman": lambda e: e.subject.split()[1],
    "from_words": lambda e: e.subject.split()[1],
}


@pytest.mark.parametrize(("name", "split"), CASES)
def test_the_key_is_what_python_calculates(name, split):
    for example in examples(name, split):
        if name == "to_roman":
            assert from_roman(example.key) == int(example.subject.split()[1])
        elif name == "to_words":
            assert from_words(example.key) == int(example.subject.split()[1])
        else:
            assert TRUE_KEYS[name](example) == example.key, example


def test_the_numerals_and_words_in_a_question_are_worth_the_key():
    for example in examples("from_roman"):
        assert from_roman(re.match(r"Roman (\w+)", shown(example.reasoning))[1]) == int(example.key)
    for example in examples("from_words"):
        assert from_words(re.match(r"Number (.*)", example.reasoning)[1]) == int(example.key)
    for example in examples("from_base"):
        base, digits = re.match(r"From base (\d+): (\w+)", shown(example.reasoning)).groups()
        assert int(digits, int(base)) == int(example.key)


@pytest.mark.parametrize(("name", "split"), CASES)
def test_answer_and_trace_pass_their_own_checks(name, split):
    for example in examples(name, split):
        assert example.family == name
        assert NUMBER_FAMILIES[name].verify(example, shown(example.answer)), example
        assert accepts(example, example.reasoning), example


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_to_another_question_and_none_at_all_are_wrong(name):
    verify = NUMBER_FAMILIES[name].verify
    pool = examples(name)
    for one, other in zip(pool, pool[1:], strict=False):
        same_kind = (" mod " in one.answer) == (" mod " in other.answer)
        if one.key != other.key and same_kind:
            assert not verify(one, shown(other.answer)), (one, other)
            assert not accepts(one, one.reasoning, shown(other.answer))
        assert not verify(one, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_with_one_changed_digit_or_a_lost_line_is_refused(name):
    rng = random.Random(name)
    for example in examples(name, num=100):
        text = shown(example.reasoning)
        digits = [match.start() for match in re.finditer(r"\d", text)]
        if digits:
            at = rng.choice(digits)
            assert not accepts(
                example, f"{text[:at]}{(int(text[at]) + rng.randint(1, 9)) % 10}{text[at + 1 :]}"
            )
        lines = text.split("\n")
        at = rng.randrange(1, len(lines))
        assert not accepts(example, "\n".join(lines[:at] + lines[at + 1 :])), example
        assert not accepts(example, "")


@pytest.mark.parametrize("name", NAMES)
def test_the_trace_of_another_question_is_refused_even_with_its_answer(name):
    pool = examples(name, num=200)
    refused = [
        not TRACE_CHECKS[name](one.question, shown(other.reasoning), shown(other.answer))
        for one, other in zip(pool, pool[1:], strict=False)
        if one.reasoning != other.reasoning
    ]
    assert sum(refused) / len(refused) > 0.9  # "7^2" also stands in a question about 7^3


@pytest.mark.parametrize("name", NAMES)
def test_every_equation_of_a_trace_is_true(name):
    assert all(equations_hold(shown(e.reasoning)) for e in examples(name))


@pytest.mark.parametrize("name", ["sums", "chain", "decimals", "primes", "factors", "powers", "from_base"])
def test_traces_do_have_equations(name):
    assert any(equations(e.reasoning) for e in examples(name, num=20))


@pytest.mark.parametrize("name", NAMES)
def test_traces_are_bounded_and_most_are_short(name):
    lengths = sorted(num_tokens(example.reasoning) for example in examples(name, num=1000))
    assert lengths[-1] <= LONGEST.get(name, 220)
    assert lengths[500] <= 130


@pytest.mark.parametrize(("name", "split"), CASES)
def test_subjects_belong_to_their_split(name, split):
    assert {split_of(example.subject) for example in examples(name, split)} == {split}


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_examples_again(name):
    assert examples(name, num=30) == examples(name, num=30)
    assert len({e.question for e in examples(name)}) > 150


@pytest.mark.parametrize("kind", KINDS)
def test_wordings_are_many_and_distinct_and_use_the_placeholders_of_their_kind(kind):
    texts = wordings(kind, "train").all()
    assert len(wordings(kind, "train").hand_written) >= 20
    assert len(texts) >= 100
    assert len({normalised(text) for text in texts}) == len(texts)
    slots = {frozenset(re.findall(r"\{(\w+)\}", text)) for text in texts}
    required = frozenset.intersection(*slots)
    assert required, f"{kind}: no placeholder stands in every wording"
    assert frozenset.union(*slots) - required <= {"name", "b"}


def test_exactly_the_declared_kinds_have_no_held_out_wordings_yet():
    assert {kind for kind in KINDS if not has_eval_wordings(kind)} == WITHOUT_EVAL_WORDINGS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_EVAL_WORDINGS])
def test_no_held_out_wording_is_trained(kind):
    held_out = {normalised(text) for text in wordings(kind, "eval").all()}
    assert held_out
    assert not held_out & {normalised(text) for text in wordings(kind, "train").all()}


def test_weights_are_shares_and_every_family_has_a_check():
    assert sum(family.weight for family in NUMBER_FAMILIES.values()) == pytest.approx(1.0)
    assert NUMBER_FAMILIES.keys() == TRACE_CHECKS.keys()
