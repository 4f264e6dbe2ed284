"""The maximum or the average of each block of a matrix."""

from collections.abc import Sequence

from flashstep.training.tasks.gym.matrix_cells import COLUMNS, ROWS, as_text, listed
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong

_MOST_CHARACTERS = 770

# A row cut into pieces as wide as a block.
_Row = list[list[int]]


def solve(entry: Entry) -> Solved:
    """Cut the rows into pieces and work out the maximum or sum of each; then do so with the pieces of a
    block. Blocks of one cell are only listed. TooLong for averages of some large matrices.

    average 2                           max 2
     A a3 6 b6                           A a3 6 b6
    sum a3+6=9 b6                       max a6 b6
     B a7 0 b0                           B a7 0 b0
    sum a7+0=7 b0                       max a7 b0
    2*2=4 2*1=2                          a6 7: 7 b6 0: 6
     a9+7=16/4=4r0 4.0 b6+0=6/2=3r0 3.0
    """
    facts = entry["metadata"]
    matrix, kind, size = facts["matrix"], facts["pool_type"], facts["pool_size"]
    if size == 1:
        values = matrix if kind == "max" else [[f"{value}.0" for value in row] for row in matrix]
        return Solved(f"{kind} 1\n{listed(matrix)}", as_text(values))
    lines, answer = [f"{kind} {size}"], []
    rows = [[row[i : i + size] for i in range(0, len(row), size)] for row in matrix]
    for first in range(0, len(rows), size):
        band = rows[first : first + size]
        work, results = (_maxima if kind == "max" else _averages)(band, ROWS[first:])
        lines += work
        answer.append(" ".join(results))
    reasoning = "\n".join(lines)
    if len(reasoning) > _MOST_CHARACTERS:
        raise TooLong("too many sums")
    return Solved(reasoning, "\n".join(answer))


def _maxima(band: list[_Row], labels: str) -> tuple[list[str], list[str]]:
    """The lines that work out the blocks of some rows, and what they lead to."""
    lines, results, texts = [], [], []
    for label, row in zip(labels, band, strict=False):
        lines += [_listed(label, row), "max" + _labelled([str(max(piece)) for piece in row])]
    for block in zip(*band, strict=True):
        highest = [max(piece) for piece in block]
        results.append(str(max(highest)))
        texts.append(f"{' '.join(map(str, highest))}: {results[-1]}")
    return [*lines, _labelled(texts)], results


def _averages(band: list[_Row], labels: str) -> tuple[list[str], list[str]]:
    """The lines that work out the blocks of some rows, and what they lead to."""
    lines, results, texts = [], [], []
    for label, row in zip(labels, band, strict=False):
        lines += [_listed(label, row), "sum" + _labelled([_added(piece) for piece in row])]
    widths = dict.fromkeys(len(piece) for piece in band[0])
    lines.append(" ".join(f"{len(band)}*{width}={len(band) * width}" for width in widths))
    for block in zip(*band, strict=True):
        sums, num = [sum(piece) for piece in block], sum(map(len, block))
        whole, rest = divmod(sum(sums), num)
        results.append(str(round(sum(sums) / num, 2)))
        texts.append(f"{_added(sums)}/{num}={whole}r{rest} {results[-1]}")
    return [*lines, _labelled(texts)], results


def _listed(label: str, row: _Row) -> str:
    return f" {label}" + _labelled([" ".join(map(str, piece)) for piece in row])


def _labelled(texts: Sequence[str]) -> str:
    return "".join(f" {label}{text}" for label, text in zip(COLUMNS, texts, strict=False))


def _added(numbers: list[int]) -> str:
    """Running sums, "3+6=9+6=15"; one number stands alone."""
    text, total = str(numbers[0]), numbers[0]
    for number in numbers[1:]:
        total += number
        text += f"+{number}={total}"
    return text
