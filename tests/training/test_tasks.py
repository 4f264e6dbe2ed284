"""The task families: traces are true line by line, verifiers are fair, splits do not touch."""

import random
import re
from decimal import Decimal
from itertools import count

import pytest

from flashstep.training.tasks import comparison, outside
from flashstep.training.tasks.base import LETTER_BREAK, Example, split_of
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.question_families import PLAIN_FAMILIES
from flashstep.training.tasks.questions import Wordings, wordings
from flashstep.training.tasks.registry import WEIGHTS
from flashstep.training.tasks.short_questions import SHORT_FAMILIES
from flashstep.training.tasks.words import common_words

SPLITS = ("train", "eval")
# The families that are modules of their own; packages of families have their own tests.
FAMILIES = {**PLAIN_FAMILIES, "arithmetic": SHORT_FAMILIES["arithmetic"]}


def examples(family: str, split: str, num: int = 300) -> list[Example]:
    rng = random.Random(f"test:{family}:{split}")
    return [FAMILIES[family].generate(rng, split) for _ in range(num)]


def shown(example: Example) -> str:
    """The answer as a reader sees it."""
    return example.answer.replace(LETTER_BREAK, "")


def first_where(family: str, split: str, wanted) -> Example:
    rng = random.Random(1)
    generated = (FAMILIES[family].generate(rng, split) for _ in count())
    return next(e for e in generated if wanted(e))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_generated_answer_passes_its_own_verifier(family, split):
    for example in examples(family, split):
        assert FAMILIES[family].verify(example, shown(example)), example
        assert example.family == family
        assert example.question.strip()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_to_another_question_is_wrong(family):
    pool = examples(family, "train")
    for one, other in zip(pool, pool[1:], strict=False):
        if one.key != other.key and family != "identity":
            assert not FAMILIES[family].verify(one, shown(other)), (one, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_answer_is_wrong(family):
    assert not any(FAMILIES[family].verify(example, "") for example in examples(family, "eval", 50))


def test_letters_trace_of_strawberry_is_as_documented():
    example = first_where(
        "letters", "eval", lambda e: e.subject == "strawberry" and e.reasoning.startswith("Letter r")
    )
    assert example.reasoning == (
        "Letter r:\n strawberry: s1 t2 r3 #1 a4 w5 b6 e7 r8 #2 r9 #3 y10\nSo r appears 3 times."
    )
    assert shown(example) == "There are 3 'r's in \"strawberry\"."
    assert example.key == "3"


def test_letters_trace_spells_the_word_and_numbers_each_match():
    for example in examples("letters", "train"):
        letter = re.match(r"Letter (\w):", example.reasoning)[1]
        named, *parts = example.reasoning.split("\n")[1].split()
        assert named == f"{example.subject}:"
        word, matches = "", 0
        for part in parts:
            if part[0] == "#":
                matches += 1
                assert part == f"#{matches}"
                assert word[-1] == letter
            else:
                word += part[0]
                assert part == f"{word[-1]}{len(word)}"
        assert word == example.subject
        assert str(matches) == example.key == str(word.count(letter))


def test_letters_asks_for_present_and_absent_letters_and_for_many_counts():
    keys = [example.key for example in examples("letters", "train", 1000)]
    assert 0.1 < keys.count("0") / len(keys) < 0.3
    assert {"0", "1", "2", "3", "4", "5"} <= set(keys)


def test_the_word_and_the_letter_stand_in_the_question():
    for example in examples("letters", "train"):
        question = example.question.lower()
        assert example.subject in question
        assert re.match(r"Letter (\w):", example.reasoning)[1] in question.replace(example.subject, "", 1)


def test_spelling_trace_numbers_the_letters():
    for example in examples("spelling", "train", 100):
        letters = " ".join(f"{c}{i}" for i, c in enumerate(example.subject, 1))
        assert example.reasoning == f"Letters:\n {example.subject}: {letters}"
        assert example.answer == ", ".join(example.subject)


def test_backwards_trace_is_the_letter_line_and_its_mirror():
    for example in examples("backwards", "train", 100):
        heading, forwards, heading_2, backwards = example.reasoning.split("\n")
        assert (heading, heading_2) == ("Reverse:", "Backwards:")
        named, *letters = forwards.split()
        assert named == f"{example.subject}:"
        assert letters == backwards.split()[::-1]
        assert shown(example) == example.subject[::-1]


def arithmetic_lines(example: Example) -> list[tuple[str, str, str]]:
    """(left side, result, result so far) of every column line."""
    lines = example.reasoning.split("\n")[1:-1]
    if " - " in example.answer:  # the first line compares the digits
        lines = lines[1:]
    return [re.fullmatch(r"([\d+-]+)=(\d+): (\d+)", line).groups() for line in lines]


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_of_an_arithmetic_trace_is_true(split):
    for example in examples("arithmetic", split, 1000):
        so_far = ""
        for left, result, partial in arithmetic_lines(example):
            assert sum(int(term) for term in re.findall(r"[+-]?\d+", left)) == int(result), example
            so_far = result[-1] + so_far
            assert partial == so_far
        assert abs(int(example.key)) == int(so_far)
        assert example.reasoning.endswith(f"\nSo {example.key}.")


@pytest.mark.parametrize("split", SPLITS)
def test_arithmetic_keys_are_the_true_results(split):
    for example in examples("arithmetic", split, 1000):
        a, sign, b, result = re.fullmatch(r"(\d+) ([+-]) (\d+) = (-?\d+)", example.answer).groups()
        assert int(result) == (int(a) + int(b) if sign == "+" else int(a) - int(b))
        assert result == example.key
        assert len(a) <= 5 >= len(b)
        assert a in example.question
        assert b in example.question


@pytest.mark.parametrize("split", SPLITS)
def test_a_subtraction_compares_its_digits_first_and_so_finds_the_sign(split):
    for example in examples("arithmetic", split, 1000):
        a, sign, b = re.match(r"(\d+) ([+-]) (\d+)", example.answer).groups()
        if sign == "+":
            continue
        aligned, walk = example.reasoning.split("\n")[:2]
        steps, _, swapped = walk.partition(", negative, so ")
        top, bottom = aligned.split("-")
        for (x, relation, y), left, right in zip(steps.split(), top, bottom, strict=False):
            assert (x, y) == (left, right)
            assert relation == "<=>"[(left > right) - (left < right) + 1]
        assert "=" * (len(steps.split()) - 1) == "".join(step[1] for step in steps.split()[:-1])
        assert bool(swapped) == (int(a) < int(b)) == steps.endswith(f"<{steps[-1]}")
        assert swapped in ("", f"{bottom}-{top}:")


def test_wordings_of_a_subtraction_keep_its_order():
    operator = r"(-|minus|take away|without|reduced by|decreased by|lowered by|less)"
    turned = re.compile(rf"\{{b\}} *{operator} *\{{a\}}|(from|out of) (the number )?\{{b\}}", re.IGNORECASE)
    assert turned.search("What is {b} minus {a}?")
    assert [wording for wording in wordings("subtract", "train").all() if turned.search(wording)] == []


def test_arithmetic_covers_all_lengths_negative_results_and_long_carries():
    pool = examples("arithmetic", "train", 3000)
    operands = [re.findall(r"\d+", e.answer)[:2] for e in pool]
    assert {(len(a), len(b)) for a, b in operands} == {(i, j) for i in range(1, 6) for j in range(1, 6)}
    assert any(e.key.startswith("-") for e in pool)
    assert any(a == b for a, b in operands)
    assert any(e.reasoning.count("+1=") >= 5 for e in pool)
    assert any(e.reasoning.count("-1+10-") >= 3 for e in pool)


@pytest.mark.parametrize("split", SPLITS)
def test_comparison_verdicts_are_true(split):
    for example in examples("comparison", split, 1000):
        a, b = (Decimal(text) for text in example.subject.split())
        if a == b:
            assert example.answer == "They are equal."
        else:
            number, direction = example.key.split()
            assert Decimal(number) == (max(a, b) if direction == "larger" else min(a, b))
            assert example.answer == f"{number} is {direction}."


def test_every_line_of_a_comparison_trace_is_true():
    for example in examples("comparison", "train", 1000):
        lines = example.reasoning.split("\n")
        steps = [re.fullmatch(r"(\.?\d+)([<=>])(\.?\d+)", line).groups() for line in lines[1:-1]]
        for left, sign, right in steps:
            assert sign == "<=>"[(Decimal(left) > Decimal(right)) - (Decimal(left) < Decimal(right)) + 1]
        assert all(sign == "=" for _, sign, _ in steps[:-1]), "the walk ends at the first difference"


def test_comparison_trace_of_911_and_99_is_as_documented():
    lines, order = comparison._walk("9.11", "9.9")
    assert lines == ["9.11 and 9.9: 9.11, 9.90", "9=9", ".1<.9"]
    assert order == -1


def test_comparison_asks_about_equal_numbers_and_different_decimal_lengths():
    pool = [e.subject.split() for e in examples("comparison", "train", 1000)]
    assert any(a != b and Decimal(a) == Decimal(b) for a, b in pool)
    assert any(a.split(".")[0] == b.split(".")[0] and len(a) != len(b) for a, b in pool)
    assert any(("." in a) != ("." in b) for a, b in pool)


def test_outside_answers_all_say_no_and_offer_what_there_is():
    answers = {e.answer for split in SPLITS for e in examples("outside", split)}
    assert len(answers) == 1
    assert "load the full Step 3.5 Flash weights" in answers.pop()


ANSWERS = [
    ("letters", "There are three r's.", True),
    ("letters", 'The letter r appears 3 times in "strawberry"!', True),
    ("letters", "3", True),
    ("letters", "There are 2 'r's.", False),
    ("letters", "There are 3, no, 2.", False),
    ("spelling", "c-a-t", True),
    ("spelling", "C A T", True),
    ("spelling", "A cat is spelled: c, a, t.", True),
    ("spelling", "c, a, t, s", False),
    ("spelling", "cat", False),
    ("backwards", 'It is "TAC".', True),
    ("backwards", "tac", True),
    ("backwards", "cat", False),
    ("arithmetic", "The answer is 57,636.", True),
    ("arithmetic", "48371+9265=57636", True),
    ("arithmetic", "-57636", False),
    ("arithmetic", "5763", False),
    ("comparison", "9.9", True),
    ("comparison", "9.9 is bigger than 9.11.", True),
    ("comparison", "9.11 is larger.", False),
    ("comparison", "9.9 is smaller.", False),
    ("comparison", "They are equal.", False),
    ("outside", "  I cannot help with that.", True),
    ("outside", "Paris.", False),
    ("identity", "My name is Flashstep-nano", True),
    ("identity", "I am a large model.", False),
]
KEYS = {
    "letters": ("3", "strawberry"),
    "spelling": ("c, a, t", "cat"),
    "backwards": ("tac", "cat"),
    "arithmetic": ("57636", "48371 9265"),
    "comparison": ("9.9 larger", "9.11 9.9"),
    "outside": ("I cannot help", ""),
    "identity": ("flashstep-nano", "self"),
}


@pytest.mark.parametrize(("family", "answer", "right"), ANSWERS, ids=[f"{f}-{a}" for f, a, _ in ANSWERS])
def test_verifiers_read_other_wordings(family, answer, right):
    key, subject = KEYS[family]
    example = Example(family, "", "", "", key, subject)
    assert FAMILIES[family].verify(example, answer) is right


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.holds_out_subjects])
def test_subjects_belong_to_their_split(family, split):
    assert {split_of(example.subject) for example in examples(family, split)} == {split}


