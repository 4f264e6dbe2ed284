"""What is read out of an answer: numbers, yes and no, words of a list, the last word."""

import pytest

from flashstep.training.tasks.answers import last_count, last_number, last_word, named, trimmed, yes_or_no
from flashstep.training.tasks.people import MEN, NAMES, WOMEN, enumerated, is_name, is_woman


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 12.", "12"),
        ("3 meters are 300 centimeters.", "300"),
        ("The change is $6.50.", "6.5"),
        ("That is 1,200.", "1200"),
        ("It is −4 degrees.", "-4"),
        ("From 5 to -5", "-5"),
        ("1.", "1"),
        ("none", None),
    ],
)
def test_the_last_number_is_read_in_its_shortest_form(text, number):
    assert last_number(text) == number


def test_trailing_zeros_go_only_behind_a_point():
    assert [trimmed(text) for text in ("3.50", "4.0", "100", "0.05")] == ["3.5", "4", "100", "0.05"]


def test_counts_may_be_words():
    assert last_count("There are Seven vowels.") == "7"
    assert last_count("one of 3") == "3"
    assert last_count("no idea") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("Yes, it follows.", "yes"), ("No. Not yes.", "no"), ("Nobody knows", None), ("YES", "yes")],
)
def test_the_first_of_yes_and_no_counts(text, said):
    assert yes_or_no(text) == said


def test_a_longer_word_hides_the_shorter_one_inside_it():
    words = ("mother", "mother-in-law", "grandmother", "son")
    assert named("She is the Mother-in-law, not the mother.", words) == ["mother-in-law", "mother"]
    assert named("a person", words) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [('It is "baaa".', "baaa"), ("b, a, a, a", "baaa"), ("It is b a a a.", "baaa"), ("42", None)],
)
def test_the_last_word_may_be_spelled(text, word):
    assert last_word(text) == word


def test_names_are_of_one_list_each_and_known_in_any_case():
    assert not set(WOMEN) & set(MEN)
    assert all(is_name(name.lower()) for name in NAMES)
    assert all(is_woman(name.upper()) == (name in WOMEN) for name in NAMES)


def test_enumerations():
    assert [enumerated(list("abc"[:n])) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
