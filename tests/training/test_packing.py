"""Packing and the alignment of targets for the trunk and the MTP modules."""

from dataclasses import replace

import pytest
import torch

from flashstep.training.loss import targets
from flashstep.training.packing import Document, pack


def test_documents_are_packed_whole_with_positions_that_restart():
    [rows] = pack([Document((5, 6, 7), 1), Document((8, 9), 1), Document((1, 2, 3, 4), 2)], [5])
    assert rows.tokens_BT.tolist() == [[1, 2, 3, 4, 1], [5, 6, 7, 8, 9]]
    assert rows.positions_BT.tolist() == [[0, 1, 2, 3, 0], [0, 1, 2, 0, 1]]
    assert rows.documents_BT.tolist() == [[2, 2, 2, 2, -1], [0, 0, 0, 1, 1]]
    assert rows.mask_BT.int().tolist() == [[0, 0, 1, 1, 0], [0, 1, 1, 0, 1]]


def test_short_documents_fill_wide_rows_first_and_open_narrow_ones():
    sizes = [6, 3, 3, 2, 2]
    documents = [Document(tuple(range(1, size + 1)), 1) for size in sizes]
    narrow, wide = pack(documents, [4, 8])
    assert wide.tokens_BT.shape == (1, 8)
    assert wide.documents_BT.tolist() == [[0] * 6 + [3] * 2]
    assert narrow.documents_BT.tolist() == [[1, 1, 1, -1], [2, 2, 2, -1], [4, 4, -1, -1]]


def test_a_document_longer_than_the_widest_row_is_refused():
    with pytest.raises(AssertionError, match="has 9 tokens, a row holds 8"):
        pack([Document(tuple(range(9)), 1)], [4, 8])


def test_trunk_targets_are_the_next_masked_tokens():
    [rows] = pack([Document((10, 11, 12, 13), 2)], [6])
    index, wanted = targets(rows, 0)
    assert index.tolist() == [1, 2]
    assert wanted.tolist() == [12, 13]


def test_mtp_targets_look_further_ahead_but_never_into_the_next_document():
    [rows] = pack([Document((10, 11, 12, 13), 2), Document((20, 21), 1)], [6])
    index, wanted = targets(rows, 1)
    assert index.tolist() == [0, 1]
    assert wanted.tolist() == [12, 13]
    assert targets(rows, 3)[0].tolist() == []


@pytest.mark.parametrize("width", [24, 25], ids=["whole masks", "sliding layers in blocks"])
def test_packed_documents_give_the_same_hidden_states_as_alone(toy_config, width):
    from flashstep.model.init import init_weights
    from flashstep.model.transformer import Transformer

    model = Transformer(toy_config).eval()
    init_weights(model)
    first, second = Document(tuple(range(10, 22)), 1), Document(tuple(range(40, 49)), 1)
    [rows] = pack([first, second], [width])
    with torch.no_grad():
        packed = model(rows.tokens_BT, rows.positions_BT, rows.documents_BT)
        alone = model(torch.tensor([second.token_ids]))
    torch.testing.assert_close(packed[0, 12:21], alone[0], atol=1e-5, rtol=1e-5)


def test_padding_does_not_make_nan(toy_config):
    from flashstep.model.init import init_weights
    from flashstep.model.transformer import Transformer

    model = Transformer(toy_config).eval()
    init_weights(model)
    [rows] = pack([Document((3, 4), 1)], [16])
    with torch.no_grad():
        assert torch.isfinite(model(rows.tokens_BT, rows.positions_BT, rows.documents_BT)).all()


def test_parts_of_rows_keep_every_field_together():
    [rows] = pack([Document((n, n + 1, n + 2), 1) for n in range(10, 50, 10)], [3])
    parts = list(rows.parts(6))
    assert [part.tokens_BT.shape for part in parts] == [(2, 3), (2, 3)]
    assert torch.equal(torch.cat([part.tokens_BT for part in parts]), rows.tokens_BT)
    assert all(part.prefixes_BT is None for part in parts)
    continued = replace(rows, prefixes_BT=rows.documents_BT)
    assert [part.prefixes_BT.tolist() for part in continued.parts(1)] == rows.documents_BT.unsqueeze(
        1
    ).tolist()
