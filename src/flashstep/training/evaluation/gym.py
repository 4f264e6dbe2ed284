"""reasoning-gym's tasks as items: all of its list, whether they lie inside the model's world or not."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from flashstep.errors import ConfigError, how_to_install
from flashstep.training.evaluation.item import Item, Play
from flashstep.training.tasks.base import LETTER_BREAK, Split
from flashstep.training.tasks.gym.entries import dataset, entries_of_any_process
from flashstep.training.tasks.gym.solved import Entry, Solver, TooLong
from flashstep.training.tasks.gym.solvers import SOLVERS
from flashstep.types import Message

PREFIX = "gym/"
_NO_TASK = "composite"  # a mixture of others, to be told which
# Scorers read, and some evaluate, what the model wrote; an answer they cannot read is wrong.
_UNREADABLE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RecursionError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
_RIGHT = 0.99  # scores are in [0, 1]; less than all of it is a partial credit
_NEAR = 1e-4


def gym_families() -> tuple[str, ...]:
    """The names of all tasks, as "gym/leg_counting". ConfigError when the library is missing."""
    if find_spec("reasoning_gym") is None:
        raise ConfigError(
            f"the suite gym needs reasoning-gym, which is not installed; {how_to_install('train')}"
        )
    from reasoning_gym.factory import DATASETS

    return tuple(f"{PREFIX}{name}" for name in sorted(DATASETS) if name != _NO_TASK)


def gym_items(family: str, n: int, seed: int, split: Split = "eval") -> list[Item]:
    """`n` questions of one task in its default settings; for `split` "eval", of a task that is trained only
    such as training never has, and fewer when there are not so many. ConfigError when its generator fails."""
    name = family.removeprefix(PREFIX)
    try:
        entries = entries_of_any_process(name, n, seed, held_out=split == "eval" and name in SOLVERS)
        score = _SCORES.get(name, dataset(name, 0, n).score_answer)
    except (AssertionError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"reasoning-gym cannot make '{name}' ({type(error).__name__}: {error}); "
            "leave it out with --family"
        ) from error
    return [_item(family, score, entry) for entry in entries]


def readings(content: str) -> list[str]:
    """What an answer in words may give as the bare answer: all of it, without the full stop, its last line,
    what stands behind the last "is", "are", ":" or "=", the last word."""
    text = content.strip()
    last = text.splitlines()[-1].strip() if text else ""
    found = [text, text.rstrip("."), last, last.rstrip(".")]
    for mark in (" is ", " are ", ": ", "= "):
        found.append(last.rpartition(mark)[2].rstrip("."))
    found.append(last.rstrip(".").rpartition(" ")[2])
    bare = [reading.strip().strip("\"'") for reading in found]
    return list(dict.fromkeys(reading for reading in (*found, *bare) if reading))


def _item(family: str, score: Callable[..., float], entry: Entry) -> Item:
    def begin() -> Play:
        made = yield (Message("user", entry["question"]),)
        is_right = any(_scored(score, reading, entry) >= _RIGHT for reading in readings(made.content))
        return None if is_right else str(entry["answer"])

    solver = SOLVERS.get(family.removeprefix(PREFIX))
    subjects = (entry["question"],) if solver else ()

    def is_sound(prompt: Sequence[Message], turn: Message) -> bool:
        assert solver is not None, "only asked where there is a solver"
        return turn.reasoning == _reasoning(solver, entry)

    return Item(family, family, subjects, (), begin, is_sound if solver else None)


def _is_same_word(answer: str, entry: Entry) -> float:
    return float(answer.strip().lower() == str(entry["answer"]).lower())


def _is_near(answer: str, entry: Entry) -> float:
    return float(abs(float(answer) - float(entry["answer"])) <= _NEAR)


# Instead of the library's scores, of which one takes any text for True and the other "0" for 0.0625.
_SCORES: dict[str, Callable[..., float]] = {"game_of_life_halting": _is_same_word, "coin_flip": _is_near}


def _reasoning(solver: Solver, entry: Entry) -> str | None:
    try:
        return solver(entry).reasoning.replace(LETTER_BREAK, "")
    except TooLong:
        return None


def _scored(score: Callable[..., float], reading: str, entry: Entry) -> float:
    try:
        return float(score(answer=reading, entry=entry))
    except _UNREADABLE:
        return 0.0
