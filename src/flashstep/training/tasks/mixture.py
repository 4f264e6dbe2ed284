"""Which families a stretch of training draws its documents from, and how often each; by name.

"world" has every family, in numbers that follow how long each took to learn: of families with many shapes
(letters, edits, tools) more than of those with one, and little of long texts, which cost most. "polish" ends a run: letter
by letter for more of the documents, which everything with words begins with, and fewer long ones. "tools",
"everyday_tools", "long_texts" and "gym" are sets: each draw is several conversations that begin alike (`data.py`).
"""

from flashstep.errors import ConfigError
from flashstep.training.tasks.registry import WEIGHTS

# Draws; what counts is their ratio.
_CALCULATING = {
    "multiplication": 4.5, "division": 3.6, "chain": 3.2, "decimals": 2.6, "sorting": 5.6, "divisors": 2.0,
    "primes": 1.2, "factors": 1.6, "powers": 1.4, "percent": 2.0, "to_base": 5.5, "from_base": 5.5, "to_roman": 1.2,
    "from_roman": 1.2, "to_words": 2.2, "from_words": 1.4,
}  # fmt: skip
_TIME_AND_UNITS = {
    "weekday": 6.5, "days_between": 1.6, "leap_year": 0.9, "clock": 6.5, "clock_duration": 1.5, "clock_format": 1.0,
    "units": 2.2, "temperature": 4.0, "change": 1.6,
}  # fmt: skip
_LOGIC = {
    "syllogism": 5.0, "proposition": 4.0, "ordering": 7.0, "kinship": 7.0, "knights": 1.6, "legs": 1.6, "stories": 7.0,
}  # fmt: skip
_WORDS = {"sorted_letters": 2.2, "anagram": 3.5, "extremes": 5.0, "sorted_words": 7.0, "sentences": 1.5}
_FURTHER = {**_CALCULATING, **_TIME_AND_UNITS, **_LOGIC, **_WORDS}

_WORLD = {
    "letters": 4.2, "spelling": 3.1, "backwards": 3.8, "comparison": 1.2, "sums": 2.8, "identity": 1.3,
    "outside": 5.0, "repeat": 2.3, "nth_letter": 3.3, "letter_positions": 3.0, "vowels": 2.3, "word_length": 2.1,
    "edits": 4.2, "talk_follow_up": 3.5, "talk_form": 2.0, "talk_correction": 1.1, "talk_persona": 1.6,
    "talk_memory": 2.4, "talk_manners": 1.0, "tools": 2.2, "everyday_tools": 1.8, "long_texts": 0.5,
    "gym": 1.6, **_FURTHER,
}  # fmt: skip

_POLISH = {
    "letters": 22.0, "spelling": 15.0, "backwards": 10.0, "comparison": 2.0, "sums": 4.0, "identity": 6.0,
    "outside": 17.0, "repeat": 4.0, "nth_letter": 7.0, "letter_positions": 8.0, "vowels": 4.0, "word_length": 4.0,
    "edits": 10.0, "talk_follow_up": 10.0, "talk_form": 4.5, "talk_correction": 2.0, "talk_persona": 3.5,
    "talk_memory": 5.0, "talk_manners": 2.5, "tools": 4.4, "everyday_tools": 3.8, "long_texts": 0.6, "gym": 3.0,
    **_FURTHER,
}  # fmt: skip


def _shares(draws: dict[str, float]) -> dict[str, float]:
    return {name: number / sum(draws.values()) for name, number in draws.items()}


MIXTURES: dict[str, dict[str, float]] = {
    "all": WEIGHTS, "world": _shares(_WORLD), "polish": _shares(_POLISH),
}  # fmt: skip


def get_mixture(name: str) -> dict[str, float]:
    """Share of the documents by family; ConfigError lists the mixtures there are."""
    if name not in MIXTURES:
        raise ConfigError(f"no mixture is called '{name}'; there are: {', '.join(MIXTURES)}")
    return MIXTURES[name]
