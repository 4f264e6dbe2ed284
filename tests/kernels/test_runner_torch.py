"""The torch runner on the CPU device against the compiled one: any batch, padded shapes, released blocks."""

import numpy as np
import pytest
import torch
from flat_batches import Piece, draft_batch, run_in_chunks, run_pieces, run_whole, trunk_batch

from flashstep.engine import torch_attention
from flashstep.engine.runner_torch import TorchRunner
from flashstep.engine.torch_static import StaticShape
from flashstep.model.weights import load_model

TOLERANCE = 2e-5  # both in float32; logits reach 3, measured 3e-6
SIZES = {"num_full_blocks": 40, "num_sliding_blocks": 40, "max_batch_tokens": 128, "max_sequences": 8}


@pytest.fixture(scope="module")
def load_torch(toy_checkpoint):
    """Makes torch runners of the toy checkpoint on the CPU device; their caches are their own."""
    torch.set_num_threads(1)

    def load(dtype=torch.float32, **options) -> TorchRunner:
        return TorchRunner(load_model(toy_checkpoint, dtype), **(SIZES | options))

    return load


@pytest.fixture(scope="module", params=["ragged", "padded"])
def torch_runner(request, load_torch):
    return load_torch(pads_decode=request.param == "padded")


def close(found, expected, atol=TOLERANCE):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("lengths", [[40], [1] * 40, [4] * 10, [33, 3, 4], [7, 16, 17]], ids=str)
def test_prefill_decode_and_verification_of_any_length(torch_runner, whole, toy_tokens, lengths):
    logits, hidden = run_in_chunks(torch_runner, toy_tokens, lengths, full=(9, 3, 7), sliding=(1, 8, 2))
    close(logits, whole[0])
    close(hidden, whole[1])


def test_prefill_decode_and_verification_rows_mix_in_one_batch(torch_runner, whole, toy_tokens):
    run_pieces(torch_runner, [Piece(toy_tokens[:20], 0, [0, 1, 2], [0, 1, 2])])
    run_pieces(torch_runner, [Piece(toy_tokens[:30], 0, [3, 4, 5], [3, 4, 5])])
    mixed = [
        Piece(toy_tokens[20:24], 20, [0, 1, 2], [0, 1, 2]),
        Piece(toy_tokens[30:31], 30, [3, 4, 5], [3, 4, 5]),
        Piece(toy_tokens[:13], 0, [6], [6]),
        Piece(toy_tokens[:1], 0, [7], [7]),
    ]
    logits, _ = run_pieces(torch_runner, mixed)
    rows = (whole[0][20:24], whole[0][30:31], whole[0][:13], whole[0][:1])
    close(logits, np.concatenate(rows))


def test_decoding_three_sequences_at_once_equals_each_alone(torch_runner, whole, toy_tokens):
    """Three fill no padded shape: the fourth sequence is padding."""
    firsts = (5, 17, 31)
    blocks = [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(3)]
    for first, own in zip(firsts, blocks, strict=True):
        run_pieces(torch_runner, [Piece(toy_tokens[:first], 0, own, own)])
    together = [
        Piece(toy_tokens[first : first + 1], first, own, own)
        for first, own in zip(firsts, blocks, strict=True)
    ]
    logits, hidden = run_pieces(torch_runner, together)
    close(logits, whole[0][list(firsts)])
    close(hidden, whole[1][list(firsts)])


def test_only_the_wanted_rows_get_logits(torch_runner, whole, toy_tokens):
    piece = Piece(toy_tokens[:4], 0, [0], [0])
    for wanted in ([1, 3], []):
        result = torch_runner.forward(trunk_batch([piece], wanted=wanted))
        close(result.logits_RV, whole[0][wanted])
        assert result.hidden_TD.shape == (4, 64)


@pytest.mark.parametrize("pads_decode", [False, True])
def test_no_released_block_is_read(load_torch, whole, toy_tokens, pads_decode):
    """A sliding layer that read a released block, even to mask it, would answer NaN."""
    runner = load_torch(block_size=4, pads_decode=pads_decode)
    full = list(range(10))
    run_pieces(runner, [Piece(toy_tokens[:36], 0, full, full)])
    for cache, layer in zip(runner._caches, (*runner.config.layers, *runner.config.mtp), strict=True):
        if layer.is_sliding:
            for values in cache:
                values[: 8 * 4] = torch.nan  # window 5 at position 36 begins at 32, in block 8
    released = [-1] * 8 + full[8:]
    for length in (4, 1):
        logits, _ = run_pieces(runner, [Piece(toy_tokens[36 : 36 + length], 36, full, released)])
        close(logits, whole[0][36 : 36 + length])


