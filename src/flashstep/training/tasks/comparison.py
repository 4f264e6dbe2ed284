"""Which of two numbers is larger: pad the decimals to one length, then walk until they differ.

    9.11 and 9.9: 9.11, 9.90        512 and 47: 512, 47
    9=9                             512>47
    .1<.9                           So 512 is larger.
    So 9.9 is larger.

Whole parts of one length are walked digit by digit, of different lengths compared at once; decimals
are walked digit by digit, each with its dot.
"""

import random
import re
from functools import cache

from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.wording import dress

# {c}: comparative (larger), {m}: superlative (largest).
TRAIN_PHRASINGS = (
    "Which is {c}, {a} or {b}?", "Which is {c}: {a} or {b}?", "Which is {c}, {a} or {b}",
    "Which number is {c}, {a} or {b}?", "Which number is {c}: {a} or {b}?", "What is {c}, {a} or {b}?",
    "What's {c}, {a} or {b}?", "What is {c}: {a} or {b}?", "Is {a} {c} than {b}?", "Is {a} or {b} {c}?",
    "Is {a} {c}, or {b}?", "Which one is {c}, {a} or {b}?", "Which of {a} and {b} is {c}?",
    "Which of the two is {c}, {a} or {b}?", "Which of these is {c}: {a}, {b}?",
    "Which is the {c} number, {a} or {b}?", "Which is the {c} one: {a} or {b}?",
    "Tell me which is {c}, {a} or {b}.", "Tell me which number is {c}: {a} or {b}.",
    "{a} or {b}, which is {c}?", "{a} or {b}: which is {c}?", "{a} or {b}? Which is {c}?",
    "{a} and {b}: which one is {c}?", "Between {a} and {b}, which is {c}?",
    "Compare {a} and {b}. Which is {c}?", "Compare {a} with {b}: which one is {c}?",
    "Can you tell me which is {c}, {a} or {b}?", "Do you know which is {c}, {a} or {b}?",
    "Which is the {m}, {a} or {b}?", "Which of {a} and {b} is the {m}?",
    "Find the {c} number: {a} or {b}.", "Give me the {c} of {a} and {b}.",
    "What is the {c} of {a} and {b}?", "Of {a} and {b}, which is {c}?",
)  # fmt: skip
EVAL_PHRASINGS = (
    "Given {a} and {b}, which one is {c}?", "Pick the {c} number: {a} or {b}.",
    "Which value is {c}, {a} or {b}?", "Say which of {a} and {b} is {c}.",
    "Choose the {c} one of {a} and {b}.", "Out of {a} and {b}, which is {c}?",
    "Would you say {a} is {c} than {b}?", "Here are {a} and {b}. Which of them is {c}?",
    "Looking at {a} and {b}, which is {c}?", "Name the {c} one: {a} or {b}?",
    "Decide which is {c}: {a} or {b}.", "I have {a} and {b}. Which is the {c} number?",
)  # fmt: skip

_LARGER = (
    ("larger", "largest"),
    ("larger", "largest"),
    ("bigger", "biggest"),
    ("greater", "greatest"),
    ("higher", "highest"),
)
_SMALLER = (("smaller", "smallest"), ("smaller", "smallest"), ("less", "least"), ("lower", "lowest"))
_SAYS_LARGER = re.compile(r"\b(?:larg|bigg|great|high|more)", re.IGNORECASE)
_SAYS_SMALLER = re.compile(r"\b(?:small|less|low|least)", re.IGNORECASE)

MAX_DIGITS = 4
_PATTERNS = (
    "[Which|What|Tell me which|Say which|Decide which|Do you know which|Find out which|I wonder which|Show me which] "
    "[number|value|one|of the two|of these|of both|decimal|figure|] is [|the] {c}[,|:] {a} or {b}?",
    "[Given|Looking at|Comparing|Considering|Taking|Out of|From|With|Between|Of the numbers] {a} and {b}, [which|which "
    "one|which number|which value] is [|the] {c}?",
    "[Pick|Choose|Find|Name|Select|Give me|Tell me|Show me|Return|Identify|Point out|Say] the [{c}|{m}] [number|one|"
    "value|] [of|from|out of|:] {a} [and|or] {b}.",
    "[Do you think|Can you tell me if|Check if|Tell me if] {a} is {c} than {b}?",
    "[I think|I believe|Is it true that|Am I right that|Say whether|Would it be right that|Could you say if|Do we know if|"
    "Do you believe|I guess|People say|I was told|Decide whether|Does it hold that|Tell me whether|I doubt that|"
    "Would you agree that|Do you agree that|Can it be that] {a} is [|really|indeed|much] {c} than {b}[?|.|, right?|]",
    "[Is|Isn't|Could] {a} [|be|really|indeed|not] {c} than {b}[?|, or not?|, please?]",
    "[Here are|I have|Look at|Take|There are|We have|Compare] {a} and {b}[.|:|,] [Which|Which one|Which of them|Which "
    "number|What] is [|the] {c}?",
    "{a} [or|and|versus|vs|against] {b}[,|:|.] [which|which one|what] is [|the] {c}?",
    "[I have|I got|We have|There are] {a} and {b}. [Which|What|Which of them|Which one] is [|the] {c} [number|one|value|]?",
    "[Say|Tell me|Show|Decide|Determine] which of {a} and {b} is [|the] {c}.",
)


