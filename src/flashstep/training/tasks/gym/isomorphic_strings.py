"""Can one string be made from another by exchanging letters: the pairs are checked in order against those before."""

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.spelling import letter_line


def solve(entry: Entry) -> Solved:
    """Look up for each pair what its first letter went to so far and what its second letter came from:

    First: a1 b2 a3
    Second: c1 d2 e3
    1 a c: -, -
    2 b d: -, -
    3 a e: c no
    So False.
    """
    first, second = entry["metadata"]["words"]
    lines, answer = [f"First:{letter_line(first)}", f"Second:{letter_line(second)}"], "True"
    went_to: dict[str, str] = {}
    came_from: dict[str, str] = {}
    for number, (one, other) in enumerate(zip(first, second, strict=True), 1):
        earlier_other, earlier_one = went_to.get(one, "-"), came_from.get(other, "-")
        line = f"{number} {one} {other}: {earlier_other}"
        is_first_good = earlier_other in ("-", other)
        if is_first_good:
            line += f", {earlier_one}"
        if not is_first_good or earlier_one not in ("-", one):
            lines.append(f"{line} no")
            answer = "False"
            break
        lines.append(line)
        went_to[one], came_from[other] = other, one
    return Solved("\n".join([*lines, f"So {answer}."]), answer)
