"""Keys: candidates of a search as single integers, for use inside kernels.

A key is an int64. Its upper 32 bits are the negated score of the candidate; its lower 32 bits are the row, followed by
a flag for candidates that a graph search has expanded. Sorting keys sorts candidates by descending score, and equal
scores by ascending row, so that the order is always defined. Rows must be below 2**31.
"""

from typing import Any

from vsearch_core.kernels.jit import kernel

EXPANDED = 1


@kernel(inline="always")
def make_key(score: int, row: int) -> Any:
    """Pack a row and its int32 score into a key. Return the key; its flag says that the row isn't expanded."""
    return (-score << 32) | (row << 1)


@kernel(inline="always")
def key_row(key: int) -> Any:
    """Return the row number in a key."""
    return (key & 0xFFFFFFFF) >> 1
