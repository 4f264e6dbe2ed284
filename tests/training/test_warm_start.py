"""Starting from another checkpoint: what carries over, with the same tokenizer and with another one."""

from itertools import islice

import pytest
import torch

from flashstep.chat.template import builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.model.weights import save_weights
from flashstep.training.recipe import smoke
from flashstep.training.run import train_command
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from flashstep.training.warm_start import start_from

TEXTS = ["How many letters has the word apple?", "Spell the word banana.", "the the the letters word"] * 9


def a_model(vocab_size: int, seed: int, **changes) -> Transformer:
    model = Transformer(ModelConfig.from_hf({**presets.toy(), "vocab_size": vocab_size, **changes}))
    init_weights(model, seed)
    return model


def a_tokenizer(path, vocab_size: int, texts=TEXTS) -> Tokenizer:
    path.mkdir()
    save_tokenizer(train_tokenizer(texts, vocab_size), path, builtin_template())
    return Tokenizer.load(path)


def test_with_the_same_tokenizer_everything_carries_over(tmp_path):
    tokenizer = a_tokenizer(tmp_path / "old", 300)
    old, new = a_model(300, 1), a_model(300, 2)
    save_weights(old, tmp_path / "old", torch.float32)
    start_from(tmp_path / "old", new, tokenizer)
    expected, got = old.state_dict(), new.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize(("size", "is_kept"), [(384, True), (340, False)])
def test_a_run_goes_on_with_the_tokenizer_of_its_start_if_that_has_the_size(tmp_path, size, is_kept):
    a_tokenizer(tmp_path / "old", size, [*TEXTS, *(chr(0x4E00 + i) * 9 for i in range(200))])
    save_weights(a_model(size, 1), tmp_path / "old")
    assert not train_command(smoke(), tmp_path / "new", start=tmp_path / "old", minutes=1e-9)
    same = (tmp_path / "new/tokenizer.json").read_bytes() == (tmp_path / "old/tokenizer.json").read_bytes()
    assert same == is_kept


def test_tokens_keep_their_rows_and_new_ones_get_the_mean_of_their_pieces(tmp_path):
    old_tokenizer = a_tokenizer(tmp_path / "old", 290)
    new_tokenizer = a_tokenizer(tmp_path / "new", 340, [*TEXTS, *["chess board"] * 50])
    old, new = a_model(290, 1), a_model(384, 2)
    save_weights(old, tmp_path / "old", torch.float32)
    start_from(tmp_path / "old", new, new_tokenizer)
    for text in ("<think>", "a", " the", "é"):
        olds, news = old_tokenizer.encode(text), new_tokenizer.encode(text)
        assert len(olds) == len(news)
        for one, other in zip(olds, news, strict=True):
            assert torch.equal(new.embedding.weight[other], old.embedding.weight[one])
            assert torch.equal(new.mtp[1].head.weight[other], old.mtp[1].head.weight[one])
    [board] = new_tokenizer.encode(" board")
    pieces = old_tokenizer.encode(" board")
    assert len(pieces) > 1
    torch.testing.assert_close(new.lm_head.weight[board], old.lm_head.weight[pieces].mean(0))
    assert torch.equal(new.layers[3].attention.q_proj.weight, old.layers[3].attention.q_proj.weight)


def test_every_token_of_a_real_vocabulary_finds_a_source(tmp_path):
    from flashstep.training.tokenizer_corpus import tokenizer_corpus

    tokenizer = a_tokenizer(tmp_path / "new", 384, islice(tokenizer_corpus(200), 200))
    a_tokenizer(tmp_path / "old", 290)
    new = a_model(384, 2)
    before = new.embedding.weight.detach().clone()
    save_weights(a_model(290, 1), tmp_path / "old", torch.float32)
    start_from(tmp_path / "old", new, tokenizer)
    changed = (before != new.embedding.weight).any(-1)
    assert changed[: tokenizer.vocab_size].all()


def test_a_model_of_another_shape_is_refused_by_name(tmp_path):
    tokenizer = a_tokenizer(tmp_path / "old", 300)
    save_weights(a_model(300, 1), tmp_path / "old", torch.float32)
    other = a_model(300, 2, intermediate_size=128)
    with pytest.raises(ConfigError, match=r"mlp\.\w+_proj\.weight' is \[\d+, \d+\], the recipe's is"):
        start_from(tmp_path / "old", other, tokenizer)
