"""A square matrix turned clockwise by a multiple of 90 degrees."""

from flashstep.training.tasks.gym.matrix_cells import COLUMNS, ROWS, as_text, listed
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Label the cells, then read the new rows off. Turned by 90, the first is the first column from below:

    450 is 90
     A a5 b8
     B a2 b1
    to
     a B2 A5
     b B1 A8
    """
    matrix, degrees = entry["metadata"]["matrix"], 90 * entry["metadata"]["num_rotations"]
    turn = degrees % 360
    cells = _turned(len(matrix), turn)
    lines = [f"{degrees} is {turn}", listed(matrix)]
    if turn:
        lines.append("to")
        for line in cells:
            labels = [_labels(row, column, turn) for row, column in line]
            values = (matrix[row][column] for row, column in line)
            lines.append(
                f" {labels[0][0]}" + "".join(f" {c}{v}" for (_, c), v in zip(labels, values, strict=True))
            )
    turned = [[matrix[row][column] for row, column in line] for line in cells]
    return Solved("\n".join(lines), as_text(turned))


def _turned(size: int, turn: int) -> list[list[tuple[int, int]]]:
    """The row and column that each cell of the turned matrix had before."""
    end = size - 1
    return [
        [{0: (r, c), 90: (end - c, r), 180: (end - r, end - c), 270: (c, end - r)}[turn] for c in range(size)]
        for r in range(size)
    ]


def _labels(row: int, column: int, turn: int) -> tuple[str, str]:
    """What the line of a cell and the cell itself are labelled with: a new row was a row or a column."""
    return (ROWS[row], COLUMNS[column]) if turn == 180 else (COLUMNS[column], ROWS[row])
