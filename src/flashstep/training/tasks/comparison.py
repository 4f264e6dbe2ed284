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

from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.wording import dress

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


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the larger or the smaller of two numbers with at most 4 whole and 4 decimal digits."""
    a, b = _sample_pair(rng, split)
    wants_larger = rng.random() < 0.62
    word, superlative = rng.choice(_LARGER if wants_larger else _SMALLER)
    wording = wordings("comparison", split).choose(rng)
    question = dress(rng, split, wording.format(a=a, b=b, c=word, m=superlative))
    return compare(a, b, question, wants_larger=wants_larger)


def compare(a: str, b: str, question: str, *, wants_larger: bool) -> Example:
    """The larger or the smaller of `a` and `b`, as `question` asks."""
    steps, order = _walk(a, b)
    if order == 0:
        key = verdict = "They are equal."
    else:
        key = f"{a if (order > 0) == wants_larger else b} {'larger' if wants_larger else 'smaller'}"
        verdict = "{} is {}.".format(*key.split())
    return Example(
        family="comparison",
        question=question,
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
