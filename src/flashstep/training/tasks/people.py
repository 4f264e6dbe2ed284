"""First names for stories and puzzles. The list is shared by both splits; combinations are split."""

import random

WOMEN = (
    "Alice", "Amy", "Anna", "Beth", "Clara", "Dora", "Ella", "Emma", "Eva", "Fay", "Gina", "Helen",
    "Ida", "Jane", "Judy", "Kate", "Laura", "Lily", "Lucy", "Mary", "Maya", "Mia", "Nina", "Olga",
    "Paula", "Rita", "Rosa", "Sara", "Tina", "Vera", "Wendy", "Zoe",
)  # fmt: skip
MEN = (
    "Adam", "Alan", "Ben", "Carl", "Dan", "David", "Eric", "Felix", "Frank", "Fred", "George", "Hugo",
    "Ian", "Ivan", "Jack", "John", "Karl", "Leo", "Luke", "Max", "Mike", "Nick", "Oscar", "Paul",
    "Peter", "Ralph", "Saul", "Simon", "Tim", "Tom", "Victor", "Walt",
)  # fmt: skip
NAMES = WOMEN + MEN
_WOMEN_LOWER = frozenset(name.lower() for name in WOMEN)
_NAMES_LOWER = frozenset(name.lower() for name in NAMES)


def sample_names(rng: random.Random, num: int) -> list[str]:
    """`num` different names."""
    return rng.sample(NAMES, num)


def is_woman(name: str) -> bool:
    """True for the women's names of the list, in any case."""
    return name.lower() in _WOMEN_LOWER


def is_name(word: str) -> bool:
    """True for a name of the list, in any case."""
    return word.lower() in _NAMES_LOWER


def enumerated(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else items[0]
