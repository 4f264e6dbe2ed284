"""Wordings from patterns: every combination, but not too many of one pattern."""

from flashstep.training.tasks.grammar import expand, normalised, some


def test_expand_gives_every_combination_with_tidy_spaces():
    assert expand("[Add|Sum] {a} and [|also] {b}.") == [
        "Add {a} and {b}.",
        "Add {a} and also {b}.",
        "Sum {a} and {b}.",
        "Sum {a} and also {b}.",
    ]


def test_a_pattern_with_many_alternatives_gives_a_part_of_them_and_always_the_same():
    pattern = "[a|b|c|d|e|f|g|h|i|j] [a|b|c|d|e|f|g|h|i|j] [a|b|c|d|e|f|g|h|i|j]"
    assert len(set(some(pattern))) == 400
    assert some(pattern) == some(pattern)
    assert set(some(pattern)) < set(expand(pattern))


def test_operators_tell_wordings_apart_but_case_and_punctuation_do_not():
    assert normalised("{a} + {b}") != normalised("{a} - {b}")
    assert normalised("Spell {w}.") == normalised("spell {w}!")
