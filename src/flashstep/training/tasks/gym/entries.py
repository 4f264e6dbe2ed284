"""Entries of reasoning-gym's datasets for training and for evaluation, the same ones in every process.

Two things keep them apart: seeds of evaluation begin at `FIRST_EVAL_SEED`, and of a task that is trained a question
belongs to a split by its text, since some tasks have few different questions.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import Any

from flashstep.errors import ConfigError, how_to_install
from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.gym.solved import Entry

FIRST_EVAL_SEED = 1_000_000
# An entry's seed is the dataset's plus its index; evaluations with other seeds ask other questions.
_SEEDS_OF_ONE_EVALUATION = 100_000
# Entries looked through for one that is held out; one in ten is.
_MOST_LOOKED_AT = 200


@cache
def dataset(name: str, first_seed: int, size: int = FIRST_EVAL_SEED) -> Any:
    """By default as many questions as there are seeds; each is made when it is asked for. Some tasks refuse so
    many. ConfigError when the library is missing."""
    try:
        import reasoning_gym
    except ImportError as error:
        raise ConfigError(
            f"these tasks need reasoning-gym, which is not installed; {how_to_install('train')}"
        ) from error
    return reasoning_gym.create_dataset(name, size=size, seed=first_seed)


def is_of(entry: Entry, split: Split) -> bool:
    """True when the question belongs to the split."""
    return split_of(entry["question"]) == split


def entries_of(name: str, n: int, seed: int, *, held_out: bool) -> list[Entry]:
    """`n` entries for the evaluation with that seed. held_out: only such as training never has; fewer when there are
    not so many. Whatever the generators raise."""
    first_seed = FIRST_EVAL_SEED + seed * _SEEDS_OF_ONE_EVALUATION
    if not held_out:
        return [dataset(name, first_seed, n)[index] for index in range(n)]
    data = dataset(name, first_seed)
    looked_at = (data[index] for index in range(n * _MOST_LOOKED_AT))
    found = (entry for entry in looked_at if is_of(entry, "eval"))
    return [entry for _, entry in zip(range(n), found, strict=False)]


def entries_of_any_process(name: str, n: int, seed: int, *, held_out: bool) -> list[Entry]:
    """The same, whichever process asks: some of the generators go through sets of strings, whose order is
    different in every process unless it is fixed when that begins."""
    return _other_process().submit(entries_of, name, n, seed, held_out=held_out).result()


@contextmanager
def fixed_hash_seed() -> Iterator[None]:
    """Processes that are started inside hash strings alike."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


@cache
def _other_process() -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with fixed_hash_seed():
        pool.submit(int).result()  # the process starts with its first task
    return pool
