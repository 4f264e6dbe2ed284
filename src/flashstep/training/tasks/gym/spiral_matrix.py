"""The elements of a square matrix in spiral order."""

from itertools import cycle

from flashstep.training.tasks.gym.matrix_cells import COLUMNS, ROWS, listed
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Label the cells, then walk. A way runs along the line where the last one ended, and ends where the one
    before that began; the walk is over after two ways of one cell.

    spiral
     A a2 b9
     B a7 b3
    right A a2 b9
    down b B3
    left B a7
    """
    matrix = entry["metadata"]["matrix"]
    lines, answer = ["spiral", listed(matrix)], []
    for direction, cells in _ways(len(matrix)):
        is_row = direction in ("right", "left")
        row, column = cells[0]
        way = f"{direction} {ROWS[row] if is_row else COLUMNS[column]}"
        for row, column in cells:
            value = matrix[row][column]
            way += f" {COLUMNS[column] if is_row else ROWS[row]}{value}"
            answer.append(str(value))
        lines.append(way)
    return Solved("\n".join(lines), " ".join(answer))


def _ways(size: int) -> list[tuple[str, list[tuple[int, int]]]]:
    """The directions of the spiral with the cells (row, column) of each."""
    lengths = [size] + [n for n in range(size - 1, 0, -1) for _ in range(2)]
    steps = cycle((("right", 0, 1), ("down", 1, 0), ("left", 0, -1), ("up", -1, 0)))
    ways, row, column = [], 0, -1
    for length, (direction, down, right) in zip(lengths, steps, strict=False):
        cells = [(row + down * i, column + right * i) for i in range(1, length + 1)]
        row, column = cells[-1]
        ways.append((direction, cells))
    return ways
