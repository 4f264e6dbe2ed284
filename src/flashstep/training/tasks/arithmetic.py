"""Adding and subtracting up to five digits, column by column from the right.

After each column the result so far is written again in full, so the next step looks back one line:

    48+75          52-17            12-345 is negative, so 345-012:
    8+5=13: 3      2+10-7=5: 5      5-2=3: 3
    4+7+1=12: 23   5-1-1=3: 35      4-1=3: 33
    0+0+1=1: 123   So 35.           3-0=3: 333
    So 123.                         So -333.

Both numbers are written equally long first. In an addition `+1` behind a column is the carry. In a
subtraction `-1` behind the
top digit pays the borrow of the column before, `+10` takes a new one.
"""

import random
import re
from functools import cache

from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.wording import dress

_ADD_TRAIN = (
    "What is {a} + {b}?", "What is {a}+{b}?", "{a}+{b}", "{a} + {b}", "{a}+{b}=", "{a} + {b} = ?",
    "{a}+{b}=?", "{a} + {b}?", "{a} plus {b}", "What is {a} plus {b}?", "Add {a} and {b}.",
    "Add {b} to {a}.", "Please add {a} and {b}.", "Can you add {a} and {b}?",
    "What is the sum of {a} and {b}?", "Sum of {a} and {b}", "Find the sum of {a} and {b}.",
    "Calculate {a} + {b}.", "Compute {a} + {b}.", "Compute {a}+{b}", "How much is {a} + {b}?",
    "How much is {a} plus {b}?", "What's {a} + {b}?", "What do you get if you add {a} and {b}?",
    "Solve {a} + {b}.", "{a} plus {b} is what?", "Tell me {a} plus {b}.", "What does {a} + {b} equal?",
    "{a} and {b} together make how much?", "I have {a} and get {b} more. How many do I have?",
    "Work out {a} + {b}.", "Give me {a} + {b}.",
)  # fmt: skip
_SUBTRACT_TRAIN = (
    "What is {a} - {b}?", "What is {a}-{b}?", "{a}-{b}", "{a} - {b}", "{a}-{b}=", "{a} - {b} = ?",
    "{a}-{b}=?", "{a} - {b}?", "{a} minus {b}", "What is {a} minus {b}?", "Subtract {b} from {a}.",
    "Please subtract {b} from {a}.", "Can you subtract {b} from {a}?", "Take {b} away from {a}.",
    "Take {b} from {a}.", "Calculate {a} - {b}.", "Compute {a} - {b}.", "Compute {a}-{b}",
    "How much is {a} - {b}?", "How much is {a} minus {b}?", "What's {a} - {b}?", "Solve {a} - {b}.",
    "What do you get if you subtract {b} from {a}?", "What is left if you take {b} away from {a}?",
    "{a} minus {b} is what?", "Tell me {a} minus {b}.", "What does {a} - {b} equal?",
    "I have {a} and give away {b}. How many are left?", "Work out {a} - {b}.", "Give me {a} - {b}.",
)  # fmt: skip
_ADD_EVAL = (
    "Determine {a} + {b}.", "Could you compute the sum of {a} and {b}?", "{a} added to {b} gives what?",
    "What number is {a} + {b}?", "Please work out {a} plus {b}.", "Evaluate {a} + {b}",
    "Find {a} + {b}.", "I need to add {a} to {b}.", "What total do {a} and {b} make?",
    "{a} + {b} equals what?", "Say what {a} plus {b} is.", "Do the sum {a} + {b}.",
)  # fmt: skip
_SUBTRACT_EVAL = (
    "Determine {a} - {b}.", "Could you take {b} off {a}?", "{b} subtracted from {a} gives what?",
    "What number is {a} - {b}?", "Please work out {a} minus {b}.", "Evaluate {a} - {b}",
    "Find {a} - {b}.", "I need to subtract {b} from {a}.", "What remains of {a} without {b}?",
    "{a} - {b} equals what?", "Say what {a} minus {b} is.", "Do the subtraction {a} - {b}.",
)  # fmt: skip
_ASK = (
    "[What is|What's|How much is|Compute|Calculate|Determine|Evaluate|Work out|Solve|Give me|Tell me|Find|Please compute|"
    "I need|Can you work out|Help me with|Say|Show me|What do you get for|Do you know] [|the result of|the value of]"
)
_ADD_PATTERNS = (
    f"{_ASK} {{a}} [+|plus|added to|and also|increased by|together with] {{b}}?",
    "[Add|Sum|Sum up|Combine|Please sum|Can you sum|Put together] {a} [and|with|plus] {b}[.|?|]",
    "[What is|Find|Compute|Give me|Tell me|I want|Determine|Work out|What's] the [sum|total] of {a} [and|plus] {b}.",
    "{a} [and|plus|added to|increased by|+] {b} [is|makes|gives|equals|make|equal] [what|how much]?",
    "[I have to|I want to|I must|Let me|We need to|Help me] [add|sum|add up] {a} [and|to|with] {b}.",
    "[Do|Make|Run] the [addition|calculation|computation] {a} + {b}[.|]",
    "{a} [joined by|raised by|put together with|counted with] {b} [gives|makes|is|equals] [what|how much|what number]?",
    "What [number|result|total|sum] [is|do you get from|comes from|do we get from] {a} [+|plus|and] {b}?",
)
_SUBTRACT_PATTERNS = (
    f"{_ASK} {{a}} [-|minus|less|without|reduced by|decreased by|take away] {{b}}?",
    "[Subtract|Deduct|Take|Remove|Please subtract|Can you deduct|Take away|Could you subtract] {b} from {a}[.|?|]",
    "[What is|Compute|What's|Find|Tell me] {b} [subtracted from|taken from|deducted from|taken away from] {a}?",
    "{b} [taken from|deducted from|taken away from] {a} [is|leaves|gives|makes] [what|how much]?",
    "{a} [minus|less|without|reduced by|-] {b} [is|makes|gives|equals|leaves] [what|how much]?",
    "What [number|result] [is|do you get from|comes from|do we get from|is left of] {a} [-|minus|less] {b}?",
    "[Start with|From|Take] {a}[,| and] [take away|remove|subtract|take off] {b}.",
    "[Take|Please take|Can you take|Knock|Strike|Would you take] {b} [off|away from|off of|out of] {a}[?|.]",
    "{b} [removed from|deducted from|taken off|less than|taken out of] {a} [is|leaves|gives|makes|equals] [what|how much|what number]?",
    "[I have to|I want to|I must|Let me|We need to|Help me] [subtract|take|deduct] {b} from {a}.",
    "What [remains|is left|stays] [of|from] {a} [after taking away|when you remove|minus|less|if you subtract|after losing] {b}?",
    "[Do|Make|Compute|Run] the [difference|calculation|computation] {a} - {b}[.|]",
)

