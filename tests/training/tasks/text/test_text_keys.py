"""The keys of the text families against Python's own strings, from what stands in the question."""

import itertools
import random
import re
from collections import Counter
from functools import cache

import pytest

from flashstep.training.tasks.base import LETTER_BREAK, Example, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.text import sentences
from flashstep.training.tasks.text.families import TEXT_FAMILIES
from flashstep.training.tasks.text.letter_texts import ordinal, word_of_line
from flashstep.training.tasks.words import common_words


def examples(family: str, num: int = 300) -> list[Example]:
    rng = random.Random(f"text:{family}")
    return [TEXT_FAMILIES[family].generate(rng, "train") for _ in range(num)]


def heading(example: Example) -> str:
    return example.reasoning.split("\n")[0].rstrip(":")


def test_words_stand_in_their_questions():
    for family in ("nth_letter", "letter_positions", "vowels", "sorted_letters", "word_length", "edits"):
        for example in examples(family):
            assert example.subject in example.question.lower(), example


def test_letters_at_places_are_right():
    kinds = Counter()
    for example in examples("nth_letter", 600):
        place = int(heading(example).split()[-1])
        is_from_end = heading(example).startswith("From")
        letters = example.subject[::-1] if is_from_end else example.subject
        assert list(itertools.islice(letters, place))[-1] == example.key
        kinds[is_from_end, place == 1] += 1
        if place > 1:
            shown = {str(place), ordinal(AlwaysWords(), place), ordinal(AlwaysDigits(), place)}
            assert any(text in example.question for text in shown), example
    assert min(kinds.values()) > 30
    assert len(kinds) == 4


class AlwaysWords(random.Random):
    def random(self) -> float:
        return 0.0


class AlwaysDigits(random.Random):
    def random(self) -> float:
        return 0.99


def test_positions_are_those_of_the_letter():
    keys = []
    for example in examples("letter_positions"):
        letter = heading(example)[-1]
        places = [m.start() + 1 for m in re.finditer(letter, example.subject)]
        assert example.key == (" ".join(map(str, places)) or "none")
        keys.append(example.key)
    assert "none" in keys
    assert any(" " in key for key in keys)


def test_vowels_and_consonants_are_counted():
    for example in examples("vowels"):
        num_vowels = len(re.sub("[^aeiou]", "", example.subject))
        is_vowels = heading(example) == "Vowels"
        assert is_worded(example.question, "vowels" if is_vowels else "consonants"), example.question
        assert example.key == str(num_vowels if is_vowels else len(example.subject) - num_vowels)


def is_worded(question: str, kind: str) -> bool:
    """True when a wording of that list, without its word and its last mark, stands in the question."""
    text = question.lower()
    return any(all(part in text for part in parts(wording)) for wording in wordings(kind, "train").all())


@cache
def parts(wording: str) -> tuple[str, ...]:
    return tuple(part.strip().rstrip("?.!").lower() for part in re.split(r"\{\w+\}", wording))


def test_sorted_letters_are_sorted():
    for example in examples("sorted_letters"):
        assert Counter(example.key) == Counter(example.subject)
        assert all(a <= b for a, b in itertools.pairwise(example.key))


def test_lengths_are_counted():
    for example in examples("word_length"):
        assert example.key == str(sum(1 for _ in example.subject))


def test_edits_are_made_letter_by_letter():
    seen = set()
    for example in examples("edits"):
        kind, letter, *rest = heading(example).split()
        word, other = example.subject, rest[-1] if rest else ""
        changed = {
            "Remove": [c for c in word if c != letter],
            "Replace": [other if c == letter else c for c in word],
            "Append": [*word, letter],
            "Prepend": [letter, *word],
        }[kind]
        assert "".join(changed) == example.key, example
        if kind in ("Remove", "Replace"):
            assert letter in word
        seen.add(kind)
    assert len(seen) == 4


def test_anagrams_have_equal_letter_counts():
    keys, ends = [], set()
    for example in examples("anagram"):
        word, other = example.subject.split()
        assert word != other
        assert (Counter(word) == Counter(other)) == (example.key == "yes")
        keys.append(example.key)
        *_, letters, _ = example.reasoning.split("\n")
        placed = re.findall(r" ([a-z])(\d)", letters)
        assert all(
            other[int(place) - 1] == letter == at for (letter, place), at in zip(placed, word, strict=False)
        )
        assert len({place for _, place in placed}) == len(placed), "no place is taken twice"
        missing = letters.endswith("-") and word[len(placed)]
        assert (len(placed) == len(word)) == (example.key == "yes")
        assert not missing or word[: len(placed) + 1].count(missing) > other.count(missing)
        ends.add((example.key, bool(missing), letters[1] in "<>"))
    assert 0.35 < keys.count("yes") / len(keys) < 0.65
    assert ends == {("yes", False, False), ("no", True, False), ("no", False, True)}


