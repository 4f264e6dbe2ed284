"""Which families a stretch of training draws its documents from, and how often each; by name.

A small model that is given every family at once learns the short ones first and, for a long time, few of them
well. "focus" is what an application meets most: letters, sums, tools, follow-ups. Of the other families' questions
it has some as well, with a refusal for an answer. "polish" ends it: letter by letter for half of the
documents, which everything with words begins with, and less of what has long texts. "tools",
"everyday_tools", "long_texts" and "gym" are sets: each draw is several conversations that begin alike (`data.py`).
"""

from flashstep.errors import ConfigError
from flashstep.training.tasks.registry import WEIGHTS

# Questions of the families that a mixture leaves out, answered by a refusal.
BEYOND = "beyond"

_FOCUS = {
    "letters": 0.066, "spelling": 0.049, "backwards": 0.056, "comparison": 0.014, "sums": 0.041, "identity": 0.017,
    "outside": 0.066, BEYOND: 0.026, "repeat": 0.036, "nth_letter": 0.050, "letter_positions": 0.045, "vowels": 0.033,
    "word_length": 0.030, "edits": 0.063, "talk_follow_up": 0.052, "talk_form": 0.029, "talk_correction": 0.017,
    "talk_persona": 0.024, "talk_memory": 0.036, "talk_manners": 0.014, "tools": 0.075, "everyday_tools": 0.072,
    "long_texts": 0.017, "tool_parallel": 0.007, "tool_chain": 0.009, "gym": 0.056,
}  # fmt: skip

_POLISH = {
    "letters": 0.103, "spelling": 0.075, "backwards": 0.065, "comparison": 0.016, "sums": 0.038,
    "identity": 0.021, "outside": 0.057, BEYOND: 0.025, "repeat": 0.025, "nth_letter": 0.050,
    "letter_positions": 0.050, "vowels": 0.025, "word_length": 0.023, "edits": 0.068, "talk_follow_up": 0.059,
    "talk_form": 0.033, "talk_correction": 0.017, "talk_persona": 0.029, "talk_memory": 0.038,
    "talk_manners": 0.013, "tools": 0.056, "everyday_tools": 0.052, "tool_parallel": 0.004,
    "tool_chain": 0.008, "long_texts": 0.008, "gym": 0.042,
}  # fmt: skip

MIXTURES: dict[str, dict[str, float]] = {"all": WEIGHTS, "focus": _FOCUS, "polish": _POLISH}


def get_mixture(name: str) -> dict[str, float]:
    """Share of the documents by family; ConfigError lists the mixtures there are."""
    if name not in MIXTURES:
        raise ConfigError(f"no mixture is called '{name}'; there are: {', '.join(MIXTURES)}")
    return MIXTURES[name]
