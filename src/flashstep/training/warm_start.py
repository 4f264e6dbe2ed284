"""Begins a run with the weights of another checkpoint, whatever its tokenizer.

Rows of embeddings and heads belong to tokens: a token that both tokenizers have keeps its row, a new one gets
the mean of the rows that the old tokenizer would have written it with. Everything else is copied.
"""

from pathlib import Path

import torch
from torch import Tensor

from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.model.transformer import Transformer
from flashstep.model.weights import load_model


@torch.no_grad()
def start_from(folder: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    """Overwrite the weights of `model` with those of the checkpoint `folder`; `tokenizer` is the new one.
    ConfigError when the models differ in more than the vocabulary."""
    old = check_weights(folder, model)
    sources = _source_rows(tokenizer, Tokenizer.load(folder))
    for name, weight in model.state_dict().items():
        if _is_per_token(name):
            _fill_rows(weight, old[name], sources)
        else:
            weight.copy_(old[name])


def check_weights(folder: Path, model: Transformer) -> dict[str, Tensor]:
    """The weights of the checkpoint `folder`. ConfigError when they are not there, or differ from those of
    `model` in more than the vocabulary."""
    old: dict[str, Tensor] = load_model(folder).state_dict()
    for name, weight in model.state_dict().items():
        if name not in old or old[name].shape[_is_per_token(name) :] != weight.shape[_is_per_token(name) :]:
            found = list(old[name].shape) if name in old else "missing"
            raise ConfigError(
                f"{folder} cannot start this run: its '{name}' is {found}, "
                f"the recipe's is {list(weight.shape)}"
            )
    return old


def _is_per_token(name: str) -> bool:
    """True for embeddings and heads, the matrices with a row for each token."""
    return name.endswith(("embedding.weight", "head.weight"))


def _source_rows(new: Tokenizer, old: Tokenizer) -> list[list[int]]:
    """For each new token the old ids that stand for it: its own, or those of its pieces."""
    own = {old.token_bytes(token): token for token in range(old.vocab_size)}

    def rows(content: bytes) -> list[int]:
        if content in own:
            return [own[content]]
        text = content.decode(errors="replace")
        return (
            [own[content[i : i + 1]] for i in range(len(content))]
            if "\ufffd" in text
            else old.encode_plain(text)
        )

    return [rows(new.token_bytes(token)) for token in range(new.vocab_size)]


def _fill_rows(weight: Tensor, old: Tensor, sources: list[list[int]]) -> None:
    for row, ids in enumerate(sources):
        if ids:
            weight[row] = old[ids].mean(0)
