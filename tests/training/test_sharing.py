"""Documents that share a beginning, against the same documents each in a row of its own."""

import random

import pytest
import torch

from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.training.loss import targets
from flashstep.training.packing import Document, Rows, pack
from flashstep.training.sharing import pack_alike

BEGINNING = tuple(range(200, 340))


def group() -> list[Document]:
    ends = ((5, 6, 7, 8), (5, 9, 10, 11, 12, 13), (20, 21, 22))
    return [Document((*BEGINNING, *end), len(BEGINNING) + 2) for end in ends]


def foretold(rows: list[Rows]) -> list[int]:
    return sorted(token for each in rows for token in targets(each, 0)[1].tolist())


def test_every_target_is_there_once_and_the_beginning_is_too():
    [rows] = pack_alike([group()], [256, 512])
    assert rows.tokens_BT.shape == (1, 256)
    assert (rows.tokens_BT[0, 0:140] == torch.tensor(BEGINNING)).all()
    assert foretold([rows]) == foretold(pack(group(), [512]))
    assert rows.positions_BT[0, :153].tolist() == [
        *range(140),
        *range(140, 144),
        *range(140, 146),
        *range(140, 143),
    ]


@pytest.mark.parametrize("width", [640, 641], ids=["sliding layers in blocks", "whole masks"])
def test_logits_of_the_targets_are_those_of_separate_rows(toy_config, width):
    rng = random.Random(width)
    torch.manual_seed(0)
    model = Transformer(toy_config).eval()
    init_weights(model)
    groups = [random_group(rng, num) for num in (4, 3, 1, 1, 1, 1, 5)]
    packed = pack_alike(groups, [width])
    alone = pack([document for group in groups for document in group], [400])
    with torch.no_grad():
        got = torch.cat([logits(model, each) for each in packed])
        expected = torch.cat([logits(model, each) for each in alone])
    torch.testing.assert_close(
        got[got[:, 0].argsort()], expected[expected[:, 0].argsort()], atol=1e-5, rtol=1e-5
    )


def random_group(rng: random.Random, num: int) -> list[Document]:
    """Documents with the same 130 to 190 tokens in front; one alone is short."""
    beginning = rng.choices(range(300), k=rng.randint(130, 190) if num > 1 else 3)
    ends = [rng.choices(range(300), k=rng.randint(2, 60)) for _ in range(num)]
    return [Document((*beginning, *end), len(beginning) + 1) for end in ends]


def logits(model: Transformer, rows: Rows) -> torch.Tensor:
    hidden = model(rows.tokens_BT, rows.positions_BT, rows.documents_BT, rows.prefixes_BT)
    return model.logits(hidden.flatten(0, 1)[targets(rows, 0)[0]])


def test_what_begins_otherwise_is_packed_by_itself():
    others = [Document((1, 2, 3), 1), Document((1, 2, 4), 1)]
    rows = pack_alike([others, group(), [Document(BEGINNING, 9)]], [64, 256])
    assert [each.prefixes_BT is None for each in rows] == [True, False]
    assert foretold(rows) == foretold(pack([*others, *group(), Document(BEGINNING, 9)], [256]))
    assert all(each.prefixes_BT is None for each in pack_alike([group()], [256], window=len(BEGINNING) + 1))


def test_a_group_too_long_for_a_row_makes_several_trees():
    [rows] = pack_alike([group()], [151])
    assert rows.tokens_BT.shape == (2, 151)
    assert foretold([rows]) == foretold(pack(group(), [151]))


def test_the_tokens_before_the_first_target_stand_behind_the_beginning():
    """Documents of which the shortest prompt is no longer than what they share."""
    documents = [Document((*BEGINNING, 7), 140), Document((*BEGINNING, 8), 140)]
    [rows] = pack_alike([documents], [256])
    assert foretold([rows]) == [7, 8]
