"""Comparing two numbers digit by digit from the left, as traces do it: "9=9 3<6"."""


def walk(a: str, b: str) -> tuple[str, int]:
    """The digits up to the first that differ, and the order: -1 when a < b, 0 when equal, 1 when a > b. Both are
    equally long and have their decimal points, of which nothing is shown, in the same place."""
    steps = []
    for digit, other in zip(a, b, strict=True):
        order = (digit > other) - (digit < other)
        if digit != ".":
            steps.append(f"{digit}{'<=>'[order + 1]}{other}")
        if order:
            return " ".join(steps), order
    return " ".join(steps), 0