def test_drafts_are_those_of_the_compiled_runner(torch_runner, exact_runner, toy_tokens):
    pieces = [
        Piece(toy_tokens[:21], 0, [0, 1], [0, 1]),
        Piece(toy_tokens[3:12], 0, [2], [2]),
        Piece(toy_tokens[30:31], 0, [3], [3]),
    ]
    appends = [[5, 6, 7], [-1, -1, -1], [9, -1, -1]]
    for chosen in (pieces, pieces[:1], pieces[1:]):
        keep = [pieces.index(piece) for piece in chosen]
        answers = []
        for runner in (exact_runner, torch_runner):
            _, hidden = run_pieces(runner, chosen)
            shifted = [Piece([*p.token_ids[1:], 11], 0, p.full, p.sliding) for p in chosen]
            answers.append(runner.draft(draft_batch(shifted, hidden, [appends[i] for i in keep])))
        assert answers[0].shape == (len(chosen), 3)
        assert answers[1].dtype == np.int32
        np.testing.assert_array_equal(answers[1], answers[0])


def test_bfloat16_stays_near_float32(load_torch, whole, toy_tokens):
    """Bounds from rounding to 8 bits of mantissa; routing may flip, so only most rows are held."""
    runner = load_torch(torch.bfloat16)
    logits, _ = run_whole(runner, toy_tokens)
    assert logits.dtype == np.float32
    errors = np.abs(logits - whole[0]).max(axis=1)
    assert np.median(errors) < 0.1, errors
    assert np.median(errors) > 1e-4, "this was not computed in bfloat16"


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (Piece([384], 0, [0], [0]), r"token id is outside \[0, 384\)"),
        (Piece([5], 0, [40], [0]), r"block id is outside \[-1, 40\)"),
        (Piece([5], 0, [0], [-2]), r"block id is outside \[-1, 40\)"),
        (Piece([5] * 129, 0, list(range(9)), list(range(9))), "takes 1 to 128 rows"),
    ],
)
def test_what_would_end_a_cuda_process_is_refused(torch_runner, piece, message):
    with pytest.raises(ValueError, match=message):
        torch_runner.forward(trunk_batch([piece]))


def test_shapes_are_few_and_hold_uniform_batches_only(toy_tokens):
    def shape(*lengths, blocks=1):
        pieces = [Piece(toy_tokens[:n], 0, list(range(blocks)), [0]) for n in lengths]
        return StaticShape.of(trunk_batch(pieces), max_query_len=4)

    assert shape(1) == (1, 1, 64)
    assert shape(4, 4, 4) == (4, 4, 64)
    assert shape(1, 1, 1, 1, 1, blocks=65) == (8, 1, 128)
    assert shape(1, blocks=16384) == (1, 1, 16384)
    assert shape(1, 1, blocks=8193) is None, "too wide for two"
    assert shape(1, 2) is None
    assert shape(5) is None


def test_long_chunks_are_cut_without_a_trace(load_torch, whole, toy_tokens, monkeypatch):
    monkeypatch.setattr(torch_attention, "_MASK_ENTRIES", 500)
    logits, _ = run_whole(load_torch(), toy_tokens)
    close(logits, whole[0])


def test_a_short_context_does_not_read_as_much_as_a_long_neighbour(load_torch):
    runner = load_torch(block_size=4, num_full_blocks=200, num_sliding_blocks=200)
    positions = (0, 3, 4, 9, 20, 60, 61, 300)
    pieces = [Piece([5], position, list(range(80)), list(range(80))) for position in positions]
    batch = trunk_batch(pieces)
    step = runner._step(batch, {None: batch.full_table_SM})
    assert sorted(row for group in step.groups for row in group.rows.tolist()) == list(range(8))
    for group in step.groups:
        width = group.spans[None].read_slots_SC.shape[1]
        for row in group.rows.tolist():
            assert positions[row] < width <= 2 * (positions[row] + 4), positions[row]
