"""The document stream: resumable to the document, held-out words stay out, the corpus keeps digits apart."""

import re
from collections import Counter
from itertools import islice

import pytest

from flashstep.errors import ConfigError
from flashstep.training.data import alike, document, documents, long_dialogues
from flashstep.training.tasks.base import split_of
from flashstep.training.tasks.long_context.families import LONG_CONTEXT_FAMILIES
from flashstep.training.tasks.mixture import MIXTURES
from flashstep.training.tasks.question_families import PLAIN_FAMILIES
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.training.tasks.words import common_words
from flashstep.training.tokenizer import train_tokenizer
from flashstep.training.tokenizer_corpus import tokenizer_corpus


def test_a_document_is_a_function_of_seed_and_index():
    stream = list(islice(documents(seed=3), 50))
    assert stream == [document(3, index) for index in range(50)]
    assert stream[20:] == list(islice(documents(seed=3, start=20), 30))
    assert stream != list(islice(documents(seed=4), 50))
    assert stream != list(islice(documents(seed=3, split="eval"), 50))


def test_long_documents_have_the_lengths_that_are_asked_for():
    def count_words(text):
        return len(text.split())

    sizes, numbers = [], set()
    for index in range(80):
        dialogues = long_dialogues(0, index, (300, 3000), count_words)
        assert dialogues == long_dialogues(0, index, (300, 3000), count_words)
        words = [sum(count_words(message.content) for message in d.messages) for d in dialogues]
        assert max(words) <= 3000
        sizes.append(max(words))
        numbers.add(len(dialogues))
    assert min(sizes) < 600 < 1500 < max(sizes)
    assert {1, 2, 3, 4} <= numbers <= set(range(1, 7))


@pytest.mark.parametrize("mixture", MIXTURES)
def test_documents_are_of_every_family_as_often_as_their_weights_say(mixture):
    num, weights = 4000, MIXTURES[mixture]
    assert sum(weights.values()) == pytest.approx(1.0)
    families = Counter(drawn(alike(0, index, mixture=mixture)) for index in range(num))
    assert families.keys() == weights.keys()
    for name, weight in weights.items():
        assert abs(families[name] / num - weight) < 4 * (weight / num) ** 0.5


def drawn(dialogues):
    """What a mixture calls that which became `dialogues`."""
    family = dialogues[0].family
    if len(dialogues) == 1:
        return family
    sets = {"tool_everyday": "everyday_tools", "talk_application": "applications", "gym": "gym"}
    return sets.get(family, "long_texts" if family in LONG_CONTEXT_FAMILIES else "tools")


def test_a_mixture_that_is_not_there_lists_those_that_are():
    with pytest.raises(ConfigError, match="no mixture is called 'none'; there are: all, world, polish"):
        document(0, 0, mixture="none")


def test_a_question_rarely_has_a_system_prompt_or_another_question_behind_it():
    num_turns, num_system, num = Counter(), 0, 0
    for dialogue in islice(documents(seed=0), 4000):
        if dialogue.family in DIALOGUE_FAMILIES:
            continue
        num += 1
        messages = dialogue.messages
        if messages[0].role == "system":
            num_system += 1
            messages = messages[1:]
        assert [m.role for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert all(m.reasoning and m.content for m in messages if m.role == "assistant")
        num_turns[len(messages) // 2] += 1
    assert set(num_turns) == {1, 2}
    assert 0.025 < num_turns[2] / num < 0.055
    assert 0.035 < num_system / num < 0.065


def test_no_held_out_word_is_asked_about_in_training():
    held_out = set(common_words("eval"))
    spelled = re.compile(r"^ \w1 .*$", re.MULTILINE)
    for dialogue in islice(documents(seed=1), 3000):
        for turn in dialogue.turns:
            for line in spelled.findall(dialogue.messages[turn].reasoning):
                word = "".join(part[0] for part in line.split() if part[0].isalpha())
                assert word not in held_out
                # Elsewhere a line may hold a part of a word, or the letters of an anagram.
                assert split_of(word) == "train" or dialogue.family not in PLAIN_FAMILIES
        assert not any("strawberry" in m.content.lower() for m in dialogue.messages)


def test_the_tokenizer_corpus_is_repeatable_and_has_the_size_asked_for():
    assert list(tokenizer_corpus(40)) == list(tokenizer_corpus(40))
    assert len(list(tokenizer_corpus(40))) == 40


def test_no_two_digits_stand_side_by_side_in_the_tokenizer_corpus():
    assert not any(re.search(r"\d\d", text) for text in tokenizer_corpus(500))


def test_a_tokenizer_of_the_corpus_suits_letters_digits_and_our_phrasings():
    tokenizer = train_tokenizer(tokenizer_corpus(3000), 2048)
    assert tokenizer.encode("90210").tokens == list("90210")
    assert tokenizer.encode(" s1 t2 #3").tokens == ["Ġs", "1", "Ġt", "2", "Ġ#", "3"]
    assert tokenizer.encode("How many").tokens == ["How", "Ġmany"]
    pieces = tokenizer.encode(" xylophonist").tokens
    assert max(map(len, pieces)) <= 4, "words to be spelled are cut into short pieces"
