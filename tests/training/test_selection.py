"""Selecting documents by what a model already knows: its verdicts, the draw, and runs that do so."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from flashstep.engine.llm import LLM
from flashstep.errors import ConfigError
from flashstep.training.batches import JUDGE_FOLDER
from flashstep.training.packing import Document
from flashstep.training.recipe import smoke
from flashstep.training.run import make_trainer, train_command
from flashstep.training.selection import MOST_JUDGED_TOKENS, Judge, select
from flashstep.types import SamplingParams

VOCAB = 384


@pytest.fixture(scope="module")
def judge(toy_checkpoint):
    """The toy as a judge."""
    return Judge.load(toy_checkpoint)


@pytest.fixture(scope="module")
def answered(toy_checkpoint):
    """Prompts of many lengths with what the toy itself says behind them, as (prompt, answer)."""
    rng = random.Random(3)
    prompts = [[rng.randrange(10, VOCAB) for _ in range(length)] for length in (2, 3, 15, 16, 17, 90, 200)]
    params = SamplingParams(temperature=0.0, max_tokens=24)
    with LLM.load(toy_checkpoint, num_draft_tokens=0) as llm:
        made = llm.generate(prompts, params, eos_token_ids=frozenset())
    return [(prompt, completion.token_ids) for prompt, completion in zip(prompts, made, strict=True)]


def whole(prompt, answer, given=()) -> Document:
    """A document that trains all of the answer but `given`."""
    return Document((*prompt, *answer), len(prompt), given)


def other(token: int) -> int:
    return 10 + (token + 1) % 300


def test_what_the_model_says_itself_is_known_and_one_other_token_anywhere_is_not(judge, answered):
    documents, expected = [], []
    for prompt, answer in answered:
        documents.append(whole(prompt, answer))
        expected.append(True)
        for place in (0, len(answer) // 2, len(answer) - 1):
            documents.append(whole(prompt, [*answer[:place], other(answer[place])]))
            expected.append(False)
    assert judge.knows(documents) == expected
    assert [known for one in documents for known in judge.knows([one])] == expected


def test_what_is_not_trained_on_is_not_judged(judge, answered):
    prompt, answer = answered[3]
    place = len(prompt) + 6
    spoilt = [*answer[:6], other(answer[6])]
    assert judge.knows([whole(prompt, spoilt, ((place, place + 1),)), whole(prompt, spoilt)]) == [True, False]


def test_more_documents_than_a_batch_holds_keep_their_verdicts(judge, answered):
    prompt, answer = answered[0]
    short = [whole(prompt, [*answer[:3], other(answer[3])] if i % 3 == 0 else answer[:4]) for i in range(150)]
    long = [whole(*answered[-1]) if i % 4 else whole(prompt, [other(answer[0])]) for i in range(150)]
    assert judge.knows([*short, *long]) == [
        *(i % 3 > 0 for i in range(150)),
        *(i % 4 > 0 for i in range(150)),
    ]


def test_the_longest_that_is_judged(judge):
    nothing_trained = [Document((5,) * size, size) for size in (MOST_JUDGED_TOKENS, MOST_JUDGED_TOKENS + 1)]
    assert judge.knows([*nothing_trained, nothing_trained[0]]) == [True, False, True]


def test_all_that_is_not_known_is_kept_and_a_share_of_the_rest(judge, answered):
    known = [whole(*each) for each in answered] * 60
    unknown = [whole(prompt, [other(answer[0])]) for prompt, answer in answered]
    groups = [*([document] for document in unknown), *(known[i : i + 3] for i in range(0, len(known), 3))]

    kept = select(groups, judge, 0.25, "seed")
    assert kept[: len(unknown)] == [[document] for document in unknown]
    rest = [document for group in kept[len(unknown) :] for document in group]
    assert 0.15 < len(rest) / len(known) < 0.35
    assert all(kept)
    assert select(groups, judge, 0.25, "seed") == kept
    assert select(groups, judge, 0.25, "other") != kept
    assert select(groups, judge, 0.0, "seed") == [[document] for document in unknown]


def test_a_verdict_moves_no_draw_behind_it(judge, answered):
    known = [[whole(*each)] for each in answered] * 10
    prompt, answer = answered[0]
    changed = [[whole(prompt, [other(answer[0])])], *known[1:]]
    assert select(changed, judge, 0.5, "seed")[-20:] == select(known, judge, 0.5, "seed")[-20:]


def test_should_all_be_known_nothing_is_left_out(judge, answered):
    groups = [[whole(*each) for each in answered[:2]], [whole(*answered[2])]]
    assert select(groups, judge, 0.0, "seed") == groups


class KnowsEverySecond:
    """A judge of whom nothing must be loaded."""

    def knows(self, documents):
        return [len(d.token_ids) % 2 == 0 for d in documents]


@pytest.fixture
def every_second(monkeypatch):
    """All judges are that one."""
    monkeypatch.setattr(Judge, "load", lambda path: KnowsEverySecond())


def selecting(recipe, known_share):
    return replace(recipe, phases=tuple(replace(p, known_share=known_share) for p in recipe.phases))


def num_documents(batch) -> int:
    return sum(len(np.unique(rows.documents_BT[rows.documents_BT >= 0])) for rows in batch)


def test_a_phase_that_selects_trains_on_fewer_documents(tmp_path, every_second):
    recipe = replace(smoke(), phases=(replace(smoke().phases[0], documents_per_step=40),))
    batches, fewer = (make_trainer(selecting(recipe, share), tmp_path).batches for share in (1.0, 0.0))
    assert 0.2 < num_documents(fewer[0]) / num_documents(batches[0]) < 0.8


def test_a_run_that_selects_resumes_to_the_bit(tmp_path, every_second):
    recipe = selecting(smoke(), 0.5)
    assert train_command(recipe, tmp_path / "whole")
    assert not train_command(recipe, tmp_path / "broken", minutes=0)
    for _ in range(recipe.total_steps):
        trainer = make_trainer(recipe, tmp_path / "broken")
        trainer.resume()
        trainer.train_step()
        trainer.save()
    expected = make_trainer(recipe, tmp_path / "whole")
    expected.resume()
    got = trainer.model.state_dict()
    assert all(torch.equal(value, got[name]) for name, value in expected.model.state_dict().items())


def test_the_judge_of_a_run_stays_that_of_its_beginning(tmp_path):
    recipe = selecting(smoke(), 0.5)
    train_command(recipe, tmp_path, minutes=0)
    file = tmp_path / JUDGE_FOLDER / "model.safetensors"
    first = file.read_bytes()
    assert first == (tmp_path / "model.safetensors").read_bytes()
    assert train_command(recipe, tmp_path, num_workers=1)
    assert file.read_bytes() == first != (tmp_path / "model.safetensors").read_bytes()

    shutil.rmtree(tmp_path / JUDGE_FOLDER)
    with pytest.raises(ConfigError, match="judge is missing.*--start-over"):
        train_command(recipe, tmp_path)
    train_command(smoke(), tmp_path, resume=False, minutes=0)
    assert not (tmp_path / JUDGE_FOLDER).exists()
