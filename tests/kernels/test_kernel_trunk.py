"""The compiled trunk against the slow twin, and against itself cut, batched and placed differently.

A row's result does not depend on its neighbours, so everything but the comparison with the twin is
exact equality.
"""

import numpy as np
import pytest
from flat_batches import Piece, run_in_chunks, run_pieces, run_whole, trunk_batch

from flashstep.engine.runner import Runner
from flashstep.kernels.quantise import from_bfloat16, to_bfloat16
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors
from naive import forward as naive

TOLERANCE = 2e-5  # logits reach 3; measured 2e-6, float32 against float64


def test_logits_and_hidden_states_match_the_slow_forward(whole, toy_tensors, toy_config, toy_tokens):
    logits, hidden = naive.trunk(toy_tensors, toy_config, toy_tokens)
    np.testing.assert_allclose(whole[0], logits, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(whole[1], hidden, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("lengths", [[1] * 40, [39, 1], [7, 16, 17], [4, 36], [33, 3, 4]], ids=str)
def test_chunks_of_any_length_give_the_same_bits_as_one_pass(exact_runner, whole, toy_tokens, lengths):
    logits, hidden = run_in_chunks(exact_runner, toy_tokens, lengths, full=(9, 3, 7), sliding=(1, 8, 2))
    np.testing.assert_array_equal(logits, whole[0])
    np.testing.assert_array_equal(hidden, whole[1])


def test_a_ragged_batch_of_eight_equals_eight_batches_of_one(exact_runner, toy_tokens):
    lengths = [1, 4, 17, 2, 9, 5, 16, 11]
    pieces = [
        Piece(toy_tokens[i : i + length], 0, [30 - 2 * i, 31 - 2 * i], [2 * i, 2 * i + 1])
        for i, length in enumerate(lengths)
    ]
    together, _ = run_pieces(exact_runner, pieces)
    alone = [run_whole(exact_runner, piece.token_ids)[0] for piece in pieces]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_prefill_decode_and_verification_rows_mix_in_one_batch(exact_runner, whole, toy_tokens):
    run_pieces(exact_runner, [Piece(toy_tokens[:20], 0, [0, 1, 2], [0, 1, 2])])
    run_pieces(exact_runner, [Piece(toy_tokens[:30], 0, [3, 4, 5], [3, 4, 5])])
    mixed = [
        Piece(toy_tokens[20:24], 20, [0, 1, 2], [0, 1, 2]),
        Piece(toy_tokens[30:31], 30, [3, 4, 5], [3, 4, 5]),
        Piece(toy_tokens[:13], 0, [6], [6]),
    ]
    logits, _ = run_pieces(exact_runner, mixed)
    np.testing.assert_array_equal(logits, np.concatenate([whole[0][20:24], whole[0][30:31], whole[0][:13]]))


def test_verifying_three_drafts_equals_decoding_one_by_one(exact_runner, toy_tokens):
    run_pieces(exact_runner, [Piece(toy_tokens[:14], 0, [0, 1], [0, 1])])
    verified, _ = run_pieces(exact_runner, [Piece(toy_tokens[14:18], 14, [0, 1], [0, 1])])
    single, _ = run_in_chunks(exact_runner, toy_tokens[:18], [14, 1, 1, 1, 1])
    np.testing.assert_array_equal(verified, single[14:])


def test_rejected_rows_are_overwritten_without_a_trace(exact_runner, whole, toy_tokens):
    run_pieces(exact_runner, [Piece(toy_tokens[:20], 0, [0, 1, 2], [0, 1, 2])])
    run_pieces(exact_runner, [Piece([380, 381, 382, 383], 20, [0, 1, 2], [0, 1, 2])])
    logits, _ = run_pieces(exact_runner, [Piece(toy_tokens[20:], 20, [0, 1, 2], [0, 1, 2])])
    np.testing.assert_array_equal(logits, whole[0][20:])


def test_two_sequences_share_the_blocks_of_a_common_prefix(exact_runner, whole, toy_tokens):
    run_pieces(exact_runner, [Piece(toy_tokens[:16], 0, [0], [0])])
    other = [Piece(toy_tokens[16:], 16, [0, 1, 2], [0, 1, 2]), Piece([5, 6, 7], 16, [0, 3], [0, 3])]
    logits, _ = run_pieces(exact_runner, other)
    np.testing.assert_array_equal(logits[:24], whole[0][16:])
    np.testing.assert_array_equal(logits[24:], run_whole(exact_runner, [*toy_tokens[:16], 5, 6, 7])[0][16:])


def test_sliding_blocks_behind_the_window_are_not_read(exact_runner, whole, toy_tokens):
    run_pieces(exact_runner, [Piece(toy_tokens[:36], 0, [0, 1, 2], [0, 1, 2])])
    logits, _ = run_pieces(exact_runner, [Piece(toy_tokens[36:], 36, [0, 1, 2], [-1, -1, 2])])
    np.testing.assert_array_equal(logits, whole[0][36:])


def test_a_missing_block_inside_the_window_is_refused(exact_runner, toy_tokens):
    with pytest.raises(ValueError, match="no valid block"):
        run_pieces(exact_runner, [Piece(toy_tokens[34:], 34, [0, 1, 2], [-1, -1, 2])])
    with pytest.raises(ValueError, match="no valid block"):
        run_pieces(exact_runner, [Piece(toy_tokens[36:], 36, [0, -1, 2], [0, 1, 2])])
    with pytest.raises(ValueError, match="no valid block"):
        run_pieces(exact_runner, [Piece(toy_tokens[36:], 36, [0, 1, 40], [0, 1, 2])])


@pytest.mark.parametrize("block_size", [1, 3, 16, 20, 200])
def test_any_block_size_gives_the_same_logits(load_toy, whole, toy_tokens, block_size):
    runner = load_toy(block_size=block_size)
    blocks = list(reversed(range(-(-40 // block_size))))
    logits, _ = run_in_chunks(runner, toy_tokens, [23, 17], full=blocks, sliding=blocks)
    np.testing.assert_allclose(logits, whole[0], rtol=0, atol=1e-5)  # spans, so sums, are cut differently


def test_only_wanted_rows_have_logits_but_all_have_hidden_states(exact_runner, whole, toy_tokens):
    piece = Piece(toy_tokens, 0, [0, 1, 2], [0, 1, 2])
    result = exact_runner.forward(trunk_batch([piece], wanted=[3, 39]))
    np.testing.assert_array_equal(result.logits_RV, whole[0][[3, 39]])
    np.testing.assert_array_equal(result.hidden_TD, whole[1])
    assert exact_runner.forward(trunk_batch([piece], wanted=[])).logits_RV.shape == (0, 384)


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("wanted", [[], [0], [23], [2, 3, 17, 23], list(range(24))], ids=str)
def test_rows_that_nobody_wants_leave_the_right_keys_and_values(load_toy, toy_tokens, wanted, num_threads):
    runner = load_toy(num_threads=num_threads)
    pieces = [Piece(toy_tokens[:20], 0, [0, 1, 2], [0, 1, 2]), Piece(toy_tokens[5:9], 0, [3], [3])]
    whole, _ = run_pieces(runner, pieces)
    result = runner.forward(trunk_batch(pieces, wanted, wants_hidden=False))
    np.testing.assert_array_equal(result.logits_RV, whole[wanted])
    assert result.hidden_TD.shape == (0, runner.config.d_model)
    following = [Piece(toy_tokens[20:23], 20, [0, 1, 2], [0, 1, 2]), Piece(toy_tokens[9:10], 4, [3], [3])]
    got, _ = run_pieces(runner, following)
    run_pieces(runner, pieces)
    np.testing.assert_array_equal(got, run_pieces(runner, following)[0])


def test_rows_far_from_the_start_match_the_slow_forward(tmp_path):
    """All layers sliding, so that rows behind 8 layers x 4 earlier tokens need no long prefix."""
    from safetensors.numpy import save_file

    raw = presets.toy() | {
        "layer_types": ["sliding_attention"] * 11,
        "yarn_only_types": ["sliding_attention"],
    }
    config, rng = ModelConfig.from_hf(raw), np.random.default_rng(1)
    tensors = {
        spec.name: (rng.standard_normal(spec.shape) * 0.1).astype(np.float32)
        for spec in checkpoint_tensors(config)
    }
    config.save(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    runner = Runner.load(
        tmp_path, weight_format="float32", num_threads=1, num_full_blocks=1, num_sliding_blocks=8,
        max_batch_tokens=64, max_sequences=1,
    )  # fmt: skip
    token_ids, first = [int(t) for t in rng.integers(0, 384, 48)], 6000
    blocks = [-1] * (first // 16) + [0, 1, 2, 3]
    blocks[first // 16 - 1] = 4
    logits, _ = run_pieces(runner, [Piece(token_ids, first, [0] * len(blocks), blocks)])
    expected, _ = naive.trunk(tensors, config, token_ids, first)
    np.testing.assert_allclose(logits[33:], expected[33:], rtol=0, atol=1e-4)
    runner.close()


@pytest.mark.parametrize("weight_format", ["float32", "bf16", "int8", "int4"])
@pytest.mark.parametrize("num_threads", [2, 3])
def test_the_number_of_threads_changes_nothing(load_toy, toy_tokens, weight_format, num_threads):
    one, several = (
        load_toy(weight_format=weight_format),
        load_toy(weight_format=weight_format, num_threads=num_threads),
    )
    for lengths in ([40], [39, 1], [5, 4, 31]):
        expected = run_in_chunks(one, toy_tokens, lengths)
        np.testing.assert_array_equal(run_in_chunks(several, toy_tokens, lengths)[0], expected[0])


# Logits reach 3. A row whose router was near a tie picks another expert and is off by more. Measured (median
# and largest of the rows' largest errors): bf16 0.006 and 0.03, int8 0.04 and 0.43, int4 0.29 and 0.74.
@pytest.mark.parametrize(
    ("weight_format", "median", "largest"), [("bf16", 0.03, 0.4), ("int8", 0.1, 0.8), ("int4", 0.6, 2.0)]
)
def test_logits_of_rounded_weights_stay_near_float32(
    load_toy, whole, toy_tokens, weight_format, median, largest
):
    logits, _ = run_whole(load_toy(weight_format=weight_format), toy_tokens)
    error_T = np.abs(logits - whole[0]).max(axis=1)
    assert np.median(error_T) < median, np.median(error_T)
    assert error_T.max() < largest, error_T.max()


@pytest.mark.parametrize("lengths", [[1] * 40, [7, 16, 17]], ids=str)
@pytest.mark.parametrize("weight_format", ["int4", "int8"])
def test_chunks_give_the_same_bits_in_integers(load_toy, toy_tokens, lengths, weight_format):
    """One row is multiplied by other instructions than many are."""
    runner = load_toy(weight_format=weight_format)
    logits, _ = run_whole(runner, toy_tokens)
    np.testing.assert_array_equal(run_in_chunks(runner, toy_tokens, lengths)[0], logits)


def test_a_bfloat16_checkpoint_gives_the_same_bits_in_bf16_and_float32(
    toy_config, toy_tensors, toy_tokens, tmp_path
):
    from safetensors.numpy import save_file

    rounded = {name: from_bfloat16(to_bfloat16(values)) for name, values in toy_tensors.items()}
    toy_config.save(tmp_path)
    save_file(rounded, tmp_path / "model.safetensors")
    results = []
    for weight_format in ("bf16", "float32"):
        runner = Runner.load(
            tmp_path, weight_format=weight_format, num_threads=1, num_full_blocks=3, num_sliding_blocks=3,
            max_batch_tokens=64, max_sequences=1,
        )  # fmt: skip
        results.append(run_whole(runner, toy_tokens)[0])
        runner.close()
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"token_ids_T": np.array([5, 384], np.int32)}, "token id"),
        ({"token_ids_T": np.array([-1, 3], np.int32)}, "token id"),
        ({"positions_T": np.array([0, 2], np.int32)}, "ascend"),
        ({"positions_T": np.array([-1, 0], np.int32)}, "position"),
        ({"positions_T": np.array([15, 16], np.int32)}, "position"),
        ({"logit_rows_R": np.array([2], np.int32)}, "logit row"),
        ({"query_starts_S1": np.array([0, 1], np.int32)}, "query_starts"),
    ],
)
def test_a_batch_that_cannot_run_is_refused_with_the_reason(exact_runner, changed, message):
    from dataclasses import replace

    batch = replace(trunk_batch([Piece([5, 6], 0, [0], [0])]), **changed)
    with pytest.raises(ValueError, match=message):
        exact_runner.forward(batch)


def test_a_batch_larger_than_the_workspace_is_refused(exact_runner):
    with pytest.raises(ValueError, match="129 rows"):
        run_pieces(exact_runner, [Piece([5] * 129, 0, list(range(9)), list(range(9)))])
    with pytest.raises(ValueError, match="9 sequences"):
        run_pieces(exact_runner, [Piece([5], 0, [i], [i]) for i in range(9)])


def test_two_runners_work_side_by_side_and_a_closed_one_refuses(toy_checkpoint, whole, toy_tokens):
    options = {"num_full_blocks": 4, "num_sliding_blocks": 4, "max_batch_tokens": 64, "max_sequences": 1}
    first, second = (
        Runner.load(toy_checkpoint, weight_format="float32", num_threads=2, **options) for _ in range(2)
    )
    run_pieces(first, [Piece(toy_tokens[:20], 0, [0, 1, 2], [0, 1, 2])])
    run_pieces(second, [Piece(toy_tokens[5:30], 0, [0, 1, 2], [0, 1, 2])])
    first_logits, _ = run_pieces(first, [Piece(toy_tokens[20:], 20, [0, 1, 2], [0, 1, 2])])
    np.testing.assert_array_equal(first_logits, whole[0][20:])
    first.close()
    with pytest.raises(ValueError, match="closed"):
        run_whole(first, toy_tokens)
    np.testing.assert_array_equal(run_whole(second, toy_tokens)[0], whole[0])
    second.close()