_SAYS = {
    "Longest": (
        "long",
        "most",
        "more letters",
        "great",
        "high",
        "large",
        "max",
        "top",
        "wins",
        "winner",
        "big",
        "beat",
        "champion of length",
        "who is the champion",
        "descending",
        "furthest",
        "farthest",
        "leader",
        "record",
        "dearest",
        "lengthiest",
        "exceeds",
        "first place",
    ),
    "Shortest": (
        "short",
        "few",
        "least",
        "small",
        "low",
        "min",
        "brief",
        "brevity",
        "soonest",
        "ascending",
        "rising",
        "tail",
        "quickest",
        "tiniest",
        "undercut",
    ),
}


def test_the_longest_and_shortest_words_are_alone_in_it():
    for example in examples("extremes"):
        words = example.subject.split()
        others = [len(word) for word in words if word != example.key]
        length = len(example.key)
        assert all(length > n if heading(example) == "Longest" else length < n for n in others)
        assert any(word in example.question.lower() for word in _SAYS[heading(example)]), example.question


def test_sorted_words_are_sorted_by_as_many_letters_as_tell_them_apart():
    longest = 0
    for example in examples("sorted_words"):
        words = example.subject.split()
        assert sorted(words) == example.key.split()
        assert re.findall(r"^[a-z-]: ([a-z]+)$", example.reasoning, re.MULTILINE) == sorted(words)
        shared = re.findall(r"^((?:[a-z] )*[a-z])\+ (.+); ", example.reasoning, re.MULTILINE)
        for beginning, gathered in shared:
            start = beginning.replace(" ", "")
            alike = [pair.split(": ") for pair in gathered.split(", ")]
            assert [word for _, word in alike] == [word for word in words if word.startswith(start)]
            assert all((word + "-")[len(start)] == letter for letter, word in alike)
            longest = max(longest, len(start))
    assert longest > 1


def test_sentences_are_cut_at_their_spaces():
    seen = set()
    for example in examples("sentences", 600):
        words = example.subject.split()
        place = re.fullmatch(r"Word (\d+)", heading(example))
        if heading(example) == "Words":
            assert example.key == str(len(words))
        else:
            assert example.key.lower() == (words[int(place[1]) - 1] if place else words[-1])
        seen.add(heading(example).split()[0] + str(bool(place)))
        assert example.subject in example.question.lower()
    assert seen == {"WordsFalse", "WordTrue", "LastFalse"}


def test_a_count_of_words_must_reach_the_end_of_the_sentence():
    question = 'How many words are in "the cat and the dog"?'
    whole, part = (
        sentences.solve(sentences.Problem("word_count", t)) for t in ("the cat and the dog", "the cat")
    )
    assert sentences.check_trace(question, whole.reasoning, whole.answer)
    assert not sentences.check_trace(question, part.reasoning, part.answer)


def test_lists_hold_words_of_the_split_only():
    rng = random.Random(0)
    for family in ("extremes", "sorted_words"):
        for _ in range(100):
            example = TEXT_FAMILIES[family].generate(rng, "train")
            assert all(split_of(word) == "train" for word in example.subject.split())
            assert split_of(example.subject) == "train"
            held_out = TEXT_FAMILIES[family].generate(rng, "eval")
            assert set(held_out.subject.split()) <= set(common_words("eval"))


@pytest.mark.parametrize(
    ("family", "key", "answer", "is_right"),
    [
        ("nth_letter", "e", "The 3rd letter is E.", True),
        ("nth_letter", "e", "It is f.", False),
        ("letter_positions", "3 4", "It is at positions 3 and 4.", True),
        ("letter_positions", "3 4", "3", False),
        ("letter_positions", "none", "It does not occur.", True),
        ("letter_positions", "none", "At 2.", False),
        ("vowels", "3", "There are three vowels.", True),
        ("vowels", "3", "There are 4 vowels.", False),
        ("sorted_letters", "aaabnn", "a, a, a, b, n, n", True),
        ("sorted_letters", "aaabnn", "Sorted: aaabnn.", True),
        ("sorted_letters", "aaabnn", "aabnn", False),
        ("edits", "baaa", 'It becomes "b a a a".', True),
        ("edits", "baaa", "banaa", False),
        ("sorted_words", "apple fig pear", "apple, fig and pear", True),
        ("sorted_words", "apple fig pear", "fig, apple, pear", False),
        ("sentences", "5", "It has five words.", True),
        ("sentences", "cat", 'The word is "cat".', True),
    ],
)
def test_verifiers_read_other_wordings(family, key, answer, is_right):
    assert TEXT_FAMILIES[family].verify(Example(family, "", "", "", key, ""), answer) is is_right


def test_answers_spell_words_letter_by_letter():
    for family in ("sorted_letters", "edits"):
        for example in examples(family, 50):
            assert example.answer == LETTER_BREAK.join(example.key)


def test_a_letter_line_is_read_back_only_when_it_is_numbered_rightly():
    assert word_of_line(" cat: c1 a2 t3") == "cat"
    assert word_of_line(" cat: c1 a3 t2") is None
    assert word_of_line("So cat.") is None
