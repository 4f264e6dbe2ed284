"""Rollouts as rows: every sampled token meets its own number, whatever row it lies in."""

import random

import pytest
import torch

from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.training.rl.batch import make_batch
from flashstep.training.rl.policy import chosen, log_probabilities
from flashstep.training.rl.rollout import Rollout, Turn


def a_rollout(rng):
    turns = []
    for _ in range(rng.randint(1, 3)):
        prompt = tuple(rng.randrange(20, 90) for _ in range(rng.randint(1, 20)))
        made = tuple(rng.randrange(100, 300) for _ in range(rng.randint(1, 20)))
        turns.append(Turn(prompt, made, tuple(-rng.random() for _ in made)))
    return Rollout(item=None, turns=turns)


@pytest.mark.parametrize("widths", [(256, 1024), (256, 320)], ids=["one tree", "several trees"])
def test_siblings_share_a_long_prompt_and_nothing_else_changes(toy_config, widths):
    rng = random.Random(5)
    torch.manual_seed(0)
    model = Transformer(toy_config).eval()
    init_weights(model)
    prompt = tuple(rng.randrange(20, 90) for _ in range(150))
    items, trained = [object(), object()], []
    for number in range(8):
        turns = [Turn((*prompt, *t.prompt_token_ids), t.token_ids, t.logprobs) for t in a_rollout(rng).turns]
        trained.append((Rollout(item=items[number // 4], turns=turns), rng.uniform(-1, 1)))
    shared = make_batch(trained, widths, micro_batch_tokens=1024)
    alone = make_batch(trained, widths, micro_batch_tokens=1024, window=1000)
    assert num_places(shared) < num_places(alone)
    assert any(rows.prefixes_BT is not None for rows in shared.rows)
    assert all(rows.prefixes_BT is None for rows in alone.rows)
    assert tokens_by_place(shared) == tokens_by_place(alone)
    assert len(tokens_by_place(shared)) == shared.num_tokens
    torch.testing.assert_close(scores(model, shared), scores(model, alone), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def scores(model, batch):
    """The log-probability [N] of every sampled token."""
    scores_N = torch.full_like(batch.engine_N, torch.nan)
    for rows in batch.rows:
        index_M, wanted_M, place_M = batch.places(rows)
        logprobs_MV = log_probabilities(model, rows, index_M, model.config.vocab_size)
        scores_N[place_M] = chosen(logprobs_MV, wanted_M)
    return scores_N


def num_places(batch):
    return sum(rows.tokens_BT.numel() for rows in batch.rows)


def tokens_by_place(batch):
    """Of every sampled token, by its number: the token, its position and what is known of it."""
    found = {}
    for rows in batch.rows:
        index_M, wanted_M, place_M = batch.places(rows)
        columns = (
            wanted_M, rows.positions_BT.flatten()[index_M + 1], batch.engine_N[place_M],
            batch.advantage_N[place_M], batch.trajectory_N[place_M],
        )  # fmt: skip
        for place, *values in zip(place_M.tolist(), *(c.tolist() for c in columns), strict=True):
            assert place not in found
            found[place] = values
    return found


def test_places_find_the_log_probability_and_advantage_of_each_token():
    rng = random.Random(4)
    trained = [(a_rollout(rng), rng.uniform(-1, 1)) for _ in range(15)]
    batch = make_batch(trained, (24, 64), micro_batch_tokens=100)
    assert {rows.tokens_BT.shape[1] for rows in batch.rows} == {24, 64}
    assert all(rows.tokens_BT.numel() <= 100 for rows in batch.rows)
    expected = [
        (token_id, torch.tensor(logprob).item(), torch.tensor(advantage).item(), number)
        for number, (rollout, advantage) in enumerate(trained)
        for turn in rollout.turns
        for token_id, logprob in zip(turn.token_ids, turn.logprobs, strict=True)
    ]
    got, places = [], []
    for rows in batch.rows:
        index_M, wanted_M, place_M = batch.places(rows)
        assert torch.equal(rows.tokens_BT.flatten()[index_M + 1], wanted_M)
        values = (batch.engine_N[place_M], batch.advantage_N[place_M], batch.trajectory_N[place_M])
        got += zip(wanted_M.tolist(), *(value.tolist() for value in values), strict=True)
        places += place_M.tolist()
    assert sorted(places) == list(range(batch.num_tokens))
    assert [one for _, one in sorted(zip(places, got, strict=True))] == expected
