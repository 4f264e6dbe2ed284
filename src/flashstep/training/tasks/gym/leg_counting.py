"""The legs of up to ten kinds of animals: each kind's product is added to the total at once."""

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.trace_steps import plus

_LEGS = {
    0: ("snake", "sea slug", "jellyfish", "flatworm", "leech"),
    2: ("chicken", "bird", "human", "duck"),
    4: ("dog", "cat", "cow", "horse", "lion", "elephant", "giraffe", "tiger", "deer", "sheep"),
    5: ("starfish",),
    6: ("insect", "ant", "butterfly", "beetle", "bee", "wasp", "grasshopper", "cricket", "cockroach",
        "praying mantis", "firefly"),
    8: ("spider", "scorpion"),
    10: ("crab", "lobster", "shrimp"),
    14: ("woodlouse",),
}  # fmt: skip
_LEGS_OF = {animal: legs for legs, animals in _LEGS.items() for animal in animals}


def solve(entry: Entry) -> Solved:
    """Multiply and add, animal by animal; where there is nothing to add, the total is written again.

    3 cats: 3*4=12, total 12
    2 snakes: 2*0=0, total 12
    5 ants: 5*6=30
    12+30
    2+0=2: 2
    1+3=4: 42
    So 42.
    """
    lines, total = [], 0
    for animal, num in entry["metadata"]["animals"].items():
        product = num * _LEGS_OF[animal]
        line = f"{num} {animal}{'s' if num > 1 else ''}: {num}*{_LEGS_OF[animal]}={product}"
        if total and product:
            lines += [line, *plus(total, product)]
        else:
            lines.append(f"{line}, total {total + product}")
        total += product
    return Solved("\n".join([*lines, f"So {total}."]), str(total))
