"""Conversations to token rows: render, mask, pack.

A step's batch is a pure function of (seed, step): resuming needs no loader state. The loss mask is 1
on what the model must produce (reasoning, answer, end of turn), 0 on the prompt.
Shapes: B rows, T tokens a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.types import Message


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids of one conversation; the model is trained on those from `prompt_tokens` on."""

    token_ids: tuple[int, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed rows. documents_BT: number of the document a token belongs to, -1 = padding.
    positions_BT restart at 0 in every document. mask_BT is True where a token is a target."""

    tokens_BT: Tensor
    positions_BT: Tensor
    documents_BT: Tensor
    mask_BT: Tensor


def encode_document(messages: Sequence[Message], template: ChatTemplate, tokenizer: Tokenizer) -> Document:
    """Render a conversation that ends in an assistant turn exactly as inference will see it.

    Prompt and completion are encoded apart, since generation starts on that boundary. A LETTER_BREAK
    splits tokens and disappears.
    """
    answer = messages[-1]
    assert answer.role == "assistant", f"a training conversation ends with {answer.role}"
    history = [replace(m, content=m.content.replace(LETTER_BREAK, "")) for m in messages[:-1]]
    prompt = template.encode(history, (), add_generation_prompt=True)
    text = f"{answer.reasoning or ''}\n</think>\n{answer.content}<|im_end|>"
    completion = [i for piece in text.split(LETTER_BREAK) for i in tokenizer.encode(piece)]
    return Document((*prompt, *completion), len(prompt))


def pack(documents: Sequence[Document], row_tokens: int) -> Rows:
    """First-fit, longest first. Documents longer than a row are refused, never cut."""
    rows: list[list[int]] = []
    free: list[int] = []
    for i in sorted(range(len(documents)), key=lambda i: -len(documents[i].token_ids)):
        size = len(documents[i].token_ids)
        assert size <= row_tokens, f"a document has {size} tokens, a row holds {row_tokens}"
        slot = next((r for r, left in enumerate(free) if left >= size), None)
        if slot is None:
            rows.append([])
            free.append(row_tokens)
            slot = len(rows) - 1
        rows[slot].append(i)
        free[slot] -= size
    return _fill(documents, rows, row_tokens)


def _fill(documents: Sequence[Document], rows: list[list[int]], row_tokens: int) -> Rows:
    shape = (len(rows), row_tokens)
    tokens = torch.zeros(shape, dtype=torch.int64)
    positions = torch.zeros(shape, dtype=torch.int64)
    owner = torch.full(shape, -1, dtype=torch.int64)
    mask = torch.zeros(shape, dtype=torch.bool)
    for r, members in enumerate(rows):
        start = 0
        for i in members:
            ids = documents[i].token_ids
            end = start + len(ids)
            tokens[r, start:end] = torch.tensor(ids)
            positions[r, start:end] = torch.arange(len(ids))
            owner[r, start:end] = i
            mask[r, start + documents[i].prompt_tokens : end] = True
            start = end
        # Padding counts on, so that no row of the attention mask is empty.
        positions[r, start:] = torch.arange(row_tokens - start)
    return Rows(tokens, positions, owner, mask)
