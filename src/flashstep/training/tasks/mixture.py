"""Which families a stretch of training draws its documents from, and how often each; by name.

A small model that is given every family at once learns the short ones first and, for a long time, few of them
well. "focus" is what an application meets most: letters, sums, tools, follow-ups. Of the other families' questions
it has some as well, with a refusal for an answer. "polish" ends it: letter by letter for half of the
documents, which everything with words begins with. "tools", "everyday_tools" and "long_texts" are sets: each
draw is several conversations that begin alike (`data.py`).
"""

from flashstep.errors import ConfigError
from flashstep.training.tasks.registry import WEIGHTS

# Questions of the families that a mixture leaves out, answered by a refusal.
BEYOND = "beyond"

_FOCUS = {
    "letters": 0.085, "spelling": 0.06, "backwards": 0.06, "comparison": 0.03, "sums": 0.05, "identity": 0.025,
    "outside": 0.055, BEYOND: 0.03, "repeat": 0.045, "nth_letter": 0.05, "letter_positions": 0.04, "vowels": 0.035,
    "word_length": 0.025, "edits": 0.055, "talk_follow_up": 0.035, "talk_form": 0.03, "talk_correction": 0.02,
    "talk_persona": 0.025, "talk_memory": 0.025, "talk_manners": 0.015, "tools": 0.09, "everyday_tools": 0.07,
    "long_texts": 0.02, "tool_parallel": 0.01, "tool_chain": 0.015,
}  # fmt: skip

_POLISH = {
    "letters": 0.14, "spelling": 0.12, "backwards": 0.09, "comparison": 0.03, "sums": 0.05, "identity": 0.035,
    "outside": 0.055, BEYOND: 0.03, "repeat": 0.035, "nth_letter": 0.05, "letter_positions": 0.04, "vowels": 0.03,
    "word_length": 0.025, "edits": 0.055, "talk_follow_up": 0.025, "talk_form": 0.025, "talk_correction": 0.01,
    "talk_persona": 0.02, "talk_memory": 0.02, "talk_manners": 0.015, "tools": 0.05, "everyday_tools": 0.045,
    "long_texts": 0.005,
}  # fmt: skip

MIXTURES: dict[str, dict[str, float]] = {"all": WEIGHTS, "focus": _FOCUS, "polish": _POLISH}


def get_mixture(name: str) -> dict[str, float]:
    """Share of the documents by family; ConfigError lists the mixtures there are."""
    if name not in MIXTURES:
        raise ConfigError(f"no mixture is called '{name}'; there are: {', '.join(MIXTURES)}")
    return MIXTURES[name]
