"""The block ids of one sequence in one pool, in the order of its positions.

Position p lives in entry p // block_size. Released entries stay in place as -1, so that the
index keeps its meaning; they are always the first `num_released` ones.
"""

import numpy as np

from flashstep.engine.batch import Int32


class BlockTable:
    """A growable int32 row; entries from `num_blocks` on are -1."""

    __slots__ = ("_ids", "num_blocks", "num_released")

    def __init__(self) -> None:
        self._ids: Int32 = np.full(8, -1, np.int32)
        self.num_blocks = 0
        self.num_released = 0

    def row(self, width: int) -> Int32:
        """A view of the first `width` entries, -1 behind the last block."""
        if width > len(self._ids):
            self._enlarge(width)
        return self._ids[:width]

    def append(self, block_ids: list[int]) -> None:
        """Put blocks behind the last one."""
        end = self.num_blocks + len(block_ids)
        if end > len(self._ids):
            self._enlarge(end)
        self._ids[self.num_blocks : end] = block_ids
        self.num_blocks = end

    def adopt(self, num_released: int, block_ids: list[int]) -> None:
        """Begin, while empty, with blocks of another sequence behind `num_released` that are gone."""
        assert self.num_blocks == 0, f"the table already has {self.num_blocks} blocks"
        self.append([-1] * num_released + block_ids)
        self.num_released = num_released

    def __getitem__(self, index: int) -> int:
        return int(self._ids[index])

    def owned(self) -> list[int]:
        """The blocks held now, oldest first."""
        ids: list[int] = self._ids[self.num_released : self.num_blocks].tolist()
        return ids

    def release_before(self, index: int) -> list[int]:
        """Let go of all entries before `index`; returns the blocks for the pool to take back."""
        released: list[int] = self._ids[self.num_released : index].tolist()
        self._ids[self.num_released : index] = -1
        self.num_released = index
        return released

    def clear(self) -> list[int]:
        """Forget everything; returns the blocks held until now."""
        released = self.owned()
        self._ids[: self.num_blocks] = -1
        self.num_blocks = self.num_released = 0
        return released

    def _enlarge(self, width: int) -> None:
        ids: Int32 = np.full(max(width, 2 * len(self._ids)), -1, np.int32)
        ids[: len(self._ids)] = self._ids
        self._ids = ids
