"""Phrasings from patterns: every combination, nothing held out, nothing twice."""

import random

import pytest

from flashstep.training.tasks.grammar import choose, expand, normalised, widen
from flashstep.training.tasks.registry import FAMILIES


def test_expand_gives_every_combination_with_tidy_spaces():
    assert expand("[Add|Sum] {a} and [|also] {b}.") == [
        "Add {a} and {b}.",
        "Add {a} and also {b}.",
        "Sum {a} and {b}.",
        "Sum {a} and also {b}.",
    ]


def test_widen_drops_what_is_held_out_or_known_whatever_its_case_and_punctuation():
    got = widen(("Spell {w}.",), ["[spell|Say|Read] {w}[!|.]"], ("say {w}",))
    assert got == ("Spell {w}.", "Read {w}.")


def test_operators_tell_phrasings_apart():
    assert normalised("{a} + {b}") != normalised("{a} - {b}")


def test_choose_prefers_no_single_pattern_over_the_hand_written_ones():
    rng = random.Random(0)
    phrasings = tuple(f"p{i}" for i in range(100))
    picks = [choose(rng, phrasings, 2) for _ in range(4000)]
    hand_written = sum(p in ("p0", "p1") for p in picks)
    assert 0.36 < hand_written / len(picks) < 0.44
    assert set(picks) == set(phrasings)


@pytest.mark.parametrize("name", ["letters", "spelling", "backwards", "arithmetic", "comparison", "identity"])
def test_every_family_has_hundreds_of_phrasings_and_none_is_held_out(name):
    family = FAMILIES[name]
    train = {normalised(p) for p in family.phrasings("train")}
    held_out = {normalised(p) for p in family.phrasings("eval")}
    assert len(train) >= 800
    assert not train & held_out
