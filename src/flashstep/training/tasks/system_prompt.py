"""What applications tell a model before the user says anything: instructions that change no short answer.

`system_prompts/<split>.txt` has the sentences, one a line, written by hand; the two splits share none.
"""

import random
from functools import cache
from importlib import resources

from flashstep.training.tasks.base import Split

_NUM_SENTENCES, _WEIGHTS = (1, 2, 3, 5, 8, 13, 20), (4, 4, 4, 3, 2, 1.5, 0.7)


@cache
def sentences(split: Split) -> tuple[str, ...]:
    """All of one split."""
    text = resources.files(__package__).joinpath("system_prompts", f"{split}.txt").read_text(encoding="utf-8")
    return tuple(filter(None, map(str.strip, text.splitlines())))


def system_prompt(rng: random.Random, split: Split) -> str:
    """One to twenty sentences: as a paragraph, line by line, or as a list."""
    num = rng.choices(_NUM_SENTENCES, _WEIGHTS)[0]
    first, *rest = rng.sample(sentences(split), num)
    if len(rest) < 2 or rng.random() < 0.4:
        return " ".join((first, *rest))
    match rng.choice(("lines", "paragraphs", "list", "numbers")):
        case "lines":
            return "\n".join((first, *rest))
        case "paragraphs":
            middle = len(rest) // 2
            return f"{first} {' '.join(rest[:middle])}\n\n{' '.join(rest[middle:])}"
        case "list":
            return first + "\n" + "\n".join(f"- {sentence}" for sentence in rest)
    return first + "\n" + "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(rest, 1))
