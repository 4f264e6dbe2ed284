"""Can all courses be taken? Pass by pass, take those whose prerequisites are taken, until none is left or
no further one can be taken."""

from flashstep.training.tasks.gym.solved import Entry, Solved

_Needs = dict[int, list[int]]


def solve(entry: Entry) -> Solved:
    """What every course needs, then the passes. In a line a `y` says that a course is taken: there is an "ok" of it
    above; a line ends at the first that is not (`n`). A pass ends with the courses that it took and those left.

    0: 2 3
    1:
    2: 1
    3: 0
    pass 1
    0:2n
    1 ok1
    2:1y ok2
    3:0n
    took 1 2, left 0 3
    pass 2
    0:2y3n
    3:0n
    took none, left 0 3
    So False.
    """
    needs = _needs(entry)
    lines = [f"{course}:{''.join(f' {need}' for need in rest)}" for course, rest in needs.items()]
    left, taken, number = list(needs), set[int](), 0
    while True:
        number += 1
        took = _pass_lines(lines, needs, left, taken, number)
        left = [course for course in left if course not in taken]
        lines.append(f"took {_listed(took)}, left {_listed(left)}")
        if not took or not left:
            return Solved("\n".join([*lines, f"So {not left}."]), str(not left))


def _needs(entry: Entry) -> _Needs:
    needs: _Needs = {course: [] for course in range(len(entry["metadata"]["courses"]))}
    for course, need in sorted(entry["metadata"]["prerequisites"]):
        needs[course].append(need)
    return needs


def _pass_lines(lines: list[str], needs: _Needs, left: list[int], taken: set[int], number: int) -> list[int]:
    """Adds the lines of a pass, and to `taken` what it took, which it returns too."""
    lines.append(f"pass {number}")
    took = []
    for course in left:
        line = f"{course}:" if needs[course] else f"{course}"
        for need in needs[course]:
            line += f"{need}{'y' if need in taken else 'n'}"
            if need not in taken:
                break
        else:
            line += f" ok{course}"
            taken.add(course)
            took.append(course)
        lines.append(line)
    return took


def _listed(courses: list[int]) -> str:
    return " ".join(map(str, courses)) or "none"
