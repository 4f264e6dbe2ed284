"""The compiled MTP chain against the slow twin: chaining, shifting tokens, own caches and heads."""

import numpy as np
import pytest
from flat_batches import Piece, draft_batch, run_whole

from flashstep.engine.runner import Runner
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors
from naive import forward as naive


def expected_drafts(tensors, config, token_ids, hidden, given=(-1, -1, -1)):
    """Drafts of a whole sequence; token_ids[t] is the token after row t."""
    stream, drafts = list(token_ids), []
    for depth in range(1, len(config.mtp) + 1):
        logits, hidden = naive.mtp(tensors, config, depth, stream, hidden)
        drafts.append(int(logits[-1].argmax()))
        stream = [*stream[1:], given[depth - 1] if given[depth - 1] >= 0 else drafts[-1]]
    return drafts


@pytest.mark.parametrize("given", [(-1, -1, -1), (17, -1, -1), (17, 200, -1), (-1, 99, 3)], ids=str)
@pytest.mark.parametrize("length", [1, 2, 23])
def test_the_chain_matches_the_slow_modules(exact_runner, toy_tensors, toy_config, toy_tokens, length, given):
    _, hidden = run_whole(exact_runner, toy_tokens[:length])
    piece = Piece(toy_tokens[1 : length + 1], 0, [0, 1], [0, 1])
    drafts = exact_runner.draft(draft_batch([piece], hidden, [given]))
    expected = expected_drafts(toy_tensors, toy_config, piece.token_ids, hidden, given)
    assert drafts.tolist() == [expected]
    assert drafts.dtype == np.int32


def test_sequences_of_one_batch_draft_as_if_alone(exact_runner, toy_tensors, toy_config, toy_tokens):
    lengths, given = [5, 1, 18], [(-1, -1, -1), (44, -1, -1), (-1, -1, -1)]
    hidden = [run_whole(exact_runner, toy_tokens[:n])[1] for n in lengths]
    pieces = [
        Piece(toy_tokens[1 : n + 1], 0, [2 * i, 2 * i + 1], [2 * i, 2 * i + 1]) for i, n in enumerate(lengths)
    ]
    drafts = exact_runner.draft(draft_batch(pieces, np.concatenate(hidden), given))
    for i, piece in enumerate(pieces):
        expected = expected_drafts(toy_tensors, toy_config, piece.token_ids, hidden[i], given[i])
        assert drafts[i].tolist() == expected


def test_later_rows_continue_from_the_cached_rows_of_every_module(
    exact_runner, toy_tensors, toy_config, toy_tokens
):
    """First 14 rows, then 6 more; the two rows whose modules read drafts come again with true tokens."""
    _, hidden = run_whole(exact_runner, toy_tokens[:20])
    blocks = [3, 5]
    exact_runner.draft(draft_batch([Piece(toy_tokens[1:15], 0, blocks, blocks)], hidden[:14], [(-1, -1, -1)]))
    again = Piece(toy_tokens[13:21], 12, blocks, blocks)
    drafts = exact_runner.draft(draft_batch([again], hidden[12:], [(-1, -1, -1)]))
    assert drafts.tolist() == [expected_drafts(toy_tensors, toy_config, toy_tokens[1:21], hidden)]


def test_drafting_leaves_the_trunk_cache_alone(exact_runner, whole, toy_tokens):
    _, hidden = run_whole(exact_runner, toy_tokens[:20])
    exact_runner.draft(draft_batch([Piece(toy_tokens[1:21], 0, [0, 1], [0, 1])], hidden, [(-1, -1, -1)]))
    from flat_batches import run_pieces

    logits, _ = run_pieces(exact_runner, [Piece(toy_tokens[20:], 20, [0, 1, 2], [0, 1, 2])])
    np.testing.assert_array_equal(logits, whole[0][20:])


@pytest.mark.parametrize("options", [{"num_threads": 2}, {"num_threads": 3}], ids=str)
def test_threads_draft_the_same(load_toy, exact_runner, toy_tokens, options):
    _, hidden = run_whole(exact_runner, toy_tokens[:20])
    batch = draft_batch([Piece(toy_tokens[1:21], 0, [0, 1], [0, 1])], hidden, [(-1, -1, -1)])
    np.testing.assert_array_equal(load_toy(**options).draft(batch), exact_runner.draft(batch))


def test_a_model_without_mtp_drafts_nothing(tmp_path):
    from safetensors.numpy import save_file

    config = ModelConfig.from_hf(presets.toy() | {"num_nextn_predict_layers": 0})
    config.save(tmp_path)
    save_file(
        {s.name: np.zeros(s.shape, np.float32) for s in checkpoint_tensors(config)},
        tmp_path / "model.safetensors",
    )
    runner = Runner.load(
        tmp_path, num_threads=1, num_full_blocks=1, num_sliding_blocks=1, max_batch_tokens=4, max_sequences=1
    )
    assert runner.max_drafts == 0
    drafts = runner.draft(draft_batch([Piece([1], 0, [0], [0])], np.zeros((1, 64)), np.zeros((1, 0))))
    assert drafts.shape == (1, 0)
    runner.close()
