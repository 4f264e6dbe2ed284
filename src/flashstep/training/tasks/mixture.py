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
    "letters": 0.071, "spelling": 0.050, "backwards": 0.050, "comparison": 0.020, "sums": 0.042, "identity": 0.019,
    "outside": 0.047, BEYOND: 0.027, "repeat": 0.037, "nth_letter": 0.045, "letter_positions": 0.046, "vowels": 0.031,
    "word_length": 0.022, "edits": 0.068, "talk_follow_up": 0.046, "talk_form": 0.030, "talk_correction": 0.017,
    "talk_persona": 0.025, "talk_memory": 0.037, "talk_manners": 0.014, "tools": 0.056, "everyday_tools": 0.052,
    "long_texts": 0.019, "tool_parallel": 0.005, "tool_chain": 0.008, "gym": 0.116,
}  # fmt: skip

_POLISH = {
    "letters": 0.104, "spelling": 0.077, "backwards": 0.060, "comparison": 0.021, "sums": 0.039,
    "identity": 0.021, "outside": 0.043, BEYOND: 0.026, "repeat": 0.026, "nth_letter": 0.051,
    "letter_positions": 0.051, "vowels": 0.026, "word_length": 0.017, "edits": 0.069, "talk_follow_up": 0.060,
    "talk_form": 0.034, "talk_correction": 0.017, "talk_persona": 0.030, "talk_memory": 0.039,
    "talk_manners": 0.013, "tools": 0.047, "everyday_tools": 0.047, "tool_parallel": 0.004,
    "tool_chain": 0.008, "long_texts": 0.008, "gym": 0.062,
}  # fmt: skip

MIXTURES: dict[str, dict[str, float]] = {"all": WEIGHTS, "focus": _FOCUS, "polish": _POLISH}


def get_mixture(name: str) -> dict[str, float]:
    """Share of the documents by family; ConfigError lists the mixtures there are."""
    if name not in MIXTURES:
        raise ConfigError(f"no mixture is called '{name}'; there are: {', '.join(MIXTURES)}")
    return MIXTURES[name]
