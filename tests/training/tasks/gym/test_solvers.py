"""Every solver's answer is what the task's own scorer calls right, and the way to it fits a small model."""

import random
from contextlib import suppress

import pytest

from flashstep.training.evaluation.gym import readings
from flashstep.training.tasks.base import LETTER_BREAK, split_of
from flashstep.training.tasks.gym import dialogues
from flashstep.training.tasks.gym.dialogues import gym_dialogue, gym_set
from flashstep.training.tasks.gym.solved import TooLong
from flashstep.training.tasks.gym.solvers import SOLVERS

reasoning_gym = pytest.importorskip("reasoning_gym")
NUM_ENTRIES, LEAST_SOLVED, MOST_TOKENS = 40, 0.7, 700


@pytest.mark.parametrize("name", SOLVERS)
def test_answers_are_right_by_the_tasks_own_scorer(name, tokenizer):
    dataset = reasoning_gym.create_dataset(name, size=NUM_ENTRIES, seed=7)
    num_solved = 0
    for entry in dataset:
        try:
            solved = SOLVERS[name](entry)
        except TooLong:
            continue
        num_solved += 1
        answer = solved.answer.replace(LETTER_BREAK, "")
        assert answer in readings(answer)
        assert dataset.score_answer(answer=answer, entry=entry) >= 0.99, entry["question"]
        assert len(tokenizer.encode(solved.reasoning)) <= MOST_TOKENS
    assert num_solved >= LEAST_SOLVED * NUM_ENTRIES


def test_training_and_evaluation_have_other_questions():
    name = "word_sequence_reversal"
    train, held_out = (
        {gym_dialogue(random.Random(i), split, name).messages[0].content for i in range(50)}
        for split in ("train", "eval")
    )
    assert train.isdisjoint(held_out)


@pytest.mark.parametrize(
    "name", ["prime_factorization", "spell_backward", "calendar_arithmetic", "gcd", "products"]
)
def test_what_a_family_of_ours_holds_out_is_not_taught_as_a_puzzle(name):
    dataset, subjects = reasoning_gym.create_dataset(name, size=150, seed=3), []
    for entry in dataset:
        with suppress(TooLong):
            subjects += SOLVERS[name](entry).subjects
    assert {split_of(subject) for subject in subjects} == {"train", "eval"}, "else nothing would be tested"
    for i in range(100):
        _, solved = dialogues._solved(random.Random(i), "train", name)
        assert all(split_of(subject) == "train" for subject in solved.subjects)


def test_the_questions_of_a_set_are_different_ones():
    dialogues = gym_set(random.Random(0), "train", 4)
    assert len({dialogue.messages[0].content for dialogue in dialogues}) == 4