MAX_DIGITS = 5


def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split."""
    return sums(split) + differences(split)


@cache
def sums(split: Split) -> tuple[str, ...]:
    """The templates that ask for a + b."""
    return widen(_ADD_TRAIN, _ADD_PATTERNS, _ADD_EVAL + _SUBTRACT_EVAL) if split == "train" else _ADD_EVAL


@cache
def differences(split: Split) -> tuple[str, ...]:
    """The templates that ask for a - b."""
    return (
        widen(_SUBTRACT_TRAIN, _SUBTRACT_PATTERNS, _ADD_EVAL + _SUBTRACT_EVAL)
        if split == "train"
        else _SUBTRACT_EVAL
    )


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a sum or a difference of two non-negative integers of 1 to 5 digits."""
    a, b = _sample_pair(rng, split)
    subtracts = rng.random() < 0.5
    if subtracts and a < b and rng.random() < 0.5:
        a, b = b, a
    sign, result = ("-", a - b) if subtracts else ("+", a + b)
    templates = (differences if subtracts else sums)(split)
    num_hand_written = len(templates)
    if split == "train":
        num_hand_written = len(_SUBTRACT_TRAIN if subtracts else _ADD_TRAIN)
    phrasing = choose(rng, templates, num_hand_written)
    return Example(
        family="arithmetic",
        question=dress(rng, split, phrasing.format(a=a, b=b)),
        reasoning=_subtraction(a, b) if subtracts else _addition(a, b),
        answer=f"{a} {sign} {b} = {result}",
        key=str(result),
        subject=pair_subject(str(a), str(b)),
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the last integer of the answer is the result; thousands separators are ignored."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", answer_text.replace("−", "-"))
    return re.findall(r"(?<!\d)-?\d+", text)[-1:] == [example.key]


def _addition(a: int, b: int) -> str:
    lines, done, carry = [_aligned(a, b, "+")], "", 0
    for top, bottom in _columns(a, b):
        total = top + bottom + carry
        done = f"{total % 10}{done}"
        lines.append(f"{top}+{bottom}{'+1' if carry else ''}={total}: {done}")
        carry = total // 10
    if carry:
        done = f"1{done}"
        lines.append(f"0+0+1=1: {done}")
    return "\n".join([*lines, f"So {int(done)}."])


def _subtraction(a: int, b: int) -> str:
    if a < b:
        lines, sign, a, b = [f"{a}-{b} is negative, so {_aligned(b, a, '-')}:"], "-", b, a
    else:
        lines, sign = [_aligned(a, b, "-")], ""
    done, borrow = "", 0
    for top, bottom in _columns(a, b):
        paid = "-1" if borrow else ""
        difference = top - borrow - bottom
        borrow = int(difference < 0)
        difference += 10 * borrow
        done = f"{difference}{done}"
        lines.append(f"{top}{paid}{'+10' if borrow else ''}-{bottom}={difference}: {done}")
    return "\n".join([*lines, f"So {sign}{int(done)}."])


def _aligned(a: int, b: int, sign: str) -> str:
    """Both numbers written equally long, so that column k is digit k of each: "345-012"."""
    width = max(len(str(a)), len(str(b)))
    return f"{a:0{width}}{sign}{b:0{width}}"


def _columns(a: int, b: int) -> list[tuple[int, int]]:
    width = max(len(str(a)), len(str(b)))
    digits = zip(reversed(f"{a:0{width}}"), reversed(f"{b:0{width}}"), strict=True)
    return [(int(top), int(bottom)) for top, bottom in digits]


def _sample_pair(rng: random.Random, split: Split) -> tuple[int, int]:
    while True:
        a = _sample_number(rng)
        draw = rng.random()
        if draw < 0.04:
            b = a
        elif draw < 0.12:
            b = _carrying_partner(rng, a)
        elif draw < 0.27:  # as long as a: only its digits tell which one is larger
            b = rng.randrange(10 ** (len(str(a)) - 1) if a > 9 else 0, 10 ** len(str(a)))
        else:
            b = _sample_number(rng)
        if split_of(pair_subject(str(a), str(b))) == split:
            return a, b


def _sample_number(rng: random.Random) -> int:
    digits = rng.randint(1, MAX_DIGITS)
    if rng.random() < 0.1:  # 9s and 0s make long chains of carries and borrows
        return int("".join(rng.choices("9900158", k=digits)))
    return rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def _carrying_partner(rng: random.Random, a: int) -> int:
    """A number whose columns with `a` sum to about 9, so that one carry runs through all of them."""
    complement = int("9" * len(str(a))) - a
    return complement + rng.randint(0, min(3, a))
