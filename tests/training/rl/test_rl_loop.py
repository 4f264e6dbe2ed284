"""The loop: engine and trainer agree, a simple reward is learnt, a killed run resumes to the bit."""

from dataclasses import replace

import pytest
import torch

from flashstep.errors import ConfigError
from flashstep.training.evaluation.item import Item
from flashstep.training.rl.advantage import trained_rollouts
from flashstep.training.rl.batch import make_batch
from flashstep.training.rl.filters import mismatch
from flashstep.training.rl.recipe import RLRecipe, find_recipe, smoke_rl
from flashstep.training.rl.rollout import Rollout
from flashstep.training.rl.run import make_rl_trainer, rl_command
from flashstep.types import Message

WEIGHTS = "model.safetensors"


def begins_with(wanted):
    """An item whose reward is that the reasoning begins with one of some characters."""

    def begin():
        made = yield (Message("user", "Say something."),)
        first = (made.reasoning or "")[:1]  # "" is in any text
        return None if first and first in wanted else "something else"

    return Item("begins", "begins", (), (), begin)


def learning_recipe(**changes) -> RLRecipe:
    settings = {
        "name": "learn", "steps": 16, "groups_per_step": 4, "group_size": 8, "max_tokens": 3,
        "row_tokens": (64, 256), "truncation": "judge", "learning_rate": 1e-2, "warmup_steps": 1,
        "kl_weight": 0.0,
    }  # fmt: skip
    return RLRecipe(**(settings | changes))


def trainer_on(item, recipe, start, out):
    trainer = make_rl_trainer(recipe, out, start, threads=1)
    trainer.items = lambda step: [item] * recipe.groups_per_step
    return trainer


