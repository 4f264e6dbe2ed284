"""Sorting up to ten decimals: a letter for sign and tens, the letters in order, and within one letter the
digits compared until only one number is left."""

from flashstep.training.tasks.digit_walk import walk
from flashstep.training.tasks.gym.solved import Entry, Solved

# "a" for -100, "b" for -99.99 to -90, "k" for -9.99 to -0.0, "l" for 0.0 to 9.99, "v" for 100.
_LETTERS = "abcdefghijklmnopqrstuv"


def solve(entry: Entry) -> Solved:
    """Give each number its letter and count the numbers of each letter, go through the letters, then list.

    up
    30.41 o1 30.41
    -77.4 d1 -77.4
    30.2 o2 30.2
    a b c d1 #1 -77.4
    e f g h i j k l m n o1 30.41 o2 30.2
    small 30.41 30.2 0=0 4>2 30.2 #2 30.2
    30.41 #3 30.41
    p q r s t u v
    So #1 -77.4 #2 30.2 #3 30.41

    "small" looks for the smallest amount, the sign aside; "large" for the largest, as negative numbers going
    up and positive ones going down need it.
    """
    numbers, goes_up = entry["metadata"]["original_numbers"], entry["metadata"]["direction"] == "ascending"
    lines, of_letter = ["up" if goes_up else "down"], {letter: list[str]() for letter in _LETTERS}
    for number in numbers:
        letter = _letter(number)
        of_letter[letter].append(number)
        lines.append(f"{number} {letter}{len(of_letter[letter])} {number}")
    in_order: list[str] = []
    passed: list[str] = []
    for letter in _LETTERS if goes_up else reversed(_LETTERS):
        passed.append(letter)
        if of_letter[letter]:
            wants_small = (letter >= "l") == goes_up
            lines += _listed(" ".join(passed), of_letter[letter], wants_small, in_order)
            passed = []
    if passed:
        lines.append(" ".join(passed))
    listed = " ".join(f"#{place} {number}" for place, number in enumerate(in_order, 1))
    return Solved("\n".join([*lines, f"So {listed}"]), str(in_order))


def _letter(number: str) -> str:
    tens = int(number.lstrip("-").partition(".")[0]) // 10
    return _LETTERS[10 - tens if number.startswith("-") else 11 + tens]


def _listed(passed: str, numbers: list[str], wants_small: bool, in_order: list[str]) -> list[str]:
    """The lines that append the numbers of a letter, the last one of `passed`, to `in_order`."""
    if len(numbers) == 1:
        in_order.append(numbers[0])
        return [f"{passed}1 #{len(in_order)} {numbers[0]}"]
    named = " ".join(f"{passed[-1]}{place} {number}" for place, number in enumerate(numbers, 1))
    lines, left = [f"{passed[:-1]}{named}"], list(numbers)
    while left:
        line = _search(left, wants_small) if len(left) > 1 else left[0]
        first = line.rpartition(" ")[2]
        left.remove(first)
        in_order.append(first)
        lines.append(f"{line} #{len(in_order)} {first}")
    return lines


def _search(numbers: list[str], wants_small: bool) -> str:
    """The best number so far compared with the next one, and so on; ends with the best of all."""
    best, rounds = numbers[0], []
    for number in numbers[1:]:
        walk, order = _compared(best, number)
        shown = f"{best} {number} {walk}"
        if order == (1 if wants_small else -1):
            best = number
        rounds.append(f"{shown} {best}")
    return f"{'small' if wants_small else 'large'} {', '.join(rounds)}"


def _compared(a: str, b: str) -> tuple[str, int]:
    """The digits from the ones on until they differ, "0=0 4>2", and the order of the amounts: 1, 0 or -1."""
    digits_a, digits_b = (_from_ones(number) for number in (a, b))
    width = max(len(digits_a), len(digits_b))
    return walk(digits_a.ljust(width, "0"), digits_b.ljust(width, "0"))


def _from_ones(number: str) -> str:
    whole, _, decimals = number.partition(".")
    return whole[-1] + decimals
