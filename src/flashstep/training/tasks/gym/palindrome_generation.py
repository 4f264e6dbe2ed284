"""A palindrome from given letters: find the pairs, put one of each before the middle, the other behind."""

from flashstep.training.tasks.base import lettered
from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.spelling import letter_line
from flashstep.training.tasks.text.letter_texts import spaced


def solve(entry: Entry) -> Solved:
    """Go through the letters; behind the colon stand those without a partner so far, then the pairs so far:

    Letters: u1 y2 u3 y4 x5
    1 u: u, -
    2 y: u y, -
    3 u: y, u
    4 y: -, u y
    5 x: x, u y
    So u1 y2 x y2 u1
    """
    letters = entry["metadata"]["letters"]
    lines, single, half = [f"Letters:{letter_line(letters)}"], "", ""
    for number, letter in enumerate(letters, 1):
        if letter in single:
            single, half = single.replace(letter, ""), half + letter
        else:
            single += letter
        lines.append(f"{number} {letter}: {' '.join(single) or '-'}, {' '.join(half) or '-'}")
    back = "".join(f" {c}{place}" for place, c in reversed(list(enumerate(half, 1))))
    lines.append(f"So{letter_line(half)}{spaced(single)}{back}")
    return Solved("\n".join(lines), lettered(half + single + half[::-1]))
