"""The loop itself: every phase runs, a killed run resumes to the bit, one batch can be learnt."""

import os
import shutil
import signal
from dataclasses import replace

import pytest
import torch

from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.model.weights import save_weights
from flashstep.training.batches import batches_from
from flashstep.training.curves import Record, read_record
from flashstep.training.data import document
from flashstep.training.loop import routers
from flashstep.training.packing import Document, encode_dialogue, pack
from flashstep.training.recipe import smoke
from flashstep.training.run import make_trainer, train_command
from flashstep.training.stopping import Stop
from flashstep.training.tasks.long_context.families import LONG_CONTEXT_FAMILIES


def _weights(trainer):
    return {k: v.clone() for k, v in trainer.model.state_dict().items()}


def test_resuming_gives_bit_for_bit_the_weights_of_an_unbroken_run(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = make_trainer(smoke(), tmp_path / "whole")
    for _ in range(whole.recipe.total_steps):
        whole.train_step()

    (tmp_path / "broken").mkdir()
    for _ in range(whole.recipe.total_steps):  # a new process for every single step
        trainer = make_trainer(smoke(), tmp_path / "broken")
        trainer.resume()
        trainer.train_step()
        trainer.save()

    expected, got = _weights(whole), _weights(trainer)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[k], got[k]) for k in expected)


def test_batches_made_ahead_by_other_processes_are_those_of_the_loop(tmp_path):
    batches = make_trainer(smoke(), tmp_path).batches
    made = list(batches_from(batches, 5, num_workers=2))
    assert len(made) == len(batches) - 5
    for step, batch in enumerate(made, start=5):
        for rows, expected in zip(batch, batches[step], strict=True):
            assert torch.equal(rows.tokens_BT, expected.tokens_BT)
            assert torch.equal(rows.mask_BT, expected.mask_BT)


def test_a_phase_for_long_context_has_its_share_of_long_texts(tmp_path):
    long_phase = replace(smoke().phases[0], long_share=0.5, long_tokens=(600, 700))
    recipe = replace(smoke(), phases=(long_phase,), row_tokens=(256, 512, 1024))
    batches = make_trainer(recipe, tmp_path).batches
    groups = batches.dialogues(1)
    assert len(groups) == 4
    assert groups[2:] == [[document(0, 6)], [document(0, 7)]]
    for dialogue in (dialogue for group in groups[:2] for dialogue in group):
        assert dialogue.family in LONG_CONTEXT_FAMILIES
        [encoded] = encode_dialogue(dialogue, batches.template, batches.tokenizer)
        assert 400 < len(encoded.token_ids) <= 750


def _with_long_texts(share, widest_row):
    phase = replace(
        smoke().phases[0], documents_per_step=20, long_share=share, long_tokens=(700, 900),
        widest_row=widest_row,
    )  # fmt: skip
    return replace(smoke(), phases=(phase,), row_tokens=(256, 512, 1024))


def test_a_phase_may_leave_out_what_there_are_rows_for(tmp_path):
    widths = [
        {rows.tokens_BT.shape[1] for rows in make_trainer(_with_long_texts(0.5, widest), tmp_path).batches[0]}
        for widest in (512, 1024)
    ]
    assert 1024 not in widths[0]
    assert 1024 in widths[1]


@pytest.mark.parametrize("widest_row", [100, 512])
def test_a_step_without_any_document_says_so(tmp_path, widest_row):
    batches = make_trainer(_with_long_texts(1.0, widest_row), tmp_path).batches
    with pytest.raises(ConfigError, match="step 0: none of its documents fits"):
        batches[0]


def test_long_rows_are_computed_a_few_at_a_time_on_a_cpu(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    [rows] = pack([Document(tuple(range(10, 300)) * 30, 1)] * 3, (8704,))
    assert [part.tokens_BT.shape[0] for part in trainer._parts(rows)] == [1, 1, 1]
    trainer.compute = replace(trainer.compute, device=torch.device("cuda"))
    assert [part.tokens_BT.shape[0] for part in trainer._parts(rows)] == [3]


def test_a_scaled_recipe_keeps_its_phases_and_numbers_its_documents_without_a_gap():
    recipe = smoke().scaled(2.5)
    assert [phase.steps for phase in recipe.phases] == [10, 5, 5]
    assert smoke().scaled(0.001).total_steps == 3
    following = 0
    for step in range(recipe.total_steps):
        first, count = recipe.documents_of(step)
        assert first == following
        following = first + count


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_learn_and_keep_float32_weights(tmp_path, precision):
    trainer = make_trainer(replace(smoke(), precision=precision), tmp_path)
    assert trainer.compute.dtype == getattr(torch, precision)
    losses = [trainer.train_step()["loss"] for _ in range(4)]
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())


