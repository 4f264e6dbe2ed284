"""To how many numbers the rows of the K/V caches are padded; apart from `pool.py`, since settings are read
without compiled code."""


def value_stride(head_dim: int) -> int:
    """Numbers of one V row: the head width padded to whole tiles."""
    return (head_dim + 31) // 32 * 32


def key_depth(head_dim: int) -> int:
    """Numbers of one key in a block: the head width padded to pairs."""
    return (head_dim + 1) // 2 * 2
