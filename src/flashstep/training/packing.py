"""Conversations to token rows: render, mask, pack.

The loss mask is 1 on what the model must produce (reasoning, answer, calls, end of turn), 0 on everything it
is given.
Shapes: B rows, T tokens a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.training.tasks.dialogue import Dialogue, without_breaks
from flashstep.types import Message, Tool


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids of one conversation; the model is trained on those from `prompt_tokens` on, but for
    the half-open ranges `given` (what came between two of its turns, such as tool results)."""

    token_ids: tuple[int, ...]
    prompt_tokens: int
    given: tuple[tuple[int, int], ...] = ()

    @property
    def loss_mask(self) -> list[bool]:
        """One entry a token: True where it is trained on."""
        mask = [index >= self.prompt_tokens for index in range(len(self.token_ids))]
        for start, end in self.given:
            mask[start:end] = [False] * (end - start)
        return mask


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed rows. documents_BT: number of the document a token belongs to, -1 = padding. positions_BT
    restart at 0 in every document. mask_BT is True where a token is a target. prefixes_BT: number of the
    document that a token's document continues, and therefore sees; None = none does (`sharing.py`)."""

    tokens_BT: Tensor
    positions_BT: Tensor
    documents_BT: Tensor
    mask_BT: Tensor
    prefixes_BT: Tensor | None = None

    def to(self, device: torch.device) -> "Rows":
        """The same rows on `device`."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {name: t.to(device, non_blocking=True) for name, t in tensors.items() if t is not None}
        return Rows(**moved)

    def parts(self, most_tokens: int) -> "Iterator[Rows]":
        """Some of the rows after the others, at most so many tokens of them at a time, one row at least."""
        height = max(1, most_tokens // self.tokens_BT.shape[1])
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        split = {name: t.split(height) for name, t in tensors.items() if t is not None}
        return (Rows(**dict(zip(split, each, strict=True))) for each in zip(*split.values(), strict=True))


@dataclass(frozen=True, slots=True)
class Piece:
    """The tokens of `document` from its token `begin` to before `end`, as document `number` of some rows.
    prefix: number of the one that it continues; its own when it continues none."""

    document: Document
    begin: int
    end: int
    number: int
    prefix: int


def encode_document(
    messages: Sequence[Message], template: ChatTemplate, tokenizer: Tokenizer, tools: Sequence[Tool] = ()
) -> Document:
    """Render a conversation that ends in an assistant turn exactly as inference will see it.

    Prompt and completion are encoded apart, since generation starts on that boundary. A LETTER_BREAK
    splits tokens and disappears. Only the last turn is trained.
    """
    answer = messages[-1]
    assert answer.role == "assistant", f"a training conversation ends with {answer.role}"
    history = [without_breaks(message) for message in messages[:-1]]
    prompt = template.encode(history, tools, add_generation_prompt=True)
    opened = tokenizer.decode(prompt)
    whole = template.render([*history, answer], tools, add_generation_prompt=False)
    assert whole.startswith(opened), "the template shows no reasoning in the last turn"
    text = whole.removeprefix(opened).removesuffix("\n")
    completion = [i for piece in text.split(LETTER_BREAK) for i in tokenizer.encode(piece)]
    return Document((*prompt, *completion), len(prompt))


def encode_dialogue(dialogue: Dialogue, template: ChatTemplate, tokenizer: Tokenizer) -> list[Document]:
    """The documents that train every trained turn of `dialogue`.

    Turns share a document as long as the prompt of the later one begins with all tokens of the earlier
    one, as in a tool loop. A new user message makes the template drop the earlier reasoning; from there
    on, a document of its own has what inference sees then.
    """
    documents: list[Document] = []
    for turn in dialogue.turns:
        later = encode_document(dialogue.messages[: turn + 1], template, tokenizer, dialogue.tools)
        joined = _joined(documents[-1], later) if documents else None
        documents[-1:] = [joined] if joined else [*documents[-1:], later]
    return documents


def _joined(earlier: Document, later: Document) -> Document | None:
    """Both turns in one document; None when what `later` is given does not begin with `earlier`."""
    size = len(earlier.token_ids)
    if later.prompt_tokens < size or later.token_ids[:size] != earlier.token_ids:
        return None
    return Document(later.token_ids, earlier.prompt_tokens, (*earlier.given, (size, later.prompt_tokens)))


def pack(documents: Sequence[Document], row_tokens: Sequence[int]) -> list[Rows]:
    """Rows of each width of `row_tokens` (ascending) that is needed, narrow ones first. Documents longer than
    the widest row are refused, never cut."""
    pieces = [Piece(document, 0, len(document.token_ids), i, i) for i, document in enumerate(documents)]
    return [
        lay_out([[pieces[i] for i in row] for row in rows], width)
        for width, rows in first_fit([piece.end for piece in pieces], row_tokens)
    ]


def first_fit(sizes: Sequence[int], row_tokens: Sequence[int]) -> list[tuple[int, list[list[int]]]]:
    """Of each width that is needed: which pieces, by number, go into each of its rows.

    Longest piece first; what fits nowhere opens a row of the narrowest width that holds it, so short
    documents do not pay for the attention of long rows.
    """
    rows: list[list[int]] = []
    widths: list[int] = []
    free: list[int] = []
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        assert sizes[i] <= row_tokens[-1], f"a document has {sizes[i]} tokens, a row holds {row_tokens[-1]}"
        slot = next((r for r, left in enumerate(free) if left >= sizes[i]), None)
        if slot is None:
            rows.append([])
            widths.append(next(width for width in row_tokens if width >= sizes[i]))
            free.append(widths[-1])
            slot = len(rows) - 1
        rows[slot].append(i)
        free[slot] -= sizes[i]
    return [
        (width, [row for row, w in zip(rows, widths, strict=True) if w == width])
        for width in sorted(set(widths))
    ]


def lay_out(rows: Sequence[Sequence[Piece]], row_tokens: int) -> Rows:
    """The pieces of each row one behind the other. The rest of a row has its beginning once more, as no
    document: of one padding token all would go to the same experts, and their routers be balanced by it."""
    shape = (len(rows), row_tokens)
    tokens = torch.zeros(shape, dtype=torch.int64)
    positions = torch.zeros(shape, dtype=torch.int64)
    owner = torch.full(shape, -1, dtype=torch.int64)
    prefixes = torch.full(shape, -1, dtype=torch.int64)
    mask = torch.zeros(shape, dtype=torch.bool)
    for r, pieces in enumerate(rows):
        start = 0
        for piece in pieces:
            place, part = slice(start, start + piece.end - piece.begin), slice(piece.begin, piece.end)
            tokens[r, place] = torch.tensor(piece.document.token_ids[part])
            positions[r, place] = torch.arange(piece.begin, piece.end)
            owner[r, place], prefixes[r, place] = piece.number, piece.prefix
            mask[r, place] = torch.tensor(piece.document.loss_mask[part])
            start = place.stop
        # The positions count on, so that no row of the attention mask is empty.
        padding = torch.arange(row_tokens - start)
        tokens[r, start:], positions[r, start:] = tokens[r, padding % start], padding
    is_continued = any(piece.prefix != piece.number for pieces in rows for piece in pieces)
    return Rows(tokens, positions, owner, mask, prefixes if is_continued else None)
