"""Which families a stretch of training draws its documents from, and how often each; by name.

"world" has every family, in numbers that follow how long each took to learn: of families with many shapes
(letters, edits) more than of those with one, of tools less than of others, since more of them are selected, and
little of long texts, which a phase adds (`recipe.py`). "polish" ends a run: letter by letter for more of the
documents, which everything with words begins with, and fewer long ones. "applications", "tools", "everyday_tools",
"long_texts" and "gym" are sets: each draw is several conversations that begin alike (`data.py`).
"""

from flashstep.errors import ConfigError
from flashstep.training.tasks.registry import WEIGHTS

# Draws; what counts is their ratio.
_CALCULATING = {
    "multiplication": 4.5, "division": 10.0, "chain": 5.0, "decimals": 2.4, "sorting": 8.0, "divisors": 4.5,
    "primes": 1.2, "factors": 2.0, "powers": 2.6, "percent": 2.6, "to_base": 5.0, "from_base": 4.5, "to_roman": 1.2,
    "from_roman": 1.2, "to_words": 2.4, "from_words": 1.6,
}  # fmt: skip
_TIME_AND_UNITS = {
    "weekday": 6.0, "days_between": 2.6, "leap_year": 0.9, "clock": 5.5, "clock_duration": 3.2, "clock_format": 2.6,
    "units": 2.2, "temperature": 5.0, "change": 1.6,
}  # fmt: skip
_LOGIC = {
    "syllogism": 5.0, "proposition": 4.0, "ordering": 7.0, "kinship": 8.0, "knights": 4.0, "legs": 3.0, "stories": 12.0,
}  # fmt: skip
_WORDS = {"sorted_letters": 4.0, "anagram": 5.5, "extremes": 4.5, "sorted_words": 7.5, "sentences": 1.8}
_FURTHER = {**_CALCULATING, **_TIME_AND_UNITS, **_LOGIC, **_WORDS}

_WORLD = {
    "letters": 4.2, "spelling": 3.1, "backwards": 3.8, "comparison": 1.2, "sums": 2.8, "identity": 1.3,
    "outside": 5.0, "repeat": 2.3, "nth_letter": 3.3, "letter_positions": 3.0, "vowels": 2.3, "word_length": 2.1,
    "edits": 4.2, "talk_follow_up": 4.0, "talk_form": 2.2, "talk_correction": 1.1, "talk_persona": 1.6,
    "talk_memory": 2.4, "talk_manners": 1.0, "applications": 9.0, "tools": 5.0, "everyday_tools": 12.0,
    "long_texts": 1.0, "gym": 3.4, **_FURTHER,
}  # fmt: skip

_POLISH = {
    "letters": 22.0, "spelling": 15.0, "backwards": 13.0, "comparison": 2.0, "sums": 5.0, "identity": 6.0,
    "outside": 17.0, "repeat": 5.0, "nth_letter": 7.0, "letter_positions": 8.0, "vowels": 4.0, "word_length": 4.0,
    "edits": 10.0, "talk_follow_up": 16.0, "talk_form": 7.0, "talk_correction": 3.0, "talk_persona": 6.0,
    "talk_memory": 8.0, "talk_manners": 5.0, "applications": 40.0, "tools": 16.0, "everyday_tools": 15.0,
    "long_texts": 1.2, "gym": 4.5, **_FURTHER,
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