def state(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


# Of the mean: a rounded weight now and then makes a token choose another expert, which moves it far.
@pytest.mark.parametrize(("weight_format", "bound"), [("float32", 1e-5), ("bf16", 0.05)])
def test_the_log_probabilities_of_engine_and_trainer_agree(toy_start, tmp_path, weight_format, bound):
    recipe = replace(smoke_rl(), weight_format=weight_format, truncation="judge", max_mismatch=bound)
    trainer = make_rl_trainer(recipe, tmp_path, toy_start, threads=1)
    groups = trainer.rollouts(trainer.items(0))
    batch = make_batch([(rollout, 1.0) for group in groups for rollout in group], recipe.row_tokens, 600)
    scored, entropy = trainer.updater._score(batch)
    assert batch.num_tokens > 50
    assert 0.0 < mismatch(scored, batch.engine_N).mean < bound
    assert 1.0 < entropy < 6.0


def test_a_step_is_refused_when_the_engine_is_too_far_from_the_trainer(toy_start, tmp_path):
    trainer = make_rl_trainer(learning_recipe(), tmp_path, toy_start, threads=1)
    [group] = trainer.rollouts([begins_with("etaoinsh")])
    batch = make_batch([(rollout, 1.0) for rollout in group], (64, 256), 600)
    batch = replace(batch, engine_N=batch.engine_N + 0.02)
    before = state(trainer)
    with pytest.raises(ConfigError, match=r"step 5: trainer and engine differ by 0\.02 nats"):
        trainer.updater.update(batch, 5)
    assert all(torch.equal(before[name], value) for name, value in state(trainer).items())


def test_a_simple_reward_rises_from_chance_to_nearly_always(toy_start, tmp_path):
    trainer = trainer_on(begins_with("etaoinsh"), learning_recipe(), toy_start, tmp_path)
    rewards = [trainer.train_step()["reward"] for _ in range(trainer.recipe.steps)]
    assert rewards[0] < 0.3
    assert sum(rewards[-5:]) / 5 > 0.9


def test_routers_and_mtp_modules_stay_as_they_are(toy_start, tmp_path):
    trainer = trainer_on(begins_with("etaoinsh"), learning_recipe(), toy_start, tmp_path)
    before = state(trainer)
    assert trainer.train_step()["trained_rollouts"] > 0
    moved = {name for name, value in state(trainer).items() if not torch.equal(before[name], value)}
    assert "embedding.weight" in moved
    assert not [name for name in moved if ".router." in name or name.startswith("mtp.")]


def test_a_step_in_which_all_siblings_are_alike_leaves_the_weights(toy_start, tmp_path):
    trainer = trainer_on(begins_with(""), learning_recipe(), toy_start, tmp_path)
    trainer.step = 3
    before = state(trainer)
    row = trainer.train_step()
    assert (row["dropped_groups"], row["trained_rollouts"]) == (1.0, 0)
    assert all(torch.equal(before[name], value) for name, value in state(trainer).items())


def test_resuming_gives_bit_for_bit_the_weights_of_an_unbroken_run(toy_start, tmp_path):
    recipe = learning_recipe(kl_weight=0.01)
    whole = trainer_on(begins_with("etaoinsh"), recipe, toy_start, tmp_path / "whole")
    rows = [whole.train_step() for _ in range(4)]
    assert rows[1]["kl"] > 0
    for _ in range(4):  # a new process for every single step
        broken = trainer_on(begins_with("etaoinsh"), recipe, toy_start, tmp_path / "broken")
        broken.resume()
        last = broken.train_step()
        broken.save()
    assert (last["step"], last["tokens"], last["kl"]) == (3, rows[3]["tokens"], rows[3]["kl"])
    expected = state(whole)
    assert all(torch.equal(expected[name], value) for name, value in state(broken).items())


def test_the_command_resumes_and_leaves_a_checkpoint_and_the_curves(toy_start, tmp_path):
    from flashstep.model.weights import load_model

    recipe = smoke_rl()
    assert rl_command(recipe, tmp_path, toy_start, threads=1)
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == recipe.steps
    assert len(load_model(tmp_path).mtp) == 3
    weights = (tmp_path / WEIGHTS).read_bytes()
    assert rl_command(recipe, tmp_path, None, threads=1)  # nothing is left to do
    assert (tmp_path / WEIGHTS).read_bytes() == weights


def test_a_run_without_a_start_and_one_of_another_recipe_are_refused(toy_start, tmp_path):
    with pytest.raises(ConfigError, match="name its folder with --from"):
        rl_command(smoke_rl(), tmp_path / "new", None)
    make_rl_trainer(smoke_rl(), tmp_path, toy_start).save()
    other = make_rl_trainer(learning_recipe(), tmp_path, toy_start)
    with pytest.raises(ConfigError, match="unfinished run of recipe 'smoke-rl', not of 'learn'"):
        other.resume()
    with pytest.raises(ConfigError, match="begun with 3 steps, not with 6"):
        make_rl_trainer(smoke_rl().scaled(2), tmp_path, toy_start).resume()
    with pytest.raises(ConfigError, match="name its folder with --from"):
        rl_command(smoke_rl(), tmp_path, None, resume=False)
    assert (tmp_path / "training.pt").exists(), "nothing is discarded for a run that cannot begin"


def test_a_wrong_name_lists_the_recipes_of_both_kinds():
    with pytest.raises(
        ConfigError, match=r"there are: nano-cpu, nano-gpu, nano-world, smoke, nano-rl, smoke-rl"
    ):
        find_recipe("nano")


def test_a_rollout_has_its_tokens_trained_once_for_each_turn(toy_start, tmp_path):
    trainer = trainer_on(begins_with("etaoinsh"), learning_recipe(), toy_start, tmp_path)
    groups = trainer.rollouts(trainer.items(0))
    trained = trained_rollouts(groups)
    assert trained
    assert all(isinstance(rollout, Rollout) for rollout, _ in trained)
    batch = make_batch(trained, (64, 256), 600)
    assert batch.num_tokens == sum(rollout.num_tokens for rollout, _ in trained)
