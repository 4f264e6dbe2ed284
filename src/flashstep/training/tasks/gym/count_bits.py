"""Counting 1 bits: the number is halved again and again, and its odd values are counted in letters."""

from string import ascii_lowercase

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong


def solve(entry: Entry) -> Solved:
    """A line is half of the line before, equally long, and the count as a letter: "a" for none, "b" for one.

    1337671203b
    0668835601c
    0334417800c
    (and so on)
    0005225278d
    2612639e
    (and so on)
    2s
    1t
    t is 19
    So 19.

    Behind a line with three zeros in front they are left out, so all but a few lines are as long as their
    predecessor. More than 25 bits raise TooLong.
    """
    left, count = entry["metadata"]["number"], 0
    if left.bit_count() >= len(ascii_lowercase):
        raise TooLong("more bits than letters")
    width, lines = len(str(left)), []
    while left:
        count += left % 2
        shown = f"{left:0{width}}"
        lines.append(f"{shown}{ascii_lowercase[count]}")
        width -= 3 if shown.startswith("000") else 0
        left //= 2
    return Solved("\n".join([*lines, f"{ascii_lowercase[count]} is {count}", f"So {count}."]), str(count))
