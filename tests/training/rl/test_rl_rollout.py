"""Playing items: rewards, what a truncated rollout counts, several turns, seeds; with scripted samples."""

import random
from collections import Counter

import pytest

from flashstep.engine.llm import Completion
from flashstep.errors import ConfigError
from flashstep.training.evaluation.item import Item, dialogue_item
from flashstep.training.rl.items import check_families, train_items
from flashstep.training.rl.rollout import Limits, Player
from flashstep.training.tasks.base import split_of
from flashstep.training.tasks.dialogue import without_breaks
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.types import Message, TokenLogprob


def asks_for(answer):
    def begin():
        made = yield (Message("user", "What?"),)
        return None if made.content.strip() == answer else answer

    return Item("what", "what", (), (), begin)


def scripted(tokenizer, texts, asked=None):
    """Answers the prompts with `texts`, one after the other; a text that ends in "..." is cut there."""

    def sample(prompts, params):
        completions = []
        for prompt, wishes in zip(prompts, params, strict=True):
            text = texts.pop(0)
            is_cut = text.endswith("...")
            ids = tokenizer.encode(text.removesuffix("...") + ("" if is_cut else "<|im_end|>"))
            if asked is not None:
                asked.append((prompt, wishes))
            logprobs = [TokenLogprob(token_id, -0.5) for token_id in ids]
            completions.append(Completion(ids, logprobs, [], "length" if is_cut else "stop"))
        return completions

    return sample


def play(template, tokenizer, items, texts, group_size=2, asked=None, **limits):
    player = Player(template, tokenizer, Limits(**{"turn_tokens": 50, "row_tokens": 1500, **limits}))
    return player.play(items, group_size, "seed:0", scripted(tokenizer, texts, asked))


def test_the_reward_is_one_for_a_right_answer_and_zero_else(template, tokenizer):
    texts = ["so\n</think>\n7", "so\n</think>\n8", "\n</think>\n8", "\n</think>\n9"]
    groups = play(template, tokenizer, [asks_for("7"), asks_for("9")], texts)
    assert [[rollout.reward for rollout in group] for group in groups] == [[1.0, 0.0], [0.0, 1.0]]
    first = groups[0][0]
    assert not first.is_truncated
    [turn] = first.turns
    assert tokenizer.decode(turn.token_ids).startswith("so\n</think>")
    assert len(turn.logprobs) == len(turn.token_ids) == first.num_tokens


@pytest.mark.parametrize(("policy", "reward"), [("wrong", 0.0), ("leave-out", None), ("judge", 1.0)])
def test_what_a_truncated_rollout_counts(template, tokenizer, policy, reward):
    texts = ["so\n</think>\n7...", "so\n</think>\n7"]
    [[cut, whole]] = play(template, tokenizer, [asks_for("7")], texts, truncation=policy)
    assert (cut.reward, cut.is_truncated) == (reward, True)
    assert (whole.reward, whole.is_truncated) == (1.0, False)


def test_a_turn_whose_prompt_fills_the_row_is_truncated_and_never_asked(template, tokenizer):
    [[rollout]] = play(template, tokenizer, [asks_for("7")], [], group_size=1, row_tokens=3)
    assert (rollout.reward, rollout.is_truncated, rollout.turns) == (0.0, True, [])


def test_every_turn_has_its_own_seed_and_stays_within_the_row(template, tokenizer):
    asked = []
    texts = ["\n</think>\n7"] * 6
    play(template, tokenizer, [asks_for("7"), asks_for("9")], texts, 3, asked, row_tokens=40)
    assert len({wishes.seed for _, wishes in asked}) == 6
    assert all(len(prompt) + wishes.max_tokens == 40 for prompt, wishes in asked)
    assert all(wishes.temperature == 1.0 and wishes.top_p == 1.0 for _, wishes in asked)


def test_a_conversation_is_played_turn_by_turn_and_ends_with_the_first_wrong_one(template, tokenizer):
    family = DIALOGUE_FAMILIES["talk_follow_up"]
    dialogue = family.generate(random.Random(0), "train")
    assert len(dialogue.turns) == 2
    right, last = (without_breaks(dialogue.messages[turn]).content for turn in dialogue.turns)
    # The order of a round is that of the rollouts: both first turns, then the second of the first.
    texts = [f"\n</think>\n{right}", "\n</think>\nno idea", f"\n</think>\n{last}"]
    [[good, bad]] = play(template, tokenizer, [dialogue_item(dialogue, family)], texts)
    assert (good.reward, len(good.turns)) == (1.0, 2)
    assert (bad.reward, len(bad.turns)) == (0.0, 1)
    assert right in tokenizer.decode(good.turns[1].prompt_token_ids)


def test_items_are_of_the_train_split_and_a_function_of_seed_and_step():
    def items(seed, step):
        return train_items(seed, step, 40, (), lambda item: True)

    def shown(some):
        return [(item.family, item.subjects, next(item.begin())) for item in some]

    assert shown(items(1, 2)) == shown(items(1, 2))
    assert shown(items(1, 2)) != shown(items(1, 3))
    assert shown(items(1, 2)) != shown(items(2, 2))
    subjects = [subject for step in range(5) for item in items(0, step) for subject in item.subjects]
    assert len(subjects) > 50
    assert {split_of(subject) for subject in subjects} == {"train"}


def test_named_families_are_asked_equally_often():
    items = train_items(0, 0, 600, ("letters", "word_length"), lambda item: True)
    drawn = Counter(item.family for item in items)
    assert drawn.keys() == {"letters", "word_length"}
    assert min(drawn.values()) > 240  # their weights in the whole list differ by more than a factor of five


def test_items_that_never_fit_and_unknown_families_are_told():
    with pytest.raises(ConfigError, match="leave no room for an answer"):
        train_items(0, 0, 1, ("letters",), lambda item: False)
    with pytest.raises(ConfigError, match="no task family is called 'lettters'"):
        check_families(["lettters"])