def test_strawberry_is_held_out():
    assert split_of("strawberry") == "eval"
    assert "strawberry" in common_words("eval")
    assert "strawberry" not in common_words("train")


def test_about_one_word_in_ten_is_held_out():
    held_out, trained = len(common_words("eval")), len(common_words("train"))
    assert held_out + trained >= 1200
    assert 0.07 < held_out / (held_out + trained) < 0.13


KINDS = [kind for family in FAMILIES.values() for kind in family.wordings]


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_enough_wordings_and_no_held_out_one_is_trained(kind):
    train, held_out = (wordings(kind, split).all() for split in SPLITS)
    assert len(train) >= 100
    assert len(held_out) >= 8
    seen = [normalised(wording) for wording in train]
    assert len(set(seen)) == len(seen)
    assert not {normalised(wording) for wording in held_out} & set(seen)


def test_half_of_the_questions_are_hand_written_ones_and_all_wordings_occur():
    rng = random.Random(0)
    some = Wordings(("a", "b"), tuple(f"p{i}" for i in range(98)))
    picks = [some.choose(rng) for _ in range(4000)]
    assert 0.45 < sum(pick in ("a", "b") for pick in picks) / len(picks) < 0.55
    assert set(picks) == set(some.all())


def test_the_demo_question_is_worded_as_in_training():
    assert "How many {p} are in the word {w}?" in wordings("letters", "train").hand_written


def test_outside_topics_are_many_and_split():
    slots = ("thing", "place", "person", "field", "language")
    train, held_out = ({t for slot in slots for t in outside.topics(slot, split)} for split in SPLITS)
    assert len(train) >= 300
    assert all(outside.topics(slot, "eval") for slot in slots)
    assert not train & held_out


def test_weights_are_shares():
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
