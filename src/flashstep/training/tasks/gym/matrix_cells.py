"""A matrix with its cells labelled: rows by capital letters, columns by small ones."""

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase

COLUMNS, ROWS = ascii_lowercase, ascii_uppercase

Matrix = Sequence[Sequence[object]]


def listed(matrix: Matrix) -> str:
    """The matrix line by line: " A a5 b8", then " B a2 b1"."""
    return "\n".join(
        f" {label}" + "".join(f" {column}{value}" for column, value in zip(COLUMNS, row, strict=False))
        for label, row in zip(ROWS, matrix, strict=False)
    )


def as_text(matrix: Matrix) -> str:
    """The matrix as the questions write it."""
    return "\n".join(" ".join(map(str, row)) for row in matrix)
