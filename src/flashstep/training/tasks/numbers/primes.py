"""Primes up to 999 and prime factors: trial division by the primes in order, digit by digit.

    Is 221 prime?               Factor 84
    /2 2:0 2:0 1:1              /2 8:0 4:0
    /3 2:2 22:1 11:2            84/2 8:4 4:2, 42
    /5 2:2 22:2 21:1            /2 4:0 2:0
    /7 2:2 22:1 11:4            42/2 4:2 2:1, 21
    /11 2:2 22:0 1:1            /2 2:0 1:1
    /13 2:2 22:9 91:0           /3 2:2 21:0
    So 13 divides 221.          21/3 2:0 21:7, 7
                                3*3=9>7
                                So 2 * 2 * 3 * 7.

`/7` reads the digits from the left, each behind the rest of the step before: `22:1` says that 22 leaves
1. The prime divides when the last rest is 0; then `84/2` goes over the digits once more for the
quotient. No prime is tried whose square is larger than the number: `3*3=9>7`.
"""

import random
import re

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.question import example_of
from flashstep.training.tasks.trace_check import Solution, replays

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
MAX_NUMBER = PRIMES[-1] ** 2 - 1
MAX_REASONING_CHARS = 260

_SAYS_NO = re.compile(r"\b(?:not|no|isn[’']t) (?:a )?prime\b|\bcomposite\b", re.IGNORECASE)
_SAYS_YES = re.compile(r"\bprime\b", re.IGNORECASE)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask whether a number up to 999 is prime."""
    while True:
        n = rng.randint(0, 10 ** rng.choices((1, 2, 3), (1, 6, 5))[0] - 1)
        if rng.random() < 0.45 and not _is_prime(n):  # or four in five were composite
            continue
        if split_of(str(n)) == split:
            return example_of(rng, split, "primes", "prime", str(n), solve(f"Is {n} prime?"), n=n)


def generate_factors(rng: random.Random, split: Split) -> Example:
    """Ask for the prime factors of a number from 2 to 1368."""
    while True:
        n = rng.randint(2, rng.choice((99, 999))) if rng.random() < 0.5 else _smooth(rng)
        if split_of(str(n)) != split:
            continue
        solution = solve_factors(f"Factor {n}")
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            return example_of(rng, split, "factors", "factors", str(n), solution, n=n)


def solve(task: str) -> Solution:
    """Work out "Is 91 prime?"; ValueError for anything else."""
    n = _number(r"Is (\d+) prime\?", task)
    divisor, lines = _first_divisor(n, PRIMES) if n > 1 else (None, [])
    if n < 2:
        key, verdict, answer = "no", f"{n} is below 2", f"No, {n} is not prime."
    elif divisor is None:
        key, verdict, answer = "yes", f"{n} is prime", f"Yes, {n} is prime."
    else:
        key, verdict = "no", f"{divisor} divides {n}"
        answer = f"No, {n} is not prime. It is divisible by {divisor}."
    return Solution("\n".join([task, *lines, f"So {verdict}."]), answer, key, (str(n),))


def solve_factors(task: str) -> Solution:
    """Work out "Factor 84"; ValueError for anything else."""
    n = left = _number(r"Factor (\d+)", task)
    if n < 2:
        raise ValueError(f"no prime factors: {task}")
    lines, factors, primes = [task], [], PRIMES
    while True:
        divisor, tries = _first_divisor(left, primes)
        lines += tries
        if divisor is None:
            break
        factors.append(divisor)
        lines.append(_quotient_line(left, divisor))
        left //= divisor
        primes = primes[primes.index(divisor) :]
    product = " * ".join(map(str, [*factors, left]))
    return Solution(
        "\n".join([*lines, f"So {product}."]), f"{n} = {product}", product.replace(" * ", " "), (str(n),)
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer says yes or no (or prime, not prime, composite) and that is right."""
    said = yes_or_no(answer_text)
    if said is None:
        says_no = _SAYS_NO.search(answer_text) is not None
        said = "no" if says_no else "yes" if _SAYS_YES.search(answer_text) else None
    return said == example.key


def verify_factors(example: Example, answer_text: str) -> bool:
    """True when the numbers behind the last "=" (or all of them) are the factors; 2^3 and 2³ are three."""
    text = re.sub(r"[²³⁴⁵⁶⁷⁸⁹]", lambda m: f"^{'²³⁴⁵⁶⁷⁸⁹'.index(m[0]) + 2}", answer_text)
    powers = re.findall(r"(\d+)(?: ?(?:\^|\*\*) ?(\d+))?", text.rpartition("=")[2])
    factors = [int(base) for base, exponent in powers for _ in range(min(int(exponent or 1), 20))]
    return sorted(factors) == [int(factor) for factor in example.key.split()]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the divisions of `reasoning` are those that decide the number in the question."""
    return replays(solve, verify, question, reasoning, answer_text)


def check_trace_factors(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` splits the number in the question into the factors of the answer."""
    return replays(solve_factors, verify_factors, question, reasoning, answer_text)


def _number(pattern: str, task: str) -> int:
    match = re.fullmatch(pattern, task)
    if match is None or int(match[1]) > MAX_NUMBER:
        raise ValueError(f"not about primes, or too large: {task}")
    return int(match[1])


def _first_divisor(n: int, primes: tuple[int, ...]) -> tuple[int | None, list[str]]:
    """The first of `primes` that divides n before its square exceeds n, and the lines of the search."""
    lines = []
    for p in primes:
        if p * p > n:
            lines.append(f"{p}*{p}={p * p}>{n}")
            break
        line, rest = _rest_line(n, p)
        lines.append(line)
        if rest == 0:
            return p, lines
    return None, lines


def _rest_line(n: int, p: int) -> tuple[str, int]:
    line, rest = f"/{p}", 0
    for c in str(n):
        number = 10 * rest + int(c)
        rest = number % p
        line += f" {number}:{rest}"
    return line, rest


def _quotient_line(n: int, p: int) -> str:
    line, rest = f"{n}/{p}", 0
    for c in str(n):
        number = 10 * rest + int(c)
        digit, rest = divmod(number, p)
        line += f" {number}:{digit}"
    return f"{line}, {n // p}"


def _smooth(rng: random.Random) -> int:
    """A product of small primes, so that there is something to find."""
    n = rng.choice(PRIMES[:8])
    while n < 10 or rng.random() < 0.7:
        n *= rng.choice((2, 2, 2, 3, 3, 5, 7, 11, 13))
        if n > MAX_NUMBER:
            return _smooth(rng)
    return n


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % p for p in PRIMES if p < n)