def test_mtp_phases_leave_the_trunk_alone_and_clone_the_first_module(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    for _ in range(4):
        trainer.train_step()
    trunk = {k: v for k, v in _weights(trainer).items() if not k.startswith("mtp.")}
    for _ in range(2):
        trainer.train_step()
    phase, _ = trainer.recipe.locate(trainer.step)
    trainer._enter(phase, at_start=True)
    first, last = trainer.model.mtp[0].state_dict(), trainer.model.mtp[2].state_dict()
    assert all(torch.equal(first[k], last[k]) for k in first)
    trainer.train_step()
    after = _weights(trainer)
    assert all(torch.equal(trunk[k], after[k]) for k in trunk)


def test_one_batch_is_learnt(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    trainer._enter(trainer.recipe.phases[0], at_start=True)
    batch = trainer.batches[0]
    losses = []
    for _ in range(30):
        losses.append(trainer._backward(trainer.phase, batch)["loss"])
        for optimizer in trainer.optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
    assert losses[-1] < 0.5 * losses[0]


def test_gradients_of_rows_of_several_widths_are_those_of_the_mean_over_all_targets(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    trainer._enter(trainer.recipe.phases[0], at_start=True)
    ids = torch.randint(20, 300, (400,), generator=torch.Generator().manual_seed(0)).tolist()
    documents = [Document(tuple(ids[:size]), size // 3) for size in (400, 120, 90, 60)]
    gradients, losses = [], []
    for widths in ((512,), (128, 512)):
        batch = pack(documents, widths)
        assert [rows.tokens_BT.shape[1] for rows in batch] == list(widths)
        losses.append(trainer._backward(trainer.phase, batch)["loss"])
        gradients.append(trainer.model.embedding.weight.grad.clone())
        trainer.model.zero_grad()
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-3)


def test_router_bias_moves_against_the_load(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    router = next(routers(trainer.model))
    router.load_E += torch.arange(router.spec.num_experts)
    trainer._balance(0.01)
    assert router.bias[0] > 0 > router.bias[-1]
    assert router.load_E.sum() == 0


def test_the_command_leaves_a_loadable_checkpoint_and_the_curves(tmp_path):
    from flashstep.model.weights import load_model

    assert train_command(smoke(), tmp_path)
    model = load_model(tmp_path)
    assert len(model.mtp) == 3
    assert (tmp_path / "curves.png").stat().st_size > 1000
    report = (tmp_path / "report.md").read_text().splitlines()
    assert [line.split(" | ")[:2] for line in report[2:5]] == [
        ["| trunk", "4"],
        ["| mtp-1", "2"],
        ["| mtp-3", "2"],
    ]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == smoke().total_steps


def test_a_signal_ends_a_run_between_two_steps_and_the_same_command_goes_on(tmp_path):
    whole, broken = (make_trainer(smoke(), tmp_path / name) for name in _folders(tmp_path, "whole", "broken"))
    with Stop() as stop:
        assert whole.run(lambda _: None, stop)
    with Stop() as stop:
        assert not broken.run(lambda row: os.kill(os.getpid(), signal.SIGTERM), stop)
    assert broken.step == 1
    trainer = make_trainer(smoke(), tmp_path / "broken")
    trainer.resume()
    with Stop() as stop:
        assert trainer.run(lambda _: None, stop)
    expected, got = _weights(whole), _weights(trainer)
    assert all(torch.equal(expected[k], got[k]) for k in expected)


def test_a_second_signal_ends_the_program_at_once():
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_is_not_gone_on_with_by_another_recipe_or_with_another_number_of_steps(tmp_path):
    trainer = make_trainer(smoke(), tmp_path)
    trainer.train_step()
    trainer.save()
    with pytest.raises(ConfigError, match="made by recipe 'smoke'.*not by 'other'"):
        make_trainer(replace(smoke(), name="other"), tmp_path).resume()
    with pytest.raises(ConfigError, match="trunk 4 steps.*not with.*trunk 8 steps.*--scale"):
        make_trainer(smoke().scaled(2), tmp_path).resume()


def test_padding_is_real_tokens_so_that_no_expert_is_kept_free_for_it():
    [rows] = pack([Document((7, 8, 9), 1)], (8,))
    assert rows.tokens_BT.tolist() == [[7, 8, 9, 7, 8, 9, 7, 8]]
    assert rows.mask_BT.sum() == 2


def _folders(path, *names):
    for name in names:
        (path / name).mkdir()
        yield path / name


def test_the_type_of_products_is_chosen_once_for_a_run(tmp_path):
    first = make_trainer(replace(smoke(), precision="bfloat16"), tmp_path)
    first.train_step()
    first.save()
    later = make_trainer(replace(smoke(), precision="float32"), tmp_path)
    later.resume()
    assert later.compute.dtype is torch.bfloat16


def test_a_run_of_no_minutes_makes_a_checkpoint_of_what_there_is(tmp_path):
    assert not train_command(smoke(), tmp_path, minutes=0)
    assert (tmp_path / "model.safetensors").exists()
    assert read_record(tmp_path) == []


def test_a_line_of_the_record_that_was_cut_does_not_end_a_run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "loss": 3}\n{"step": 1, "loss": 2}\n{"step": 2, "lo')
    Record(tmp_path, first_step=1).add({"step": 1, "loss": 1})
    assert read_record(tmp_path) == [{"step": 0, "loss": 3}, {"step": 1, "loss": 1}]


def test_nothing_is_discarded_for_a_start_that_cannot_be_used(tmp_path):
    out, nothing = tmp_path / "run", tmp_path / "nothing"
    train_command(smoke(), out, minutes=0)
    nothing.mkdir()
    before = sorted(path.name for path in out.iterdir())
    weightless, other = tmp_path / "weightless", tmp_path / "other"
    shutil.copytree(out, weightless)
    (weightless / "model.safetensors").unlink()
    shutil.copytree(out, other)
    config = ModelConfig.from_hf({**smoke().model_config.raw, "intermediate_size": 64})
    init_weights(model := Transformer(config), 0)
    save_weights(model, other)
    for start, complaint in (
        (nothing, "config.json"),
        (weightless, "model.safetensors"),
        (other, "cannot start this run"),
        (out, "--start-over empties"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            train_command(smoke(), out, start=start, resume=False)
    assert sorted(path.name for path in out.iterdir()) == before