@cache
def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split; of "train" the hand-written ones come first."""
    return widen(TRAIN_PHRASINGS, _PATTERNS, EVAL_PHRASINGS) if split == "train" else EVAL_PHRASINGS


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the larger or the smaller of two numbers with at most 4 whole and 4 decimal digits."""
    a, b = _sample_pair(rng, split)
    wants_larger = rng.random() < 0.62
    word, superlative = rng.choice(_LARGER if wants_larger else _SMALLER)
    phrasing = choose(rng, phrasings(split), len(TRAIN_PHRASINGS if split == "train" else EVAL_PHRASINGS))
    steps, order = _walk(a, b)
    if order == 0:
        key = verdict = "They are equal."
    else:
        key = f"{a if (order > 0) == wants_larger else b} {'larger' if wants_larger else 'smaller'}"
        verdict = "{} is {}.".format(*key.split())
    return Example(
        family="comparison",
        question=dress(rng, split, phrasing.format(a=a, b=b, c=word, m=superlative)),
        reasoning="\n".join([*steps, f"So {verdict}" if order else verdict]),
        answer=verdict,
        key=key,
        subject=pair_subject(a, b),
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the first number named is the right one and the direction is not contradicted; for
    equal numbers, when the answer says so."""
    says_equal = re.search(r"\b(?:equal|same)\b", answer_text, re.IGNORECASE) is not None
    if example.key == "They are equal.":
        return says_equal
    number, direction = example.key.split()
    opposite = _SAYS_SMALLER if direction == "larger" else _SAYS_LARGER
    first = re.findall(r"\d+(?:\.\d+)?", answer_text)[:1]
    return first == [number] and not says_equal and opposite.search(answer_text) is None


def _walk(a: str, b: str) -> tuple[list[str], int]:
    """The lines of the trace and the order: -1 when a < b, 0 when equal, 1 when a > b."""
    (whole_a, _, tail_a), (whole_b, _, tail_b) = a.partition("."), b.partition(".")
    width = max(len(tail_a), len(tail_b))
    tail_a, tail_b = tail_a.ljust(width, "0"), tail_b.ljust(width, "0")
    dot = "." if width else ""
    lines = [f"{a} and {b}: {whole_a}{dot}{tail_a}, {whole_b}{dot}{tail_b}"]
    same_length = len(whole_a) == len(whole_b)
    steps = list(zip(whole_a, whole_b, strict=True)) if same_length else [(whole_a, whole_b)]
    steps += [(f".{x}", f".{y}") for x, y in zip(tail_a, tail_b, strict=True)]
    for left, right in steps:
        order = (float(left) > float(right)) - (float(left) < float(right))
        lines.append(f"{left}{'<=>'[order + 1]}{right}")
        if order:
            return lines, order
    return lines, 0


def _sample_pair(rng: random.Random, split: Split) -> tuple[str, str]:
    while True:
        a, b = rng.choice((_integers, _integers, _decimals, _decimals, _prefixed, _zero_led, _near))(rng)
        if rng.random() < 0.5:
            a, b = b, a
        if split_of(pair_subject(a, b)) == split:
            return a, b


def _whole(rng: random.Random) -> str:
    digits = rng.randint(1, MAX_DIGITS)
    return str(rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits))


def _digits(rng: random.Random, low: int, high: int) -> str:
    return "".join(rng.choices("0123456789", k=rng.randint(low, high)))


def _integers(rng: random.Random) -> tuple[str, str]:
    a = _whole(rng)
    draw = rng.random()
    if draw < 0.05:
        return a, a
    if draw < 0.45:  # one length, often one beginning
        kept = rng.randint(0, len(a) - 1)
        tail = _digits(rng, len(a) - kept, len(a) - kept)
        return a, str(int(a[:kept] + tail))
    return a, _whole(rng)


def _decimals(rng: random.Random) -> tuple[str, str]:
    whole = _whole(rng)
    other = whole if rng.random() < 0.7 else _whole(rng)
    return f"{whole}.{_digits(rng, 1, MAX_DIGITS)}", f"{other}.{_digits(rng, 1, MAX_DIGITS)}"


def _prefixed(rng: random.Random) -> tuple[str, str]:
    """9.1 and 9.11, 9 and 9.5, and at times 9.5 and 9.50."""
    tail = _digits(rng, 1, MAX_DIGITS)
    kept = rng.randint(0, len(tail) - 1)
    if rng.random() < 0.25:
        tail = tail[:kept].ljust(len(tail), "0")
    whole = _whole(rng)
    return f"{whole}.{tail}", f"{whole}.{tail[:kept]}" if kept else whole


def _zero_led(rng: random.Random) -> tuple[str, str]:
    """9.09 and 9.1."""
    whole = _whole(rng)
    zeros = "0" * rng.randint(1, 2)
    return f"{whole}.{zeros}{_digits(rng, 1, 2)}", f"{whole}.{_digits(rng, 1, 3)}"


def _near(rng: random.Random) -> tuple[str, str]:
    """9.11 and 9.9: one whole digit, tails of different lengths."""
    whole = str(rng.randint(0, 99))
    return f"{whole}.{_digits(rng, 2, 3)}", f"{whole}.{_digits(rng, 1, 1)}"
