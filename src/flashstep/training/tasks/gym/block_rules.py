"""Rules that turn some pieces into others: the first that can be applied is applied, until none can."""

from dataclasses import dataclass

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """What it takes and what it makes, a letter for each piece: "AB", "XXY"."""

    takes: str
    makes: str

    def fits(self, counts: Counts) -> bool:
        """Are all pieces there that it takes?"""
        return all(counts[piece] >= self.takes.count(piece) for piece in self.takes)

    def applied(self, counts: Counts) -> Counts:
        """The counts after it."""
        return {p: n - self.takes.count(p) + self.makes.count(p) for p, n in counts.items()}


def trace(rules: tuple[Rule, ...], counts: Counts) -> tuple[str, Counts]:
    """The counts, then for each step the number of its rule and the new counts; and the last counts."""
    lines = [_written(counts)]
    while number := next((n for n, rule in enumerate(rules, 1) if rule.fits(counts)), 0):
        counts = rules[number - 1].applied(counts)
        lines.append(f"{number}: {_written(counts)}")
    return "\n".join(lines), counts


def _written(counts: Counts) -> str:
    return " ".join(f"{piece}{count}" for piece, count in counts.items())
