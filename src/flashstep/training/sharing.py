"""Documents that begin alike, in one row with one beginning: a prompt with tools, several requests behind it.

Most of a conversation with tools are their declarations. Conversations that declare the same are laid
out as a tree: what they share once, then the rest of each, which sees the beginning and itself. Positions go
on as if it stood alone, so every token sees what it would see in a row of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from flashstep.training.packing import Document, Piece, Rows, first_fit, lay_out

# What is shorter is not worth sharing.
_FEWEST_SHARED = 128


@dataclass(frozen=True, slots=True)
class Tree:
    """Documents whose first `num_shared` tokens are the same; none of those is trained on."""

    documents: tuple[Document, ...]
    num_shared: int

    @property
    def num_tokens(self) -> int:
        """What it takes of a row."""
        return self.num_shared + sum(len(d.token_ids) - self.num_shared for d in self.documents)

    @property
    def numbered(self) -> tuple[Document | None, ...]:
        """What gets a number in its rows, in this order: the beginning, if one is shared (None), and the
        documents."""
        return (*([None] if self.num_shared else []), *self.documents)

    def pieces(self, numbers: Iterator[int]) -> list[Piece]:
        """The beginning, a document of its own, and what continues it; the documents alone if nothing is
        shared."""
        if not self.num_shared:
            return [
                Piece(d, 0, len(d.token_ids), n, n) for d, n in zip(self.documents, numbers, strict=False)
            ]
        first = next(numbers)
        beginning = Piece(self.documents[0], 0, self.num_shared, first, first)
        return [
            beginning,
            *(Piece(d, self.num_shared, len(d.token_ids), next(numbers), first) for d in self.documents),
        ]


def pack_alike(
    groups: Sequence[Sequence[Document]], row_tokens: Sequence[int], window: int = 0
) -> list[Rows]:
    """Rows of all documents; those of one group share their beginning if it is long, longer than `window`:
    that of the model's sliding layers (`model/context.py`). Documents longer than the widest row are
    refused."""
    return lay_out_trees(plant(groups, row_tokens[-1], window), row_tokens)


def plant(groups: Sequence[Sequence[Document]], most_tokens: int, window: int = 0) -> list[Tree]:
    """Trees of at most so many tokens that have all documents in their order; otherwise as `pack_alike`."""
    fewest = max(_FEWEST_SHARED, window)
    return [tree for group in groups for tree in _planted(group, most_tokens, fewest)]


def lay_out_trees(trees: Sequence[Tree], row_tokens: Sequence[int]) -> list[Rows]:
    """Rows of each width that is needed. Documents are numbered tree by tree, a beginning that is shared
    before what continues it."""
    numbers = count()
    pieces = [tree.pieces(numbers) for tree in trees]
    made = []
    for width, rows in first_fit([tree.num_tokens for tree in trees], row_tokens):
        for is_shared in (False, True):
            chosen = [row for row in rows if any(trees[i].num_shared for i in row) == is_shared]
            made += (
                [lay_out([[p for i in row for p in pieces[i]] for row in chosen], width)] if chosen else []
            )
    return made


def _num_shared(group: Sequence[Document]) -> int:
    """How many tokens all of `group` begin with; never as many as any prompt has, so that the first trained
    token of each is foretold in a place of its own."""
    columns = zip(*(d.token_ids[: d.prompt_tokens - 1] for d in group), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _planted(group: Sequence[Document], most_tokens: int, fewest_shared: int) -> list[Tree]:
    """As few trees as hold the documents in rows of `most_tokens`; one for each if they hardly share
    anything."""
    num_shared = _num_shared(group)
    if len(group) < 2 or num_shared < fewest_shared:
        return [Tree((document,), 0) for document in group]
    trees: list[Tree] = []
    for document in group:
        grown = Tree((*(trees[-1].documents if trees else ()), document), num_shared)
        if trees and grown.num_tokens <= most_tokens:
            trees[-1] = grown
        else:
            trees.append(Tree((document,), num_shared))
    return trees
