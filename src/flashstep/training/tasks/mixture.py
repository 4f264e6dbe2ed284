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
    "letters": 0.059, "spelling": 0.042, "backwards": 0.042, "comparison": 0.021, "sums": 0.035, "identity": 0.017,
    "outside": 0.038, BEYOND: 0.021, "repeat": 0.032, "nth_letter": 0.035, "letter_positions": 0.028, "vowels": 0.025,
    "word_length": 0.017, "edits": 0.038, "talk_follow_up": 0.025, "talk_form": 0.021, "talk_correction": 0.014,
    "talk_persona": 0.017, "talk_memory": 0.017, "talk_manners": 0.011, "tools": 0.063, "everyday_tools": 0.049,
    "long_texts": 0.014, "tool_parallel": 0.007, "tool_chain": 0.011, "gym": 0.301,
}  # fmt: skip

_POLISH = {
    "letters": 0.109, "spelling": 0.094, "backwards": 0.07, "comparison": 0.023, "sums": 0.039, "identity": 0.027,
    "outside": 0.043, BEYOND: 0.023, "repeat": 0.027, "nth_letter": 0.039, "letter_positions": 0.031, "vowels": 0.023,
    "word_length": 0.02, "edits": 0.043, "talk_follow_up": 0.02, "talk_form": 0.02, "talk_correction": 0.008,
    "talk_persona": 0.016, "talk_memory": 0.016, "talk_manners": 0.012, "tools": 0.039, "everyday_tools": 0.035,
    "long_texts": 0.004, "gym": 0.219,
}  # fmt: skip

MIXTURES: dict[str, dict[str, float]] = {"all": WEIGHTS, "focus": _FOCUS, "polish": _POLISH}


def get_mixture(name: str) -> dict[str, float]:
    """Share of the documents by family; ConfigError lists the mixtures there are."""
    if name not in MIXTURES:
        raise ConfigError(f"no mixture is called '{name}'; there are: {', '.join(MIXTURES)}")
    return MIXTURES[name]
